//! Takes the answer when the user returns from a confirmation in the same tab, and sends the request that was confirmed.

use std::{fmt::Display, rc::Rc};

use leptos::server_fn::error::FromServerFnError;
use protocol::message::{AttestedHeaders, FromWindow, ToWindow};
use wasm_bindgen_futures::spawn_local;

use crate::{
    error::ClientError,
    fetch::Reply,
    redirect::{self, PendingRedirect},
    response::Response,
    signed_request::SignedRequest,
    tab::Tab,
};

/// Turns a reply into what the page shows: success, or a sentence for the user.
pub(crate) type ToOutcome = fn(Result<Reply, ClientError>) -> Result<(), String>;

/// [`ToOutcome`] for an application whose error is `E`.
pub(crate) fn outcome<E>(reply: Result<Reply, ClientError>) -> Result<(), String>
where
    E: FromServerFnError + From<ClientError> + Display,
{
    let response = reply.and_then(Response::from_reply::<E>).map_err(E::from);
    response.and_then(Response::into_success).map_err(|error| error.to_string())
}

/// Sends the confirmed request, if the user has returned with an answer, and shows the outcome.
pub(crate) fn resume(tab: &Rc<Tab>, to_outcome: ToOutcome) {
    let Some((PendingRedirect { request, typed }, answer)) = redirect::take_answer() else { return };
    let tab = Rc::clone(tab);
    // After hydration: until then the page must look as the server rendered it.
    spawn_local(async move {
        let outcome = to_outcome(match answer {
            FromWindow::Signed(headers) => send(&tab, request, headers.into()).await,
            FromWindow::Attested(headers) => send(&tab, request, headers).await,
            FromWindow::Rejected(reason) => Err(reason.into()),
            FromWindow::Shown {} => return,
        });
        if outcome.is_err() {
            tab.typed_inputs.set(typed);
        }
        tab.session.set_redirect_outcome(outcome);
    });
}

async fn send(tab: &Tab, request: ToWindow, headers: AttestedHeaders) -> Result<Reply, ClientError> {
    let ToWindow { session, path, body, nonce } = request;
    let sending = tab.send_once(session, &path, nonce, SignedRequest { body, headers });
    tab.session.show_progress(sending).await
}
