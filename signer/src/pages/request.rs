//! What the confirmation window is asked to confirm, judged. No browser in here: the rules are tested natively.

use protocol::{
    action::{Action as _, ActionEntry, Level, Summary},
    built_in::RestoreBrowser,
    catalogue::Catalogue,
    json,
    message::{ToWindow, WindowLink, WindowRejection},
};

/// A request that may be confirmed.
#[derive(Debug)]
pub(super) struct Request {
    /// As it was handed over.
    pub(super) order: ToWindow,
    /// The action that it is.
    pub(super) entry: &'static ActionEntry,
    /// What it would do, from the very bytes that will be signed.
    pub(super) summary: Summary,
}

impl Request {
    /// Reads the message of the opener.
    pub(super) fn from_message(catalogue: Catalogue, text: &str) -> Result<Self, WindowRejection> {
        let order = json::read::<ToWindow>(text.as_bytes()).map_err(|_| WindowRejection::Malformed)?;
        Self::judge(catalogue, order)
    }

    /// Judges what was handed over: an action that changes something, at the body that the catalogue knows for it.
    pub(super) fn judge(catalogue: Catalogue, order: ToWindow) -> Result<Self, WindowRejection> {
        let entry = catalogue.at(&order.path).filter(|entry| entry.level > Level::Signed);
        let entry = entry.ok_or(WindowRejection::Malformed)?;
        let action = entry.parse(order.body.as_bytes()).map_err(|_| WindowRejection::Malformed)?;
        // The page of a frame that has lost its key has no nonce.
        let invents_nonce = entry.path == RestoreBrowser::PATH;
        if order.nonce.is_none() == invents_nonce {
            Ok(Self { order, entry, summary: action.summary() })
        } else {
            Err(WindowRejection::Malformed)
        }
    }
}

/// Reads the request of a fragment, decoded.
pub(super) fn link_from(bytes: &[u8]) -> Result<WindowLink, WindowRejection> {
    json::read(bytes).map_err(|_| WindowRejection::Malformed)
}

#[cfg(test)]
mod tests {
    use protocol::token::{Nonce, SessionHandle};

    use super::*;
    use crate::test_actions::CATALOGUE;

    const ORDER: &str = r#"{"to":"grace","amount":1200,"note":"rent"}"#;
    const KEY: &str = r#"{"key":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#;

    fn order(path: &str, body: &str, has_nonce: bool) -> ToWindow {
        ToWindow {
            session: SessionHandle::parse("AAAAAAAAAAAAAAAAAAAAAA").expect("22 characters"),
            path: path.to_owned(),
            body: body.to_owned(),
            nonce: has_nonce.then(|| Nonce::new([7; 16])),
        }
    }

    #[test]
    fn summary_is_of_the_bytes_that_are_signed() {
        let text = serde_json::to_string(&order("/api/order", ORDER, true)).expect("has a text");
        let request = Request::from_message(CATALOGUE, &text).expect("it may be confirmed");
        assert_eq!(request.summary.lines[0], ("Amount", "1200".to_owned()));
        assert_eq!((request.entry.name, request.order.body.as_str()), ("order", ORDER));
    }

    #[test]
    fn step_ups_and_restoring_may_be_confirmed() {
        assert!(Request::judge(CATALOGUE, order("/api/title", r#"{"name":"Ada"}"#, true)).is_ok());
        assert!(Request::judge(CATALOGUE, order("/api/restore_browser", KEY, false)).is_ok());
    }

    #[test]
    fn anything_else_is_rejected() {
        for order in [
            order("/api/notes", "{}", true),
            order("/api/nonces", "{}", false),
            order("/api/order?a=1", ORDER, true),
            order("/api/order", "{}", true),
            order("/api/order", &format!("{ORDER} "), true),
            order("/api/order", ORDER, false),
            order("/api/restore_browser", KEY, true),
        ] {
            assert_eq!(Request::judge(CATALOGUE, order).err(), Some(WindowRejection::Malformed));
        }
        for text in ["", "null", "{}", r#"{"session":"x"}"#] {
            assert_eq!(Request::from_message(CATALOGUE, text).err(), Some(WindowRejection::Malformed), "{text}");
            assert!(link_from(text.as_bytes()).is_err());
        }
    }
}
