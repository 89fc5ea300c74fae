//! The HTML around every page. It holds what the page needs before its first call, and nothing private.

use client::{
    Session,
    markup::{FRAME_ID, SESSION_META, SIGN_ORIGIN_META},
};
use http::request::Parts;
use leptos::{nonce::use_nonce, prelude::*};
use leptos_meta::{HashedStylesheet, MetaTags};
use protocol::token::{SessionHandle, SessionToken};
use server::{Server, session_tokens};

use crate::pages;

/// Leaves an address such as `https://name:password@host/`, which bookmarks of a site behind HTTP authentication have. On such a
/// page `fetch` rejects every relative URL, also that of the page's WebAssembly (Fetch §5.4). The browser keeps the password.
const WITHOUT_PASSWORD: &str = r#"{
    const url = new URL(document.URL);
    if (url.username || url.password) {
        url.username = url.password = "";
        location.replace(url);
    }
}"#;

/// One complete HTML page.
pub fn shell(options: LeptosOptions) -> impl IntoView {
    let sign_origin =
        use_context::<Server>().map(|server| server.settings().origins.sign.as_str().to_owned()).unwrap_or_default();
    let handles = use_context::<Parts>().map(|parts| handles(&parts)).unwrap_or_default();
    let names = handles.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    view! {
        <!DOCTYPE html>
        <html lang="en">
            <head>
                <meta charset="utf-8"/>
                <meta name="viewport" content="width=device-width, initial-scale=1"/>
                <meta name="color-scheme" content="light dark"/>
                <meta name=SIGN_ORIGIN_META content=sign_origin.clone()/>
                {(!names.is_empty()).then(|| view! { <meta name=SESSION_META content=names/> })}
                <link rel="icon" href="/favicon.svg" type="image/svg+xml"/>
                <HashedStylesheet options=options.clone() id="style"/>
                <AutoReload options=options.clone()/>
                <script nonce=use_nonce() inner_html=WITHOUT_PASSWORD></script>
                <HydrationScripts options/>
                <MetaTags/>
            </head>
            <body>
                <div id=pages::ROOT_ID>{pages::app(Session::new(handles.first().copied(), sign_origin.clone()))}</div>
                <noscript>
                    <p class="notice">
                        "PAN signs your requests with a key in your browser, which needs JavaScript. Allow it for this site, then reload the page."
                    </p>
                </noscript>
                <p class="notice error start-error" role="alert">
                    "This page has not started, or has stopped. It needs JavaScript and WebAssembly. Check your connection, turn off what may block them for this site, or update your browser. Then reload the page."
                </p>
                <iframe id=FRAME_ID title="PAN signing frame" src=sign_origin aria-hidden="true" hidden></iframe>
            </body>
        </html>
    }
}

/// The sessions that the browser's cookies name: one, or more if others were planted. Only the format of a cookie is
/// checked, so this proves nothing, and nothing private is rendered for it.
fn handles(parts: &Parts) -> Vec<SessionHandle> {
    session_tokens(&parts.headers).iter().map(SessionToken::handle).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use http::{HeaderValue, header};
    use protocol::message::cookie;

    use super::*;

    fn handles_of(line: &str) -> Vec<SessionHandle> {
        let line = HeaderValue::from_bytes(line.as_bytes()).unwrap();
        handles(&http::Request::builder().header(header::COOKIE, line).body(()).unwrap().into_parts().0)
    }

    #[test]
    fn malformed_cookie_names_no_session() {
        let token = SessionToken::new([7; SessionToken::BYTES]);
        let line = format!("theme=dark; name=José; {}={}; other=1", cookie::SESSION, token.reveal());
        assert_eq!(handles_of(&line), [token.handle()]);
        assert!(handles_of("__Host-pan=<script>").is_empty());
        assert!(handles_of("theme=dark").is_empty());
    }
}
