//! The bank's parts of the account page: sending money, and the history.

use actions::{Transfer, money::Amount, value::Note};
use leptos::{ev::SubmitEvent, html::Input, prelude::*};
use protocol::{display::visible, user::UserName};

use super::{Direction, Movement, api};
use crate::{
    account::Account,
    pages::{
        form::{Field, Form, FormError, Submit, clear, value},
        private::{PrivateData, Time},
    },
};

/// The form that sends money.
#[component]
pub fn SendMoney(
    /// The account.
    data: PrivateData<Account>,
) -> impl IntoView {
    let form = Form::create("transfer-error");
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

/// The latest transfers.
#[component]
pub fn History(
    /// The account.
    data: PrivateData<Account>,
) -> impl IntoView {
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
