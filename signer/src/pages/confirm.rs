//! The confirmation window: receives one request, shows it, and signs it when the user confirms.

use std::{cell::Cell, rc::Rc};

use actions::{CATALOGUE, SUMMARIES};
use protocol::{
    message::{AttestedHeaders, FromWindow, WindowRejection},
    proof,
    token::Nonce,
};
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::{Storage, Window};

use super::{
    Page,
    confirm_view::{ConfirmView, rejection},
    cooldown::Cooldown,
    dom::listen,
    fragment, passkey,
    request::Request,
    session_passkeys::SessionPasskeys,
    watch::{self, Watch},
};
use crate::{
    clock::{self, server_time},
    key_store::KeyStore,
    keys, locks,
    port::Port,
    sign::UnsignedRequest,
    wait::SLOW,
};

/// How long the outcome is shown before the window closes itself, in ms.
const CLOSE_DELAY: i32 = 700;

/// The lock held while a confirmation is open: one at a time in this browser profile.
const LOCK: &str = "pan-confirm";

/// The `localStorage` key of the times of unwanted confirmations.
const COOLDOWN: &str = "pan-unwanted";

/// Receives the request from the fragment or the opener, and answers it.
pub(super) async fn run(page: Page) -> Result<(), JsValue> {
    let view = Rc::new(ConfirmView::find(&page.dom)?);
    match fragment::take(&page)? {
        Some(Ok(link)) => {
            let decided = decide(&page, &view, Request::check(CATALOGUE, SUMMARIES, link.request), || {}).await;
            return fragment::answer(&page, &link.return_path, &message(decided));
        }
        Some(Err(reason)) => {
            show_rejection(&view, reason);
            return Ok(());
        }
        None => {}
    }
    let opener = page.dom.window.opener()?;
    let window = page.dom.window.clone();
    listen(&view.close, "click", move |_| close(&window))?;
    if opener.is_null() {
        view.show_outcome("Nothing to confirm", "This page opens by itself when there is something to confirm.");
        return Ok(());
    }
    let has_request = Rc::new(Cell::new(false));
    let (slow, received) = (Rc::clone(&view), Rc::clone(&has_request));
    page.dom.after(SLOW, move || slow.show_slow(received.get()))?;
    let port = Rc::new(Port::claim(&page.dom.window, opener.unchecked_ref::<Window>(), &page.app_origin).await?);
    let request = Request::from_message(CATALOGUE, SUMMARIES, &port.first().await?);
    has_request.set(true);

    // Closing, reloading or navigating the window cancels the request.
    let is_decided = Rc::new(Cell::new(false));
    let (leaving, undecided) = (Rc::clone(&port), Rc::clone(&is_decided));
    page.dom.on_window("pagehide", move |_| {
        if !undecided.get() {
            leaving.send(&FromWindow::Rejected(WindowRejection::Cancelled));
        }
    })?;
    let decided = decide(&page, &view, request, || port.send(&FromWindow::Shown {})).await;
    is_decided.set(true);
    let has_codes = matches!(&decided, Ok(headers) if headers.recovery_codes.is_some());
    let closes = !has_codes && matches!(decided, Ok(_) | Err(WindowRejection::Cancelled));
    match decided {
        Ok(_) => view.show_confirmed(has_codes),
        Err(reason) => show_rejection(&view, reason),
    }
    port.send(&message(decided));
    if closes {
        let window = page.dom.window.clone();
        page.dom.after(CLOSE_DELAY, move || close(&window))?;
    }
    Ok(())
}

fn show_rejection(view: &ConfirmView, reason: WindowRejection) {
    let (title, text) = rejection(reason);
    view.show_outcome(title, &text);
}

fn message(decided: Result<AttestedHeaders, WindowRejection>) -> FromWindow {
    match decided {
        Ok(AttestedHeaders { signed, passkey: None, new_passkey: None, recovery_codes: None }) => {
            FromWindow::Signed(signed)
        }
        Ok(headers) => FromWindow::Attested(headers),
        Err(reason) => FromWindow::Rejected(reason),
    }
}

fn close(window: &Window) {
    // If the browser does not allow this, the text asks the user to close the window.
    let _ = window.close();
}

/// Shows a request and waits for the user. Returns the headers to send with the request.
async fn decide(
    page: &Page,
    view: &Rc<ConfirmView>,
    request: Result<Request, WindowRejection>,
    shown: impl FnOnce(),
) -> Result<AttestedHeaders, WindowRejection> {
    let request = request?;
    let closed = |_| WindowRejection::KeyStoreClosed;
    let (key, user) = {
        // Closed before the user decides: an open database keeps a newer version of this page from opening it.
        let store = KeyStore::open().await.map_err(closed)?;
        store.confirmation_key(&request.to_sign.session).await.map_err(closed)?.ok_or(WindowRejection::NoKey)?
    };
    let _lock = locks::try_take(LOCK).await.ok_or(WindowRejection::Busy)?;
    let storage = page.dom.window.local_storage().ok().flatten().ok_or(WindowRejection::KeyStoreClosed)?;
    let began = clock::now();
    let mut unwanted = unwanted(&storage, began);
    if let Some(seconds) = unwanted.pause(began) {
        return Err(WindowRejection::Paused { seconds });
    }
    page.clock.offset(false).await?;
    let passkeys = if request.needs_passkey { Some(SessionPasskeys::fetch(&request).await?) } else { None };

    let shown_at = clock::now();
    unwanted.add(shown_at);
    storage.set_item(COOLDOWN, &unwanted.to_text()).map_err(closed)?;
    let is_passkey_used = passkeys.as_ref().is_some_and(SessionPasskeys::is_used);
    let timeout = if is_passkey_used { watch::TIMEOUT - passkey::TIMEOUT } else { watch::TIMEOUT };
    // If these steps fail, the user has not seen the request.
    let watch = Watch::start(page, view, request.entry.name, timeout).map_err(|_| WindowRejection::Malformed)?;
    let codes = passkeys.as_ref().and_then(SessionPasskeys::codes);
    view.show_request(&request, &user, codes).map_err(|_| WindowRejection::Malformed)?;
    shown();
    let mut proof = watch.decision().await?;
    view.show_signing();
    let slow = Rc::clone(view);
    // If this fails, the window shows "One moment…" until the server has answered.
    let _ = page.dom.after(SLOW, move || slow.show_slow(true));
    let mut unwanted = self::unwanted(&storage, clock::now());
    unwanted.remove(shown_at);
    // If storage is full, the pause only starts sooner.
    let _ = storage.set_item(COOLDOWN, &unwanted.to_text());

    let offset = page.clock.offset(false).await?;
    proof.at = server_time(js_sys::Date::now(), offset);
    let nonce = match request.to_sign.nonce {
        Some(nonce) => nonce,
        None => keys::random().map(Nonce::new).map_err(|_| WindowRejection::Malformed)?,
    };
    let unsigned = UnsignedRequest {
        authority: page.app_authority(),
        path: request.entry.path,
        body: &request.to_sign.body,
        session: &request.to_sign.session,
        nonce,
        proof: proof::header(Some(&proof)).map_err(|_| WindowRejection::Malformed)?,
    };
    let (headers, base) = unsigned.sign_base(&key, offset).await.map_err(|_| WindowRejection::SigningFailed)?;
    let mut headers = headers.into();
    if let Some(passkeys) = passkeys {
        if is_passkey_used {
            view.show_passkey_prompt();
        }
        let signed = passkeys.sign(page, &key, &user, &base, &mut headers).await;
        signed.map_err(|_| WindowRejection::NoPasskey)?;
    }
    Ok(headers)
}

fn unwanted(storage: &Storage, now: u64) -> Cooldown {
    Cooldown::parse(&storage.get_item(COOLDOWN).ok().flatten().unwrap_or_default(), now)
}
