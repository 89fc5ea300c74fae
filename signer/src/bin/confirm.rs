//! The confirmation window.

fn main() {
    signer::start_confirm();
}
