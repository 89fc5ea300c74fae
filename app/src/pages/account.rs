//! The account: balance, history, and what can be done with it.

use actions::{
    Rename, Transfer,
    value::{Amount, DisplayName, Note, money},
};
use leptos::{ev::SubmitEvent, html::Input, prelude::*};
use protocol::{display::visible, push::Push, user::UserName};

use super::{
    form::{Field, Form, Submit, Wrong, clear, text},
    private::{Moment, Private, PrivatePage},
};
use crate::demo::api::{self, Direction, Movement};

type Shown = Private<api::Account>;

/// The page.
#[component]
pub fn Account() -> impl IntoView {
    let shown: Shown =
        Private::start(|| Box::pin(api::read_account())).follow(|push| matches!(push, Push::Activity { .. }));
    view! {
        <PrivatePage title="Your account" shown>
            <Overview shown/>
            <div class="columns">
                <SendMoney shown/>
                <ChangeName shown/>
            </div>
            <History shown/>
        </PrivatePage>
    }
}

#[component]
fn Overview(shown: Shown) -> impl IntoView {
    view! {
        <section class="card overview" aria-label="Overview">
            <p class="who" translate="no">
                <span data-testid="display-name">{move || shown.part(|account| visible(account.display_name.as_str()))}</span>
                <span class="muted">{move || shown.part(|account| format!("@{}", account.user))}</span>
            </p>
            <p class="muted">"Balance"</p>
            <p class="balance" data-testid="balance" translate="no">{move || shown.part(|account| money(account.balance))}</p>
        </section>
    }
}

#[component]
fn SendMoney(shown: Shown) -> impl IntoView {
    let form = Form::start();
    let (to, amount, note) = (NodeRef::<Input>::new(), NodeRef::<Input>::new(), NodeRef::<Input>::new());
    let check = move || {
        let order = Transfer {
            to: UserName::parse(text(to).trim())
                .map_err(|_| Wrong::field("to", "Enter the user name of whoever shall get the money."))?,
            amount: Amount::from_input(&text(amount))
                .map_err(|_| Wrong::field("amount", "Enter an amount such as 12 or 12.50."))?,
            note: Note::parse(&text(note))
                .map_err(|_| Wrong::field("note", "A note has at most 140 characters. Shorten it."))?,
        };
        Ok(async move {
            let sent = format!("Sent {} to {}.", order.amount, order.to);
            api::transfer(order).await.map(|()| sent)
        })
    };
    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        shown.done.set(None);
        form.send(check(), move |sent| {
            [to, amount, note].into_iter().for_each(clear);
            shown.done.set(Some(sent));
            shown.load();
        });
    };
    view! {
        <section class="card">
            <h2>"Send money"</h2>
            <form method="post" novalidate on:submit=submit>
                <Field form id="to" label="To" input=to/>
                <Field form id="amount" label="Amount" input=amount inputmode="decimal" hint="In EUR, such as 12.50."/>
                <Field form id="note" label="Note" input=note/>
                <Submit form label="Send money"/>
            </form>
        </section>
    }
}

#[component]
fn ChangeName(shown: Shown) -> impl IntoView {
    let form = Form::start();
    let name = NodeRef::<Input>::new();
    let check = move || {
        let name = DisplayName::parse(&text(name))
            .map_err(|_| Wrong::field("name", "A display name has 1 to 64 characters, not only blanks."))?;
        Ok(async move {
            let changed = format!("You are now called “{}”.", visible(name.as_str()));
            api::rename(Rename { name }).await.map(|()| changed)
        })
    };
    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        shown.done.set(None);
        form.send(check(), move |changed| {
            clear(name);
            shown.done.set(Some(changed));
            shown.load();
        });
    };
    view! {
        <section class="card">
            <h2>"What others see"</h2>
            <form method="post" novalidate on:submit=submit>
                <Field form id="name" label="Display name" input=name autocomplete="nickname"/>
                <Submit form label="Change name"/>
            </form>
        </section>
    }
}

#[component]
fn History(shown: Shown) -> impl IntoView {
    let rows = move || shown.part(|account| account.history.clone()).unwrap_or_default();
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
                            view! { <tr><td colspan="3" class="muted">"Nothing yet."</td></tr> }.into_any()
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
    let (word, sign) = match direction {
        Direction::Sent => ("To", "−"),
        Direction::Received => ("From", "+"),
    };
    view! {
        <tr>
            <td><Moment at/></td>
            <td>{word} " " <span translate="no">{other.to_string()}</span> <span class="note" translate="no" dir="auto">{visible(note.as_str())}</span></td>
            <td class="amount" translate="no" class:plus=direction == Direction::Received>{format!("{sign}{amount}")}</td>
        </tr>
    }
}
