//! What the forms share: one sentence about what is wrong, one call at a time, and input that stays.
//!
//! Inputs keep their own text, so what was typed before hydration or before an error is still there after it.

use leptos::{html::Input, prelude::*, task::spawn_local};
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

use crate::{error::AppError, pan::redirect::typed_before};

/// What is wrong with a form, and in which field.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wrong {
    field: Option<&'static str>,
    sentence: String,
}

impl Wrong {
    /// A field's text cannot be used. `field` is the input's id.
    pub fn field(field: &'static str, sentence: &str) -> Self {
        Self { field: Some(field), sentence: sentence.to_owned() }
    }
}

impl From<AppError> for Wrong {
    fn from(error: AppError) -> Self {
        Self { field: None, sentence: error.to_string() }
    }
}

/// The state of one form.
#[derive(Clone, Copy)]
pub struct Form {
    /// Whether the page is hydrated: before that, a form cannot do what it says.
    ready: RwSignal<bool>,
    pending: RwSignal<bool>,
    wrong: RwSignal<Option<Wrong>>,
}

impl Form {
    /// A form that nobody has sent yet.
    pub fn start() -> Self {
        let ready = RwSignal::new(false);
        // Effects run in the browser only.
        Effect::new(move || ready.set(true));
        Self { ready, pending: RwSignal::new(false), wrong: RwSignal::new(None) }
    }

    /// Sends what was checked, unless a call is under way; or says what is wrong. Afterwards `done` gets the reply.
    pub fn send<T: 'static>(
        self,
        checked: Result<impl Future<Output = Result<T, AppError>> + 'static, Wrong>,
        done: impl FnOnce(T) + 'static,
    ) {
        if self.pending.get_untracked() {
            return;
        }
        self.wrong.set(None);
        match checked {
            Err(wrong) => self.refuse(wrong),
            Ok(call) => {
                self.pending.set(true);
                spawn_local(async move {
                    let reply = call.await;
                    self.pending.set(false);
                    match reply {
                        Ok(reply) => done(reply),
                        Err(error) => self.refuse(error.into()),
                    }
                });
            }
        }
    }

    fn refuse(self, wrong: Wrong) {
        let field = wrong.field.and_then(|id| document().get_element_by_id(id));
        if let Some(field) = field.and_then(|field| field.dyn_into::<HtmlElement>().ok()) {
            let _ = field.focus();
        }
        self.wrong.set(Some(wrong));
    }

    fn is_wrong(self, id: &str) -> bool {
        self.wrong.with(|wrong| wrong.as_ref().and_then(|wrong| wrong.field) == Some(id))
    }
}

/// One labelled input. `id` is unique in the page.
#[component]
pub fn Field(
    /// The form that it belongs to.
    form: Form,
    /// The input's id.
    id: &'static str,
    /// What the person reads.
    label: &'static str,
    /// The input itself, for its text.
    input: NodeRef<Input>,
    /// The input's type.
    #[prop(default = "text")]
    kind: &'static str,
    /// What the browser may fill in.
    #[prop(default = "off")]
    autocomplete: &'static str,
    /// The keyboard that a phone shows.
    #[prop(default = "text")]
    inputmode: &'static str,
    /// What can be entered.
    #[prop(default = "")]
    hint: &'static str,
) -> impl IntoView {
    // What was typed before the user left this page to confirm.
    Effect::new(move || {
        if let Some(input) = input.get()
            && let Some(text) = typed_before(id)
        {
            input.set_value(&text);
        }
    });
    let hint = (!hint.is_empty()).then_some(hint);
    let hint_id = format!("{id}-hint");
    view! {
        <div class="field">
            <label for=id>{label}</label>
            <input
                id=id
                type=kind
                node_ref=input
                autocomplete=autocomplete
                inputmode=inputmode
                autocapitalize="none"
                spellcheck="false"
                aria-invalid=move || form.is_wrong(id).then_some("true")
                aria-describedby=hint.is_some().then(|| hint_id.clone())
            />
            {hint.map(|hint| view! { <p class="hint" id=hint_id.clone()>{hint}</p> })}
        </div>
    }
}

/// The button of a form, and above it what is wrong.
#[component]
pub fn Submit(
    /// The form that it sends.
    form: Form,
    /// What it does.
    label: &'static str,
) -> impl IntoView {
    // While a call is under way the button stays focusable, so that the focus stays with it.
    view! {
        <Alert sentence=move || form.wrong.get().map(|wrong| wrong.sentence)/>
        <button
            type="submit"
            class="action"
            disabled=move || !form.ready.get()
            aria-disabled=move || form.pending.get().to_string()
        >
            {label}
        </button>
    }
}

/// A sentence that says what went wrong, if something did.
#[component]
pub fn Alert(
    /// The sentence.
    sentence: impl Fn() -> Option<String> + Send + Sync + 'static,
) -> impl IntoView {
    move || sentence().map(|sentence| view! { <p class="notice wrong" role="alert">{sentence}</p> })
}

/// The text of an input.
pub fn text(input: NodeRef<Input>) -> String {
    input.get_untracked().map(|input| input.value()).unwrap_or_default()
}

/// Empties an input.
pub fn clear(input: NodeRef<Input>) {
    if let Some(input) = input.get_untracked() {
        input.set_value("");
    }
}
