//! Proofs of registrations by themselves: envelope, algorithm, key and signature.

use dbsc::{Algorithm, PublicKey, RegistrationProof, Rejection};

use super::browser::{Key, encode, generated_rsa};

const BOTH: &[Algorithm] = &[Algorithm::Es256, Algorithm::Rs256];

/// Verifies a proof of that header and payload, signed with that key.
fn verify(key: &Key, header: &str, payload: &str) -> Result<RegistrationProof, Rejection> {
    RegistrationProof::verify(&key.jwt(header, payload), BOTH)
}

#[test]
fn signature_of_another_key_is_rejected() {
    let header = |key: &Key| format!(r#"{{"alg":"{}","typ":"dbsc+jwt","jwk":{}}}"#, key.algorithm(), key.jwk());
    let payload = r#"{"jti":"c"}"#;
    assert!(verify(&Key::p256(1), &header(&Key::p256(1)), payload).is_ok());
    assert_eq!(verify(&Key::p256(2), &header(&Key::p256(1)), payload), Err(Rejection::Signature));
    let other = Key::Rsa(generated_rsa(2048));
    assert!(verify(&Key::rsa(), &header(&Key::rsa()), payload).is_ok());
    assert_eq!(verify(&other, &header(&Key::rsa()), payload), Err(Rejection::Signature));
}

#[test]
fn algorithm_must_be_that_of_the_key() {
    for (key, algorithm) in [(Key::p256(1), "RS256"), (Key::rsa(), "ES256")] {
        let header = format!(r#"{{"alg":"{algorithm}","typ":"dbsc+jwt","jwk":{}}}"#, key.jwk());
        assert_eq!(verify(&key, &header, r#"{"jti":"c"}"#), Err(Rejection::Algorithm));
    }
}

#[test]
fn other_algorithms_are_rejected() {
    let key = Key::p256(1);
    for algorithm in [r#""none""#, r#""None""#, r#""es256""#, r#""HS256""#, r#""PS256""#, r#""ES384""#, "1", "null"] {
        let header = format!(r#"{{"alg":{algorithm},"typ":"dbsc+jwt","jwk":{}}}"#, key.jwk());
        assert_eq!(verify(&key, &header, r#"{"jti":"c"}"#), Err(Rejection::Algorithm), "{algorithm}");
    }
    let unsigned = format!(r#"{{"alg":"none","typ":"dbsc+jwt"}}.{}"#, r#"{"jti":"c"}"#);
    let (header, payload) = unsigned.split_once('.').expect("a dot");
    let unsigned = format!("{}.{}.", encode(header.as_bytes()), encode(payload.as_bytes()));
    assert_eq!(RegistrationProof::verify(&unsigned, BOTH), Err(Rejection::Algorithm));
}

#[test]
fn other_types_are_rejected() {
    let key = Key::p256(1);
    for kind in ["", r#""typ":"JWT","#, r#""typ":"jwt","#, r#""typ":"DBSC+JWT","#, r#""typ":["dbsc+jwt"],"#] {
        let header = format!(r#"{{{kind}"alg":"ES256","jwk":{}}}"#, key.jwk());
        assert_eq!(verify(&key, &header, r#"{"jti":"c"}"#), Err(Rejection::Type), "{kind}");
    }
}

#[test]
fn malformed_headers_and_payloads_are_rejected() {
    let key = Key::p256(1);
    let header = |more: &str| format!(r#"{{"alg":"ES256","typ":"dbsc+jwt","jwk":{}{more}}}"#, key.jwk());
    let payload = r#"{"jti":"c"}"#;
    assert!(verify(&key, &header(r#","kid":"a""#), r#"{"jti":"c","aud":"b","iat":1}"#).is_ok());
    for (header, payload) in [
        (header(r#","alg":"ES256""#), payload),
        (header(r#","typ":"dbsc+jwt""#), payload),
        (header(r#","crit":["b64"],"b64":false"#), payload),
        (header(r#","kid":{"a":1,"a":1}"#), payload),
        (header(" "), ""),
        (header(""), "[]"),
        (header(""), "{}"),
        (header(""), r#"{"jti":1}"#),
        (header(""), r#"{"jti":"c","jti":"c"}"#),
        (header(""), r#"{"jti":"c","authorization":1}"#),
    ] {
        let result = verify(&key, &header, payload);
        assert!(matches!(result, Err(Rejection::MalformedProof(_))), "{header} {payload} {result:?}");
    }
}

#[test]
fn malformed_encoding_is_rejected() {
    let proof = Key::p256(1).registration("c", "alice");
    assert!(RegistrationProof::verify(&proof, BOTH).is_ok());
    let parts: Vec<_> = proof.split('.').collect();
    // The last character of the signature has four unused bits.
    let last = proof.chars().last().expect("a character");
    let unused = char::from(u8::try_from(last).expect("ASCII") + 1);
    for malformed in [
        String::new(),
        ".".into(),
        "..".into(),
        parts[..2].join("."),
        format!("{proof}.a"),
        format!(".{proof}"),
        format!("{proof}="),
        format!("{proof} "),
        format!("{}{unused}", &proof[..proof.len() - 1]),
        proof.replace('.', ".\n"),
        "a".repeat(9_000),
    ] {
        let result = RegistrationProof::verify(&malformed, BOTH);
        assert!(matches!(result, Err(Rejection::MalformedProof(_))), "{malformed} {result:?}");
    }
}

#[test]
fn long_proof_is_rejected() {
    let key = Key::p256(1);
    let long = |length| RegistrationProof::verify(&key.registration(&"c".repeat(length), "alice"), BOTH);
    assert!(long(5_000).is_ok());
    assert_eq!(long(6_000), Err(Rejection::MalformedProof("too long")));
}

#[test]
fn bad_keys_are_rejected() {
    let key = Key::p256(1);
    let good = key.jwk();
    let zero = encode(&[0; 32]);
    let x = &good[good.find(r#""x":"#).expect("x") + 5..][..43];
    for jwk in [
        "1".into(),
        "{}".into(),
        good.replace(r#""EC""#, r#""OKP""#),
        good.replace(r#""kty":"EC","#, ""),
        good.replace("P-256", "P-384"),
        good.replace(r#""x""#, r#""X""#),
        good.replace(x, &encode(&[1; 31])),
        good.replace(x, &encode(&[0; 33])),
        good.replace(x, &format!("{x}=")),
        good.replace('}', r#","d":"AA"}"#),
    ] {
        let header = format!(r#"{{"alg":"ES256","typ":"dbsc+jwt","jwk":{jwk}}}"#);
        let result = verify(&key, &header, r#"{"jti":"c"}"#);
        assert!(matches!(result, Err(Rejection::Key(_))), "{jwk} {result:?}");
    }
    // Not on the curve.
    let header = format!(r#"{{"alg":"ES256","typ":"dbsc+jwt","jwk":{}}}"#, good.replace(x, &zero));
    assert_eq!(verify(&key, &header, r#"{"jti":"c"}"#), Err(Rejection::Signature));
}

#[test]
fn weak_rsa_keys_are_rejected() {
    for jwk in [
        rsa_jwk(&[0xff; 255], &[1, 0, 1]),
        rsa_jwk(&[0xff; 513], &[1, 0, 1]),
        rsa_jwk(&[[0].as_slice(), &[0xff; 256]].concat(), &[1, 0, 1]),
        rsa_jwk(&[[0x7f].as_slice(), &[0xff; 255]].concat(), &[1, 0, 1]),
        rsa_jwk(&[0xfe; 256], &[1, 0, 1]),
        rsa_jwk(&[0xff; 256], &[]),
        rsa_jwk(&[0xff; 256], &[1]),
        rsa_jwk(&[0xff; 256], &[3]),
        rsa_jwk(&[0xff; 256], &[0, 1, 0, 1]),
        rsa_jwk(&[0xff; 256], &[1, 0, 0]),
        rsa_jwk(&[0xff; 256], &[1, 0, 0, 0, 1]),
    ] {
        assert!(matches!(PublicKey::from_jwk(&jwk), Err(Rejection::Key(_))), "{jwk}");
    }
    assert!(PublicKey::from_jwk(&rsa_jwk(&[0xff; 256], &[1, 0, 1])).is_ok());
    assert!(PublicKey::from_jwk(&rsa_jwk(&[0xff; 512], &[1, 0, 1])).is_ok());
}

fn rsa_jwk(n: &[u8], e: &[u8]) -> String {
    format!(r#"{{"kty":"RSA","n":"{}","e":"{}"}}"#, encode(n), encode(e))
}

#[test]
fn stored_keys_are_read_again() {
    for key in [Key::p256(1), Key::rsa()] {
        let proof = RegistrationProof::verify(&key.registration("c", "a"), BOTH).expect("valid");
        assert_eq!(PublicKey::from_jwk(&proof.key.to_jwk()), Ok(proof.key));
    }
}

/// The example of RFC 7638 section 3.1.
#[test]
fn thumbprint_is_that_of_rfc_7638() {
    let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs\
             tn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
    let jwk = format!(r#"{{"kty":"RSA","n":"{n}","e":"AQAB","alg":"RS256","kid":"2011-04-29"}}"#);
    let key = PublicKey::from_jwk(&jwk).expect("a key");
    assert_eq!(key.thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
}
