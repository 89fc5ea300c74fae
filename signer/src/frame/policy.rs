//! Which requests the frame signs. This module uses no browser API, so its tests run natively.
//!
//! The page may run an attacker's script, so the frame trusts none of its requests. The server checks all this again;
//! the frame checks it so that script in the page cannot collect signatures.

use std::collections::VecDeque;

use protocol::{
    action::{Action as _, ActionEntry, Level},
    built_in::Nonces,
    catalogue::Catalogue,
    message::{Refusal, SignRequest},
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
    pub(crate) fn check(&self, request: &SignRequest, now: f64) -> Result<&'static ActionEntry, Refusal> {
        // No path in the catalogue has a query, so this rejects a query too.
        let entry = self.catalogue.at(&request.path).ok_or(Refusal::UnknownAction)?;
        entry.parse(request.body.as_bytes()).map_err(|_| Refusal::UnknownArguments)?;
        if request.level == Level::Confirmed {
            return Err(Refusal::NotHere);
        }
        if request.level < entry.level {
            return Err(Refusal::LevelTooLow);
        }
        if !proof_fits(request, entry) {
            return Err(Refusal::BadProof);
        }
        match &request.nonce {
            Some(nonce) if entry.path != Nonces::PATH => self.check_nonce(nonce, now)?,
            None if entry.path == Nonces::PATH => {}
            _ => return Err(Refusal::BadNonce),
        }
        Ok(entry)
    }

    /// Spends a nonce for one signature. Called last, so that of two concurrent requests with the same nonce only one
    /// is signed.
    pub(crate) fn spend(&mut self, nonce: Nonce, now: f64) -> Result<(), Refusal> {
        self.check_nonce(&nonce, now)?;
        while self.spent.front().is_some_and(|&(at, _)| now - at > SPENT_TTL) {
            self.spent.pop_front();
        }
        self.spent.push_back((now, nonce));
        Ok(())
    }

    fn check_nonce(&self, nonce: &Nonce, now: f64) -> Result<(), Refusal> {
        if self.spent.iter().any(|(_, spent)| spent == nonce) {
            return Err(Refusal::BadNonce);
        }
        let recent = self.spent.iter().rev().take_while(|&&(at, _)| now - at < MINUTE).count();
        if recent >= SIGNATURES_PER_MINUTE { Err(Refusal::TooMany) } else { Ok(()) }
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

    fn refusal(request: &SignRequest) -> Option<Refusal> {
        Policy::new(CATALOGUE).check(request, 0.0).err()
    }

    #[test]
    fn action_is_permitted_at_its_level() {
        assert_eq!(refusal(&request("/api/notes", "{}", Level::Signed)), None);
        let rename = SignRequest { proof: Some(proof("title")), ..request("/api/title", RENAME, Level::Interaction) };
        assert_eq!(refusal(&rename), None);
    }

    #[test]
    fn confirmed_request_is_rejected() {
        for (path, body) in [("/api/order", ORDER), ("/api/title", RENAME), ("/api/notes", "{}")] {
            assert_eq!(refusal(&request(path, body, Level::Confirmed)), Some(Refusal::NotHere), "{path}");
        }
    }

    #[test]
    fn level_below_the_catalogue_is_rejected() {
        assert_eq!(refusal(&request("/api/order", ORDER, Level::Signed)), Some(Refusal::LevelTooLow));
        let forged = SignRequest { proof: Some(proof("order")), ..request("/api/order", ORDER, Level::Interaction) };
        assert_eq!(refusal(&forged), Some(Refusal::LevelTooLow));
        assert_eq!(refusal(&request("/api/title", RENAME, Level::Signed)), Some(Refusal::LevelTooLow));
    }

    #[test]
    fn path_not_in_the_catalogue_is_rejected() {
        for path in ["/api/sign_in", "/api/notes?", "/api/notes?a=1", "/api/notes/", "api/notes", "/API/notes", ""] {
            assert_eq!(refusal(&request(path, "{}", Level::Signed)), Some(Refusal::UnknownAction), "{path}");
        }
    }

    #[test]
    fn body_of_another_action_is_rejected() {
        for body in ["", "{", "[]", "null", RENAME, r#"{"to":"grace","amount":0,"note":""}"#, "{}{}"] {
            let refused = refusal(&request("/api/order", body, Level::Confirmed));
            assert_eq!(refused, Some(Refusal::UnknownArguments), "{body}");
        }
        let twice = r#"{"to":"grace","to":"mallory","amount":1,"note":""}"#;
        assert_eq!(refusal(&request("/api/order", twice, Level::Confirmed)), Some(Refusal::UnknownArguments));
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
            assert_eq!(refusal(&rename(proof.clone())), Some(Refusal::BadProof), "{proof:?}");
        }
        let signed = SignRequest { proof: Some(proof("notes")), ..request("/api/notes", "{}", Level::Signed) };
        assert_eq!(refusal(&signed), Some(Refusal::BadProof));
    }

    #[test]
    fn only_nonce_requests_come_without_nonce() {
        let without = SignRequest { nonce: None, ..request("/api/notes", "{}", Level::Signed) };
        assert_eq!(refusal(&without), Some(Refusal::BadNonce));
        assert_eq!(refusal(&request("/api/nonces", "{}", Level::Signed)), Some(Refusal::BadNonce));
        assert_eq!(refusal(&SignRequest { nonce: None, ..request("/api/nonces", "{}", Level::Signed) }), None);
    }

    #[test]
    fn nonce_is_spent_once_and_not_by_checking() {
        let mut policy = Policy::new(CATALOGUE);
        let account = request("/api/notes", "{}", Level::Signed);
        assert!(policy.check(&account, 0.0).is_ok());
        assert!(policy.check(&account, 0.0).is_ok());
        assert_eq!(policy.spend(nonce(0), 1.0), Ok(()));
        assert_eq!(policy.spend(nonce(0), 1.0), Err(Refusal::BadNonce));
        assert_eq!(policy.check(&account, 2.0).err(), Some(Refusal::BadNonce));
    }

    #[test]
    fn signatures_are_limited_and_nonces_expire() {
        let mut policy = Policy::new(CATALOGUE);
        for n in 0..120 {
            assert_eq!(policy.spend(nonce(n), 0.0), Ok(()));
        }
        assert_eq!(policy.spend(nonce(200), MINUTE - 1.0), Err(Refusal::TooMany));
        assert_eq!(policy.spend(nonce(200), MINUTE), Ok(()));
        assert_eq!(policy.spend(nonce(0), SPENT_TTL), Err(Refusal::BadNonce), "still remembered");
        assert_eq!(policy.spend(nonce(201), SPENT_TTL + 1.0), Ok(()));
        assert_eq!(policy.spent.len(), 2, "those of the first minute are forgotten");
    }
}
