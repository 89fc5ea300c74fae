//! Signs one request (docs/PROTOCOL.md §5).

use protocol::{
    digest::ContentDigest,
    message::SignedHeaders,
    signature::{Covered, METHOD, SignatureInput},
    token::{Nonce, SessionHandle},
};
use wasm_bindgen::JsValue;

use crate::{clock::server_time, keys::Key};

/// A request to sign, after the check that it may be signed.
pub(crate) struct UnsignedRequest<'a> {
    /// Host and port of the target origin.
    pub(crate) authority: &'a str,
    pub(crate) path: &'a str,
    /// The body, exactly as it is sent.
    pub(crate) body: &'a str,
    pub(crate) session: &'a SessionHandle,
    pub(crate) nonce: Nonce,
    /// The value of `X-Interaction-Proof`.
    pub(crate) proof: String,
}

impl UnsignedRequest<'_> {
    /// Signs the request at the server's time. `offset` is the server's clock minus the device's, in ms.
    pub(crate) async fn sign(self, key: &Key, offset: f64) -> Result<SignedHeaders, JsValue> {
        Ok(self.sign_base(key, offset).await?.0)
    }

    /// [`Self::sign`], and the signature base.
    pub(crate) async fn sign_base(self, key: &Key, offset: f64) -> Result<(SignedHeaders, String), JsValue> {
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
        let base = covered.base(&input);
        let signature = key.sign(&base).await?;
        let headers = SignedHeaders {
            session: self.session.to_string(),
            proof: self.proof,
            digest: digest.to_string(),
            signature_input: input.to_string(),
            signature: signature.to_string(),
        };
        Ok((headers, base))
    }
}
