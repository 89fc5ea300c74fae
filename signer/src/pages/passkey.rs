//! Passkeys in the browser. It reads and writes the JSON of `WebAuthn` Level 3 itself, which keeps this small; in a browser that
//! does not, passkeys are not offered.

use js_sys::{Function, JSON, Object, Promise, Reflect};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::AbortSignal;

/// How long the user may take, in ms: less than the server accepts the signature for.
pub(super) const TIMEOUT: u32 = 110_000;

/// What a page shows while the browser asks the user for a passkey.
pub(super) const PROMPT: &str = "Use your passkey…";

/// What to do with a passkey: the names of the browser's functions.
#[derive(Clone, Copy)]
pub(super) struct Operation {
    parse: &'static str,
    call: &'static str,
}

/// Signs with a passkey.
pub(super) const GET: Operation = Operation { parse: "parseRequestOptionsFromJSON", call: "get" };

/// Creates a passkey.
pub(super) const CREATE: Operation = Operation { parse: "parseCreationOptionsFromJSON", call: "create" };

/// Whether this browser has passkeys.
pub(super) fn is_supported() -> bool {
    [GET, CREATE].iter().all(|operation| function(&class(), operation.parse).is_ok())
}

/// Whether the browser can offer passkeys among the suggestions of the login's input.
pub(super) async fn is_conditional_supported() -> bool {
    let asked = async {
        let class = class();
        let promise: Promise = function(&class, "isConditionalMediationAvailable")?.call0(&class)?.dyn_into()?;
        JsFuture::from(promise).await
    };
    is_supported() && asked.await.is_ok_and(|answer: JsValue| answer.is_truthy())
}

/// Has the browser use or create a passkey, within `timeout` ms. `members` are those of the options' JSON beside the common ones, each with a comma
/// at its end. Returns the JSON text of the response.
///
/// # Errors
/// That of the browser: `NotAllowedError` when the user cancels.
pub(super) async fn run(
    operation: Operation,
    challenge: &str,
    members: &str,
    timeout: u32,
    waits: Option<&AbortSignal>,
) -> Result<String, JsValue> {
    let json = ["{", members, r#""timeout":"#, &timeout.to_string(), r#","challenge":""#, challenge, r#""}"#].concat();
    let class = class();
    let parsed = function(&class, operation.parse)?.call1(&class, &JSON::parse(&json)?)?;
    let options = Object::new();
    Reflect::set(&options, &"publicKey".into(), &parsed)?;
    if let Some(signal) = waits {
        Reflect::set(&options, &"mediation".into(), &"conditional".into())?;
        Reflect::set(&options, &"signal".into(), signal)?;
    }
    let navigator = web_sys::window().ok_or(JsValue::NULL)?.navigator();
    let credentials = Reflect::get(&navigator, &"credentials".into())?;
    let promise: Promise = function(&credentials, operation.call)?.call1(&credentials, &options)?.dyn_into()?;
    let credential = JsFuture::from(promise).await?;
    JSON::stringify(&credential)?.as_string().ok_or(JsValue::NULL)
}

/// Common members of the options for [`GET`].
pub(super) fn get_members(rp_id: &str, allowed: &str) -> String {
    [r#""rpId":""#, rp_id, r#"","userVerification":"required","allowCredentials":["#, allowed, "],"].concat()
}

fn class() -> JsValue {
    Reflect::get(&js_sys::global(), &"PublicKeyCredential".into()).unwrap_or(JsValue::NULL)
}

fn function(of: &JsValue, name: &str) -> Result<Function, JsValue> {
    Reflect::get(of, &name.into())?.dyn_into()
}
