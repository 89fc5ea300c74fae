//! Signs a confirmed request with a passkey, and creates passkeys and recovery codes (docs/PROTOCOL.md §12).

use base64ct::{Base64UrlUnpadded, Encoding};
use protocol::{
    action::Action as _,
    built_in::{AddPasskey, CreateRecoveryCodes},
    message::{AttestedHeaders, WindowRejection},
    passkey::{self as wire, PasskeyId},
    recovery,
};
use wasm_bindgen::JsValue;

use super::{
    Page,
    passkey::{self, CREATE, GET},
    recovery_codes::RecoveryCodes,
    request::Request,
};
use crate::{http, keys::Key};

/// The passkeys of the session's user, and what a request does with them.
pub(super) struct SessionPasskeys {
    /// The user handle.
    user: String,
    /// The members of `allowCredentials` and `excludeCredentials`.
    listed: String,
    /// Whether one of them must sign.
    signs: bool,
    /// Whether a new one is created.
    creates: bool,
    /// New recovery codes.
    codes: Option<RecoveryCodes>,
}

impl SessionPasskeys {
    /// Asks the server for the passkeys of the request's session.
    pub(super) async fn fetch(request: &Request) -> Result<Self, WindowRejection> {
        let body = ["\"", &request.to_sign.session.to_string(), "\""].concat();
        let wire::SessionPasskeys { user, ids, recent } = http::post("/passkeys", &body, &[]).await?.read()?;
        let creates = request.entry.path == AddPasskey::PATH;
        if creates && ids.is_empty() && !recent {
            return Err(WindowRejection::SignInRequired);
        }
        let codes = match request.entry.path == CreateRecoveryCodes::PATH {
            true if ids.is_empty() => return Err(WindowRejection::NothingToRecover),
            true => Some(RecoveryCodes::generate().map_err(|_| WindowRejection::SigningFailed)?),
            false => None,
        };
        let passkeys = Self { user, listed: descriptors(&ids), signs: !ids.is_empty(), creates, codes };
        if passkeys.is_used() && !passkey::is_supported() {
            return Err(WindowRejection::NoPasskey);
        }
        Ok(passkeys)
    }

    /// Whether the browser will ask the user for a passkey.
    pub(super) fn is_used(&self) -> bool {
        self.signs || self.creates
    }

    /// The new recovery codes, which the user must see.
    pub(super) fn codes(&self) -> Option<&RecoveryCodes> {
        self.codes.as_ref()
    }

    /// Has passkeys sign the signature base, and adds their headers. `login` is the user's.
    pub(super) async fn sign(
        &self,
        page: &Page,
        key: &Key,
        login: &str,
        base: &str,
        headers: &mut AttestedHeaders,
    ) -> Result<(), JsValue> {
        let bytes = wire::challenge(base);
        let challenge = Base64UrlUnpadded::encode_string(&bytes);
        // The server accepts both signatures for as long as one.
        let timeout = if self.signs && self.creates { passkey::TIMEOUT / 2 } else { passkey::TIMEOUT };
        if self.signs {
            let members = passkey::get_members(page.rp_id(), &self.listed);
            let assertion = passkey::run(GET, &challenge, &members, timeout, None).await?;
            headers.passkey = Some(wire::header(&assertion));
        }
        if self.creates {
            let members = self.creation_members(page, login)?;
            let registration = passkey::run(CREATE, &challenge, &members, timeout, None).await?;
            let signature = key.sign(&wire::new_passkey_statement(&bytes, &registration)).await?;
            headers.new_passkey = Some(wire::new_passkey_header(&registration, &signature));
        }
        if let Some(codes) = &self.codes {
            let hashes = codes.hashes(&self.user);
            let signature = key.sign(&recovery::statement(&bytes, &hashes)).await?;
            headers.recovery_codes = Some(recovery::header(&hashes, &signature));
        }
        Ok(())
    }

    fn creation_members(&self, page: &Page, login: &str) -> Result<String, JsValue> {
        let login = serde_json::to_string(login).map_err(|_| JsValue::NULL)?;
        Ok([
            r#""rp":{"id":""#,
            page.rp_id(),
            r#"","name":""#,
            page.app_authority(),
            r#""},"user":{"id":""#,
            &self.user,
            r#"","name":"#,
            &login,
            r#","displayName":"#,
            &login,
            r#"},"pubKeyCredParams":[{"type":"public-key","alg":-7},{"type":"public-key","alg":-257}],"attestation":"none","authenticatorSelection":{"residentKey":"required","requireResidentKey":true,"userVerification":"required"},"excludeCredentials":["#,
            &self.listed,
            "],",
        ]
        .concat())
    }
}

/// The passkeys as members of `allowCredentials` and `excludeCredentials`.
fn descriptors(ids: &[PasskeyId]) -> String {
    let each = ids.iter().map(|id| [r#"{"type":"public-key","id":""#, id.as_str(), r#""}"#].concat());
    each.collect::<Vec<_>>().join(",")
}
