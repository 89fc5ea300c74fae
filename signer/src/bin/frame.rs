//! The signing frame.

fn main() {
    signer::start_frame();
}
