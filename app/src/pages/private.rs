//! What pages with private data share: a signed call loads the data after hydration, and again when the session changes;
//! an error is shown with a way to continue.

use std::pin::Pin;

use client::{ClientError, Session, markup::SESSION_META, push};
use leptos::{prelude::*, task::spawn_local};
use leptos_meta::Title;
use leptos_router::hooks::use_location;
use protocol::push::{Push, Topic};
use wasm_bindgen::JsValue;

use super::{focus, form::Alert};
use crate::error::AppError;

/// A signed call that loads data.
pub type Load<T> = fn() -> Pin<Box<dyn Future<Output = Result<T, AppError>>>>;

/// The private data of a page, shared by its parts.
pub struct PrivateData<T: Send + Sync + 'static> {
    load: Load<T>,
    session: StoredValue<Session>,
    data: RwSignal<Option<T>>,
    error: RwSignal<Option<AppError>>,
    loading: StoredValue<Loading>,
    /// What the user did last, in words.
    pub done: RwSignal<Option<String>>,
}

impl<T: Send + Sync> Clone for PrivateData<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Send + Sync> Copy for PrivateData<T> {}

impl<T: Send + Sync> PrivateData<T> {
    /// Loads the data in the browser, as soon as the user is signed in.
    pub fn load(load: Load<T>) -> Self {
        let session = expect_context::<Session>();
        let private = Self {
            load,
            session: StoredValue::new(session.clone()),
            data: RwSignal::new(None),
            error: RwSignal::new(None),
            loading: StoredValue::new(Loading::Idle),
            done: RwSignal::new(None),
        };
        // In the browser only, and again when another tab signs in or out.
        Effect::new(move || {
            if private.data.with_untracked(Option::is_some) {
                // What has the focus disappears.
                focus::restore(None);
            }
            private.data.set(None);
            private.error.set(None);
            // A redirect may have changed something.
            session.redirect_outcome();
            if session.is_signed_in() {
                private.reload();
            }
        });
        private
    }

    /// Reloads when a push message `concerns` the data, or when messages were missed.
    #[must_use]
    pub fn reload_on(self, concerns: fn(&Push) -> bool) -> Self {
        push::subscribe(move |message| {
            if concerns(&message.push) || is_gap(&message.push) {
                self.reload();
            }
        });
        self
    }

    /// Loads the data again. The old data stays until the response arrives.
    pub fn reload(self) {
        if self.loading.get_value() != Loading::Idle {
            self.loading.set_value(Loading::ThenAgain);
            return;
        }
        self.loading.set_value(Loading::Now);
        let requested_by = self.session.with_value(Session::handle);
        spawn_local(async move {
            let result = (self.load)().await;
            // The user may have left the page.
            let Some(loading) = self.loading.try_get_value() else { return };
            self.loading.set_value(Loading::Idle);
            // The new data may lack what has the focus.
            if let Some(focused) = focus::focused() {
                focus::restore(Some(focused));
            }
            // Another tab may have signed in as another user: the data is not theirs.
            if self.session.with_value(Session::handle) == requested_by || result.is_err() {
                match result {
                    Ok(data) => {
                        self.error.set(None);
                        self.data.set(Some(data));
                    }
                    Err(error) => self.error.set(Some(error)),
                }
            }
            if loading == Loading::ThenAgain {
                self.reload();
            }
        });
    }

    /// Changes the loaded data.
    pub fn modify(self, change: impl FnOnce(&mut T)) {
        self.data.update(|data| {
            if let Some(data) = data {
                change(data);
            }
        });
    }

    /// Selects a part of the loaded data. Reactive.
    pub fn select<P>(self, select: impl Fn(&T) -> P) -> Option<P> {
        self.data.with(|data| data.as_ref().map(select))
    }
}

/// Whether this page missed messages. Telemetry does not count: only the newest value matters.
pub fn is_gap(push: &Push) -> bool {
    matches!(push, Push::Reset {})
        || matches!(push, Push::Dropped { of, .. } if !matches!(of, Topic::Telemetry | Topic::UserActivity | Topic::Heartbeat))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Loading {
    Idle,
    Now,
    /// Again, once the current call is done.
    ThenAgain,
}

/// A page that shows its children once the data is loaded.
#[component]
pub fn PrivatePage<T: Send + Sync + 'static>(
    /// The heading, and the title of the document.
    title: &'static str,
    /// The data.
    data: PrivateData<T>,
    /// What shows the data.
    children: ChildrenFn,
) -> impl IntoView {
    let loaded = Memo::new(move |_| data.data.with(Option::is_some));
    private_page(title, loaded, data.error, data.done, Callback::new(move |()| data.reload()), children)
}

/// Not generic, because each instance adds to the size of the page.
fn private_page(
    title: &'static str,
    loaded: Memo<bool>,
    error: RwSignal<Option<AppError>>,
    done: RwSignal<Option<String>>,
    reload: Callback<()>,
    children: ChildrenFn,
) -> impl IntoView {
    focus::show_page();
    let session = expect_context::<Session>();
    let children = StoredValue::new(children);
    let absence = session.clone();
    view! {
        <Title text=format!("{title} – PAN")/>
        <h1 tabindex="-1">{title}</h1>
        <Show
            when=move || session.is_signed_in()
            fallback=move || {
                let absence = absence.clone();
                move || {
                    absence.state();
                    view! { <SignInPrompt error=absence.absence_reason()/> }
                }
            }
        >
            <Show when=move || loaded.get() fallback=move || view! { <LoadingPlaceholder error reload/> }>
                <Alert sentence=move || error.get().map(|error| format!("This may be out of date. {error}"))/>
                {children.with_value(|children| children())}
            </Show>
        </Show>
        <p class="toast" role="status">{move || done.get()}</p>
    }
}

const COOKIE_LOST: &str = "You have signed in, but your browser did not keep this site’s cookie. Allow cookies for this site, and \
    turn off what may remove them. Then sign in again.";

/// Whether the user has just signed in and the browser has not kept the session cookie: the page was loaded without a session,
/// but by the redirect of `/enter`, to which only the sign origin leads.
fn has_lost_cookie(session: &Session) -> bool {
    let referrer = document().referrer();
    let is_from_sign_origin = referrer.strip_suffix('/') == Some(session.sign_origin());
    let navigation = window().performance().map(|performance| performance.get_entries_by_type("navigation").get(0));
    let redirects = navigation.and_then(|entry| js_sys::Reflect::get(&entry, &"redirectCount".into()).ok());
    let had_session = document().query_selector(&format!("meta[name={SESSION_META}]")).is_ok_and(|meta| meta.is_some());
    is_from_sign_origin && redirects.and_then(|count| count.as_f64()) > Some(0.0) && !had_session
}

/// Why the page cannot show data, and how to continue.
#[component]
fn SignInPrompt(error: ClientError) -> impl IntoView {
    let session = expect_context::<Session>();
    let path = use_location().pathname;
    let sentence = RwSignal::new(error.to_string());
    let (is_signed_out, known) = (error == ClientError::SignedOut, session.clone());
    // In the browser only.
    Effect::new(move || {
        if is_signed_out && has_lost_cookie(&known) {
            sentence.set(COOKIE_LOST.to_owned());
        }
    });
    let next_step = if matches!(error, ClientError::FrameKeyLost(_)) {
        view! { <RestoreBrowser/> }.into_any()
    } else {
        let url = move || session.sign_in_url(&path.get());
        view! { <p><a href=url rel="external" class="primary">"Sign in"</a></p> }.into_any()
    };
    view! {
        <section class="card narrow">
            <p role="alert">{sentence}</p>
            {next_step}
        </section>
    }
}

/// The button that lets the signing frame of this browser sign again.
#[component]
fn RestoreBrowser() -> impl IntoView {
    let failed = RwSignal::new(None::<AppError>);
    let pending = RwSignal::new(false);
    let restore = move |_| {
        if pending.get_untracked() {
            return;
        }
        pending.set(true);
        failed.set(None);
        spawn_local(async move {
            // After success this component is gone.
            match client::restore_browser().await {
                Ok(()) => focus::restore(None),
                Err(error) => {
                    pending.try_set(false);
                    failed.try_set(Some(error.into()));
                }
            }
        });
    };
    view! {
        <Alert sentence=move || failed.get().map(|error| error.to_string())/>
        <button type="button" class="primary" aria-disabled=move || pending.get().to_string() on:click=restore>
            "Restore this browser"
        </button>
    }
}

#[component]
fn LoadingPlaceholder(error: RwSignal<Option<AppError>>, reload: Callback<()>) -> impl IntoView {
    let failed = move || error.get().map(|error| error.to_string());
    view! {
        <Alert sentence=failed/>
        <Show
            when=move || error.with(Option::is_some)
            fallback=|| view! { <p class="muted" aria-busy="true">"Loading…"</p> }
        >
            <button type="button" class="primary" on:click=move |_| { error.set(None); reload.run(()); }>
                "Try again"
            </button>
        </Show>
    }
}

/// A time, formatted for the user. Rendered in the browser only, where the data is.
#[component]
pub fn Time(
    /// Unix ms.
    at: u64,
) -> impl IntoView {
    let (machine, human) = format_time(at);
    view! { <time datetime=machine>{human}</time> }
}

#[expect(clippy::cast_precision_loss, reason = "Unix ms stay below 2^53")]
fn format_time(millis: u64) -> (String, String) {
    let date = js_sys::Date::new(&JsValue::from_f64(millis as f64));
    let style = js_sys::Object::new();
    for (part, length) in [("dateStyle", "medium"), ("timeStyle", "short")] {
        // A new object accepts any member.
        let _ = js_sys::Reflect::set(&style, &part.into(), &length.into());
    }
    (String::from(date.to_iso_string()), String::from(date.to_locale_string("en-GB", &style)))
}
