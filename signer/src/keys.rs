//! Session keys: ECDSA P-256 in `WebCrypto`. The private half cannot be exported, not even by the sign origin's
//! scripts.

use js_sys::{Array, JSON, Object, Promise, Reflect, Uint8Array};
use protocol::{key::PublicKey, signature::Signature};
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::{Crypto, CryptoKey, SubtleCrypto};

use crate::wait::{LOCAL, within};

/// A key pair of a session.
pub(crate) struct Key {
    private: CryptoKey,
    public: PublicKey,
}

impl Key {
    /// Generates a key.
    pub(crate) async fn generate() -> Result<Self, JsValue> {
        let (private, public) = generate("ECDSA", "sign").await?;
        Ok(Self { private, public })
    }

    /// Restores a key from the key store: the private half and the public SEC 1 point.
    pub(crate) fn of(private: CryptoKey, point: &[u8]) -> Result<Self, JsValue> {
        let public = PublicKey::from_sec1(point).map_err(|_| JsValue::NULL)?;
        Ok(Self { private, public })
    }

    /// The private half: an opaque `WebCrypto` handle.
    pub(crate) fn private(&self) -> &CryptoKey {
        &self.private
    }

    /// The public half.
    pub(crate) fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs a text. Only texts that the sign origin has built may be signed.
    pub(crate) async fn sign(&self, text: &str) -> Result<Signature, JsValue> {
        let bytes = Uint8Array::from(text.as_bytes());
        let algorithm = object(r#"{"name":"ECDSA","hash":"SHA-256"}"#, &[])?;
        let made = wait(subtle()?.sign_with_object_and_js_u8_array(&algorithm, &self.private, &bytes)).await?;
        Signature::from_p1363(&Uint8Array::new(&made).to_vec()).map_err(|_| JsValue::NULL)
    }
}

/// Generates a P-256 key: the private half, which cannot be exported and has one usage, and the public half.
pub(crate) async fn generate(algorithm: &str, usage: &str) -> Result<(CryptoKey, PublicKey), JsValue> {
    let algorithm = object(r#"{"namedCurve":"P-256"}"#, &[("name", algorithm.into())])?;
    let usages = Array::of1(&usage.into());
    let pair = wait(subtle()?.generate_key_with_object(&algorithm, false, &usages)).await?;
    let half = |name: &str| Reflect::get(&pair, &name.into()).map(JsValue::unchecked_into::<CryptoKey>);
    let point = wait(subtle()?.export_key("raw", &half("publicKey")?)).await?;
    let public = PublicKey::from_sec1(&Uint8Array::new(&point).to_vec()).map_err(|_| JsValue::NULL)?;
    Ok((half("privateKey")?, public))
}

/// Random bytes.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], JsValue> {
    let mut bytes = [0; N];
    crypto()?.get_random_values_with_u8_array(&mut bytes)?;
    Ok(bytes)
}

/// Parses a JSON object and adds members to it.
pub(crate) fn object(json: &str, members: &[(&str, JsValue)]) -> Result<Object, JsValue> {
    let object = JSON::parse(json)?;
    for (name, value) in members {
        Reflect::set(&object, &(*name).into(), value)?;
    }
    Ok(object.unchecked_into())
}

fn crypto() -> Result<Crypto, JsValue> {
    web_sys::window().ok_or(JsValue::NULL)?.crypto()
}

/// The `SubtleCrypto` interface of this document.
pub(crate) fn subtle() -> Result<SubtleCrypto, JsValue> {
    Ok(crypto()?.subtle())
}

/// Waits for a promise that may not have been created.
pub(crate) async fn wait(promise: Result<Promise, JsValue>) -> Result<JsValue, JsValue> {
    within(LOCAL, &promise?).await
}
