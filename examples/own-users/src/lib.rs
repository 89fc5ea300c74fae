//! Signs in the users of the application's own table, here in `SQLite`. They sign in with an e-mail address; sessions, push
//! messages and the audit log know them by a UUID.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use protocol::user::Login;
use rusqlite::{Connection, ErrorCode, OptionalExtension, params};
use server::{
    auth::{
        credentials::{CredentialError, CredentialStore, InvalidLogin, LoginField, PasswordCheck},
        passwords::Passwords,
    },
    model::UserId,
    store::StoreError,
};
use tokio::task::spawn_blocking;
use uuid::Uuid;

/// The table. `password` is a PHC string.
const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS users (
    id TEXT PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    password TEXT NOT NULL
) STRICT";

/// The users in an `SQLite` database.
pub struct UsersTable {
    connection: Arc<Mutex<Connection>>,
    passwords: Passwords,
}

impl UsersTable {
    /// Opens the database, and creates the table if there is none.
    ///
    /// # Errors
    /// Those of `SQLite`.
    pub fn open(path: &Path, passwords: Passwords) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        connection.execute(SCHEMA, [])?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)), passwords })
    }

    /// Runs a query. `SQLite` blocks, so it gets a thread that may.
    async fn query<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let connection = self.connection.clone();
        let result = spawn_blocking(move || query(&connection.lock().unwrap_or_else(PoisonError::into_inner)));
        result.await.map_err(StoreError::new)?.map_err(StoreError::new)
    }
}

#[async_trait]
impl CredentialStore for UsersTable {
    fn login_field(&self) -> LoginField {
        LoginField { label: "E-mail address", hint: "" }
    }

    fn normalize(&self, login: &Login) -> Result<Login, InvalidLogin> {
        let invalid = || InvalidLogin("this is not an e-mail address".to_owned());
        let (local, domain) = login.as_str().rsplit_once('@').ok_or_else(invalid)?;
        if local.is_empty() || domain.is_empty() || login.as_str().contains(char::is_whitespace) {
            return Err(invalid());
        }
        Login::parse(&login.as_str().to_lowercase()).map_err(|_| invalid())
    }

    async fn check(&self, login: &Login, password: &str) -> Result<PasswordCheck, CredentialError> {
        let email = login.to_string();
        let user = self.query(move |connection| {
            let select = "SELECT id, password FROM users WHERE email = ?1";
            connection.query_row(select, params![email], |row| Ok((row.get(0)?, row.get(1)?))).optional()
        });
        let (id, hash): (Option<String>, Option<String>) = user.await?.unzip();
        // Does the same work without a hash.
        let is_right = self.passwords.verify(password, hash).await?;
        let Some(id) = id else { return Ok(PasswordCheck::UnknownLogin) };
        let user = UserId::parse(&id).map_err(StoreError::new)?;
        Ok(if is_right { PasswordCheck::Right(user) } else { PasswordCheck::Wrong(user) })
    }

    fn allows_registration(&self) -> bool {
        true
    }

    async fn register(&self, login: &Login, password: &str) -> Result<UserId, CredentialError> {
        let (email, hash) = (login.to_string(), self.passwords.hash(login.as_str(), password).await?);
        let id = Uuid::new_v4().to_string();
        let user = UserId::parse(&id).map_err(StoreError::new)?;
        let is_new = self.query(move |connection| {
            let insert = "INSERT INTO users (id, email, password) VALUES (?1, ?2, ?3)";
            match connection.execute(insert, params![id, email, hash]) {
                Ok(_) => Ok(true),
                Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => Ok(false),
                Err(error) => Err(error),
            }
        });
        if is_new.await? { Ok(user) } else { Err(CredentialError::LoginTaken) }
    }

    async fn login(&self, user: &UserId) -> Result<Option<Login>, CredentialError> {
        let id = user.to_string();
        let email: Option<String> = self
            .query(move |connection| {
                let select = "SELECT email FROM users WHERE id = ?1";
                connection.query_row(select, params![id], |row| row.get(0)).optional()
            })
            .await?;
        Ok(email.map(|email| Login::parse(&email)).transpose().map_err(StoreError::new)?)
    }
}
