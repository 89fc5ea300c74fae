//! The passkeys page: the user's passkeys, how to add and remove one, and recovery codes.

use client::passkeys;
use leptos::{ev::SubmitEvent, html::Input, prelude::*};
use protocol::{
    built_in::{AddPasskey, RemovePasskey},
    passkey::{OwnPasskey, OwnPasskeys, PasskeyName},
    push::{Push, Security},
    recovery::OwnCodes,
};

use super::{
    changes::{Change, ChangeButton, Changes},
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
    let changes = Changes::of(data);
    view! {
        <PrivatePage title="Your passkeys" data>
            <p class="muted">
                "A passkey signs you in without a password, and confirms what matters most. It stays in your device, security key or password manager: no page can copy it."
            </p>
            <Alert sentence=move || changes.error()/>
            <Show
                when=move || !own().is_empty()
                fallback=|| view! { <p>"You have no passkey yet."</p> }
            >
                <ul class="sessions" aria-label="Passkeys">
                    {move || own().into_iter().map(|passkey| view! { <PasskeyCard passkey changes/> }).collect_view()}
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
    let changes = Changes::of(data);
    let codes = move || data.select(|own| own.codes).flatten();
    let create = || -> Change {
        Box::pin(async {
            passkeys::create_recovery_codes().await?;
            Ok("The recovery codes work now.".to_owned())
        })
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
            <Alert sentence=move || changes.error()/>
            <ChangeButton changes label="Create recovery codes" change=Box::new(create)/>
        </section>
    }
}

#[component]
fn PasskeyCard(passkey: OwnPasskey, changes: Changes) -> impl IntoView {
    let OwnPasskey { id, name, created, used } = passkey;
    let (title, button) = (name.to_string(), format!("Remove {name}"));
    let remove = move || -> Change {
        let removed = RemovePasskey { passkey: id.clone(), name: name.clone() };
        Box::pin(async {
            passkeys::remove(removed).await?;
            Ok("The passkey was removed.".to_owned())
        })
    };
    view! {
        <li class="card session">
            <div class="session-header">
                <h2 translate="no">{title}</h2>
                <ChangeButton changes label="Remove" name=button change=Box::new(remove)/>
            </div>
            <p>"Added " <Time at=created/> ", last used " <Time at=used/> "."</p>
        </li>
    }
}
