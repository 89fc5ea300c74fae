#![doc = include_str!("../README.md")]

#[cfg(feature = "axum")]
pub mod axum;
mod config;
mod cookie;
mod dbsc;
mod endpoint;
mod error;
pub mod header;
mod instructions;
mod json;
mod jwt;
mod key;
mod proof;
mod service;
mod session_id;
mod store;
mod token;

pub use self::{
    config::Config,
    cookie::{BoundCookie, SameSite},
    dbsc::{Dbsc, Refresh},
    endpoint::StoreFailure,
    error::{Error, InvalidValue, Rejection},
    instructions::{Credential, Instructions, RuleKind, Scope, ScopeRule, WellKnown},
    key::{Algorithm, PublicKey},
    proof::{RefreshProof, RegistrationProof},
    service::{DbscLayer, DbscService},
    session_id::SessionId,
    store::{MemoryStore, Registration, SessionStore, StoreError},
    token::{ChallengeId, Purpose, Secret},
};
