//! Who may register and sign in (attack 17).

use std::sync::Arc;

use protocol::value::UserName;
use server::{
    accounts::{AccountError, Accounts, MAX_PASSWORD_BYTES, WeakPassword},
    store::{RecordKey, SharedStore, Write, memory::MemoryStore},
};

const PASSWORD: &str = "correct horse";

fn name(text: &str) -> UserName {
    text.parse().expect("a user name")
}

fn store() -> SharedStore {
    Arc::new(MemoryStore::new())
}

#[tokio::test]
async fn only_the_right_password_signs_in() {
    let accounts = Accounts::new(store());
    let ada = name("ada");
    accounts.register(&ada, PASSWORD).await.expect("a new account");
    accounts.sign_in(&ada, PASSWORD).await.expect("the right password");
    let long = "x".repeat(MAX_PASSWORD_BYTES + 1);
    for (name, wrong) in
        [(&ada, "Correct horse"), (&ada, "correct horse "), (&ada, ""), (&ada, long.as_str()), (&name("bob"), PASSWORD)]
    {
        let refused = accounts.sign_in(name, wrong).await.expect_err("another password");
        assert!(matches!(refused, AccountError::WrongCredentials), "{refused:?}");
        assert_eq!(refused.to_string(), "the user name or the password is wrong");
    }
}

#[tokio::test]
async fn a_name_is_registered_once_of_many_concurrent() {
    let accounts = Accounts::new(store());
    let running: Vec<_> = (0..8)
        .map(|i| {
            let accounts = accounts.clone();
            tokio::spawn(async move {
                let password = format!("password {i}");
                (accounts.register(&name("ada"), &password).await, password)
            })
        })
        .collect();
    let mut winners = Vec::new();
    for one in running {
        match one.await.expect("no panic") {
            (Ok(()), password) => winners.push(password),
            (Err(error), _) => assert!(matches!(error, AccountError::NameTaken), "{error:?}"),
        }
    }
    let [winner] = &winners[..] else { panic!("{winners:?}") };
    accounts.sign_in(&name("ada"), winner).await.expect("the winner's password");
}

#[tokio::test]
async fn weak_passwords_are_refused_with_the_reason() {
    let accounts = Accounts::new(store());
    let long = "é".repeat(MAX_PASSWORD_BYTES / 2);
    for (password, reason) in [
        ("", WeakPassword::TooShort),
        ("sevenßß", WeakPassword::TooShort),
        (&format!("{long}x"), WeakPassword::TooLong),
        ("Ada-Lovelace", WeakPassword::IsUserName),
    ] {
        let refused = accounts.register(&name("ada-lovelace"), password).await.expect_err("a weak password");
        assert!(matches!(refused, AccountError::WeakPassword(why) if why == reason), "{refused:?}");
    }
    for (i, accepted) in ["éééééééé", "        ", &long].into_iter().enumerate() {
        accounts.register(&name(&format!("user-{i}")), accepted).await.expect("a password");
    }
}

#[tokio::test]
async fn an_account_is_written_with_its_data_or_not_at_all() {
    let store = store();
    let accounts = Accounts::new(store.clone());
    let balance = RecordKey("balance:ada".to_owned());
    let data = |seen| vec![Write { key: balance.clone(), seen, value: "100000".to_owned() }];

    let refused = accounts.register_with(&name("ada"), PASSWORD, data(7)).await.expect_err("a stale record");
    assert!(matches!(refused, AccountError::Conflict), "{refused:?}");
    assert!(accounts.sign_in(&name("ada"), PASSWORD).await.is_err());

    accounts.register_with(&name("ada"), PASSWORD, data(0)).await.expect("a new account");
    accounts.sign_in(&name("ada"), PASSWORD).await.expect("the right password");
    let found = store.read(&[balance]).await.expect("the store answers");
    assert_eq!(found[0].as_ref().map(|record| record.value.as_str()), Some("100000"));
}

#[tokio::test]
async fn the_store_never_holds_a_password() {
    let store = store();
    Accounts::new(store.clone()).register(&name("ada"), PASSWORD).await.expect("a new account");
    let found = store.read(&[RecordKey("account:ada".to_owned())]).await.expect("the store answers");
    let value = &found[0].as_ref().expect("an account").value;
    assert!(value.contains("$argon2id$v=19$m=19456,t=2,p=1$"), "{value}");
    assert!(!value.contains(PASSWORD));
}
