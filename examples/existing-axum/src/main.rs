//! Runs the example: `cargo run -p existing-axum`.

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = server::Server::start(server::settings::Settings::load()?).await?;
    let router = existing_axum::router(server.clone());
    server.serve(router, existing_axum::functions()).await?;
    Ok(())
}
