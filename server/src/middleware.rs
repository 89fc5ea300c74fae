//! What every request passes through before it reaches a handler. `router` has the order.

pub(crate) mod client_nonce;
pub(crate) mod host_routing;
pub(crate) mod request_id;
pub mod security_headers;
pub(crate) mod signature_check;
pub(crate) mod source_check;
pub(crate) mod theft;
pub(crate) mod unverified;
pub(crate) mod verification;
pub(crate) mod verified_request;
