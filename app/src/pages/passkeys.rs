//! The passkeys page: the user's passkeys, how to add and remove one, and recovery codes.

use client::passkeys;
use leptos::{ev::SubmitEvent, html::Input, prelude::*, task::spawn_local};
use protocol::{
    built_in::{AddPasskey, RemovePasskey},
    passkey::{OwnPasskey, OwnPasskeys, PasskeyName},
    push::{Push, Security},
    recovery::OwnCodes,
};

use super::{
    form::{Alert, Field, Form, FormError, Submit, clear, value},
    private::{PrivateData, PrivatePage, Time},
};
use crate::error::AppError;

const NAME: &str = "passkey-name";
const NAME_ERROR: &str = "Enter a name of at most 64 characters, such as the device that keeps the passkey.";

/// The page.
#[component]
pub fn Passkeys() -> impl IntoView {
    let data = PrivateData::load(|| Box::pin(async { Ok(passkeys::list().await?) }))
        .reload_on(|push| matches!(push, Push::Security(Security::Passkey { .. })));
    let own = move || data.select(|own: &OwnPasskeys| own.passkeys.clone()).unwrap_or_default();
    let remover = PasskeyRemover { data, pending: RwSignal::new(false), error: RwSignal::new(None) };
    view! {
        <PrivatePage title="Your passkeys" data>
            <p class="muted">
                "A passkey signs you in without a password, and confirms what matters most. It stays in your device, security key or password manager: no page can copy it."
            </p>
            <Alert sentence=move || remover.error.get().map(|error| error.to_string())/>
            <Show
                when=move || !own().is_empty()
                fallback=|| view! { <p>"You have no passkey yet."</p> }
            >
                <ul class="sessions" aria-label="Passkeys">
                    {move || own().into_iter().map(|passkey| view! { <PasskeyCard passkey remover/> }).collect_view()}
                </ul>
            </Show>
            <Show when=move || !own().is_empty()>
                <Codes data/>
            </Show>
            <AddForm data/>
        </PrivatePage>
    }
}

#[component]
fn AddForm(data: PrivateData<OwnPasskeys>) -> impl IntoView {
    let form = Form::create("passkey-error");
    let input = NodeRef::<Input>::new();
    let add = move |event: SubmitEvent| {
        event.prevent_default();
        data.done.set(None);
        let name = PasskeyName::parse(value(input).trim()).map_err(|_| FormError::field(NAME, NAME_ERROR));
        let call = name.map(|name| async { Ok::<_, AppError>(passkeys::add(AddPasskey { name }).await?) });
        let is_first = data.select(|own| own.passkeys.is_empty()).unwrap_or_default();
        form.send(call, move |()| {
            clear(input);
            let next = if is_first { " Now create recovery codes, in case you lose it." } else { "" };
            data.done.set(Some(format!("The passkey was added.{next}")));
            data.reload();
        });
    };
    view! {
        <form class="card" on:submit=add novalidate>
            <h2>"Add a passkey"</h2>
            <Field form id=NAME label="Name" input hint="Where you keep it, such as “Phone”."/>
            <Submit form label="Add a passkey"/>
        </form>
    }
}

/// The user's recovery codes, which only the confirmation window shows.
#[component]
fn Codes(data: PrivateData<OwnPasskeys>) -> impl IntoView {
    let pending = RwSignal::new(false);
    let error = RwSignal::new(None::<AppError>);
    let codes = move || data.select(|own| own.codes).flatten();
    let create = move |_| {
        if pending.get_untracked() {
            return;
        }
        pending.set(true);
        error.set(None);
        data.done.set(None);
        spawn_local(async move {
            match passkeys::create_recovery_codes().await {
                Ok(()) => data.done.set(Some("The recovery codes work now.".to_owned())),
                Err(failed) => error.set(Some(failed.into())),
            }
            pending.set(false);
            data.reload();
        });
    };
    view! {
        <section class="card">
            <h2>"Recovery codes"</h2>
            <p>"With your password and one of these codes you can sign in after you have lost your passkeys."</p>
            <p data-testid="codes">
                {move || match codes() {
                    Some(OwnCodes { unused, created }) => {
                        let text = format!("You have {unused} unused codes, created ");
                        view! { {text} <Time at=created/> ". New codes replace them." }.into_any()
                    }
                    None => "You have none. Create them now, in case you lose your passkeys.".into_any(),
                }}
            </p>
            <Alert sentence=move || error.get().map(|error| error.to_string())/>
            <button type="button" class="secondary" aria-disabled=move || pending.get().to_string() on:click=create>
                "Create recovery codes"
            </button>
        </section>
    }
}

/// Removes passkeys, one call at a time.
#[derive(Clone, Copy)]
struct PasskeyRemover {
    data: PrivateData<OwnPasskeys>,
    pending: RwSignal<bool>,
    error: RwSignal<Option<AppError>>,
}

impl PasskeyRemover {
    fn remove(self, passkey: OwnPasskey) {
        if self.pending.get_untracked() {
            return;
        }
        self.pending.set(true);
        self.error.set(None);
        self.data.done.set(None);
        spawn_local(async move {
            match passkeys::remove(RemovePasskey { passkey: passkey.id, name: passkey.name }).await {
                Ok(()) => self.data.done.set(Some("The passkey was removed.".to_owned())),
                Err(error) => self.error.set(Some(error.into())),
            }
            self.pending.set(false);
            self.data.reload();
        });
    }
}

#[component]
fn PasskeyCard(passkey: OwnPasskey, remover: PasskeyRemover) -> impl IntoView {
    let (name, removed) = (passkey.name.to_string(), passkey.clone());
    view! {
        <li class="card session">
            <div class="session-header">
                <h2 translate="no">{name.clone()}</h2>
                <button
                    type="button"
                    class="secondary"
                    aria-label=format!("Remove {name}")
                    aria-disabled=move || remover.pending.get().to_string()
                    on:click=move |_| remover.remove(removed.clone())
                >
                    "Remove"
                </button>
            </div>
            <p>"Added " <Time at=passkey.created/> ", last used " <Time at=passkey.used/> "."</p>
        </li>
    }
}
