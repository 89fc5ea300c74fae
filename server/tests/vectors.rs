//! The RFCs' test vectors for push messages: HMAC (RFC 4231) and canonical JSON (RFC 8785). The data comes from the sources
//! of the packages that the server depends on.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{fs, path::PathBuf, process::Command};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

/// The source folder of a package that the server depends on.
fn source_of(package: &str) -> PathBuf {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--format-version", "1", "--locked"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let body = cargo.output().unwrap();
    assert!(body.status.success(), "{}", String::from_utf8_lossy(&body.stderr));
    let metadata: Value = serde_json::from_slice(&body.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let found = packages.iter().find(|found| found["name"] == package).unwrap();
    PathBuf::from(found["manifest_path"].as_str().unwrap()).parent().unwrap().to_owned()
}

#[test]
fn mac_matches_rfc_4231() {
    let data = fs::read(source_of("hmac").join("tests/data/hmac_sha256_rfc4231.blb")).unwrap();
    let blobs = blobby::parse_into_vec(&data).unwrap();
    let mut tested = 0;
    for case in blobs.chunks_exact(3) {
        let [key, message, tag] = [case[0], case[1], case[2]];
        let mac = Hmac::<Sha256>::new_from_slice(key).unwrap().chain_update(message);
        // One case is truncated to 128 bits.
        mac.verify_truncated_left(tag).unwrap();
        tested += 1;
    }
    assert!(tested >= 6, "{tested}");
}

#[test]
fn canonical_form_matches_rfc_8785() {
    let data = source_of("serde_json_canonicalizer").join("tests/resources/testdata");
    let mut tested = 0;
    for input in fs::read_dir(data.join("input")).unwrap() {
        let input = input.unwrap().path();
        let value: Value = serde_json::from_slice(&fs::read(&input).unwrap()).unwrap();
        let expected = fs::read_to_string(data.join("output").join(input.file_name().unwrap())).unwrap();
        assert_eq!(serde_json_canonicalizer::to_string(&value).unwrap(), expected, "{}", input.display());
        tested += 1;
    }
    assert!(tested >= 6, "{tested}");
}
