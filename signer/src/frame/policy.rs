//! Which requests the frame signs. This module uses no browser API, so its tests run natively.
//!
//! The page may run an attacker's script, so the frame trusts none of its requests. The server checks all this again;
//! the frame checks it so that script in the page cannot collect signatures.

use std::collections::VecDeque;

use protocol::{
    action::{Action as _, ActionEntry, Level},
    built_in::Nonces,
    catalogue::Catalogue,
    message::{FrameRejection, SignRequest},
    proof::Recorder,
    token::Nonce,
};

/// The most signatures in any minute. A user needs far fewer; a script that floods the frame is slowed down.
const SIGNATURES_PER_MINUTE: usize = 120;

const MINUTE: f64 = 60_000.0;

/// How long a spent nonce is remembered, in ms: the lifetime of a nonce at the server. It was issued before it was
/// spent, so after this time the server rejects it. Together with the limit above this bounds the memory.
const SPENT_TTL: f64 = 300_000.0;

/// The signing rules and the recent signatures.
pub(crate) struct Policy {
    catalogue: Catalogue,
    /// Nonces and when each was spent, oldest first.
    spent: VecDeque<(f64, Nonce)>,
}

impl Policy {
    /// A policy that permits the actions of this catalogue.
    pub(crate) fn new(catalogue: Catalogue) -> Self {
        Self { catalogue, spent: VecDeque::new() }
    }

    /// Checks a request and returns its action. `now` is on a monotonic clock, in ms. The nonce is not spent yet.
    pub(crate) fn check(&self, request: &SignRequest, now: f64) -> Result<&'static ActionEntry, FrameRejection> {
        // No path in the catalogue has a query, so this rejects a query too.
        let entry = self.catalogue.at(&request.path).ok_or(FrameRejection::UnknownAction)?;
        entry.parse(request.body.as_bytes()).map_err(|_| FrameRejection::UnknownArguments)?;
        if request.level >= Level::Confirmed {
            return Err(FrameRejection::WindowOnly);
        }
        if request.level < entry.level {
            return Err(FrameRejection::LevelTooLow);
        }
        if !proof_fits(request, entry) {
            return Err(FrameRejection::BadProof);
        }
        match &request.nonce {
            Some(nonce) if entry.path != Nonces::PATH => self.check_nonce(nonce, now)?,
            None if entry.path == Nonces::PATH => {}
            _ => return Err(FrameRejection::BadNonce),
        }
        Ok(entry)
    }

    /// Spends a nonce for one signature. Called last, so that of two concurrent requests with the same nonce only one
    /// is signed.
    pub(crate) fn spend(&mut self, nonce: Nonce, now: f64) -> Result<(), FrameRejection> {
        self.check_nonce(&nonce, now)?;
        while self.spent.front().is_some_and(|&(at, _)| now - at > SPENT_TTL) {
            self.spent.pop_front();
        }
        self.spent.push_back((now, nonce));
        Ok(())
    }

    fn check_nonce(&self, nonce: &Nonce, now: f64) -> Result<(), FrameRejection> {
        if self.spent.iter().any(|(_, spent)| spent == nonce) {
            return Err(FrameRejection::BadNonce);
        }
        let recent = self.spent.iter().rev().take_while(|&&(at, _)| now - at < MINUTE).count();
        if recent >= SIGNATURES_PER_MINUTE { Err(FrameRejection::TooMany) } else { Ok(()) }
    }
}

/// Whether the request has the proof that its level requires: the page's recording, or none.
fn proof_fits(request: &SignRequest, entry: &ActionEntry) -> bool {
    match (&request.proof, request.level) {
        (Some(proof), Level::Interaction) => {
            proof.by == Recorder::App && proof.action == entry.name && proof.to_header().is_ok()
        }
        (None, Level::Signed) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use protocol::{
        proof::{Kind, Proof},
        token::SessionHandle,
    };

    use super::*;
    use crate::test_actions::CATALOGUE;

    const RENAME: &str = r#"{"name":"Ada"}"#;
    const ORDER: &str = r#"{"to":"grace","amount":1200,"note":"rent"}"#;

    fn nonce(n: u16) -> Nonce {
        let mut bytes = [0; 16];
        bytes[..2].copy_from_slice(&n.to_be_bytes());
        Nonce::new(bytes)
    }

    fn session() -> SessionHandle {
        SessionHandle::parse("AAAAAAAAAAAAAAAAAAAAAA").expect("22 characters")
    }

    fn request(path: &str, body: &str, level: Level) -> SignRequest {
        SignRequest {
            session: session(),
            path: path.to_owned(),
            body: body.to_owned(),
            level,
            nonce: Some(nonce(0)),
            proof: None,
        }
    }

    fn proof(action: &str) -> Proof {
        Proof {
            v: 1,
            by: Recorder::App,
            action: action.to_owned(),
            kind: Kind::Keyboard,
            at: 1,
            hold: 80,
            path: Vec::new(),
            target: [0, 0, 10, 10],
            hit: [5, 5],
            dwell: None,
        }
    }

    fn rejection(request: &SignRequest) -> Option<FrameRejection> {
        Policy::new(CATALOGUE).check(request, 0.0).err()
    }

    #[test]
    fn action_is_permitted_at_its_level() {
        assert_eq!(rejection(&request("/api/notes", "{}", Level::Signed)), None);
        let rename = SignRequest { proof: Some(proof("title")), ..request("/api/title", RENAME, Level::Interaction) };
        assert_eq!(rejection(&rename), None);
    }

    #[test]
    fn confirmed_request_is_rejected() {
        for (path, body) in [("/api/order", ORDER), ("/api/title", RENAME), ("/api/notes", "{}")] {
            assert_eq!(rejection(&request(path, body, Level::Confirmed)), Some(FrameRejection::WindowOnly), "{path}");
        }
    }

    #[test]
    fn level_below_the_catalogue_is_rejected() {
        assert_eq!(rejection(&request("/api/order", ORDER, Level::Signed)), Some(FrameRejection::LevelTooLow));
        let forged = SignRequest { proof: Some(proof("order")), ..request("/api/order", ORDER, Level::Interaction) };
        assert_eq!(rejection(&forged), Some(FrameRejection::LevelTooLow));
        assert_eq!(rejection(&request("/api/title", RENAME, Level::Signed)), Some(FrameRejection::LevelTooLow));
    }

    #[test]
    fn path_not_in_the_catalogue_is_rejected() {
        for path in ["/api/sign_in", "/api/notes?", "/api/notes?a=1", "/api/notes/", "api/notes", "/API/notes", ""] {
            assert_eq!(rejection(&request(path, "{}", Level::Signed)), Some(FrameRejection::UnknownAction), "{path}");
        }
    }

    #[test]
    fn body_of_another_action_is_rejected() {
        for body in ["", "{", "[]", "null", RENAME, r#"{"to":"grace","amount":0,"note":""}"#, "{}{}"] {
            let rejected = rejection(&request("/api/order", body, Level::Confirmed));
            assert_eq!(rejected, Some(FrameRejection::UnknownArguments), "{body}");
        }
        let twice = r#"{"to":"grace","to":"mallory","amount":1,"note":""}"#;
        assert_eq!(rejection(&request("/api/order", twice, Level::Confirmed)), Some(FrameRejection::UnknownArguments));
    }

    #[test]
    fn proof_must_match_action_recorder_and_level() {
        let rename = |proof| SignRequest { proof, ..request("/api/title", RENAME, Level::Interaction) };
        let wrong = [
            None,
            Some(proof("order")),
            Some(Proof { v: 2, ..proof("title") }),
            Some(Proof { by: Recorder::Signer, ..proof("title") }),
            Some(Proof { by: Recorder::Signer, kind: Kind::Confirm, dwell: Some(900), ..proof("title") }),
            Some(Proof { kind: Kind::Confirm, ..proof("title") }),
            Some(Proof { path: vec![[1, 1, 1]; 101], ..proof("title") }),
        ];
        for proof in wrong {
            assert_eq!(rejection(&rename(proof.clone())), Some(FrameRejection::BadProof), "{proof:?}");
        }
        let signed = SignRequest { proof: Some(proof("notes")), ..request("/api/notes", "{}", Level::Signed) };
        assert_eq!(rejection(&signed), Some(FrameRejection::BadProof));
    }

    #[test]
    fn only_nonce_requests_come_without_nonce() {
        let without = SignRequest { nonce: None, ..request("/api/notes", "{}", Level::Signed) };
        assert_eq!(rejection(&without), Some(FrameRejection::BadNonce));
        assert_eq!(rejection(&request("/api/nonces", "{}", Level::Signed)), Some(FrameRejection::BadNonce));
        assert_eq!(rejection(&SignRequest { nonce: None, ..request("/api/nonces", "{}", Level::Signed) }), None);
    }

    #[test]
    fn nonce_is_spent_once_and_not_by_checking() {
        let mut policy = Policy::new(CATALOGUE);
        let account = request("/api/notes", "{}", Level::Signed);
        assert!(policy.check(&account, 0.0).is_ok());
        assert!(policy.check(&account, 0.0).is_ok());
        assert_eq!(policy.spend(nonce(0), 1.0), Ok(()));
        assert_eq!(policy.spend(nonce(0), 1.0), Err(FrameRejection::BadNonce));
        assert_eq!(policy.check(&account, 2.0).err(), Some(FrameRejection::BadNonce));
    }

    #[test]
    fn signatures_are_limited_and_nonces_expire() {
        let mut policy = Policy::new(CATALOGUE);
        for n in 0..120 {
            assert_eq!(policy.spend(nonce(n), 0.0), Ok(()));
        }
        assert_eq!(policy.spend(nonce(200), MINUTE - 1.0), Err(FrameRejection::TooMany));
        assert_eq!(policy.spend(nonce(200), MINUTE), Ok(()));
        assert_eq!(policy.spend(nonce(0), SPENT_TTL), Err(FrameRejection::BadNonce), "still remembered");
        assert_eq!(policy.spend(nonce(201), SPENT_TTL + 1.0), Ok(()));
        assert_eq!(policy.spent.len(), 2, "those of the first minute are forgotten");
    }
}
