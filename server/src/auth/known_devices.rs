//! Known devices: browsers in which a login has signed in before.
//!
//! Anyone can exhaust the limits of a client IP's network, of a login, and of password hashing. A known device has limits
//! and places of its own, so that its user can still sign in (OWASP, "Slow Down Online Guessing Attacks with Device
//! Cookies").
//!
//! The sign origin's cookie `__Host-pan-known` has up to [`MAX_LOGINS`] entries, separated by dots. An entry is base64url
//! of 40 bytes: time of the sign-in (64 bits of Unix ms), 128 bits of a MAC of the login, and 128 bits of a MAC of both. It
//! opens nothing: a thief of the cookie gets the known device's attempts to guess the password.

use base64ct::{Base64UrlUnpadded, Encoding};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, HeaderValue};
use protocol::user::Login;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::cookies;

/// Maximum number of logins of one browser.
const MAX_LOGINS: usize = 4;

/// How long a device stays known after a sign-in: 180 days, in ms.
const KNOWN_FOR: u64 = 180 * 24 * 3600 * 1000;

const MAC: usize = 16;
const ENTRY: usize = 8 + MAC + MAC;

type Tag = [u8; MAC];

/// Recognizes known devices. Servers with the same `audit.secret` recognize each other's.
pub(crate) struct KnownDevices {
    key: Zeroizing<[u8; 32]>,
}

/// A browser in which a login has signed in before. All browsers of the login are equal, and share their limits.
pub(crate) struct KnownDevice(Tag);

impl std::fmt::Display for KnownDevice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&Base64UrlUnpadded::encode_string(&self.0))
    }
}

/// An entry of the cookie with a valid MAC.
struct Entry<'a> {
    text: &'a str,
    tag: Tag,
}

impl KnownDevices {
    pub(crate) fn new(key: Zeroizing<[u8; 32]>) -> Self {
        Self { key }
    }

    /// The device of a request, for any login.
    pub(crate) fn any(&self, headers: &HeaderMap, now: u64) -> Option<KnownDevice> {
        self.entries(headers, now).next().map(|entry| KnownDevice(entry.tag))
    }

    /// The device of a request, for this login.
    pub(crate) fn of(&self, headers: &HeaderMap, login: &Login, now: u64) -> Option<KnownDevice> {
        let tag = self.tag(login)?;
        self.entries(headers, now).any(|entry| entry.tag == tag).then_some(KnownDevice(tag))
    }

    /// The cookie that makes the browser a known device of this login, in addition to the latest others.
    pub(crate) fn remember(&self, headers: &HeaderMap, login: &Login, now: u64) -> Option<HeaderValue> {
        let tag = self.tag(login)?;
        let mut entry = [0; ENTRY];
        entry[..8].copy_from_slice(&now.to_be_bytes());
        entry[8..8 + MAC].copy_from_slice(&tag);
        let mac = self.mac("entry", &entry[..8 + MAC])?;
        entry[8 + MAC..].copy_from_slice(&mac);
        let others = self.entries(headers, now).filter(|entry| entry.tag != tag).map(|entry| entry.text.to_owned());
        let entries: Vec<_> = [Base64UrlUnpadded::encode_string(&entry)].into_iter().chain(others).collect();
        let kept = &entries[..entries.len().min(MAX_LOGINS)];
        Some(cookies::set_known_devices(&kept.join("."), KNOWN_FOR / 1000))
    }

    /// The valid entries, the newest first.
    fn entries<'a>(&'a self, headers: &'a HeaderMap, now: u64) -> impl Iterator<Item = Entry<'a>> {
        let texts = cookies::known_devices(headers).flat_map(|value| value.split('.').take(MAX_LOGINS));
        texts.filter_map(move |text| self.parse(text, now))
    }

    fn parse<'a>(&self, text: &'a str, now: u64) -> Option<Entry<'a>> {
        let mut bytes = [0; ENTRY];
        if Base64UrlUnpadded::decode(text, &mut bytes).ok()?.len() != ENTRY {
            return None;
        }
        let (signed, mac) = bytes.split_at(8 + MAC);
        self.start("entry", signed)?.verify_truncated_left(mac).ok()?;
        let (time, tag) = signed.split_at(8);
        let since = u64::from_be_bytes(time.try_into().ok()?);
        // After a step back of the clock, an entry from the future stays valid.
        (now < since.saturating_add(KNOWN_FOR)).then_some(Entry { text, tag: tag.try_into().ok()? })
    }

    fn tag(&self, login: &Login) -> Option<Tag> {
        self.mac("login", login.as_str().as_bytes())
    }

    fn mac(&self, purpose: &str, message: &[u8]) -> Option<Tag> {
        self.start(purpose, message)?.finalize().into_bytes()[..MAC].try_into().ok()
    }

    fn start(&self, purpose: &str, message: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.key.as_ref()).ok()?;
        mac.update(purpose.as_bytes());
        mac.update(b"\0");
        mac.update(message);
        Some(mac)
    }
}

#[cfg(test)]
mod tests {
    use http::header;

    use super::*;

    const NOW: u64 = 1_750_000_000_000;

    fn devices(key: u8) -> KnownDevices {
        KnownDevices::new(Zeroizing::new([key; 32]))
    }

    fn login(text: &str) -> Login {
        text.parse().expect("a login")
    }

    /// Name and value of a cookie that the server sets.
    fn pair(cookie: &HeaderValue) -> &str {
        cookie.to_str().expect("text").split(';').next().expect("a pair")
    }

    /// The request headers of a browser with this cookie.
    fn with(pair: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::COOKIE, pair.parse().expect("a header value"))])
    }

    #[test]
    fn browser_stays_known_for_its_last_four_logins() {
        let devices = devices(1);
        let mut headers = HeaderMap::new();
        let names = ["ada", "bob", "cyd", "dan", "eve", "bob"].map(login);
        for (at, name) in (0..).zip(&names) {
            headers = with(pair(&devices.remember(&headers, name, NOW + at).expect("a cookie")));
        }
        let known = |name: &Login| devices.of(&headers, name, NOW).is_some();
        assert_eq!(names[..5].iter().map(known).collect::<Vec<_>>(), [false, true, true, true, true]);
        assert!(!known(&login("unknown")));
        assert_eq!(devices.any(&headers, NOW).map(|device| device.0), devices.tag(&login("bob")));
    }

    #[test]
    fn altered_or_old_entry_is_ignored() {
        let (ada, devices) = (login("ada"), devices(1));
        let cookie = devices.remember(&HeaderMap::new(), &ada, NOW).expect("a cookie");
        let known = |devices: &KnownDevices, headers: &HeaderMap, now| devices.of(headers, &ada, now).is_some();
        let cookie = pair(&cookie);
        assert!(known(&devices, &with(cookie), NOW + KNOWN_FOR - 1));
        assert!(!known(&devices, &with(cookie), NOW + KNOWN_FOR), "too old");
        assert!(!known(&self::devices(2), &with(cookie), NOW), "of another server");
        let (name, entry) = cookie.split_once('=').expect("a pair");
        let bytes = Base64UrlUnpadded::decode_vec(entry).expect("base64url");
        for at in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[at] ^= 1;
            let text = Base64UrlUnpadded::encode_string(&altered);
            assert!(!known(&devices, &with(&format!("{name}={text}")), NOW));
        }
        for text in ["", ".", "x", &entry[1..], &format!("{entry}AAAA")] {
            assert!(!known(&devices, &with(&format!("{name}={text}")), NOW));
        }
    }
}
