//! Checks the request to the confirmation window. This module uses no browser API, so its tests run natively.

use protocol::{
    action::{Action as _, ActionEntry, Level, Summary},
    built_in::RestoreBrowser,
    catalogue::{Catalogue, Summaries},
    json,
    message::{ToWindow, WindowLink, WindowRejection},
};

/// A request that may be confirmed.
#[derive(Debug)]
pub(super) struct Request {
    /// The message from the application.
    pub(super) to_sign: ToWindow,
    /// The catalogue entry of the action.
    pub(super) entry: &'static ActionEntry,
    /// The summary to show, parsed from the same bytes that are signed.
    pub(super) summary: Summary,
    /// Whether a user who has a passkey must use it.
    pub(super) needs_passkey: bool,
}

impl Request {
    /// Parses and checks the message of the opener.
    pub(super) fn from_message(
        catalogue: Catalogue,
        summaries: Summaries,
        text: &str,
    ) -> Result<Self, WindowRejection> {
        let to_sign = json::read::<ToWindow>(text.as_bytes()).map_err(|_| WindowRejection::Malformed)?;
        Self::check(catalogue, summaries, to_sign)
    }

    /// Checks that the request is an action above level Signed and that its body is canonical.
    pub(super) fn check(
        catalogue: Catalogue,
        summaries: Summaries,
        to_sign: ToWindow,
    ) -> Result<Self, WindowRejection> {
        let entry = catalogue.at(&to_sign.path).filter(|entry| entry.level > Level::Signed);
        let entry = entry.ok_or(WindowRejection::Malformed)?;
        let action = entry.parse(to_sign.body.as_bytes()).map_err(|_| WindowRejection::Malformed)?;
        let summary = summaries.of(entry.path, &*action).ok_or(WindowRejection::Malformed)?;
        // When the frame has lost its key, the page has no nonce.
        let invents_nonce = entry.path == RestoreBrowser::PATH;
        if to_sign.nonce.is_none() == invents_nonce {
            Ok(Self { to_sign, entry, summary, needs_passkey: action.needs_passkey() })
        } else {
            Err(WindowRejection::Malformed)
        }
    }
}

/// Parses the request from a decoded fragment.
pub(super) fn link_from(bytes: &[u8]) -> Result<WindowLink, WindowRejection> {
    json::read(bytes).map_err(|_| WindowRejection::Malformed)
}

#[cfg(test)]
mod tests {
    use protocol::token::{Nonce, SessionHandle};

    use super::*;
    use crate::test_actions::{ACTION_SUMMARIES, CATALOGUE};

    const SUMMARIES: Summaries = Summaries::new(ACTION_SUMMARIES);

    const ORDER: &str = r#"{"to":"grace","amount":1200,"note":"rent"}"#;
    const KEY: &str = r#"{"key":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#;

    fn to_window(path: &str, body: &str, has_nonce: bool) -> ToWindow {
        ToWindow {
            session: SessionHandle::parse("AAAAAAAAAAAAAAAAAAAAAA").expect("22 characters"),
            path: path.to_owned(),
            body: body.to_owned(),
            nonce: has_nonce.then(|| Nonce::new([7; 16])),
        }
    }

    #[test]
    fn summary_is_of_the_signed_bytes() {
        let text = serde_json::to_string(&to_window("/api/order", ORDER, true)).expect("has a text");
        let request = Request::from_message(CATALOGUE, SUMMARIES, &text).expect("it may be confirmed");
        assert_eq!(request.summary.lines[0], ("Amount", "1200".to_owned()));
        assert_eq!((request.entry.name, request.to_sign.body.as_str()), ("order", ORDER));
    }

    #[test]
    fn step_up_and_restore_may_be_confirmed() {
        assert!(Request::check(CATALOGUE, SUMMARIES, to_window("/api/title", r#"{"name":"Ada"}"#, true)).is_ok());
        assert!(Request::check(CATALOGUE, SUMMARIES, to_window("/api/restore_browser", KEY, false)).is_ok());
    }

    #[test]
    fn other_requests_are_rejected() {
        for to_sign in [
            to_window("/api/notes", "{}", true),
            to_window("/api/nonces", "{}", false),
            to_window("/api/order?a=1", ORDER, true),
            to_window("/api/order", "{}", true),
            to_window("/api/order", &format!("{ORDER} "), true),
            to_window("/api/order", ORDER, false),
            to_window("/api/restore_browser", KEY, true),
        ] {
            assert_eq!(Request::check(CATALOGUE, SUMMARIES, to_sign).err(), Some(WindowRejection::Malformed));
        }
        for text in ["", "null", "{}", r#"{"session":"x"}"#] {
            assert_eq!(
                Request::from_message(CATALOGUE, SUMMARIES, text).err(),
                Some(WindowRejection::Malformed),
                "{text}"
            );
            assert!(link_from(text.as_bytes()).is_err());
        }
    }
}
