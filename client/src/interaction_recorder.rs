//! Records how the user last acted in this page, as an interaction proof.
//!
//! Only events that the browser itself made (`isTrusted`) are recorded, and only in memory. An interaction is a click:
//! browsers make one for every way to operate a control, whether by mouse, finger, pen, key or assistive technology. An
//! interaction counts for one call, within four seconds.

use std::{cell::RefCell, rc::Rc};

use gloo_events::{EventListener, EventListenerOptions};
use leptos::prelude::document;
use protocol::proof::{Kind, Proof};
use wasm_bindgen::JsCast;
use web_sys::{Element, Event, KeyboardEvent, MouseEvent, PointerEvent};

use crate::{
    clock::now,
    interaction::{Click, Point, Recording},
};

/// Records interactions for the life of the page.
pub(crate) struct InteractionRecorder {
    recording: Rc<RefCell<Recording>>,
    _listeners: Vec<EventListener>,
}

impl InteractionRecorder {
    /// Starts recording. Its listeners run before those of the page.
    pub(crate) fn start() -> Self {
        let recording = Rc::<RefCell<Recording>>::default();
        let on = |name: &'static str, record: fn(&mut Recording, &Event)| {
            let recording = Rc::clone(&recording);
            let options = EventListenerOptions::run_in_capture_phase();
            EventListener::new_with_options(&document(), name, options, move |event| {
                if event.is_trusted() {
                    record(&mut recording.borrow_mut(), event);
                } else if name == "click" {
                    // A script clicks: it must not use what the user did a moment before.
                    recording.borrow_mut().forget();
                }
            })
        };
        let listeners = vec![
            on("pointermove", |recording, event| {
                let pointer = event.unchecked_ref::<PointerEvent>();
                if kind(pointer) != Kind::Touch {
                    recording.moved(point(pointer));
                }
            }),
            on("pointerdown", |recording, event| {
                let pointer = event.unchecked_ref::<PointerEvent>();
                recording.pointer_down(kind(pointer), pointer.pressure() > 0.0, millis(event));
            }),
            on("pointerup", |recording, event| recording.pointer_up(millis(event))),
            on("keydown", |recording, event| {
                if !event.unchecked_ref::<KeyboardEvent>().repeat() {
                    recording.key_down(millis(event));
                }
            }),
            on("keyup", |recording, event| recording.key_up(millis(event))),
            on("click", |recording, event| {
                if let Some(click) = click(event) {
                    recording.clicked(&click);
                }
            }),
        ];
        Self { recording, _listeners: listeners }
    }

    /// Takes the proof of the last interaction for that action, if it is fresh.
    pub(crate) fn take(&self, action: &str, now: u64) -> Option<Proof> {
        self.recording.borrow_mut().take(action, now)
    }
}

fn click(event: &Event) -> Option<Click> {
    let mouse = event.unchecked_ref::<MouseEvent>();
    let hit: Element = event.target()?.dyn_into().ok()?;
    // The control, not the icon in it.
    let control = hit.closest("button, a, input, select, textarea, summary, label").ok().flatten().unwrap_or(hit);
    let area = control.get_bounding_client_rect();
    Some(Click {
        by_pointer: mouse.detail() > 0,
        is_pressed: mouse.buttons() & 1 == 1,
        hit: [mouse.client_x(), mouse.client_y()],
        target: [px(area.x()), px(area.y()), px(area.width()), px(area.height())],
        millis: millis(event),
        at: now(),
    })
}

fn kind(pointer: &PointerEvent) -> Kind {
    match pointer.pointer_type().as_str() {
        "touch" => Kind::Touch,
        "pen" => Kind::Pen,
        _ => Kind::Pointer,
    }
}

fn point(pointer: &PointerEvent) -> Point {
    Point { x: pointer.client_x(), y: pointer.client_y(), millis: millis(pointer) }
}

/// The event's time in ms since the page was opened.
#[expect(clippy::cast_possible_truncation, reason = "a page is not open for 2^63 ms")]
fn millis(event: &Event) -> i64 {
    event.time_stamp() as i64
}

#[expect(clippy::cast_possible_truncation, reason = "a page is not 2^31 pixels long")]
fn px(length: f64) -> i32 {
    length.round() as i32
}
