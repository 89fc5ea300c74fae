//! What the buttons of a private page change: one change at a time, whose error the page shows.

use std::pin::Pin;

use leptos::{prelude::*, task::spawn_local};

use super::private::PrivateData;
use crate::error::AppError;

/// A change that returns the sentence for the user when it is done.
pub type Change = Pin<Box<dyn Future<Output = Result<String, AppError>>>>;

/// Makes changes, one at a time, and then loads the page's data again.
#[derive(Clone, Copy)]
pub struct Changes {
    pending: RwSignal<bool>,
    error: RwSignal<Option<AppError>>,
    done: RwSignal<Option<String>>,
    reload: Callback<()>,
}

impl Changes {
    /// Changes of this data.
    pub fn of<T: Send + Sync + 'static>(data: PrivateData<T>) -> Self {
        Self {
            pending: RwSignal::new(false),
            error: RwSignal::new(None),
            done: data.done,
            reload: Callback::new(move |()| data.reload()),
        }
    }

    /// The error of the last change. Reactive.
    pub fn error(self) -> Option<String> {
        self.error.get().map(|error| error.to_string())
    }

    fn make(self, change: Change) {
        if self.pending.get_untracked() {
            return;
        }
        self.pending.set(true);
        self.error.set(None);
        self.done.set(None);
        spawn_local(async move {
            match change.await {
                Ok(done) => self.done.set(Some(done)),
                Err(error) => self.error.set(Some(error)),
            }
            self.pending.set(false);
            self.reload.run(());
        });
    }
}

/// A button that makes a change.
#[component]
pub fn ChangeButton(
    /// What makes it.
    changes: Changes,
    /// The text of the button.
    label: &'static str,
    /// The accessible name, if the text does not say what is changed.
    #[prop(optional, into)]
    name: Option<String>,
    /// The classes.
    #[prop(default = "secondary")]
    class: &'static str,
    /// Begins the change.
    change: Box<dyn Fn() -> Change>,
) -> impl IntoView {
    view! {
        <button
            type="button"
            class=class
            aria-label=name
            aria-disabled=move || changes.pending.get().to_string()
            on:click=move |_| changes.make(change())
        >
            {label}
        </button>
    }
}
