//! Registration, sign-in and the password rules (attack 17).

use std::sync::Arc;

use protocol::user::{Login, UserName};
use server::{
    auth::{
        accounts::Accounts,
        credentials::{CredentialError, CredentialStore, PasswordCheck},
        passwords::{MAX_PASSWORD_BYTES, Passwords, WeakPassword},
    },
    settings::Settings,
    store::{RecordKey, RecordStore, Write, memory::MemoryStore},
};

const PASSWORD: &str = "correct horse";

fn name(text: &str) -> UserName {
    text.parse().expect("a user name")
}

fn passwords() -> Passwords {
    Passwords::new(&Settings::default().origins)
}

fn accounts() -> Accounts {
    Accounts::new(store(), passwords())
}

async fn register(accounts: &Accounts, name: &UserName, password: &str) -> Result<(), CredentialError> {
    accounts.create(name, password, Vec::new()).await
}

async fn check(accounts: &Accounts, name: &UserName, password: &str) -> PasswordCheck {
    let login = Login::parse(name.as_str()).expect("a login");
    accounts.check(&login, password).await.expect("the store answers")
}

async fn signs_in(accounts: &Accounts, name: &UserName, password: &str) -> bool {
    check(accounts, name, password).await == PasswordCheck::Right(name.into())
}

fn store() -> Arc<dyn RecordStore> {
    Arc::new(MemoryStore::new())
}

#[tokio::test]
async fn wrong_password_does_not_sign_in() {
    let accounts = accounts();
    let ada = name("ada");
    register(&accounts, &ada, PASSWORD).await.expect("a new account");
    assert!(signs_in(&accounts, &ada, PASSWORD).await, "{}", "the right password");
    let long = "x".repeat(MAX_PASSWORD_BYTES + 1);
    for (name, wrong) in
        [(&ada, "Correct horse"), (&ada, "correct horse "), (&ada, ""), (&ada, long.as_str()), (&name("bob"), PASSWORD)]
    {
        let expected = if *name == ada { PasswordCheck::Wrong((&ada).into()) } else { PasswordCheck::UnknownLogin };
        assert_eq!(check(&accounts, name, wrong).await, expected, "{name} {wrong}");
    }
}

#[tokio::test]
async fn concurrent_registrations_of_a_name_pass_once() {
    let accounts = accounts();
    let running: Vec<_> = (0..8)
        .map(|i| {
            let accounts = accounts.clone();
            tokio::spawn(async move {
                let password = format!("mellow tundra {i}");
                (register(&accounts, &name("ada"), &password).await, password)
            })
        })
        .collect();
    let mut winners = Vec::new();
    for one in running {
        match one.await.expect("no panic") {
            (Ok(()), password) => winners.push(password),
            (Err(error), _) => assert!(matches!(error, CredentialError::LoginTaken), "{error:?}"),
        }
    }
    let [winner] = &winners[..] else { panic!("{winners:?}") };
    assert!(signs_in(&accounts, &name("ada"), winner).await, "the winner's password");
}

#[tokio::test]
async fn weak_password_is_rejected_with_reason() {
    let accounts = accounts();
    for (password, reason) in [
        ("", WeakPassword::TooShort),
        ("sevenßß", WeakPassword::TooShort),
        // Eight code points as sent, four after composition.
        ("a\u{308}o\u{308}u\u{308}e\u{308}", WeakPassword::TooShort),
        (&"vT9#plover-quartz".repeat(61), WeakPassword::TooLong),
        ("correct\thorse", WeakPassword::Control('\t')),
        ("correct horse\n", WeakPassword::Control('\n')),
        ("correct horse \u{378}", WeakPassword::Unassigned('\u{378}')),
        ("correct horse ❤\u{fe0f}", WeakPassword::Disallowed('\u{fe0f}')),
    ] {
        let refused = register(&accounts, &name("ada-lovelace"), password).await.expect_err("a weak password");
        assert!(matches!(&refused, CredentialError::WeakPassword(why) if *why == reason), "{refused:?}");
    }
    let refused = register(&accounts, &name("ada-lovelace"), "correct\thorse").await.expect_err("a weak password");
    assert_eq!(refused.to_string(), "this password contains a control character (U+0009). Leave it out");
}

#[tokio::test]
async fn guessable_password_is_rejected_with_advice() {
    let accounts = Accounts::new(store(), passwords().with_context_words(["Bergbank"]));
    for (password, advice) in [
        ("12345678", "This is a top-10 common password."),
        ("Password1!", "This is similar to a commonly used password."),
        ("abcdefgh", "Sequences like abc or 6543 are easy to guess."),
        ("        ", "Repeats like \"aaa\" are easy to guess."),
        ("Ada-Lovelace", "This password is little more than your user name"),
        ("panpanpan", "This password is little more than your user name"),
        ("bergbank1", "This password is little more than your user name"),
    ] {
        let refused = register(&accounts, &name("ada-lovelace"), password).await.expect_err("a weak password");
        assert!(matches!(refused, CredentialError::WeakPassword(WeakPassword::Guessable(_))), "{refused:?}");
        assert!(refused.to_string().starts_with(advice), "{password}: {refused}");
    }
}

/// No composition rules, and room for a passphrase (ASVS 6.2.5 and 6.2.9).
#[tokio::test]
async fn hard_passwords_of_any_composition_are_accepted() {
    let accounts = accounts();
    let long = "mellow tundra plover quartz ".repeat(40)[..MAX_PASSWORD_BYTES].to_owned();
    let passwords = [
        "mellowtundraplover",
        "83 61 07 94 25",
        "!;§%&/()=?-",
        "한국어 비밀번호 모음",
        "🤖🫠₿ mellow tundra",
        "correct horse",
        &long,
    ];
    for (i, accepted) in passwords.into_iter().enumerate() {
        let name = name(&format!("user-{i}"));
        register(&accounts, &name, accepted).await.expect(accepted);
        assert!(signs_in(&accounts, &name, accepted).await, "{}", accepted);
    }
    // The hash covers every character up to the last.
    let other = format!("{}!", &long[..MAX_PASSWORD_BYTES - 1]);
    assert!(!signs_in(&accounts, &name("user-6"), &other).await);
}

/// Case 12, with other scripts, and with a password that is within the limit only after composition.
#[tokio::test]
async fn composed_and_decomposed_passwords_are_one() {
    let accounts = accounts();
    let (long, long_decomposed) =
        ("mellow tündra plover qüartz ".repeat(34), "mellow tu\u{308}ndra plover qu\u{308}artz ".repeat(34));
    assert!(long.len() <= MAX_PASSWORD_BYTES && long_decomposed.len() > MAX_PASSWORD_BYTES);
    for (i, (composed, decomposed)) in [
        ("pässwörter-1", "pa\u{308}sswo\u{308}rter-1"),
        ("비밀번호 한국 비밀", "\u{1107}\u{1175}\u{1106}\u{1175}\u{11af}\u{1107}\u{1165}\u{11ab}\u{1112}\u{1169} \u{1112}\u{1161}\u{11ab}\u{1100}\u{116e}\u{11a8} \u{1107}\u{1175}\u{1106}\u{1175}\u{11af}"),
        ("mellow tundra", "mellow\u{3000}tundra"),
        (&long, &long_decomposed),
    ]
    .into_iter()
    .enumerate()
    {
        for (j, [first, second]) in [[composed, decomposed], [decomposed, composed]].into_iter().enumerate() {
            let name = name(&format!("user-{i}-{j}"));
            register(&accounts, &name, first).await.expect(first);
            assert!(signs_in(&accounts, &name, first).await, "{}", first);
            assert!(signs_in(&accounts, &name, second).await, "{}", second);
        }
    }
}

/// An account of an earlier build, whose password would not be accepted today.
#[tokio::test]
async fn earlier_ascii_hash_still_signs_in() {
    const HASH: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$GrfVz0TYhfiHMBDkSwgk4g$FOQYLEkpJM+uODAktV6iMhAr5+BaLOV9FUgjFqEsNCQ";
    let store = store();
    let value = format!(r#"{{"password":"{HASH}"}}"#);
    let write = Write { key: RecordKey("account:ada".to_owned()), seen: 0, value };
    assert!(store.write(&[write]).await.expect("the store answers"));
    let accounts = Accounts::new(store, passwords());
    assert!(signs_in(&accounts, &name("ada"), "pass 1!").await, "the right password");
    assert!(!signs_in(&accounts, &name("ada"), "pass 2!").await);
}

#[tokio::test]
async fn account_and_its_data_are_written_atomically() {
    let store = store();
    let accounts = Accounts::new(store.clone(), passwords());
    let balance = RecordKey("balance:ada".to_owned());
    let data = |seen| vec![Write { key: balance.clone(), seen, value: "100000".to_owned() }];

    let refused = accounts.create(&name("ada"), PASSWORD, data(7)).await.expect_err("a stale record");
    assert!(matches!(refused, CredentialError::Conflict), "{refused:?}");
    assert!(!signs_in(&accounts, &name("ada"), PASSWORD).await);

    accounts.create(&name("ada"), PASSWORD, data(0)).await.expect("a new account");
    assert!(signs_in(&accounts, &name("ada"), PASSWORD).await, "the right password");
    let found = store.read(&[balance]).await.expect("the store answers");
    assert_eq!(found[0].as_ref().map(|record| record.value.as_str()), Some("100000"));
}

#[tokio::test]
async fn store_never_holds_a_password() {
    let store = store();
    register(&Accounts::new(store.clone(), passwords()), &name("ada"), PASSWORD).await.expect("a new account");
    let found = store.read(&[RecordKey("account:ada".to_owned())]).await.expect("the store answers");
    let value = &found[0].as_ref().expect("an account").value;
    assert!(value.contains("$argon2id$v=19$m=19456,t=2,p=1$"), "{value}");
    assert!(!value.contains(PASSWORD));
}
