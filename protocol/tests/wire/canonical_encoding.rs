//! Every value of the wire format has one accepted encoding, and no text makes a parser panic.

use core::fmt::{Debug, Display};
use core::str::FromStr;

use proptest::{prelude::*, test_runner::TestCaseResult};
use protocol::{
    Malformed,
    digest::ContentDigest,
    key::{Coordinate, KeyThumbprint, PublicKey},
    proof,
    push::{ConnectionId, Cursor, KeyId, Mac, PushNonce},
    signature::{Signature, SignatureInput},
    token::{Challenge, EntryTicket, Nonce, SessionHandle, SessionToken, SignSecret},
    user::{Login, UserName},
};

use crate::{
    strategies::{self, Damage, Secret},
    test_actions::{Remark, Title},
};

/// Checks that a value round-trips through its text, in headers and in JSON.
fn round_trips<T>(value: &T) -> TestCaseResult
where
    T: FromStr<Err = Malformed> + Display + Debug + PartialEq + serde::Serialize + serde::de::DeserializeOwned,
{
    let text = value.to_string();
    prop_assert_eq!(&text.parse::<T>().unwrap(), value);
    let json = serde_json::to_string(value).unwrap();
    prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    prop_assert_eq!(&serde_json::from_str::<T>(&json).unwrap(), value);
    Ok(())
}

/// Checks that an accepted text is the encoding of its value, so no two texts encode one value.
fn is_canonical<T: FromStr<Err = Malformed> + Display>(text: &str) -> TestCaseResult {
    if let Ok(value) = text.parse::<T>() {
        prop_assert_eq!(value.to_string(), text);
    }
    Ok(())
}

fn secret_is_canonical<T: Secret>(text: &str) -> TestCaseResult {
    if let Ok(secret) = T::parse(text) {
        prop_assert_eq!(secret.reveal(), text);
    }
    Ok(())
}

macro_rules! text_newtype {
    ($($name:ident: $type:ty = $any:expr;)+) => { $(
        mod $name {
            use super::*;
            use crate::test;

            proptest! {
                #[test]
                fn round_trips(value in $any) {
                    super::round_trips::<$type>(&value)?;
                }

                #[test]
                fn text_is_rejected_or_canonical(text: String) {
                    is_canonical::<$type>(&text)?;
                }

                #[test]
                fn damaged_text_is_rejected_or_another_value(value in $any, damage in strategies::damage()) {
                    let text = value.to_string();
                    let damaged = Damage::of(&damage, &text);
                    is_canonical::<$type>(&damaged)?;
                    if damaged != text {
                        prop_assert_ne!(damaged.parse::<$type>(), Ok(value));
                    }
                }
            }
        }
    )+ };
}

text_newtype! {
    nonce: Nonce = strategies::bytes().prop_map(Nonce::new);
    challenge: Challenge = strategies::bytes().prop_map(Challenge::new);
    session_handle: SessionHandle = strategies::handle();
    coordinate: Coordinate = strategies::bytes().prop_map(Coordinate::new);
    key_thumbprint: KeyThumbprint = strategies::bytes().prop_map(KeyThumbprint::new);
    public_key: PublicKey = strategies::public_key();
    content_digest: ContentDigest = strategies::digest();
    signature: Signature = strategies::signature();
    signature_input: SignatureInput = strategies::signature_input();
    login: Login = strategies::login();
    user_name: UserName = strategies::user_name();
    title: Title = strategies::title();
    remark: Remark = strategies::remark();
    connection_id: ConnectionId = strategies::bytes().prop_map(ConnectionId::new);
    key_id: KeyId = strategies::key_id();
    cursor: Cursor = strategies::cursor();
    push_nonce: PushNonce = strategies::bytes().prop_map(PushNonce::new);
    mac: Mac = strategies::bytes().prop_map(Mac::new);
}

macro_rules! secret {
    ($($name:ident: $type:ty;)+) => { $(
        mod $name {
            use super::*;
            use crate::test;

            proptest! {
                #[test]
                fn round_trips(random in strategies::bytes()) {
                    let text = <$type>::new(random).reveal();
                    prop_assert_eq!(<$type>::parse(&text).unwrap().reveal(), text);
                }

                #[test]
                fn text_is_rejected_or_canonical(text: String) {
                    secret_is_canonical::<$type>(&text)?;
                }

                #[test]
                fn damaged_text_is_rejected_or_another_value(random in strategies::bytes(), damage in strategies::damage()) {
                    secret_is_canonical::<$type>(&Damage::of(&damage, &<$type>::new(random).reveal()))?;
                }

                #[test]
                fn is_never_printed(random in strategies::bytes()) {
                    let secret = <$type>::new(random);
                    prop_assert_eq!(format!("{secret:?}"), concat!(stringify!($type), "(…)"));
                }
            }
        }
    )+ };
}

secret! {
    session_token: SessionToken;
    sign_secret: SignSecret;
    entry_ticket: EntryTicket;
}

mod interaction_proof {
    use super::*;
    use crate::test;

    fn is_canonical(text: &str) -> TestCaseResult {
        if let Ok(read) = proof::from_header(text) {
            prop_assert_eq!(proof::header(read.as_ref()).unwrap(), text);
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn round_trips(proof in strategies::proof()) {
            let Ok(text) = proof.to_header() else {
                // A valid proof that is too long for the header: the recorder must thin the path.
                return Ok(());
            };
            prop_assert!(text.len() <= proof::MAX_HEADER);
            prop_assert_eq!(proof::from_header(&text), Ok(Some(proof)));
        }

        #[test]
        fn text_is_rejected_or_canonical(text: String) {
            is_canonical(&text)?;
        }

        #[test]
        fn damaged_header_is_rejected_or_another_value(proof in strategies::proof(), damage in strategies::damage()) {
            if let Ok(text) = proof.to_header() {
                is_canonical(&Damage::of(&damage, &text))?;
            }
        }

        #[test]
        fn damaged_json_is_rejected_or_canonical(proof in strategies::proof(), damage in strategies::damage()) {
            use base64ct::{Base64UrlUnpadded, Encoding};
            let json = serde_json::to_string(&proof).unwrap();
            is_canonical(&Base64UrlUnpadded::encode_string(Damage::of(&damage, &json).as_bytes()))?;
        }
    }
}
