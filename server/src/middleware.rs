//! What every request passes through before it reaches a handler.

pub(crate) mod host_routing;
pub mod security_headers;
pub(crate) mod theft;
pub(crate) mod unverified;
pub mod verification;
