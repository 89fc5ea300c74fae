//! The account page: display name and, in the demo, money.

// <demo>
use actions::money::money;
// </demo>
use actions::{Rename, value::DisplayName};
use leptos::{ev::SubmitEvent, html::Input, prelude::*};
use protocol::{display::legible, push::Push};

use super::{
    form::{Field, Form, FormError, Submit, clear, value},
    private::{PrivateData, PrivatePage},
};
use crate::account::{self, api};
// <demo>
use crate::bank::page::{History, SendMoney};
// </demo>

type AccountData = PrivateData<account::Account>;

/// The page.
#[component]
pub fn Account() -> impl IntoView {
    let data: AccountData =
        PrivateData::load(|| Box::pin(api::read_account())).reload_on(|push| matches!(push, Push::Activity { .. }));
    view! {
        <PrivatePage title="Your account" data>
            <Overview data/>
            <div class="columns">
                // <demo>
                <SendMoney data/>
                // </demo>
                <ChangeName data/>
            </div>
            // <demo>
            <History data/>
            // </demo>
        </PrivatePage>
    }
}

#[component]
fn Overview(data: AccountData) -> impl IntoView {
    view! {
        <section class="card overview" aria-label="Overview">
            <p class="owner" translate="no">
                <span data-testid="display-name" dir="auto">{move || data.select(|account| legible(account.display_name.as_str()))}</span>
                <span class="muted">{move || data.select(|account| format!("@{}", account.user))}</span>
            </p>
            // <demo>
            <div aria-live="polite" aria-atomic="true">
                <p class="muted">"Balance"</p>
                <p class="balance" data-testid="balance" translate="no">{move || data.select(|account| money(account.balance))}</p>
            </div>
            // </demo>
        </section>
    }
}

#[component]
fn ChangeName(data: AccountData) -> impl IntoView {
    let form = Form::create("name-error");
    let name = NodeRef::<Input>::new();
    let validate = move || {
        let name = DisplayName::parse(&value(name))
            .map_err(|_| FormError::field("name", "Enter 1 to 64 characters, not only spaces."))?;
        Ok(async move {
            // Isolated, so that a name in Arabic or Hebrew does not reorder the sentence.
            let changed = format!("Your display name is now “\u{2068}{}\u{2069}”.", legible(name.as_str()));
            api::rename(Rename { name }).await.map(|()| changed)
        })
    };
    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        data.done.set(None);
        form.send(validate(), move |changed| {
            clear(name);
            data.done.set(Some(changed));
            data.reload();
        });
    };
    view! {
        <section class="card">
            <h2>"How others see you"</h2>
            <form method="post" novalidate on:submit=submit>
                <Field form id="name" label="Display name" input=name autocomplete="nickname"/>
                <Submit form label="Change name"/>
            </form>
        </section>
    }
}
