//! What forms share: one error at a time, one call at a time, and input that survives errors.
//!
//! Inputs keep their own text, so what the user typed before hydration or before an error stays.

use leptos::{html::Input, prelude::*, task::spawn_local};
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

use crate::error::AppError;

/// A form's error, and the field that it concerns.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FormError {
    field: Option<&'static str>,
    sentence: String,
}

impl FormError {
    /// An error in a field. `field` is the input's id.
    pub fn field(field: &'static str, sentence: &str) -> Self {
        Self { field: Some(field), sentence: sentence.to_owned() }
    }
}

impl From<AppError> for FormError {
    fn from(error: AppError) -> Self {
        Self { field: None, sentence: error.to_string() }
    }
}

/// The state of one form.
#[derive(Clone, Copy)]
pub struct Form {
    /// Whether the page is hydrated: before that, the form cannot be sent.
    ready: RwSignal<bool>,
    pending: RwSignal<bool>,
    error: RwSignal<Option<FormError>>,
    /// The id of the element with the error.
    error_id: &'static str,
}

impl Form {
    /// A form that was not sent yet. `error_id` is the id of its error, unique in the page.
    pub fn create(error_id: &'static str) -> Self {
        let ready = RwSignal::new(false);
        // Effects run in the browser only.
        Effect::new(move || ready.set(true));
        Self { ready, pending: RwSignal::new(false), error: RwSignal::new(None), error_id }
    }

    /// Makes the call, unless another is under way, or shows the error. `done` gets the result of the call.
    pub fn send<T: 'static>(
        self,
        call: Result<impl Future<Output = Result<T, AppError>> + 'static, FormError>,
        done: impl FnOnce(T) + 'static,
    ) {
        if self.pending.get_untracked() {
            return;
        }
        self.error.set(None);
        match call {
            Err(error) => self.show(error),
            Ok(call) => {
                self.pending.set(true);
                spawn_local(async move {
                    let result = call.await;
                    self.pending.set(false);
                    match result {
                        Ok(value) => done(value),
                        Err(error) => self.show(error.into()),
                    }
                });
            }
        }
    }

    fn show(self, error: FormError) {
        let field = error.field.and_then(|id| document().get_element_by_id(id));
        if let Some(field) = field.and_then(|field| field.dyn_into::<HtmlElement>().ok()) {
            let _ = field.focus();
        }
        self.error.set(Some(error));
    }

    fn is_invalid(self, id: &str) -> bool {
        self.error.with(|error| error.as_ref().and_then(|error| error.field) == Some(id))
    }
}

/// One labelled input. `id` is unique in the page.
#[component]
pub fn Field(
    /// The form that it belongs to.
    form: Form,
    /// The input's id.
    id: &'static str,
    /// The label.
    label: &'static str,
    /// The input element.
    input: NodeRef<Input>,
    /// The input's type.
    #[prop(default = "text")]
    kind: &'static str,
    /// The `autocomplete` attribute.
    #[prop(default = "off")]
    autocomplete: &'static str,
    /// The `inputmode` attribute.
    #[prop(default = "text")]
    inputmode: &'static str,
    /// A hint below the input.
    #[prop(default = "")]
    hint: &'static str,
) -> impl IntoView {
    // Restores what the user had typed before leaving this page to confirm.
    Effect::new(move || {
        if let Some(input) = input.get()
            && let Some(text) = client::typed_before(id)
        {
            input.set_value(&text);
        }
    });
    let hint = (!hint.is_empty()).then_some(hint);
    let hint_id = format!("{id}-hint");
    let describe = {
        let hint_id = hint.map(|_| hint_id.clone());
        // The id of a missing hint is ignored.
        move || if form.is_invalid(id) { Some(format!("{} {id}-hint", form.error_id)) } else { hint_id.clone() }
    };
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
                aria-invalid=move || form.is_invalid(id).then_some("true")
                aria-describedby=describe
            />
            {hint.map(|hint| view! { <p class="hint" id=hint_id.clone()>{hint}</p> })}
        </div>
    }
}

/// The submit button of a form, and above it the form's error.
#[component]
pub fn Submit(
    /// The form.
    form: Form,
    /// The button's label.
    label: &'static str,
) -> impl IntoView {
    // The button stays focusable while a call is under way, so that it keeps the focus.
    view! {
        <Alert id=Some(form.error_id) sentence=move || form.error.get().map(|error| error.sentence)/>
        <button
            type="submit"
            class="primary"
            disabled=move || !form.ready.get()
            aria-disabled=move || form.pending.get().to_string()
        >
            {label}
        </button>
    }
}

/// An error message, if there is one.
#[component]
pub fn Alert(
    /// The id, if an input is described by it.
    #[prop(default = None)]
    id: Option<&'static str>,
    /// The sentence.
    sentence: impl Fn() -> Option<String> + Send + Sync + 'static,
) -> impl IntoView {
    live(id, "alert", "notice error", Box::new(sentence))
}

/// A live region with a sentence, if there is one. Screen readers announce it, because the region exists before.
///
/// Not generic, because each instance adds to the size of the page.
pub fn live(
    id: Option<&'static str>,
    role: &'static str,
    class: &'static str,
    sentence: Box<dyn Fn() -> Option<String> + Send + Sync>,
) -> impl IntoView {
    view! { <div id=id role=role>{move || sentence().map(|sentence| view! { <p class=class>{sentence}</p> })}</div> }
}

/// The text of an input.
pub fn value(input: NodeRef<Input>) -> String {
    input.get_untracked().map(|input| input.value()).unwrap_or_default()
}

/// Empties an input.
pub fn clear(input: NodeRef<Input>) {
    if let Some(input) = input.get_untracked() {
        input.set_value("");
    }
}
