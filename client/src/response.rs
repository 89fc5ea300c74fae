//! The application's response to a server-function call.

use leptos::server_fn::{Bytes, Decodes, error::FromServerFnError};

use crate::{error::ClientError, fetch::Reply};

/// A response that the application wrote.
#[derive(Debug)]
pub struct Response {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
}

impl Response {
    /// Takes the application's response out of a reply.
    ///
    /// # Errors
    /// The rejection of PAN, or the error of a proxy.
    pub(crate) fn from_reply<E: FromServerFnError>(reply: Reply) -> Result<Self, ClientError> {
        if let Some(problem) = reply.problem() {
            return Err(problem.into());
        }
        if reply.status >= 400 && E::Encoder::decode(reply.body.clone()).is_err() {
            return Err(ClientError::from_status(reply.status, reply.retry_after));
        }
        Ok(Self { status: reply.status, body: reply.body })
    }

    /// Checks that the application accepted the call.
    ///
    /// # Errors
    /// The application's error.
    pub(crate) fn into_success<E: FromServerFnError>(self) -> Result<(), E> {
        if self.status >= 400 { Err(E::de(self.body)) } else { Ok(()) }
    }
}
