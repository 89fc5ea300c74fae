//! Binding a key to the session that was just opened by signing in (PROTOCOL.md §4).
//!
//! The frame does this with its own origin alone. The page only says when: it sees neither the bind cookie nor the
//! challenge, and it cannot name the session.

use protocol::message::{self, Answer, Bound, Challenged, Refusal, bind_statement};

use crate::{clock::Clock, home, keys::Key, vault::Vault};

/// Makes a key, has it bound, and only then keeps it. `authority` is the sign origin's.
pub(crate) async fn bind(authority: &str, clock: &Clock) -> Result<Answer, Refusal> {
    // Opened first: a session whose key cannot be kept must not be bound.
    let vault = Vault::open().await.map_err(|_| Refusal::VaultClosed)?;
    let key = Key::generate().await.map_err(|_| Refusal::VaultClosed)?;

    let exchange = home::post("/challenge", "").await?;
    let Challenged { challenge, now } = exchange.read()?;
    clock.learn(now, &exchange);

    let statement = bind_statement(authority, &challenge, &key.public().thumbprint());
    let signature = key.sign(&statement).await.map_err(|_| Refusal::VaultClosed)?;
    let request = message::Bind { jwk: key.public().to_jwk(), challenge, signature };
    let json = serde_json::to_string(&request).map_err(|_| Refusal::Malformed)?;

    let exchange = home::post("/bind", &json).await?;
    let Bound { session, nonces, now } = exchange.read()?;
    clock.learn(now, &exchange);
    vault.keep(&session, &key).await.map_err(|_| Refusal::VaultClosed)?;
    Ok(Answer::Bound { session, nonces })
}
