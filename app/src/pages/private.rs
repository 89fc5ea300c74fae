//! The shape of every page that shows private data: it is asked for by a signed call once the page is hydrated, and asked
//! for again when the session changes; what went wrong is said, with a way on.

use std::pin::Pin;

use leptos::{prelude::*, task::spawn_local};
use leptos_meta::Title;
use leptos_router::hooks::use_location;
use protocol::push::{Push, Topic};
use wasm_bindgen::JsValue;

use super::form::Alert;
use crate::{
    error::AppError,
    pan::{self, push, session::Session},
};

/// A signed call.
pub type Ask<T> = fn() -> Pin<Box<dyn Future<Output = Result<T, AppError>>>>;

/// What the parts of a page share.
pub struct Private<T: Send + Sync + 'static> {
    ask: Ask<T>,
    session: StoredValue<Session>,
    data: RwSignal<Option<T>>,
    error: RwSignal<Option<AppError>>,
    /// It is being asked for; and again when that is done.
    loading: StoredValue<Loading>,
    /// What was done last.
    pub done: RwSignal<Option<String>>,
}

impl<T: Send + Sync> Clone for Private<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Send + Sync> Copy for Private<T> {}

impl<T: Send + Sync> Private<T> {
    /// Asks for the data in the browser, as soon as there is a session.
    pub fn start(ask: Ask<T>) -> Self {
        let session = expect_context::<Session>();
        let private = Self {
            ask,
            session: StoredValue::new(session.clone()),
            data: RwSignal::new(None),
            error: RwSignal::new(None),
            loading: StoredValue::new(Loading::Not),
            done: RwSignal::new(None),
        };
        // In the browser only, and again when another tab signs in or out.
        Effect::new(move || {
            private.data.set(None);
            private.error.set(None);
            // Something may have been done while the user was away.
            session.outcome();
            if session.is_in() {
                private.load();
            }
        });
        private
    }

    /// Asks again when something is pushed that `concerns` it, or was missed.
    #[must_use]
    pub fn follow(self, concerns: fn(&Push) -> bool) -> Self {
        push::each(move |news| {
            if concerns(&news.push) || is_gap(&news.push) {
                self.load();
            }
        });
        self
    }

    /// Asks again. What is shown stays until the reply is here.
    pub fn load(self) {
        if self.loading.get_value() != Loading::Not {
            self.loading.set_value(Loading::AndAgain);
            return;
        }
        self.loading.set_value(Loading::Now);
        let whose = self.session.with_value(Session::handle);
        spawn_local(async move {
            let reply = (self.ask)().await;
            // The page may have been left.
            let Some(loading) = self.loading.try_get_value() else { return };
            self.loading.set_value(Loading::Not);
            // Another tab may have signed in as somebody else: what comes is not theirs.
            if self.session.with_value(Session::handle) == whose || reply.is_err() {
                match reply {
                    Ok(data) => {
                        self.error.set(None);
                        self.data.set(Some(data));
                    }
                    Err(error) => self.error.set(Some(error)),
                }
            }
            if loading == Loading::AndAgain {
                self.load();
            }
        });
    }

    /// Changes what is shown, if it is there.
    pub fn amend(self, change: impl FnOnce(&mut T)) {
        self.data.update(|data| {
            if let Some(data) = data {
                change(data);
            }
        });
    }

    /// A part of the data, when it is there.
    pub fn part<P>(self, part: impl Fn(&T) -> P) -> Option<P> {
        self.data.with(|data| data.as_ref().map(part))
    }
}

/// Whether something was pushed that this page did not get. Of telemetry only the newest counts.
pub fn is_gap(push: &Push) -> bool {
    matches!(push, Push::Reset {})
        || matches!(push, Push::Dropped { of, .. } if !matches!(of, Topic::Tm | Topic::Ua | Topic::Hb))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Loading {
    Not,
    Now,
    AndAgain,
}

/// A page whose children are shown when the data is there.
#[component]
pub fn PrivatePage<T: Send + Sync + 'static>(
    /// The heading, and the window's title.
    title: &'static str,
    /// The data.
    shown: Private<T>,
    /// What to show of it.
    children: ChildrenFn,
) -> impl IntoView {
    let session = expect_context::<Session>();
    let loaded = Memo::new(move |_| shown.data.with(Option::is_some));
    let children = StoredValue::new(children);
    let absence = session.clone();
    view! {
        <Title text=format!("{title} – PAN")/>
        <h1>{title}</h1>
        <Show
            when=move || session.is_in()
            fallback=move || {
                let absence = absence.clone();
                move || {
                    absence.state();
                    view! { <Told error=absence.absence()/> }
                }
            }
        >
            <Show when=move || loaded.get() fallback=move || view! { <Awaited shown/> }>
                <Alert sentence=move || shown.error.get().map(|error| format!("What you see may be old. {error}"))/>
                {children.with_value(|children| children())}
            </Show>
        </Show>
        <p class="done" role="status">{move || shown.done.get()}</p>
    }
}

/// Why there is nothing to see, and where to go.
#[component]
fn Told(error: AppError) -> impl IntoView {
    let session = expect_context::<Session>();
    let path = use_location().pathname;
    let sentence = error.to_string();
    let way_on = if matches!(error, AppError::FrameKeyLost(_)) {
        view! { <Restore/> }.into_any()
    } else {
        let address = move || session.sign_in_url(&path.get());
        view! { <p><a href=address rel="external" class="action">"Sign in"</a></p> }.into_any()
    };
    view! {
        <section class="card narrow">
            <p role="alert">{sentence}</p>
            {way_on}
        </section>
    }
}

/// Lets the signing frame of this browser sign again.
#[component]
fn Restore() -> impl IntoView {
    let failed = RwSignal::new(None::<AppError>);
    let pending = RwSignal::new(false);
    let restore = move |_| {
        if pending.get_untracked() {
            return;
        }
        pending.set(true);
        failed.set(None);
        spawn_local(async move {
            let restored = pan::restore_browser().await;
            // After success this component is gone.
            if let Err(error) = restored {
                pending.try_set(false);
                failed.try_set(Some(error));
            }
        });
    };
    view! {
        <Alert sentence=move || failed.get().map(|error| error.to_string())/>
        <button type="button" class="action" aria-disabled=move || pending.get().to_string() on:click=restore>
            "Restore this browser"
        </button>
    }
}

#[component]
fn Awaited<T: Send + Sync + 'static>(shown: Private<T>) -> impl IntoView {
    let failed = move || shown.error.get().map(|error| error.to_string());
    view! {
        <Alert sentence=failed/>
        <Show
            when=move || shown.error.with(Option::is_some)
            fallback=|| view! { <p class="muted" aria-busy="true">"Loading…"</p> }
        >
            <button type="button" class="action" on:click=move |_| { shown.error.set(None); shown.load(); }>
                "Try again"
            </button>
        </Show>
    }
}

/// A moment for machines and for people. Only shown in the browser, where the data is.
#[component]
pub fn Moment(
    /// Unix ms.
    at: u64,
) -> impl IntoView {
    let (machine, human) = moment(at);
    view! { <time datetime=machine>{human}</time> }
}

#[expect(clippy::cast_precision_loss, reason = "Unix ms stay below 2^53")]
fn moment(millis: u64) -> (String, String) {
    let date = js_sys::Date::new(&JsValue::from_f64(millis as f64));
    let style = js_sys::Object::new();
    for (part, length) in [("dateStyle", "medium"), ("timeStyle", "short")] {
        // A fresh object takes any member.
        let _ = js_sys::Reflect::set(&style, &part.into(), &length.into());
    }
    (String::from(date.to_iso_string()), String::from(date.to_locale_string("en-GB", &style)))
}
