//! The account: balance, history, and what can be done with it.

use leptos::{ev::SubmitEvent, html::Input, prelude::*, task::spawn_local};
use leptos_meta::Title;
use leptos_router::components::A;
use protocol::{
    catalogue::{Rename, Transfer},
    value::{Amount, DisplayName, Note, UserName, money, visible},
};
use wasm_bindgen::JsValue;

use super::form::{Alert, Field, Form, Submit, Wrong, clear, text};
use crate::{
    demo::api::{self, Direction, Movement},
    fault::Fault,
    pan::session::Session,
};

/// What the parts of the page share.
#[derive(Clone, Copy)]
struct Shown {
    account: RwSignal<Option<api::Account>>,
    fault: RwSignal<Option<Fault>>,
    /// What was done last.
    done: RwSignal<Option<String>>,
}

impl Shown {
    /// Asks for the account. What is shown stays until the reply is here.
    fn load(self) {
        spawn_local(async move {
            match api::read_account().await {
                Ok(account) => {
                    self.fault.set(None);
                    self.account.set(Some(account));
                }
                Err(fault) => self.fault.set(Some(fault)),
            }
        });
    }

    fn part<T>(self, part: impl Fn(&api::Account) -> T) -> Option<T> {
        self.account.with(|account| account.as_ref().map(part))
    }
}

/// The page.
#[component]
pub fn Account() -> impl IntoView {
    let session = expect_context::<Session>();
    let shown = Shown { account: RwSignal::new(None), fault: RwSignal::new(None), done: RwSignal::new(None) };
    // In the browser only, and again when another tab signs in or out.
    Effect::new({
        let session = session.clone();
        move || {
            shown.account.set(None);
            shown.fault.set(None);
            if session.is_in() {
                shown.load();
            }
        }
    });
    let loaded = Memo::new(move |_| shown.account.with(Option::is_some));
    let absence = session.clone();
    view! {
        <Title text="Your account – PAN"/>
        <h1>"Your account"</h1>
        <Show
            when=move || session.is_in()
            fallback=move || view! { <Told fault=absence.absence()/> }
        >
            <Show when=move || loaded.get() fallback=move || view! { <Loading shown/> }>
                <Overview shown/>
                <div class="columns">
                    <SendMoney shown/>
                    <ChangeName shown/>
                </div>
                <History shown/>
            </Show>
        </Show>
        <p class="done" role="status">{move || shown.done.get()}</p>
    }
}

/// Why there is nothing to see, and where to go.
#[component]
fn Told(fault: Fault) -> impl IntoView {
    view! {
        <section class="card narrow">
            <p role="alert">{fault.to_string()}</p>
            <p><A href="/sign-in" attr:class="action">"To the sign-in page"</A></p>
        </section>
    }
}

#[component]
fn Loading(shown: Shown) -> impl IntoView {
    let failed = move || shown.fault.get().map(|fault| fault.to_string());
    view! {
        <Alert sentence=failed/>
        <Show
            when=move || shown.fault.with(Option::is_some)
            fallback=|| view! { <p class="muted" aria-busy="true">"Loading your account…"</p> }
        >
            <button type="button" class="action" on:click=move |_| { shown.fault.set(None); shown.load(); }>
                "Try again"
            </button>
        </Show>
    }
}

#[component]
fn Overview(shown: Shown) -> impl IntoView {
    view! {
        <section class="card overview" aria-label="Overview">
            <p class="who">
                <span data-testid="display-name">{move || shown.part(|account| visible(account.display_name.as_str()))}</span>
                <span class="muted">{move || shown.part(|account| format!("@{}", account.user))}</span>
            </p>
            <p class="muted">"Balance"</p>
            <p class="balance" data-testid="balance">{move || shown.part(|account| money(account.balance))}</p>
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
    let (machine, human) = moment(at);
    view! {
        <tr>
            <td><time datetime=machine>{human}</time></td>
            <td>{format!("{word} {other}")} <span class="note">{visible(note.as_str())}</span></td>
            <td class="amount" class:plus=direction == Direction::Received>{format!("{sign}{amount}")}</td>
        </tr>
    }
}

/// A time for machines and for people. Only called in the browser, where the data is.
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
