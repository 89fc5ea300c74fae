//! The bank's parts of the account page: sending money, and the history.

use actions::{ReadHistory, Transfer, money::Amount, value::Note};
use leptos::{ev::SubmitEvent, html::Input, prelude::*, task::spawn_local};
use protocol::{display::legible, user::UserName};

use super::{Direction, Movement, api};
use crate::{
    account::Account,
    error::AppError,
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
            // As the account page shows user names.
            to: UserName::parse(value(to).trim().trim_start_matches('@'))
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

/// The transfers: the latest, and archived pages on demand.
#[component]
pub fn History(
    /// The account.
    data: PrivateData<Account>,
) -> impl IntoView {
    let archived = move || data.select(|account| account.archived).unwrap_or_default();
    let earlier = RwSignal::new(Earlier::default());
    let error = RwSignal::new(None::<AppError>);
    let rows = move || {
        let mut rows = data.select(|account| account.history.clone()).unwrap_or_default();
        rows.extend(earlier.with(|earlier| earlier.of(archived()).movements));
        rows
    };
    let left = move || earlier.with(|earlier| earlier.of(archived()).left);
    let load = move |_| {
        error.set(None);
        spawn_local(async move {
            let loaded = earlier.get_untracked().of(untrack(archived)).next().await;
            match loaded {
                Ok(loaded) => earlier.set(loaded),
                Err(failed) => error.set(Some(failed)),
            }
        });
    };
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
            {move || error.get().map(|error| view! { <p role="alert" class="notice error">{error.to_string()}</p> })}
            <Show when=move || { left() > 0 }>
                <button type="button" on:click=load>"Show earlier transactions"</button>
            </Show>
        </section>
    }
}

/// The archived pages that the user has opened.
#[derive(Clone, Default)]
struct Earlier {
    /// How many there were. After another one is archived, the user opens them again.
    archived: u32,
    /// How many are not opened.
    left: u32,
    /// Newest first.
    movements: Vec<Movement>,
}

impl Earlier {
    /// The opened pages of an account with so many archived pages.
    fn of(&self, archived: u32) -> Self {
        if self.archived == archived { self.clone() } else { Self { archived, left: archived, movements: Vec::new() } }
    }

    /// The same with the next older page.
    async fn next(mut self) -> Result<Self, AppError> {
        self.left = self.left.saturating_sub(1);
        self.movements.extend(api::read_history(ReadHistory { page: self.left }).await?);
        Ok(self)
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
            <td>{preposition} " " <span translate="no">{other.to_string()}</span> <span class="note" translate="no" dir="auto">{legible(note.as_str())}</span></td>
            <td class="amount" translate="no" class:incoming=direction == Direction::Received>{format!("{sign}{amount}")}</td>
        </tr>
    }
}
