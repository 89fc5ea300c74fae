//! Lets the browser's translator change the page while Leptos runs it.
//!
//! A translator puts `<font>` elements with the translation in place of each text node. Leptos keeps the nodes that it made:
//! it would write a new text into a node that is not in the page any more, and leave the translation of a text that it
//! removes. So each replaced node returns to its place, empty, beside its translation. When Leptos changes or removes the
//! node, the translation is removed, and the translator translates the new text.

use js_sys::{Array, WeakMap};
use leptos::prelude::document;
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use web_sys::{CharacterData, Element, MutationObserver, MutationObserverInit, MutationRecord, Node, Text};

/// The element of translations. The application's own pages have none.
const TRANSLATION: &str = "FONT";

/// Turns the translations of a page that is not hydrated yet into text nodes, which Leptos expects.
pub(crate) fn flatten() {
    let Ok(translations) = document().query_selector_all(TRANSLATION) else { return };
    for translation in (0..translations.length()).filter_map(|at| translations.item(at)) {
        let translation: Element = translation.unchecked_into();
        let text = document().create_text_node(&translation.text_content().unwrap_or_default());
        // Fails only for a translation within another one, which is not in the page any more.
        let _ = translation.replace_with_with_node_1(&text);
    }
}

/// Follows translators for the life of the page.
pub(crate) fn watch() {
    let translations = Translations::default();
    let on_change = Closure::<dyn FnMut(Array, MutationObserver)>::new(move |records: Array, observer| {
        for record in records.iter() {
            translations.follow(record.unchecked_ref());
        }
        // What was changed here.
        MutationObserver::take_records(&observer);
    });
    let (Ok(observer), Some(body)) =
        (MutationObserver::new(on_change.into_js_value().unchecked_ref()), document().body())
    else {
        return;
    };
    let options = MutationObserverInit::new();
    options.set_child_list(true);
    options.set_character_data(true);
    options.set_subtree(true);
    // Fails only for options that contradict each other.
    let _ = observer.observe_with_options(&body, &options);
}

/// The translations in the page.
#[derive(Default)]
struct Translations {
    /// The translation of each replaced text node.
    of_text: WeakMap,
    /// The text node of each translation, and its text.
    original: WeakMap,
}

impl Translations {
    fn follow(&self, record: &MutationRecord) {
        let Some(target) = record.target() else { return };
        if record.type_() == "characterData" {
            self.remove(&target);
            return;
        }
        let removed = record.removed_nodes();
        for node in (0..removed.length()).filter_map(|at| removed.item(at)).filter(|node| !node.is_connected()) {
            match (node.node_type(), self.new_translation(record)) {
                (Node::TEXT_NODE, Some(translation)) => self.put_back(&target, node.unchecked_ref(), &translation),
                (Node::TEXT_NODE, None) => self.remove(&node),
                _ => self.restore(&node),
            }
        }
    }

    /// The translation that has replaced the removed node of a record.
    fn new_translation(&self, record: &MutationRecord) -> Option<Node> {
        let added = record.added_nodes();
        // Put in its place by one change, or before or after it by an earlier one.
        let candidates = [added.item(0), record.previous_sibling(), record.next_sibling()];
        candidates.into_iter().flatten().find(|node| {
            node.node_name() == TRANSLATION && node.is_connected() && !self.original.has(node.unchecked_ref())
        })
    }

    /// Puts a text node back before its translation, without its text.
    fn put_back(&self, parent: &Node, text: &Text, translation: &Node) {
        let original = Array::of2(text, &text.data().into());
        self.of_text.set(text.unchecked_ref(), translation);
        self.original.set(translation.unchecked_ref(), &original);
        // If the translation has moved meanwhile, the text stays out of the page.
        if parent.insert_before(text, Some(translation)).is_ok() {
            text.set_data("");
        }
    }

    /// Removes the translation of a text node that Leptos has changed or removed.
    fn remove(&self, text: &Node) {
        let translation = self.of_text.get(text.unchecked_ref());
        if !translation.is_undefined() {
            let translation: Element = translation.unchecked_into();
            self.forget(text, &translation);
            translation.remove();
        }
    }

    /// Restores the text of a translation that the translator has removed.
    fn restore(&self, translation: &Node) {
        let original: JsValue = self.original.get(translation.unchecked_ref());
        if !original.is_undefined() {
            let original: Array = original.unchecked_into();
            let text: CharacterData = original.get(0).unchecked_into();
            self.forget(&text, translation);
            text.set_data(&original.get(1).as_string().unwrap_or_default());
        }
    }

    fn forget(&self, text: &Node, translation: &Node) {
        self.of_text.delete(text.unchecked_ref());
        self.original.delete(translation.unchecked_ref());
    }
}
