//! Runs the example: `cargo run -p own-users`. The users are in `users.db`.

use std::path::Path;

use axum::{Router, routing::get};
use own_users::UsersTable;
use protocol::catalogue::Catalogue;
use server::{Functions, Server, auth::passwords::Passwords, open_stores, settings::Settings};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let settings = Settings::load()?;
    let stores = open_stores(&settings).await?;
    let users = UsersTable::open(Path::new("users.db"), Passwords::new(&settings.origins))?;
    let server = Server::start(settings, stores, users).await?;
    let router = Router::new().route("/", get(async || "Welcome"));
    server.serve(router, Functions::new(Catalogue::new(&[]))).await?;
    Ok(())
}
