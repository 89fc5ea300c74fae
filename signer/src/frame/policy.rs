//! What the frame is willing to sign. No browser in here: the rules are tested natively.
//!
//! The page may be under attack, so nothing of what it asks is taken on trust. The server checks all this again; the
//! frame checks it so that script in the page cannot even collect signatures.

use std::collections::VecDeque;

use protocol::{
    action::{Action as _, ActionEntry, Level},
    built_in::Nonces,
    catalogue::Catalogue,
    message::{Refusal, SignRequest},
    proof::Recorder,
    token::Nonce,
};

/// The most signatures in any minute. A person at work needs far fewer; a script that floods is slowed down.
const SIGNATURES_A_MINUTE: usize = 120;

const MINUTE: f64 = 60_000.0;

/// How long a spent nonce is remembered, in ms: the life of a nonce at the server. It was issued before it was spent, so
/// after this time the server refuses it anyway. With the limit above this also bounds the memory.
const MEMORY: f64 = 300_000.0;

/// The rules, and what was signed lately.
pub(crate) struct Policy {
    catalogue: Catalogue,
    /// Nonces and when each was spent, oldest first.
    spent: VecDeque<(f64, Nonce)>,
}

impl Policy {
    /// Permits the actions of this catalogue.
    pub(crate) fn new(catalogue: Catalogue) -> Self {
        Self { catalogue, spent: VecDeque::new() }
    }

    /// Judges a request, and gives the action that it is. `now` is on a clock that never goes back, in ms. Nothing is spent
    /// yet.
    pub(crate) fn judge(&self, ask: &SignRequest, now: f64) -> Result<&'static ActionEntry, Refusal> {
        // A query is no part of any path in the catalogue, so it is refused here too.
        let entry = self.catalogue.at(&ask.path).ok_or(Refusal::UnknownAction)?;
        entry.parse(ask.body.as_bytes()).map_err(|_| Refusal::UnknownArguments)?;
        if ask.level == Level::Confirmed {
            return Err(Refusal::NotHere);
        }
        if ask.level < entry.level {
            return Err(Refusal::LevelTooLow);
        }
        if !proof_fits(ask, entry) {
            return Err(Refusal::BadProof);
        }
        match &ask.nonce {
            Some(nonce) if entry.path != Nonces::PATH => self.check(nonce, now)?,
            None if entry.path == Nonces::PATH => {}
            _ => return Err(Refusal::BadNonce),
        }
        Ok(entry)
    }

    /// Spends a nonce for one signature. It is asked last, so that of two requests with the same nonce that were judged
    /// before either was signed, one is refused.
    pub(crate) fn spend(&mut self, nonce: Nonce, now: f64) -> Result<(), Refusal> {
        self.check(&nonce, now)?;
        while self.spent.front().is_some_and(|&(at, _)| now - at > MEMORY) {
            self.spent.pop_front();
        }
        self.spent.push_back((now, nonce));
        Ok(())
    }

    fn check(&self, nonce: &Nonce, now: f64) -> Result<(), Refusal> {
        if self.spent.iter().any(|(_, spent)| spent == nonce) {
            return Err(Refusal::BadNonce);
        }
        let lately = self.spent.iter().rev().take_while(|&&(at, _)| now - at < MINUTE).count();
        if lately >= SIGNATURES_A_MINUTE { Err(Refusal::TooMany) } else { Ok(()) }
    }
}

/// Whether the proof is the one that the level asks for: the page's own recording, or none.
fn proof_fits(ask: &SignRequest, entry: &ActionEntry) -> bool {
    match (&ask.proof, ask.level) {
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

    fn ask(path: &str, body: &str, level: Level) -> SignRequest {
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

    fn refusal(ask: &SignRequest) -> Option<Refusal> {
        Policy::new(CATALOGUE).judge(ask, 0.0).err()
    }

    #[test]
    fn each_action_is_permitted_at_its_level() {
        assert_eq!(refusal(&ask("/api/notes", "{}", Level::Signed)), None);
        let rename = SignRequest { proof: Some(proof("title")), ..ask("/api/title", RENAME, Level::Interaction) };
        assert_eq!(refusal(&rename), None);
    }

    #[test]
    fn confirmed_requests_are_never_signed_here() {
        for (path, body) in [("/api/order", ORDER), ("/api/title", RENAME), ("/api/notes", "{}")] {
            assert_eq!(refusal(&ask(path, body, Level::Confirmed)), Some(Refusal::NotHere), "{path}");
        }
    }

    #[test]
    fn a_level_below_the_catalogue_is_refused() {
        assert_eq!(refusal(&ask("/api/order", ORDER, Level::Signed)), Some(Refusal::LevelTooLow));
        let forged = SignRequest { proof: Some(proof("order")), ..ask("/api/order", ORDER, Level::Interaction) };
        assert_eq!(refusal(&forged), Some(Refusal::LevelTooLow));
        assert_eq!(refusal(&ask("/api/title", RENAME, Level::Signed)), Some(Refusal::LevelTooLow));
    }

    #[test]
    fn a_path_that_is_not_exactly_in_the_catalogue_is_refused() {
        for path in ["/api/sign_in", "/api/notes?", "/api/notes?a=1", "/api/notes/", "api/notes", "/API/notes", ""] {
            assert_eq!(refusal(&ask(path, "{}", Level::Signed)), Some(Refusal::UnknownAction), "{path}");
        }
    }

    #[test]
    fn a_body_that_is_not_that_action_is_refused() {
        for body in ["", "{", "[]", "null", RENAME, r#"{"to":"grace","amount":0,"note":""}"#, "{}{}"] {
            let refused = refusal(&ask("/api/order", body, Level::Confirmed));
            assert_eq!(refused, Some(Refusal::UnknownArguments), "{body}");
        }
        let twice = r#"{"to":"grace","to":"mallory","amount":1,"note":""}"#;
        assert_eq!(refusal(&ask("/api/order", twice, Level::Confirmed)), Some(Refusal::UnknownArguments));
    }

    #[test]
    fn a_proof_is_there_exactly_when_the_page_recorded_it_for_this_action() {
        let rename = |proof| SignRequest { proof, ..ask("/api/title", RENAME, Level::Interaction) };
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
        let signed = SignRequest { proof: Some(proof("notes")), ..ask("/api/notes", "{}", Level::Signed) };
        assert_eq!(refusal(&signed), Some(Refusal::BadProof));
    }

    #[test]
    fn the_page_brings_the_nonce_except_where_the_frame_invents_it() {
        let without = SignRequest { nonce: None, ..ask("/api/notes", "{}", Level::Signed) };
        assert_eq!(refusal(&without), Some(Refusal::BadNonce));
        assert_eq!(refusal(&ask("/api/nonces", "{}", Level::Signed)), Some(Refusal::BadNonce));
        assert_eq!(refusal(&SignRequest { nonce: None, ..ask("/api/nonces", "{}", Level::Signed) }), None);
    }

    #[test]
    fn a_nonce_is_spent_once_and_not_by_judging() {
        let mut policy = Policy::new(CATALOGUE);
        let account = ask("/api/notes", "{}", Level::Signed);
        assert!(policy.judge(&account, 0.0).is_ok());
        assert!(policy.judge(&account, 0.0).is_ok());
        assert_eq!(policy.spend(nonce(0), 1.0), Ok(()));
        assert_eq!(policy.spend(nonce(0), 1.0), Err(Refusal::BadNonce));
        assert_eq!(policy.judge(&account, 2.0).err(), Some(Refusal::BadNonce));
    }

    #[test]
    fn signatures_are_limited_by_the_minute_and_the_memory_of_them_is_bounded() {
        let mut policy = Policy::new(CATALOGUE);
        for n in 0..120 {
            assert_eq!(policy.spend(nonce(n), 0.0), Ok(()));
        }
        assert_eq!(policy.spend(nonce(200), MINUTE - 1.0), Err(Refusal::TooMany));
        assert_eq!(policy.spend(nonce(200), MINUTE), Ok(()));
        assert_eq!(policy.spend(nonce(0), MEMORY), Err(Refusal::BadNonce), "still remembered");
        assert_eq!(policy.spend(nonce(201), MEMORY + 1.0), Ok(()));
        assert_eq!(policy.spent.len(), 2, "those of the first minute are forgotten");
    }
}
