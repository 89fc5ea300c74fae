//! The pages of the sign origin.

fn main() {
    signer::start_pages();
}
