//! The level Attested: a passkey signs the signature base of a confirmed request (attack 30).

use std::num::NonZeroU32;

use http::StatusCode;
use protocol::{problem::Code, push::PasskeyChange};
use server::audit::Outcome;

use crate::{
    app,
    authenticator::{Authenticator, Ceremony, Change, Key, PRESENT, VERIFIED},
    owner_still_acts,
    passkeys::{events, list, send, with_passkey},
    read, rename,
    test_actions::{Erase, Pay},
};

pub(crate) fn pay(amount: u32) -> Pay {
    Pay { amount: NonZeroU32::new(amount).unwrap() }
}

#[tokio::test]
async fn passkey_is_needed_from_the_amount_on() {
    let app = app();
    let (mut ada, mut phone) = with_passkey(&app, "ada").await;
    let mut bob = app.browser("bob").await;
    assert_eq!(ada.call(&app, &pay(499)).await.status, StatusCode::OK);
    let reply = ada.call(&app, &pay(500)).await;
    assert_eq!((reply.status, reply.code()), (StatusCode::FORBIDDEN, Code::PasskeyRequired));
    ada.issue_nonces(&app).await;
    let request = phone.attest(ada.request(&app, &pay(500)));
    assert_eq!(send(&app, &mut ada, &request).await.status, StatusCode::OK);
    assert_eq!(bob.call(&app, &pay(500)).await.status, StatusCode::OK, "a user without a passkey confirms");
}

/// Otherwise a thief who has a session for minutes could sign in at any time, and lock the user out.
#[tokio::test]
async fn attack_30_first_passkey_needs_recent_sign_in() {
    let app = app();
    let mut thief = app.browser("ada").await;
    app.wait(5 * 60_000 + 1);
    thief.issue_nonces(&app).await;
    let request = Authenticator::new("ada").register_of(&mut thief, &app, "Mine");
    assert_eq!(send(&app, &mut thief, &request).await.code(), Code::PasskeyRejected);
    let (mut owner, mut phone) = with_passkey(&app, "ada").await;
    assert_eq!(list(&app, &mut owner).await.passkeys.len(), 1);
    // Further ones need a passkey, and no recent sign-in.
    app.wait(5 * 60_000 + 1);
    owner.issue_nonces(&app).await;
    let request = phone.attest(Authenticator::new("ada").register_of(&mut owner, &app, "Key"));
    assert_eq!(send(&app, &mut owner, &request).await.status, StatusCode::OK);
}

#[tokio::test]
async fn attested_action_needs_passkey_of_everyone() {
    let app = app();
    let (mut ada, mut phone) = with_passkey(&app, "ada").await;
    let mut bob = app.browser("bob").await;
    for browser in [&mut ada, &mut bob] {
        assert_eq!(browser.call(&app, &Erase {}).await.code(), Code::PasskeyRequired);
        browser.issue_nonces(&app).await;
    }
    let request = phone.attest(ada.request(&app, &Erase {}));
    assert_eq!(send(&app, &mut ada, &request).await.status, StatusCode::OK);
    assert_eq!(app.logged("erase", Outcome::Passed).await, 1);
}

#[tokio::test]
async fn attack_30_damaged_assertion_is_rejected() {
    let app = app();
    let (mut ada, mut phone) = with_passkey(&app, "ada").await;
    let changes: [(&str, Change); 10] = [
        ("other challenge", &|ceremony| ceremony.challenge = [1; 32]),
        ("app origin", &|ceremony| ceremony.origin = "http://pan.localhost:3000".to_owned()),
        ("sibling origin", &|ceremony| ceremony.origin = "http://evil.pan.localhost:3000".to_owned()),
        ("cross-origin", &|ceremony| ceremony.cross_origin = Some(true)),
        ("top origin", &|ceremony| ceremony.top_origin = Some("http://pan.localhost:3000".to_owned())),
        ("other RP ID", &|ceremony| ceremony.rp_id = "pan.localhost".to_owned()),
        ("no user verification", &|ceremony| ceremony.flags = PRESENT),
        ("no user presence", &|ceremony| ceremony.flags = VERIFIED),
        ("wrong type", &|ceremony| ceremony.kind = "webauthn.create"),
        ("other user handle", &|ceremony| ceremony.user = Some(vec![1; 32])),
    ];
    for (what, change) in changes {
        let request = phone.attest_with(ada.request(&app, &pay(500)), change);
        let reply = send(&app, &mut ada, &request).await;
        assert_eq!((reply.status, reply.code()), (StatusCode::FORBIDDEN, Code::InvalidProof), "{what}");
    }
    // The positive control, and an authenticator that sends no optional member.
    for change in
        [&|_: &mut Ceremony| () as _, &|ceremony: &mut Ceremony| (ceremony.cross_origin, ceremony.user) = (None, None)]
            as [&dyn Fn(&mut Ceremony); 2]
    {
        let request = phone.attest_with(ada.request(&app, &pay(500)), change);
        assert_eq!(send(&app, &mut ada, &request).await.status, StatusCode::OK);
    }
    assert_eq!(app.logged("theft", Outcome::Noticed).await, 0, "the owner's key has signed all of them");
}

#[tokio::test]
async fn attack_30_assertion_is_valid_for_one_request() {
    let app = app();
    let (mut ada, mut phone) = with_passkey(&app, "ada").await;
    let request = phone.attest(ada.request(&app, &pay(500)));
    let assertion = request.headers["pan-passkey"].to_str().unwrap().to_owned();
    assert_eq!(send(&app, &mut ada, &request).await.status, StatusCode::OK);
    // The whole request again.
    assert_eq!(send(&app, &mut ada, &request).await.code(), Code::NonceUsed);
    // The assertion with another request, even one of the same content.
    for other in [pay(500), pay(900)] {
        let request = ada.request(&app, &other).with("pan-passkey", &assertion);
        assert_eq!(send(&app, &mut ada, &request).await.code(), Code::InvalidProof);
    }
}

#[tokio::test]
async fn attack_30_copied_passkey_is_rejected_and_reported() {
    let app = app();
    let (mut ada, mut phone) = with_passkey(&app, "ada").await;
    let mut copy = phone.clone();
    let request = phone.attest(ada.request(&app, &pay(500)));
    assert_eq!(send(&app, &mut ada, &request).await.status, StatusCode::OK);
    let request = copy.attest(ada.request(&app, &pay(500)));
    let reply = send(&app, &mut ada, &request).await;
    assert_eq!((reply.status, reply.code()), (StatusCode::FORBIDDEN, Code::InvalidProof));
    assert_eq!(app.logged("theft", Outcome::Noticed).await, 1);
    let reported = events(&app).await.pop().unwrap();
    assert_eq!(reported, (PasskeyChange::Copied, "Phone".to_owned(), Some(ada.handle)));
    // The original still works, and so does an authenticator without a counter.
    let request = phone.attest(ada.request(&app, &pay(500)));
    assert_eq!(send(&app, &mut ada, &request).await.status, StatusCode::OK);
}

#[tokio::test]
async fn authenticator_without_counter_works() {
    let app = app();
    let mut ada = app.browser("ada").await;
    let mut synced = Authenticator::new("ada");
    let request = {
        let request = ada.request(&app, &crate::passkeys::add("Synced"));
        synced.register_with(&ada, request, &|ceremony| ceremony.counter = 0)
    };
    assert_eq!(send(&app, &mut ada, &request).await.status, StatusCode::OK);
    for _ in 0..2 {
        let request = synced.attest_with(ada.request(&app, &pay(500)), &|ceremony| ceremony.counter = 0);
        assert_eq!(send(&app, &mut ada, &request).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn attack_30_passkey_of_another_user_is_rejected() {
    let app = app();
    let (mut ada, _) = with_passkey(&app, "ada").await;
    let (_, mut eves) = with_passkey(&app, "eve").await;
    for user in ["eve", "ada"] {
        eves.user = Authenticator::new(user).user;
        let request = eves.attest(ada.request(&app, &pay(500)));
        assert_eq!(send(&app, &mut ada, &request).await.code(), Code::InvalidProof);
    }
    // A key of the attacker's under the owner's credential ID.
    let (_, phone) = with_passkey(&app, "bob").await;
    let mut bob = app.browser("bob").await;
    let mut forged = Authenticator { key: Key::es256(), counter: 9, ..phone };
    let request = forged.attest(bob.request(&app, &pay(500)));
    assert_eq!(send(&app, &mut bob, &request).await.code(), Code::InvalidProof);
}

/// The assertion raises the level only of what the confirmation key has signed.
#[tokio::test]
async fn passkey_without_window_is_rejected() {
    let app = app();
    let (mut ada, mut phone) = with_passkey(&app, "ada").await;
    let of_frame = [phone.attest(ada.request(&app, &read())), phone.attest(ada.request(&app, &rename()))];
    for request in of_frame {
        assert_eq!(app.send(request.build()).await.code(), Code::Malformed);
    }
    ada.issue_nonces(&app).await;
    let request = phone.attest(ada.request(&app, &pay(500)));
    assert_eq!(app.send(request.clone().doubled("pan-passkey").build()).await.code(), Code::Malformed);
    assert_eq!(app.send(request.clone().with("pan-passkey", "e30").build()).await.code(), Code::InvalidProof);
    ada.issue_nonces(&app).await;
    let long = "A".repeat(9000);
    let request = ada.request(&app, &pay(500)).with("pan-passkey", &long);
    assert_eq!(app.send(request.build()).await.code(), Code::Malformed);
    ada.issue_nonces(&app).await;
    owner_still_acts(&app, &mut ada).await;
}

/// Two requests at once use the counter one after the other.
#[tokio::test]
async fn concurrent_assertions_each_count() {
    let app = app();
    let (mut ada, mut phone) = with_passkey(&app, "ada").await;
    ada.issue_nonces(&app).await;
    let requests: Vec<_> = (0..2).map(|_| phone.attest(ada.request(&app, &pay(500)))).collect();
    let [first, second] = &requests[..] else { panic!() };
    let (first, second) = tokio::join!(app.send(first.build()), app.send(second.build()));
    // The second may overtake the first, whose counter is then too low.
    assert!([first.status, second.status].contains(&StatusCode::OK));
    assert_eq!(second.status, StatusCode::OK);
}

/// Users need time for their passkey. A signature without one is valid for seconds only.
#[tokio::test]
async fn attested_request_is_valid_for_two_minutes() {
    let app = app();
    let (mut ada, mut phone) = with_passkey(&app, "ada").await;
    for (attests, wait, is_accepted) in
        [(true, 120_000, true), (true, 122_000, false), (false, 5_000, true), (false, 7_000, false)]
    {
        ada.issue_nonces(&app).await;
        let request = ada.request(&app, &pay(499));
        let request = if attests { phone.attest(request) } else { request };
        app.wait(wait);
        let reply = app.send(request.build()).await;
        assert_eq!(reply.status == StatusCode::OK, is_accepted, "{attests} {wait}: {reply:?}");
    }
    // An assertion that does not hold lengthens nothing.
    ada.issue_nonces(&app).await;
    let request = Authenticator::new("ada").attest(ada.request(&app, &pay(499)));
    app.wait(60_000);
    assert_eq!(app.send(request.build()).await.code(), Code::InvalidProof);
}

/// A request with a nonce of the client's stays valid for seconds.
#[tokio::test]
async fn client_nonce_takes_no_passkey() {
    let app = app();
    let (mut ada, mut phone) = with_passkey(&app, "ada").await;
    let restore = protocol::built_in::RestoreBrowser { key: crate::browser::public(&ada.key).thumbprint() };
    let request = phone.attest(ada.request(&app, &restore));
    assert_eq!(app.send(request.build()).await.code(), Code::Malformed);
}
