//! The HTML around every page. It holds what the page needs before it can ask for anything, and nothing private.

use http::{header, request::Parts};
use leptos::prelude::*;
use leptos_meta::{HashedStylesheet, MetaTags};
use protocol::{
    message::cookie,
    token::{SessionHandle, SessionToken},
};
use server::Pan;

use crate::{
    pages,
    pan::{frame, session},
};

/// One page, whole.
pub fn shell(options: LeptosOptions) -> impl IntoView {
    let sign_origin =
        use_context::<Pan>().map(|pan| pan.settings().origins.sign.as_str().to_owned()).unwrap_or_default();
    let handle = use_context::<Parts>().and_then(|parts| handle(&parts));
    view! {
        <!DOCTYPE html>
        <html lang="en">
            <head>
                <meta charset="utf-8"/>
                <meta name="viewport" content="width=device-width, initial-scale=1"/>
                <meta name="color-scheme" content="light dark"/>
                <meta name=frame::ORIGIN_META content=sign_origin.clone()/>
                {handle.map(|handle| view! { <meta name=session::META content=handle.to_string()/> })}
                <link rel="icon" href="/favicon.svg" type="image/svg+xml"/>
                <HashedStylesheet options=options.clone() id="style"/>
                <AutoReload options=options.clone()/>
                <HydrationScripts options/>
                <MetaTags/>
            </head>
            <body>
                {pages::app(session::Session::new(handle))}
                <noscript>
                    <p class="notice">
                        "PAN signs what you do with a key that lives in your browser. That takes JavaScript: allow it for this site, then reload."
                    </p>
                </noscript>
                <iframe id=frame::ID title="PAN confirmation" src=sign_origin></iframe>
            </body>
        </html>
    }
}

/// The session that the browser's cookie names. Only the form of the cookie is looked at: this proves nothing, and
/// nothing private is rendered for it.
fn handle(parts: &Parts) -> Option<SessionHandle> {
    let cookies = parts.headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies
        .flat_map(|line| line.split("; "))
        .filter_map(|pair| pair.split_once('='))
        .filter(|(name, _)| *name == cookie::SESSION)
        .find_map(|(_, value)| SessionToken::parse(value).ok())
        .map(|token| token.handle())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn with_cookie(line: &str) -> Option<SessionHandle> {
        let request = http::Request::builder().header(header::COOKIE, line).body(()).unwrap();
        handle(&request.into_parts().0)
    }

    #[test]
    fn only_a_well_formed_cookie_names_a_session() {
        let token = SessionToken::new([7; SessionToken::BYTES]);
        let line = format!("theme=dark; {}={}; other=1", cookie::SESSION, token.reveal());
        assert_eq!(with_cookie(&line), Some(token.handle()));
        assert_eq!(with_cookie("__Host-pan=<script>"), None);
        assert_eq!(with_cookie("theme=dark"), None);
    }
}
