//! Takes the answer when the user returns from a confirmation in the same tab, and sends the request that was confirmed.

use std::{fmt::Display, rc::Rc};

use leptos::server_fn::error::FromServerFnError;
use protocol::message::{FromWindow, SignedHeaders, ToWindow};
use wasm_bindgen_futures::spawn_local;

use crate::{
    error::ClientError,
    redirect::{self, PendingRedirect},
    response::Response,
    signed_request::SignedRequest,
    tab::Tab,
};

/// Sends the confirmed request, if the user has returned with an answer, and shows the result. `E` is the application's error.
pub(crate) fn resume<E>(tab: &Rc<Tab>)
where
    E: FromServerFnError + From<ClientError> + Display,
{
    let Some((PendingRedirect { request, typed }, answer)) = redirect::take_answer() else { return };
    let tab = Rc::clone(tab);
    // After hydration: until then the page must look as the server rendered it.
    spawn_local(async move {
        let outcome: Result<(), E> = match answer {
            FromWindow::Signed(headers) => send(&tab, request, headers).await,
            FromWindow::Rejected(reason) => Err(ClientError::from(reason).into()),
            FromWindow::Shown {} => return,
        };
        if outcome.is_err() {
            tab.typed_inputs.set(typed);
        }
        tab.session.set_redirect_outcome(outcome.map_err(|error| error.to_string()));
    });
}

async fn send<E>(tab: &Tab, request: ToWindow, headers: SignedHeaders) -> Result<(), E>
where
    E: FromServerFnError + From<ClientError>,
{
    let ToWindow { session, path, body, .. } = request;
    let sending = tab.send(session, &path, SignedRequest { body, headers });
    let reply = tab.session.show_progress(sending).await?;
    Response::from_reply::<E>(reply)?.into_success()
}
