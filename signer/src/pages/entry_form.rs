//! The form of the pages for sign-in, registration and recovery.
//!
//! The confirmation key is generated and stored before the password is sent, so that the server opens no session that
//! this browser cannot use.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use protocol::{
    problem::{Code, Problem},
    recovery::{Recover, RecoveryCode},
    return_path,
    sign_origin::{Challenged, Password, SignIn, SignedIn, sign_in_statement},
    user::Login,
};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::spawn_local;
use web_sys::{AbortController, HtmlElement, HtmlFormElement, HtmlInputElement, UrlSearchParams};

use super::{
    Page,
    dom::{listen, set_text},
    enter,
};
use crate::{
    http::{self, HttpError},
    key_store::{KeyStore, RecordId},
    keys::Key,
    wait::SLOW,
};

const STORAGE: &str = "This browser does not let this site keep keys, so you cannot sign in here. Leave private browsing, allow \
    site data for this address, close its other tabs, or use another browser. Then reload the page.";
pub(super) const NO_KEYS: &str = "This browser cannot make keys, so you cannot sign in here. Turn off extensions for this address, or use \
    another browser. Then reload the page.";
pub(super) const WAITING: &str = "One moment…";
const SLOWLY: &str = "There is no answer yet. Wait, or check your connection and try again.";
const UNREACHABLE: &str = "The server cannot be reached. Check your connection, then try again.";
pub(super) const REJECTED: &str = "The server did not accept this. Reload the page, then try again.";

/// The paths of the forms.
pub(super) const SIGN_IN: &str = "/sign-in";
pub(super) const REGISTER: &str = "/register";
pub(super) const RECOVER: &str = "/recover";

const CODE: &str = "A recovery code has 16 letters and digits. Check for missing ones.";

pub(super) fn is_code(error: &HttpError, code: Code) -> bool {
    matches!(error, HttpError::Rejected(problem) if problem.code == code)
}

/// Whether the server may have executed the request although the response says otherwise.
fn may_be_lost(error: &HttpError) -> bool {
    matches!(error, HttpError::Unreachable) || is_code(error, Code::UseFreshNonce)
}

/// An error message for the user, and where it is shown.
pub(super) enum FormError {
    User(String),
    Password(String),
    Code(String),
    Form(String),
}

/// The error for a problem document. `login_label` is the label of the login's input.
fn problem_error(problem: Problem, login_label: &str) -> FormError {
    let form = |text: &str| FormError::Form(text.to_owned());
    match problem.code {
        Code::WrongCredentials => form(&[login_label, " or password is wrong. Check both, then try again."].concat()),
        Code::NameTaken => {
            FormError::User(["That ", &login_label.to_ascii_lowercase(), " is taken. Choose another one."].concat())
        }
        Code::InvalidLogin => FormError::User(problem.detail.unwrap_or(problem.title)),
        Code::WeakPassword => {
            FormError::Password(problem.detail.unwrap_or_else(|| "Choose a stronger password.".to_owned()))
        }
        Code::TooManySessions => {
            form("You are signed in on too many devices. Sign out on one of them, then try again.")
        }
        Code::RateLimited => form(&match problem.retry_after {
            Some(1) => "Too many attempts. Try again in one second.".to_owned(),
            Some(seconds) => ["Too many attempts. Try again in ", &seconds.to_string(), " seconds."].concat(),
            None => "Too many attempts. Wait a minute, then try again.".to_owned(),
        }),
        Code::Unavailable => form("The service is not available at the moment. Try again in a minute."),
        _ => form(REJECTED),
    }
}

pub(super) fn storage(_error: JsValue) -> FormError {
    FormError::Form(STORAGE.to_owned())
}

/// What the user has typed.
#[derive(Clone)]
struct Typed {
    user: Login,
    password: Password,
    /// On the page for recovery only.
    code: Option<RecoveryCode>,
}

/// The elements and state of the form.
pub(super) struct EntryForm {
    pub(super) page: Page,
    path: &'static str,
    pub(super) return_path: String,
    form: HtmlFormElement,
    login_label: HtmlElement,
    user: HtmlInputElement,
    password: HtmlInputElement,
    /// Its id is not `submit`, which would hide the form's method of that name.
    button: HtmlElement,
    reveal: HtmlElement,
    alert: HtmlElement,
    pub(super) status: HtmlElement,
    user_error: HtmlElement,
    password_error: HtmlElement,
    /// The input for a recovery code and its error, on the page for recovery.
    code: Option<(HtmlInputElement, HtmlElement)>,
    /// Whether an attempt is in progress.
    pub(super) is_busy: Cell<bool>,
    /// The key of the last attempt, which the next one reuses.
    key: Cell<Option<(RecordId, Key)>>,
    /// Ends the suggestions of passkeys.
    pub(super) suggestions: RefCell<Option<AbortController>>,
}

/// Runs the page whose form is posted to this path.
pub(super) async fn run(page: Page, path: &'static str) -> Result<(), JsValue> {
    let search = page.dom.window.location().search()?;
    let return_path = UrlSearchParams::new_with_str(&search)?.get("return").unwrap_or_default();
    let dom = page.dom.clone();
    let form = Rc::new(EntryForm {
        page,
        path,
        return_path: return_path::check(&return_path).to_owned(),
        form: dom.element("form")?,
        login_label: dom.element("user-label")?,
        user: dom.element("user")?,
        password: dom.element("password")?,
        button: dom.element("send")?,
        reveal: dom.element("reveal")?,
        alert: dom.element("alert")?,
        status: dom.element("status")?,
        user_error: dom.element("user-error")?,
        password_error: dom.element("password-error")?,
        code: dom.element("code").and_then(|code| Ok((code, dom.element("code-error")?))).ok(),
        is_busy: Cell::new(false),
        key: Cell::new(None),
        suggestions: RefCell::new(None),
    });
    // The form's action and the links to the other pages keep the return path.
    form.form.set_action(&[path, &search].concat());
    for link in ["other", "lost"] {
        let Ok(link) = dom.element::<HtmlElement>(link) else { continue };
        let href = link.get_attribute("href").unwrap_or_default();
        link.set_attribute("href", &[&href, search.as_str()].concat())?;
    }
    form.form.set_no_validate(true);
    form.listen()?;
    if KeyStore::open().await.is_err() {
        form.show(FormError::Form(STORAGE.to_owned()));
        return Ok(());
    }
    if dom.document.active_element().is_none_or(|active| active.tag_name() == "BODY") {
        let first = if form.user.value().is_empty() { &form.user } else { &form.password };
        first.focus()?;
    }
    form.offer_passkeys();
    Ok(())
}

impl EntryForm {
    fn listen(self: &Rc<Self>) -> Result<(), JsValue> {
        let form = Rc::clone(self);
        listen(&self.form, "submit", move |event| {
            event.prevent_default();
            let form = Rc::clone(&form);
            spawn_local(async move { form.send().await });
        })?;
        let form = Rc::clone(self);
        listen(&self.reveal, "click", move |_| form.toggle_password())?;
        self.reveal.set_hidden(false);
        Ok(())
    }

    fn toggle_password(&self) {
        let is_shown = self.password.type_() == "password";
        self.password.set_type(if is_shown { "text" } else { "password" });
        set_text(&self.reveal, if is_shown { "Hide" } else { "Show" });
        // Setting this attribute cannot fail.
        let _ = self.reveal.set_attribute("aria-label", if is_shown { "Hide password" } else { "Show password" });
    }

    /// Sends the form, one attempt at a time.
    async fn send(self: Rc<Self>) {
        self.run(self.attempt()).await;
    }

    /// Runs an attempt to sign in, unless another one is in progress, and shows its error.
    pub(super) async fn run(self: &Rc<Self>, attempt: impl Future<Output = Result<(), FormError>>) {
        if self.is_busy.replace(true) {
            return;
        }
        self.clear();
        let _ = self.button.set_attribute("aria-disabled", "true");
        set_text(&self.status, WAITING);
        let waiting = Rc::clone(self);
        let _ = self.page.dom.after(SLOW, move || {
            // Not while the browser waits for the user's passkey.
            if waiting.status.text_content().as_deref() == Some(WAITING) {
                set_text(&waiting.status, SLOWLY);
            }
        });
        if let Err(error) = attempt.await {
            self.fail(error);
        }
    }

    /// Ends an attempt, and shows its error.
    pub(super) fn fail(&self, error: FormError) {
        self.is_busy.set(false);
        let _ = self.button.remove_attribute("aria-disabled");
        set_text(&self.status, "");
        self.show(error);
    }

    async fn attempt(&self) -> Result<(), FormError> {
        let user = Login::parse(self.user.value().trim())
            .map_err(|_| FormError::User(["Enter your ", &self.login_label().to_ascii_lowercase(), "."].concat()))?;
        let password = Password::new(self.password.value());
        if password.reveal().is_empty() {
            return Err(FormError::Password("Enter your password.".to_owned()));
        }
        let code = match &self.code {
            Some((code, _)) => {
                Some(RecoveryCode::from_typed(&code.value()).map_err(|_| FormError::Code(CODE.to_owned()))?)
            }
            None => None,
        };

        let key_store = KeyStore::open().await.map_err(storage)?;
        let (id, key) = self.stored_key(&key_store, user.as_str()).await?;
        let typed = Typed { user, password, code };
        let response = self.request_session(&key, &typed).await;
        let response = match response {
            Ok(response) => response,
            Err(error) => {
                self.key.set(Some((id, key)));
                return Err(self.explain(error));
            }
        };
        let session = response.ticket.token().handle();
        key_store.keep_confirmation_key(Some(id), Some(&session), &key, typed.user.as_str()).await.map_err(storage)?;
        let entered = enter::submit(&self.page, &response, &key, &self.return_path).await;
        entered.map_err(|_| FormError::Form(REJECTED.to_owned()))
    }

    /// Returns a confirmation key that is in the key store: that of the last attempt, or a new one.
    async fn stored_key(&self, store: &KeyStore, user: &str) -> Result<(RecordId, Key), FormError> {
        let (id, key) = match self.key.take() {
            Some((id, key)) => (Some(id), key),
            None => (None, Key::generate().await.map_err(|_| FormError::Form(NO_KEYS.to_owned()))?),
        };
        // Stored under the same number when the last attempt has stored it.
        let id = store.keep_confirmation_key(id, None, &key, user).await.map_err(storage)?;
        Ok((id, key))
    }

    /// Requests a session with this confirmation key. Tries again if the response may have been lost: a browser resends a
    /// request by itself, and the server rejects the challenge the second time. No session is displaced until one is entered.
    async fn request_session(&self, key: &Key, typed: &Typed) -> Result<SignedIn, HttpError> {
        let first = self.post(self.path, key, typed).await;
        if !first.as_ref().is_err_and(may_be_lost) {
            return first;
        }
        if self.path == REGISTER {
            // The account may have been opened.
            let signed_in = self.post(SIGN_IN, key, typed).await;
            if !signed_in.as_ref().is_err_and(|error| is_code(error, Code::WrongCredentials)) {
                return signed_in;
            }
        }
        self.post(self.path, key, typed).await
    }

    async fn post(&self, path: &str, key: &Key, typed: &Typed) -> Result<SignedIn, HttpError> {
        let exchange = http::post("/challenge", "{}", &[]).await?;
        let Challenged { challenge, now } = exchange.read()?;
        self.page.clock.update(now, &exchange);
        let statement = sign_in_statement(&self.page.sign_authority, &challenge, &key.public().thumbprint());
        let signature = key.sign(&statement).await.map_err(|_| HttpError::NoSignature)?;
        let Typed { user, password, code } = typed.clone();
        let jwk = key.public().to_jwk();
        let json = match code {
            Some(code) => serde_json::to_string(&Recover { user, password, code, jwk, challenge, signature }),
            None => serde_json::to_string(&SignIn { user, password, jwk, challenge, signature }),
        };
        let json = json.map_err(|_| HttpError::Unreachable)?;
        http::post(path, &json, &[]).await?.read()
    }

    pub(super) fn explain(&self, error: HttpError) -> FormError {
        match (error, self.path) {
            (HttpError::NoSignature, _) => FormError::Form(NO_KEYS.to_owned()),
            (HttpError::Unreachable, REGISTER) => FormError::Form(
                "No answer came from the server. Your account may have been opened: try to sign in with it before you try again."
                    .to_owned(),
            ),
            (HttpError::Unreachable, RECOVER) => FormError::Form(
                "No answer came from the server. The code may have been used: try to sign in with your password before you try again."
                    .to_owned(),
            ),
            (HttpError::Rejected(problem), RECOVER) if problem.code == Code::WrongCredentials => FormError::Form(
                [&self.login_label(), ", password or code is wrong. Check all three. A code works once: if you have just used it, sign in with your password."].concat(),
            ),
            (HttpError::Unreachable, _) => FormError::Form(UNREACHABLE.to_owned()),
            (HttpError::Rejected(problem), _) => problem_error(*problem, &self.login_label()),
        }
    }

    fn login_label(&self) -> String {
        self.login_label.text_content().unwrap_or_default()
    }

    fn clear(&self) {
        let (code, code_error) = self.code.as_ref().map(|(code, error)| (code, error)).unzip();
        for text in [&self.alert, &self.user_error, &self.password_error].into_iter().chain(code_error) {
            set_text(text, "");
        }
        for input in [&self.user, &self.password].into_iter().chain(code) {
            let _ = input.remove_attribute("aria-invalid");
        }
    }

    /// Shows an error and focuses the input to correct. The input keeps its text.
    pub(super) fn show(&self, error: FormError) {
        let (input, place, text) = match (error, &self.code) {
            (FormError::User(text), _) => (Some(&self.user), &self.user_error, text),
            (FormError::Password(text), _) => (Some(&self.password), &self.password_error, text),
            (FormError::Code(text), Some((code, error))) => (Some(code), error, text),
            (FormError::Form(text) | FormError::Code(text), _) => (None, &self.alert, text),
        };
        set_text(place, &text);
        if let Some(input) = input {
            let _ = input.set_attribute("aria-invalid", "true");
            // If the element cannot take the focus, the focus stays where it is.
            let _ = input.focus();
        }
    }
}
