//! The headers of a request with valid cookies, as the server reads them: one header per line, `name: value`. No input
//! causes a panic.

#![no_main]

use std::sync::LazyLock;

use http::{HeaderMap, HeaderName, HeaderValue, header::COOKIE};
use libfuzzer_sys::fuzz_target;
use protocol::{
    message::{self, cookie},
    token::{SessionToken, SignSecret},
};

/// Cookie and handle match. Otherwise the server would reject the request before it reads the other headers.
static SESSION: LazyLock<HeaderMap> = LazyLock::new(|| {
    let token = SessionToken::new([7; 32]);
    let value = |text: String| HeaderValue::from_str(&text).expect("base64url is visible");
    HeaderMap::from_iter([
        (COOKIE, value(format!("{}={}", cookie::SESSION, token.reveal()))),
        (COOKIE, value(format!("{}={}.{}", cookie::SIGN, token.handle(), SignSecret::new([7; 32]).reveal()))),
        (HeaderName::from_static(message::header::SESSION), value(token.handle().to_string())),
    ])
});

fuzz_target!(|text: &[u8]| {
    let mut headers = SESSION.clone();
    for line in text.split(|byte| *byte == b'\n').take(32) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    server::fuzz::read_headers(&headers);
});
