//! The HTML around every page. It holds what the page needs before it can ask for anything, and nothing private.

use http::request::Parts;
use leptos::prelude::*;
use leptos_meta::{HashedStylesheet, MetaTags};
use protocol::token::{SessionHandle, SessionToken};
use server::{Server, session_tokens};

use crate::{
    pages,
    pan::{frame, session},
};

/// One page, whole.
pub fn shell(options: LeptosOptions) -> impl IntoView {
    let sign_origin =
        use_context::<Server>().map(|pan| pan.settings().origins.sign.as_str().to_owned()).unwrap_or_default();
    let handles = use_context::<Parts>().map(|parts| handles(&parts)).unwrap_or_default();
    let names = handles.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    view! {
        <!DOCTYPE html>
        <html lang="en">
            <head>
                <meta charset="utf-8"/>
                <meta name="viewport" content="width=device-width, initial-scale=1"/>
                <meta name="color-scheme" content="light dark"/>
                <meta name=frame::ORIGIN_META content=sign_origin.clone()/>
                {(!names.is_empty()).then(|| view! { <meta name=session::META content=names/> })}
                <link rel="icon" href="/favicon.svg" type="image/svg+xml"/>
                <HashedStylesheet options=options.clone() id="style"/>
                <AutoReload options=options.clone()/>
                <HydrationScripts options/>
                <MetaTags/>
            </head>
            <body>
                {pages::app(session::Session::new(handles.first().copied(), sign_origin.clone()))}
                <noscript>
                    <p class="notice">
                        "PAN signs what you do with a key that lives in your browser. That takes JavaScript: allow it for this site, then reload."
                    </p>
                </noscript>
                <p class="notice wrong trouble">
                    "This page has not started. It needs JavaScript and WebAssembly. Check your connection, turn off what may block them for this site, or update your browser. Then reload the page."
                </p>
                <iframe id=frame::ID title="PAN signing frame" src=sign_origin aria-hidden="true" hidden></iframe>
            </body>
        </html>
    }
}

/// The sessions that the browser's cookies name: one, or more when others were planted beside it. Only the form of a
/// cookie is looked at: this proves nothing, and nothing private is rendered for it.
fn handles(parts: &Parts) -> Vec<SessionHandle> {
    session_tokens(&parts.headers).iter().map(SessionToken::handle).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use http::{HeaderValue, header};
    use protocol::message::cookie;

    use super::*;

    fn with_cookie(line: &str) -> Vec<SessionHandle> {
        let line = HeaderValue::from_bytes(line.as_bytes()).unwrap();
        handles(&http::Request::builder().header(header::COOKIE, line).body(()).unwrap().into_parts().0)
    }

    #[test]
    fn only_well_formed_cookies_name_sessions() {
        let token = SessionToken::new([7; SessionToken::BYTES]);
        let line = format!("theme=dark; name=José; {}={}; other=1", cookie::SESSION, token.reveal());
        assert_eq!(with_cookie(&line), [token.handle()]);
        assert!(with_cookie("__Host-pan=<script>").is_empty());
        assert!(with_cookie("theme=dark").is_empty());
    }
}
