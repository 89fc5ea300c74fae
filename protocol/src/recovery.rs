//! Recovery codes for users who have lost their passkeys (docs/PROTOCOL.md §12).
//!
//! The confirmation window makes the codes. Only their hashes leave it, signed by the confirmation key, so the page neither
//! sees a code nor can add one of its own. A code has 80 random bits, so an attacker with the
//! hashes cannot find a code by trying, and a fast hash is enough, unlike for a password.

use core::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use sha2::{Digest, Sha256};
use zeroize::Zeroize;

use crate::{
    Malformed, encoding::bytes_in_base64url, key::Jwk, sign_origin::Password, signature::Signature, token::Challenge,
    user::Login,
};

/// How many codes a user has.
pub const CODES: usize = 10;

/// Crockford's alphabet in lower case: without `i`, `l`, `o` and `u`.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// The characters of a code, without dashes.
const CHARS: usize = 16;

/// The characters between two dashes.
const GROUP: usize = 4;

bytes_in_base64url! {
    /// The hash of a recovery code, which the server keeps: 43 characters.
    CodeHash, 32, "hash of a recovery code"
}

/// A recovery code: 80 random bits. Cleared from memory when dropped, and never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct RecoveryCode(String);

impl RecoveryCode {
    /// The random bytes of a code.
    pub const BYTES: usize = 10;

    /// The code of fresh random bytes.
    pub fn new(random: [u8; Self::BYTES]) -> Self {
        let code = random.chunks(5).flat_map(|bytes| {
            let bits = bytes.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
            (0..8).map(move |at| char::from(ALPHABET[(bits >> (35 - 5 * at) & 31) as usize]))
        });
        Self(grouped(code))
    }

    /// Parses the one encoding of a code: `abcd-efgh-jkmn-pqrs`.
    ///
    /// # Errors
    /// [`Malformed`] for any other text.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        Self::from_typed(text).ok().filter(|code| code.0 == text).ok_or(Malformed("recovery code"))
    }

    /// Parses what a user has typed: in any case, with any spaces and dashes, and with characters that look alike.
    ///
    /// # Errors
    /// [`Malformed`] unless 16 characters of a code remain.
    pub fn from_typed(text: &str) -> Result<Self, Malformed> {
        let separator = |c: &char| c.is_whitespace() || matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}');
        let chars: Option<Vec<char>> = text.chars().filter(|c| !separator(c)).map(meant).collect();
        let chars = chars.filter(|chars| chars.len() == CHARS).ok_or(Malformed("recovery code"))?;
        Ok(Self(grouped(chars.into_iter())))
    }

    /// The code in groups of four, for the window that shows it and the one request that contains it. There is no `Display`.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The hash of the code for a user. `user` is the user handle as in
    /// [`SessionPasskeys`](crate::passkey::SessionPasskeys::user).
    pub fn hash(&self, user: &str) -> CodeHash {
        let hash = Sha256::new().chain_update("pan-recovery-code\0").chain_update(user).chain_update("\0");
        CodeHash::new(hash.chain_update(&self.0).finalize().into())
    }
}

/// The character of a code that is meant by one that was typed: `o` is a zero, `i` and `l` are ones.
fn meant(typed: char) -> Option<char> {
    match typed.to_ascii_lowercase() {
        'o' => Some('0'),
        'i' | 'l' => Some('1'),
        c => ALPHABET.iter().any(|&known| char::from(known) == c).then_some(c),
    }
}

fn grouped(chars: impl Iterator<Item = char>) -> String {
    let mut text = String::with_capacity(CHARS + CHARS / GROUP - 1);
    for (at, c) in chars.enumerate() {
        if at > 0 && at % GROUP == 0 {
            text.push('-');
        }
        text.push(c);
    }
    text
}

impl Drop for RecoveryCode {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCode(…)")
    }
}

impl Serialize for RecoveryCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for RecoveryCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).map_err(D::Error::custom)
    }
}

/// The statement that the confirmation key signs for new codes. `challenge` is the
/// [`challenge`](crate::passkey::challenge) of the request's signature base.
///
/// The request's signature does not cover the header. So the page, which sends it, could replace the hashes by those of codes
/// that it knows.
pub fn statement(challenge: &[u8; 32], hashes: &[CodeHash]) -> String {
    format!("pan-recovery-codes/1\n{}\n{}", Base64UrlUnpadded::encode_string(challenge), listed(hashes))
}

/// The value of the header with the hashes of new codes: the hashes, separated by `,`; then `;`, and the confirmation key's
/// signature of [`statement`].
pub fn header(hashes: &[CodeHash], signature: &Signature) -> String {
    format!("{};{signature}", listed(hashes))
}

fn listed(hashes: &[CodeHash]) -> String {
    hashes.iter().map(CodeHash::to_string).collect::<Vec<_>>().join(",")
}

/// Hashes and signature in a header of [`header()`].
///
/// # Errors
/// [`Malformed`] for any other text, and for another number of hashes.
pub fn from_header(value: &str) -> Result<(Vec<CodeHash>, Signature), Malformed> {
    let (hashes, signature) = value.split_once(';').ok_or(Malformed("header of recovery codes"))?;
    // One more, so that a longer list is not cut.
    let hashes: Vec<CodeHash> = hashes.split(',').take(CODES + 1).map(CodeHash::parse).collect::<Result<_, _>>()?;
    if hashes.len() != CODES {
        return Err(Malformed("header of recovery codes"));
    }
    Ok((hashes, signature.parse()?))
}

/// The codes of a user in the response of [`ReadPasskeys`](crate::built_in::ReadPasskeys).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OwnCodes {
    /// How many are unused.
    pub unused: usize,
    /// When they were created: Unix ms.
    pub created: u64,
}

/// Body of `POST /recover`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recover {
    /// As in [`SignIn`](crate::sign_origin::SignIn).
    pub user: Login,
    /// As in [`SignIn`](crate::sign_origin::SignIn).
    pub password: Password,
    /// One of the user's codes.
    pub code: RecoveryCode,
    /// As in [`SignIn`](crate::sign_origin::SignIn).
    pub jwk: Jwk,
    /// As in [`SignIn`](crate::sign_origin::SignIn).
    pub challenge: Challenge,
    /// As in [`SignIn`](crate::sign_origin::SignIn).
    pub signature: Signature,
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    const BYTES: [u8; 10] = [0x00, 0x44, 0x32, 0x14, 0xc7, 0xff, 0xff, 0xff, 0xff, 0xff];

    #[test]
    fn code_encodes_each_of_its_bits() {
        let code = RecoveryCode::new(BYTES);
        assert_eq!(code.reveal(), "0123-4567-zzzz-zzzz");
        let mut seen = std::collections::BTreeSet::from([code.reveal().to_owned()]);
        for bit in 0..80 {
            let mut bytes = BYTES;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(seen.insert(RecoveryCode::new(bytes).reveal().to_owned()), "bit {bit}");
        }
    }

    #[test]
    fn typed_code_is_normalized() {
        let code = RecoveryCode::new(BYTES);
        for typed in [
            "0123-4567-zzzz-zzzz",
            "01234567zzzzzzzz",
            " 0123 4567\tZZZZ–ZZZZ ",
            "oI23-4567-zzzz-zzzz",
            "Ol23 4567 zzzz zzzz",
            "0-1-2-3-4567-zzzz-zzzz\n",
        ] {
            assert_eq!(RecoveryCode::from_typed(typed).unwrap(), code, "{typed:?}");
        }
        for typed in [
            "",
            "0123-4567-zzzz-zzz",
            "0123-4567-zzzz-zzzz0",
            "u123-4567-zzzz-zzzz",
            "0123_4567_zzzz_zzzz",
            "é123-4567-zzzz-zzzz",
        ] {
            assert!(RecoveryCode::from_typed(typed).is_err(), "{typed:?}");
        }
        // Requests have one encoding.
        assert!(RecoveryCode::parse("0123-4567-zzzz-zzzz").is_ok());
        for typed in ["01234567zzzzzzzz", "0123-4567-ZZZZ-zzzz", "o123-4567-zzzz-zzzz", " 0123-4567-zzzz-zzzz"] {
            assert!(RecoveryCode::parse(typed).is_err(), "{typed:?}");
        }
        assert_eq!(format!("{code:?}"), "RecoveryCode(…)");
    }

    #[test]
    fn hash_belongs_to_code_and_user() {
        let code = RecoveryCode::new(BYTES);
        assert_eq!(code.hash("ada"), RecoveryCode::from_typed("OL23 4567 ZZZZ ZZZZ").unwrap().hash("ada"));
        assert_ne!(code.hash("ada"), code.hash("eve"));
        assert_ne!(code.hash("ada"), RecoveryCode::new([0; 10]).hash("ada"));
    }

    #[test]
    fn header_has_ten_hashes_and_a_signature() {
        let hashes: Vec<_> = (0..10).map(|byte| CodeHash::new([byte; 32])).collect();
        let signature = Signature::from_p1363(&[7; 64]).unwrap();
        let value = header(&hashes, &signature);
        assert_eq!(from_header(&value).unwrap(), (hashes.clone(), signature));
        for wrong in [
            String::new(),
            listed(&hashes),
            header(&hashes[1..], &signature),
            header(&[hashes.as_slice(), &hashes[..1]].concat(), &signature),
            header(&[], &signature),
            value.replace(';', ",;"),
            value.replace(';', "; "),
        ] {
            assert!(from_header(&wrong).is_err(), "{wrong}");
        }
        assert_ne!(statement(&[1; 32], &hashes), statement(&[2; 32], &hashes));
    }
}
