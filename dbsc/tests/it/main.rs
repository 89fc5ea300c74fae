//! The endpoints with a browser that is written with other crates than the server.

mod browser;
mod proofs;
mod refresh;
mod registration;
mod requests;
mod service;
