//! PAN's server: verifies signed requests and serves the sign origin. It depends on axum, but on no user interface.
//!
//! [`Server`] is the entry point. An application provides a router and declares which of its functions are public:
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! # use server::{Functions, Server, open_stores, settings::Settings};
//! # use server::auth::{accounts::Accounts, passwords::Passwords};
//! let settings = Settings::load()?;
//! let stores = open_stores(&settings).await?;
//! let accounts = Accounts::new(stores.records.clone(), Passwords::new(&settings.origins));
//! let server = Server::start(settings, stores, accounts).await?;
//! let functions = Functions::new(protocol::catalogue::Catalogue::new(&[]));
//! server.serve(axum::Router::new(), functions).await?;
//! # Ok(())
//! # }
//! ```
//!
//! | module | responsibility |
//! |---|---|
//! | `router` | puts the two origins and the middleware together |
//! | [`middleware`] | host routing, security headers, verification, theft signals |
//! | [`auth`] | users, passwords, sign-in, entering the app origin |
//! | `sign_origin` | pages of the sign origin; binds frame keys |
//! | [`ecdsa`] | verifies signatures |
//! | [`model`] | sessions and limits: types that several modules share |
//! | [`store`] | keeps state and decides what must be atomic; one trait per noun |
//! | `device` | binds sessions to devices (DBSC) |
//! | [`passkeys`] | verifies, adds, lists and removes passkeys |
//! | [`audit`] | writes the audit log |
//! | [`push`] | pushes signed events to pages |
//! | [`risk`] | judges interaction proofs |
//! | [`rejection`] | maps rejection reasons to problem documents |

pub mod audit;
pub mod auth;
pub mod client_ip;
pub mod clock;
mod cookies;
mod device;
pub mod ecdsa;
pub mod extract;
mod headers;
mod metrics;
pub mod middleware;
pub mod model;
mod nonces;
pub mod origin;
mod outcomes;
pub mod passkeys;
pub mod push;
pub mod random;
mod rate_limits;
pub mod rejection;
pub mod risk;
mod router;
mod serve;
mod server;
mod sessions;
pub mod settings;
mod sign_origin;
pub mod store;
pub mod user_agent;

/// Entry points for `fuzz/`.
#[doc(hidden)]
pub mod fuzz {
    /// Parses the headers of a request like the verification middleware, and ignores the result.
    pub fn read_headers(headers: &http::HeaderMap) {
        use crate::middleware::unverified::UnverifiedRequest;
        use protocol::action::Target;
        for target in [Target::App, Target::Sign] {
            let _ = UnverifiedRequest::read(headers, target);
        }
    }
}

pub use cookies::session_tokens;
pub use extract::Verified;
pub use middleware::verified_request::VerifiedRequest;
pub use server::{Functions, Server, StartError, open_stores};
