//! Runs the example: `cargo run -p existing-axum`.

use server::{
    Server,
    auth::{accounts::Accounts, passwords::Passwords},
    open_stores,
    settings::Settings,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let settings = Settings::load()?;
    let stores = open_stores(&settings).await?;
    let accounts = Accounts::new(stores.records.clone(), Passwords::new(&settings.origins));
    let server = Server::start(settings, stores, accounts.with_registration(|_| Ok(Vec::new()))).await?;
    let router = existing_axum::router(server.clone());
    server.serve(router, existing_axum::functions()).await?;
    Ok(())
}
