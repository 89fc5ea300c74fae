//! The sign-in and registration pages.

fn main() {
    signer::start_pages();
}
