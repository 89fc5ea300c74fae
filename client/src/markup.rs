//! What the server writes into every page for this crate to find.

use leptos::prelude::document;

/// The id of the signing frame's `<iframe>`.
pub const FRAME_ID: &str = "pan-frame";

/// The name of the `<meta>` element that holds the sign origin.
pub const SIGN_ORIGIN_META: &str = "pan-sign-origin";

/// The name of the `<meta>` element that holds the handles of the sessions whose cookies the browser sent.
pub const SESSION_META: &str = "pan-session";

/// The content of a `<meta>` element of this page.
pub(crate) fn meta(name: &str) -> Option<String> {
    let element = document().query_selector(&format!("meta[name={name}]")).ok()??;
    element.get_attribute("content")
}
