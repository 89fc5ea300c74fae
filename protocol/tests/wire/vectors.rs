//! Test vectors of the RFCs that the wire format uses, and `p256` as an independent implementation.

use p256::ecdsa::{
    Signature as P256Signature, SigningKey, VerifyingKey,
    signature::{Signer as _, Verifier as _},
};
use protocol::{
    digest::ContentDigest,
    key::{Jwk, PublicKey},
    signature::{Covered, METHOD, Signature, SignatureInput, signature_base},
    token::{Nonce, SessionToken},
};

use crate::test;

fn holds(key: &PublicKey, message: &str, signature: &Signature) -> bool {
    let key = VerifyingKey::from_sec1_bytes(key.as_sec1()).unwrap();
    let signature = P256Signature::from_slice(signature.as_p1363()).unwrap();
    key.verify(message.as_bytes(), &signature).is_ok()
}

/// RFC 9421 §B.2.4, with the key of §B.1.3.
#[test]
fn rfc_9421_ecdsa_p256_sha256() {
    let jwk: Jwk = serde_json::from_str(
        r#"{
            "kty": "EC",
            "crv": "P-256",
            "x": "qIVYZVLCrPZHGHjP17CTW0_-D9Lfw0EkjqF7xB4FivA",
            "y": "Mc4nN9LTDOBhfoUeg8Ye9WedFRhnZXZJA12Qp0zZ6F0"
        }"#,
    )
    .unwrap();
    let base = signature_base(
        [
            ("@status", "200"),
            ("content-type", "application/json"),
            (
                "content-digest",
                concat!(
                    "sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41Q",
                    "JgJc4GTsPp29l5oGX69wWdXymyU0rjJuahq4l5aGgfLQ==:"
                ),
            ),
            ("content-length", "23"),
        ],
        concat!(
            r#"("@status" "content-type" "content-digest" "content-length")"#,
            r#";created=1618884473;keyid="test-key-ecc-p256""#
        ),
    );
    let signature = "pan=:wNmSUAhwb5LxtOtOpNa6W5xj067m5hFrj0XQ4fvpaCLx0NKocgPquLgyahnzDnDAUy5eCdlYUEkLIj+32oiasw==:"
        .parse()
        .unwrap();
    let key = PublicKey::from(&jwk);
    assert!(holds(&key, &base, &signature));
    assert!(!holds(&key, &base.replacen("200", "201", 1), &signature));
}

/// RFC 9530 §B.1 (a JSON body with its line break) and RFC 9421 §B.2 (the same without).
#[test]
fn rfc_9530_content_digest() {
    for (body, digest) in [
        ("{\"hello\": \"world\"}\n", "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"),
        ("{\"hello\": \"world\"}", "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:"),
    ] {
        assert_eq!(ContentDigest::of(body.as_bytes()).to_string(), digest);
        assert_eq!(digest.parse(), Ok(ContentDigest::of(body.as_bytes())));
    }
}

#[test]
fn other_or_several_digests_are_rejected() {
    let good = ContentDigest::of(b"").to_string();
    for text in [
        good.replacen("sha-256", "sha-512", 1),
        good.replacen("sha-256", "SHA-256", 1),
        good.replacen("=:", "=", 1),
        format!("{good}, {good}"),
        format!("{good};a=1"),
        format!(" {good}"),
        good.replacen("=:", ":", 2),
    ] {
        assert!(text.parse::<ContentDigest>().is_err(), "{text}");
    }
}

/// The base has one line per component and one for the parameters. A signature over it is valid, and no longer valid after
/// a change of one character in any line.
#[test]
fn every_request_component_is_covered() {
    let signer = SigningKey::from_slice(&[7; 32]).unwrap();
    let key = PublicKey::from_sec1(signer.verifying_key().to_sec1_point(false).as_bytes()).unwrap();
    let session = SessionToken::new([1; 32]).handle();
    let digest = ContentDigest::of(b"{}");
    let covered = Covered {
        method: METHOD,
        authority: "pan.localhost:3000",
        path: "/api/account",
        query: "",
        digest: &digest,
        session: &session,
        proof: "none",
    };
    let input = SignatureInput::new(1_750_000_000, Nonce::new([2; 16]), key.thumbprint()).unwrap();
    let base = covered.base(&input);
    let parameters = input.to_string();
    let expected = [
        "\"@method\": POST".to_owned(),
        "\"@authority\": pan.localhost:3000".to_owned(),
        "\"@path\": /api/account".to_owned(),
        "\"@query\": ?".to_owned(),
        format!("\"content-digest\": {digest}"),
        format!("\"x-session-id\": {session}"),
        "\"x-interaction-proof\": none".to_owned(),
        format!("\"@signature-params\": {}", parameters.strip_prefix("pan=").unwrap()),
    ];
    assert_eq!(base.split('\n').collect::<Vec<_>>(), expected);

    let raw: P256Signature = signer.sign(base.as_bytes());
    let signature = Signature::from_p1363(&raw.to_bytes()).unwrap();
    assert!(holds(&key, &base, &signature));
    let other_session = SessionToken::new([2; 32]).handle();
    let other_digest = ContentDigest::of(b"{ }");
    for other in [
        Covered { method: "GET", ..covered },
        Covered { authority: "sign.pan.localhost:3000", ..covered },
        Covered { path: "/api/transfer", ..covered },
        Covered { query: "a=1", ..covered },
        Covered { digest: &other_digest, ..covered },
        Covered { session: &other_session, ..covered },
        Covered { proof: "", ..covered },
    ] {
        assert!(!holds(&key, &other.base(&input), &signature), "{other:?}");
    }
    let later = SignatureInput::new(1_750_000_001, *input.nonce(), *input.keyid()).unwrap();
    assert!(!holds(&key, &covered.base(&later), &signature));
}

#[test]
fn other_signature_parameters_are_rejected() {
    let key = PublicKey::from_sec1(&[4; 65]).unwrap();
    let good = SignatureInput::new(1_750_000_000, Nonce::new([2; 16]), key.thumbprint()).unwrap().to_string();
    assert!(good.parse::<SignatureInput>().is_ok());
    for text in [
        good.replacen("pan=", "sig1=", 1),
        good.replacen(" \"@query\"", "", 1),
        good.replacen("\"@method\" \"@authority\"", "\"@authority\" \"@method\"", 1),
        good.replacen("\"@path\"", "\"@path\" \"@path\"", 1),
        good.replacen("\"@path\"", "\"@path\";req", 1),
        good.replacen("ecdsa-p256-sha256", "hmac-sha256", 1),
        good.replacen("ecdsa-p256-sha256", "ecdsa-p384-sha384", 1),
        good.replacen("pan/1", "pan/2", 1),
        good.replacen("created=1750000000", "created=01750000000", 1),
        good.replacen("created=1750000000", "created=-1", 1),
        good.replacen("created=1750000000", "created=+1", 1),
        good.replacen("created=1750000000", "created=1.0", 1),
        good.replacen("created=1750000000", "created=", 1),
        good.replacen("created=1750000000", "created=1000000000000000", 1),
        format!("{good};expires=1750000010"),
        format!("{good}, {good}"),
        good.replacen(";nonce", "; nonce", 1),
    ] {
        assert!(text.parse::<SignatureInput>().is_err(), "{text}");
    }
    assert!(SignatureInput::new(1_000_000_000_000_000, Nonce::new([2; 16]), key.thumbprint()).is_err());
}
