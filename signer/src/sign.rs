//! Signing one request (docs/PROTOCOL.md §5).

use protocol::{
    digest::ContentDigest,
    message::SignedHeaders,
    signature::{Covered, METHOD, SignatureInput},
    token::{Nonce, SessionHandle},
};
use wasm_bindgen::JsValue;

use crate::{clock::server_time, keys::Key};

/// A request to sign. Whether it may be signed has been decided.
pub(crate) struct Order<'a> {
    /// Host and port of the origin that it is sent to.
    pub(crate) authority: &'a str,
    /// Where to.
    pub(crate) path: &'a str,
    /// The body, exactly as it will be sent.
    pub(crate) body: &'a str,
    /// The session.
    pub(crate) session: &'a SessionHandle,
    /// The nonce to spend.
    pub(crate) nonce: Nonce,
    /// The value of `X-Interaction-Proof`.
    pub(crate) proof: String,
}

impl Order<'_> {
    /// Signs it with a key, at the server's time: `offset` is that minus the device's, in ms.
    pub(crate) async fn sign(self, key: &Key, offset: f64) -> Result<SignedHeaders, JsValue> {
        let created = server_time(js_sys::Date::now(), offset) / 1000;
        let input = SignatureInput::new(created, self.nonce, key.public().thumbprint()).map_err(|_| JsValue::NULL)?;
        let digest = ContentDigest::of(self.body.as_bytes());
        let covered = Covered {
            method: METHOD,
            authority: self.authority,
            path: self.path,
            query: "",
            digest: &digest,
            session: self.session,
            proof: &self.proof,
        };
        let signature = key.sign(&covered.base(&input)).await?;
        Ok(SignedHeaders {
            session: self.session.to_string(),
            proof: self.proof,
            digest: digest.to_string(),
            signature_input: input.to_string(),
            signature: signature.to_string(),
        })
    }
}
