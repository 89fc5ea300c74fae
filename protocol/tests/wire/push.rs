//! A push message has one encoding, and names its recipient and its position.

use proptest::prelude::*;
use protocol::{
    problem::Ended,
    push::{
        ConnectionId, Cursor, Envelope, KeyId, MAX_MESSAGE, Mac, Payload, PayloadHeader, Push, PushNonce, Security,
        Topic,
    },
};

use crate::{
    strategies::{self, Damage},
    test,
};

const FRAME: &str = concat!(
    r#"{"kid":"dev.AAAAAAAAAAAAAAAAAAAAAA","nonce":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","#,
    r#""payload":{"conn":"AAAAAAAAAAAAAAAAAAAAAA","data":{"latest":0},"id":"0-0","seq":1,"type":"hb"},"#,
    r#""sig":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","ts":5}"#
);

fn envelope(kid: KeyId, random: ([u8; 32], [u8; 32]), ts: u64, payload: &str) -> Envelope<'_> {
    Envelope { kid, nonce: PushNonce::new(random.0), payload, sig: Mac::new(random.1), ts }
}

#[test]
fn message_round_trips() {
    let frame = Envelope::parse(FRAME).unwrap();
    assert_eq!(frame.to_string(), FRAME);
    assert_eq!(frame.ts, 5);
    let message = String::from_utf8(frame.message()).unwrap();
    let expected = format!("{}:5:{}:{}", frame.kid, frame.nonce, frame.payload);
    assert_eq!(message, expected);
}

#[test]
fn noncanonical_message_is_rejected() {
    for (from, to) in [
        ("{\"kid\"", "{ \"kid\""),
        ("\"ts\":5", "\"ts\":05"),
        ("\"ts\":5", "\"ts\":+5"),
        ("\"ts\":5", "\"ts\":5.0"),
        ("\"ts\":5}", "\"ts\":5,\"more\":1}"),
        ("\"payload\":{", "\"payload\":["),
        ("AAA=", "AAA"),
        ("AAA=", "AAB="),
        ("dev.", "dev"),
        ("dev.", "."),
        ("dev.", "d v."),
    ] {
        let changed = FRAME.replacen(from, to, 1);
        assert_ne!(changed, FRAME);
        assert!(Envelope::parse(&changed).is_err(), "{changed}");
    }
    assert!(Envelope::parse("").is_err());
}

#[test]
fn recipient_is_parsed_before_verification() {
    let expected = PayloadHeader { conn: ConnectionId::new([0; 16]), id: Cursor::default(), seq: 1 };
    let payload = Envelope::parse(FRAME).unwrap().payload;
    assert_eq!(PayloadHeader::parse(payload), Ok(expected));
    // Data that looks like what follows it.
    let nested = payload.replace("{\"latest\":0}", r#"{"a":{"b":1},"id":"9-9","seq":7,"type":"x","z":{}}"#);
    assert_eq!(PayloadHeader::parse(&nested), Ok(expected));
    for (from, to) in [
        ("\"seq\":1", "\"seq\":01"),
        ("\"seq\":1", "\"seq\":-1"),
        ("\"seq\":1,", ""),
        ("\"id\":\"0-0\"", "\"id\":\"0-00\""),
        ("\"type\":\"hb\"", "\"type\":\"H b\""),
        ("\"type\":\"hb\"", "\"type\":\"\""),
        ("{\"conn\"", "{\"data\":{},\"conn\""),
        ("{\"latest\":0}", "0"),
    ] {
        let changed = payload.replacen(from, to, 1);
        assert_ne!(changed, payload);
        assert!(PayloadHeader::parse(&changed).is_err(), "{changed}");
    }
}

#[test]
fn message_length_is_limited_in_bytes() {
    let frame = Envelope::parse(FRAME).unwrap();
    let payload = |length: usize| format!("{{{}}}", "x".repeat(length - 2));
    let length = MAX_MESSAGE - (FRAME.len() - frame.payload.len());
    let longest = payload(length);
    let text = Envelope { payload: &longest, ..frame.clone() }.to_string();
    assert_eq!(text.len(), MAX_MESSAGE);
    assert!(Envelope::parse(&text).is_ok());
    let longer = payload(length + 1);
    assert!(Envelope::parse(&Envelope { payload: &longer, ..frame }.to_string()).is_err());
}

#[test]
fn payloads_have_recipient_type_and_data() {
    let session = "AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap();
    let pushes = [
        (Push::Heartbeat { latest: 3 }, Topic::Heartbeat, "hb"),
        (Push::Telemetry { cpu: 12, memory: 1 << 30, connections: 4 }, Topic::Telemetry, "tm"),
        (Push::UserActivity { users: 2, verified: 9 }, Topic::UserActivity, "ua"),
        (Push::Security(Security::Ended { session, why: Ended::Revoked }), Topic::Security, "security"),
        (Push::Security(Security::Theft { session, times: 2 }), Topic::Security, "security"),
        (
            Push::Activity { action: "transfer".into(), session: Some(session), note: "Grüße".into() },
            Topic::Activity,
            "activity",
        ),
        (Push::Rekey { expires: 7 }, Topic::Control, "rekey"),
        (Push::Reset {}, Topic::Control, "reset"),
        (Push::Dropped { of: Topic::Telemetry, count: 3 }, Topic::Control, "dropped"),
    ];
    for (push, topic, name) in pushes {
        assert_eq!(push.topic(), topic);
        let payload = Payload { conn: ConnectionId::new([0; 16]), id: Cursor { ms: 7, n: 1 }, seq: 2, push };
        let json = serde_json::to_value(&payload).unwrap();
        assert_eq!(json["type"], name);
        assert_eq!((&json["id"], &json["seq"]), (&"7-1".into(), &2.into()));
        assert!(json["data"].is_object(), "{json}");
        assert_eq!(serde_json::from_value::<Payload>(json).unwrap(), payload);
    }
}

proptest! {
    #[test]
    fn any_message_round_trips(kid in strategies::key_id(), random in (strategies::bytes(), strategies::bytes()), ts: u64, inside in "[^\u{0}]{0,80}") {
        let payload = format!("{{{inside}}}");
        let text = envelope(kid, random, ts, &payload).to_string();
        // Members inside `data` are not taken for members of the payload.
        let read = Envelope::parse(&text);
        prop_assert_eq!(read.as_ref().map(ToString::to_string), Ok(text.clone()));
        prop_assert_eq!(read.unwrap().payload, payload);
    }

    #[test]
    fn damaged_message_is_rejected_or_another_one(damage in strategies::damage()) {
        let damaged = Damage::of(&damage, FRAME);
        if let Ok(read) = Envelope::parse(&damaged) {
            prop_assert_eq!(read.to_string(), damaged.clone());
            prop_assert_eq!(damaged == FRAME, read == Envelope::parse(FRAME).unwrap());
        }
    }

    #[test]
    fn arbitrary_text_does_not_panic(text: String) {
        let _ = (Envelope::parse(&text), PayloadHeader::parse(&text));
    }
}
