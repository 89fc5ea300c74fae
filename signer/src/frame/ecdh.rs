//! Push keys: agreed by ECDH P-256, derived by HKDF-SHA256 (RFC 5869), and usable only to verify HMACs.
//!
//! `WebCrypto` does all computations, so no secret is ever in this program's memory.

use js_sys::{Array, Uint8Array};
use protocol::{
    key::PublicKey,
    push::{AgreedKey, ConnectionId, Mac, key_info},
    token::SessionHandle,
};
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::CryptoKey;

use crate::keys::{generate, object, subtle, wait};

/// The frame's ephemeral ECDH key.
pub(crate) struct EphemeralKey {
    private: CryptoKey,
    /// The public half, which is sent to the server.
    pub(crate) point: PublicKey,
}

impl EphemeralKey {
    /// Generates a key.
    pub(crate) async fn generate() -> Result<Self, JsValue> {
        let (private, point) = generate("ECDH", "deriveKey").await?;
        Ok(Self { private, point })
    }

    /// Derives the push key of a session and connection from the server's response.
    pub(crate) async fn derive(
        &self,
        session: &SessionHandle,
        conn: &ConnectionId,
        agreed: &AgreedKey,
    ) -> Result<CryptoKey, JsValue> {
        let derive = Array::of1(&"deriveKey".into());
        let point = Uint8Array::from(&agreed.server_key.as_sec1()[..]);
        let curve = object(r#"{"name":"ECDH","namedCurve":"P-256"}"#, &[])?;
        // The import rejects a point that is not on the curve.
        let server_key = wait(subtle()?.import_key_with_object("raw", &point, &curve, false, &Array::new())).await?;

        let ecdh = object(r#"{"name":"ECDH"}"#, &[("public", server_key)])?;
        let hkdf = object(r#"{"name":"HKDF"}"#, &[])?;
        let secret =
            wait(subtle()?.derive_key_with_object_and_object(&ecdh, &self.private, &hkdf, false, &derive)).await?;

        let info = key_info(session, conn, &agreed.kid, &self.point, &agreed.server_key);
        let (salt, info) = (Uint8Array::new_with_length(0).into(), Uint8Array::from(&info[..]).into());
        let hkdf = object(r#"{"name":"HKDF","hash":"SHA-256"}"#, &[("salt", salt), ("info", info)])?;
        let hmac = object(r#"{"name":"HMAC","hash":"SHA-256","length":256}"#, &[])?;
        let verify = Array::of1(&"verify".into());
        let secret: CryptoKey = secret.unchecked_into();
        let key = wait(subtle()?.derive_key_with_object_and_object(&hkdf, &secret, &hmac, false, &verify)).await?;
        Ok(key.unchecked_into())
    }
}

/// Whether a MAC is valid. The browser compares in constant time.
pub(crate) async fn is_valid(key: &CryptoKey, mac: &Mac, message: &[u8]) -> Result<bool, JsValue> {
    let (mac, message) = (Uint8Array::from(&mac.as_bytes()[..]), Uint8Array::from(message));
    let verified = subtle()?.verify_with_str_and_js_u8_array_and_js_u8_array("HMAC", key, &mac, &message);
    Ok(wait(verified).await? == JsValue::TRUE)
}
