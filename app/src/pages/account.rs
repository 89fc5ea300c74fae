//! The account page: balance, history, sending money, changing the display name.

use actions::{
    Rename, Transfer,
    value::{Amount, DisplayName, Note, money},
};
use leptos::{ev::SubmitEvent, html::Input, prelude::*};
use protocol::{display::visible, push::Push, user::UserName};

use super::{
    form::{Field, Form, FormError, Submit, clear, value},
    private::{PrivateData, PrivatePage, Time},
};
use crate::demo::{
    account::{self, Direction, Movement},
    api,
};

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
                <SendMoney data/>
                <ChangeName data/>
            </div>
            <History data/>
        </PrivatePage>
    }
}

#[component]
fn Overview(data: AccountData) -> impl IntoView {
    view! {
        <section class="card overview" aria-label="Overview">
            <p class="owner" translate="no">
                <span data-testid="display-name">{move || data.select(|account| visible(account.display_name.as_str()))}</span>
                <span class="muted">{move || data.select(|account| format!("@{}", account.user))}</span>
            </p>
            <p class="muted">"Balance"</p>
            <p class="balance" data-testid="balance" translate="no">{move || data.select(|account| money(account.balance))}</p>
        </section>
    }
}

#[component]
fn SendMoney(data: AccountData) -> impl IntoView {
    let form = Form::create();
    let (to, amount, note) = (NodeRef::<Input>::new(), NodeRef::<Input>::new(), NodeRef::<Input>::new());
    let validate = move || {
        let order = Transfer {
            to: UserName::parse(value(to).trim())
                .map_err(|_| FormError::field("to", "Enter the recipient's user name."))?,
            amount: Amount::from_input(&value(amount))
                .map_err(|_| FormError::field("amount", "Enter an amount such as 12 or 12.50."))?,
            note: Note::parse(&value(note))
                .map_err(|_| FormError::field("note", "Shorten the note to 140 characters."))?,
        };
        Ok(async move {
            let sent = format!("Sent {} to {}.", order.amount, order.to);
            api::transfer(order).await.map(|()| sent)
        })
    };
    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        data.done.set(None);
        form.send(validate(), move |sent| {
            [to, amount, note].into_iter().for_each(clear);
            data.done.set(Some(sent));
            data.reload();
        });
    };
    view! {
        <section class="card">
            <h2>"Send money"</h2>
            <form method="post" novalidate on:submit=submit>
                <Field form id="to" label="To" input=to/>
                <Field form id="amount" label="Amount" input=amount inputmode="decimal" hint="In EUR, for example 12.50."/>
                <Field form id="note" label="Note" input=note/>
                <Submit form label="Send money"/>
            </form>
        </section>
    }
}

#[component]
fn ChangeName(data: AccountData) -> impl IntoView {
    let form = Form::create();
    let name = NodeRef::<Input>::new();
    let validate = move || {
        let name = DisplayName::parse(&value(name))
            .map_err(|_| FormError::field("name", "Enter 1 to 64 characters, not only spaces."))?;
        Ok(async move {
            let changed = format!("Your display name is now “{}”.", visible(name.as_str()));
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

#[component]
fn History(data: AccountData) -> impl IntoView {
    let rows = move || data.select(|account| account.history.clone()).unwrap_or_default();
    view! {
        <section class="card">
            <table>
                <caption>"History"</caption>
                <thead>
                    <tr><th scope="col">"When"</th><th scope="col">"What"</th><th scope="col">"Amount"</th></tr>
                </thead>
                <tbody>
                    {move || {
                        let rows = rows();
                        if rows.is_empty() {
                            view! { <tr><td colspan="3" class="muted">"No transactions yet."</td></tr> }.into_any()
                        } else {
                            rows.into_iter().map(|movement| view! { <Row movement/> }).collect_view().into_any()
                        }
                    }}
                </tbody>
            </table>
        </section>
    }
}

#[component]
fn Row(movement: Movement) -> impl IntoView {
    let Movement { at, direction, other, amount, note } = movement;
    let (preposition, sign) = match direction {
        Direction::Sent => ("To", "−"),
        Direction::Received => ("From", "+"),
    };
    view! {
        <tr>
            <td><Time at/></td>
            <td>{preposition} " " <span translate="no">{other.to_string()}</span> <span class="note" translate="no" dir="auto">{visible(note.as_str())}</span></td>
            <td class="amount" translate="no" class:incoming=direction == Direction::Received>{format!("{sign}{amount}")}</td>
        </tr>
    }
}
