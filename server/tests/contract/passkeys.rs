//! The contract of [`PasskeyStore`]: a user's passkeys change only for a writer that has read their current version, and a
//! passkey has one owner.

use std::sync::Arc;

use p256::ecdsa::SigningKey;
use protocol::token::SessionHandle;
use server::{
    model::UserId,
    passkeys::{
        credential_key::CredentialKey,
        store::{Passkey, PasskeyStore, RecoveryCodes, UserPasskeys},
    },
};

use super::fixture::*;

/// Makes a test of each rule of [`PasskeyStore`], on the store that `$store` returns.
macro_rules! passkey_store {
    ($store:expr) => {
        rules! {
            $store => passkeys:
                user_without_passkeys_has_version_0
                passkeys_are_stored_with_their_owner
                passkeys_of_another_user_are_not_written
                write_of_an_old_version_is_rejected
                removed_passkey_has_no_owner
                removed_passkey_can_be_added_again
                concurrent_additions_lose_none
                passkey_that_two_users_add_has_one_owner
                recovery_codes_are_removed_once
        }
    };
}
pub(crate) use passkey_store;

type Store = Arc<dyn PasskeyStore>;

/// A passkey with an ID that no other has.
fn passkey(name: &str) -> Passkey {
    let key = SigningKey::from_slice(&[7; 32]).expect("a secret");
    let point = key.verifying_key().to_sec1_point(false);
    let (x, y) = (&point.as_bytes()[1..33], &point.as_bytes()[33..]);
    let cose = [&[0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 0x20], x, &[0x22, 0x58, 0x20], y].concat();
    let id: SessionHandle = handle();
    Passkey {
        id: id.to_string().parse().expect("a credential ID"),
        name: name.parse().expect("a name"),
        key: CredentialKey::read(&cose).expect("a key").0,
        counter: u32::MAX,
        created: *T0,
        used: *T0 + 1,
    }
}

fn of(passkeys: &[&Passkey]) -> UserPasskeys {
    UserPasskeys { passkeys: passkeys.iter().copied().cloned().collect(), ..UserPasskeys::default() }
}

async fn read(store: &Store, user: &UserId) -> (UserPasskeys, u64) {
    store.read(user).await.expect("the store answers")
}

/// Writes over the version `seen`.
async fn write_over(store: &Store, user: &UserId, seen: u64, passkeys: &[&Passkey]) -> bool {
    store.write(user, seen, &of(passkeys)).await.expect("the store answers")
}

/// Writes over the current version.
async fn write(store: &Store, user: &UserId, passkeys: &[&Passkey]) -> bool {
    let (_, seen) = read(store, user).await;
    write_over(store, user, seen, passkeys).await
}

async fn owner(store: &Store, passkey: &Passkey) -> Option<UserId> {
    store.owner(&passkey.id).await.expect("the store answers")
}

pub(crate) async fn user_without_passkeys_has_version_0(store: Store) {
    assert_eq!(read(&store, &user()).await, (UserPasskeys::default(), 0));
    assert_eq!(owner(&store, &passkey("None")).await, None);
}

pub(crate) async fn passkeys_are_stored_with_their_owner(store: Store) {
    let (ada, phone, key) = (user(), passkey("Ada’s “phone”\u{1F4F1}"), passkey("Key"));
    assert!(write(&store, &ada, &[&phone]).await);
    assert!(write(&store, &ada, &[&phone, &key]).await);
    let (stored, version) = read(&store, &ada).await;
    assert_eq!((stored, version), (of(&[&phone, &key]), 2));
    assert_eq!((owner(&store, &phone).await, owner(&store, &key).await), (Some(ada.clone()), Some(ada)));
}

pub(crate) async fn passkeys_of_another_user_are_not_written(store: Store) {
    let (ada, eve, phone, key) = (user(), user(), passkey("Phone"), passkey("Key"));
    assert!(write(&store, &ada, &[&phone]).await);
    assert!(!write(&store, &eve, &[&key, &phone]).await);
    assert_eq!(read(&store, &eve).await, (UserPasskeys::default(), 0), "nothing of it is written");
    assert_eq!((owner(&store, &phone).await, owner(&store, &key).await), (Some(ada), None));
}

pub(crate) async fn write_of_an_old_version_is_rejected(store: Store) {
    let (ada, phone, key) = (user(), passkey("Phone"), passkey("Key"));
    assert!(write_over(&store, &ada, 0, &[&phone]).await);
    assert!(!write_over(&store, &ada, 0, &[&key]).await);
    assert_eq!(read(&store, &ada).await, (of(&[&phone]), 1));
    assert_eq!(owner(&store, &key).await, None);
    assert!(write_over(&store, &ada, 1, &[&key]).await, "the current version");
}

pub(crate) async fn removed_passkey_has_no_owner(store: Store) {
    let (ada, phone, key) = (user(), passkey("Phone"), passkey("Key"));
    assert!(write(&store, &ada, &[&phone, &key]).await);
    assert!(write(&store, &ada, &[&key]).await);
    assert_eq!((owner(&store, &phone).await, owner(&store, &key).await), (None, Some(ada)));
}

pub(crate) async fn removed_passkey_can_be_added_again(store: Store) {
    let (ada, bob, phone) = (user(), user(), passkey("Phone"));
    for user in [&ada, &bob, &ada] {
        assert!(write(&store, user, &[&phone]).await);
        assert_eq!(owner(&store, &phone).await.as_ref(), Some(user));
        assert!(write(&store, user, &[]).await);
    }
}

pub(crate) async fn concurrent_additions_lose_none(store: Store) {
    let ada = user();
    concurrently(8, |_| {
        let (store, ada) = (store.clone(), ada.clone());
        // As the server does: again if another request has changed the user's passkeys meanwhile.
        async move {
            loop {
                let (mut passkeys, seen) = read(&store, &ada).await;
                passkeys.passkeys.push(passkey("Key"));
                if store.write(&ada, seen, &passkeys).await.expect("the store answers") {
                    break;
                }
            }
        }
    })
    .await;
    let (UserPasskeys { passkeys, .. }, version) = read(&store, &ada).await;
    assert_eq!((passkeys.len(), version), (8, 8));
    for passkey in passkeys {
        assert_eq!(owner(&store, &passkey).await.as_ref(), Some(&ada));
    }
}

pub(crate) async fn passkey_that_two_users_add_has_one_owner(store: Store) {
    let phone = passkey("Phone");
    let users: Vec<_> = (0..8).map(|_| user()).collect();
    let written = concurrently(8, |index| {
        let (store, user, phone) = (store.clone(), users[index].clone(), phone.clone());
        async move { write(&store, &user, &[&phone]).await }
    })
    .await;
    assert_eq!(count(&written, |is_written| *is_written), 1);
    let first = written.iter().position(|is_written| *is_written).expect("one was written");
    assert_eq!(owner(&store, &phone).await.as_ref(), Some(&users[first]));
}

pub(crate) async fn recovery_codes_are_removed_once(store: Store) {
    let (ada, phone) = (user(), passkey("Phone"));
    let codes = RecoveryCodes { created: *T0, hashes: vec!["A".repeat(43).parse().expect("a hash")] };
    let with_codes = UserPasskeys { codes: Some(codes), ..of(&[&phone]) };
    assert!(store.write(&ada, 0, &with_codes).await.expect("the store answers"));
    assert_eq!(read(&store, &ada).await, (with_codes, 1));
    let removed = concurrently(8, |_| {
        let (store, ada) = (store.clone(), ada.clone());
        async move { write_over(&store, &ada, 1, &[]).await }
    })
    .await;
    assert_eq!(count(&removed, |is_removed| *is_removed), 1);
    assert_eq!(read(&store, &ada).await, (UserPasskeys::default(), 2));
    assert_eq!(owner(&store, &phone).await, None);
}
