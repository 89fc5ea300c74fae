//! Web Locks: mutual exclusion between the documents of this browser. Without the API, or an answer of it, every lock is
//! granted.

use std::{cell::Cell, rc::Rc};

use js_sys::{Function, Object, Promise, Reflect};
use wasm_bindgen::{JsCast as _, JsValue, closure::Closure};
use wasm_bindgen_futures::{JsFuture, spawn_local};

use crate::wait::{LOCAL, within};

/// A held lock. It is released when this is dropped or the document is closed.
pub(crate) struct Lock(Option<Function>);

impl Drop for Lock {
    fn drop(&mut self) {
        if let Some(release) = &self.0 {
            // Resolving a promise cannot fail.
            let _ = release.call0(&JsValue::NULL);
        }
    }
}

/// Waits for a lock.
pub(crate) async fn wait_for(name: &str) -> Lock {
    request(name, false).await.unwrap_or(Lock(None))
}

/// Takes a lock. `None` when another document holds it.
pub(crate) async fn try_take(name: &str) -> Option<Lock> {
    request(name, true).await
}

async fn request(name: &str, if_available: bool) -> Option<Lock> {
    let is_waiting = Rc::new(Cell::new(true));
    let Ok(granted) = try_request(name, if_available, &is_waiting) else { return Some(Lock(None)) };
    let granted = within(LOCAL, &granted).await;
    is_waiting.set(false);
    match granted {
        Ok(release) if release.is_function() => Some(Lock(Some(release.unchecked_into()))),
        Ok(_) => None,
        // The browser does not offer locks to this document, or another one holds it for long.
        Err(_) => Some(Lock(None)),
    }
}

/// Requests a lock. The promise resolves to the function that releases it, or to `null` when another document holds it.
/// A lock that is granted when nothing `is_waiting` for it any more is released at once.
fn try_request(name: &str, if_available: bool, is_waiting: &Rc<Cell<bool>>) -> Result<Promise, JsValue> {
    let navigator = web_sys::window().ok_or(JsValue::NULL)?.navigator();
    let locks = Reflect::get(&navigator, &"locks".into())?;
    let request: Function = Reflect::get(&locks, &"request".into())?.dyn_into()?;
    let options = Object::new();
    Reflect::set(&options, &"ifAvailable".into(), &if_available.into())?;
    let mut requested = Err(JsValue::NULL);
    let granted = Promise::new(&mut |grant, deny| {
        let is_waiting = Rc::clone(is_waiting);
        let held = Closure::once_into_js(move |lock: JsValue| {
            let mut release = JsValue::NULL;
            let until = Promise::new(&mut |resolve, _| release = resolve.into());
            // Resolving a promise cannot fail.
            let _ = grant.call1(&JsValue::NULL, if lock.is_null() { &lock } else { &release });
            if lock.is_null() || !is_waiting.get() { JsValue::NULL } else { until.into() }
        });
        requested = request.call3(&locks, &name.into(), &options, &held).map(|until| (until, deny));
    });
    let (until, deny) = requested?;
    spawn_local(async move {
        if JsFuture::from(until.unchecked_into::<Promise>()).await.is_err() {
            let _ = deny.call0(&JsValue::NULL);
        }
    });
    Ok(granted)
}
