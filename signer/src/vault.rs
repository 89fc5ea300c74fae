//! Where keys are kept: `IndexedDB` of the sign origin, which no script of the app origin can open.
//!
//! A record is `{session, key, point}` under a number that grows, so that the oldest can be told. An index holds each
//! session to one record: a key is never overwritten.

use js_sys::{Object, Promise, Reflect, Uint8Array};
use protocol::token::SessionHandle;
use wasm_bindgen::{JsCast as _, JsValue, closure::Closure};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    IdbDatabase, IdbIndexParameters, IdbKeyRange, IdbObjectStore, IdbObjectStoreParameters, IdbOpenDbRequest,
    IdbRequest, IdbTransaction, IdbTransactionMode,
};

use crate::keys::Key;

const DATABASE: &str = "pan";
const STORE: &str = "keys";
const SESSION: &str = "session";
const KEY: &str = "key";
const POINT: &str = "point";

/// How many records are left when a new one is written. One session is live in a browser at a time; the others are of
/// sessions that ended unnoticed.
const KEPT: f64 = 8.0;

/// The open key store. Every error of it means that the browser does not let the frame keep keys (private mode, blocked
/// storage, full or broken disk); that a key is not there is no error.
pub(crate) struct Vault(IdbDatabase);

impl Drop for Vault {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Vault {
    /// Opens the store, and makes it at the first time.
    pub(crate) async fn open() -> Result<Self, JsValue> {
        let factory = web_sys::window().ok_or(JsValue::NULL)?.indexed_db()?.ok_or(JsValue::NULL)?;
        let request = factory.open_with_u32(DATABASE, 1)?;
        let to_upgrade = request.clone();
        let upgrade = Closure::once(move || create(&to_upgrade));
        request.set_onupgradeneeded(Some(upgrade.as_ref().unchecked_ref()));
        result(&request).await.map(|database| Self(database.unchecked_into()))
    }

    /// The key of a session.
    pub(crate) async fn load(&self, session: &SessionHandle) -> Result<Option<Key>, JsValue> {
        let (_, store) = self.begin(IdbTransactionMode::Readonly)?;
        let record = result(&store.index(SESSION)?.get(&name(session))?).await?;
        if record.is_undefined() {
            return Ok(None);
        }
        let point = Uint8Array::new(&Reflect::get(&record, &POINT.into())?).to_vec();
        Key::of(Reflect::get(&record, &KEY.into())?.unchecked_into(), &point).map(Some)
    }

    /// Keeps the key of a session that was just bound.
    pub(crate) async fn keep(&self, session: &SessionHandle, key: &Key) -> Result<(), JsValue> {
        let record = Object::new();
        Reflect::set(&record, &SESSION.into(), &name(session))?;
        Reflect::set(&record, &KEY.into(), key.private())?;
        Reflect::set(&record, &POINT.into(), &Uint8Array::from(&key.public().as_sec1()[..]))?;
        let (transaction, store) = self.begin(IdbTransactionMode::Readwrite)?;
        let id = result(&store.add(&record)?).await?.as_f64().unwrap_or(0.0);
        store.delete(&IdbKeyRange::upper_bound(&(id - KEPT).into())?.into())?;
        committed(&transaction).await
    }

    /// Destroys the key of a session, if there is one.
    pub(crate) async fn forget(&self, session: &SessionHandle) -> Result<(), JsValue> {
        let (transaction, store) = self.begin(IdbTransactionMode::Readwrite)?;
        let id = result(&store.index(SESSION)?.get_key(&name(session))?).await?;
        if !id.is_undefined() {
            store.delete(&id)?;
        }
        committed(&transaction).await
    }

    fn begin(&self, mode: IdbTransactionMode) -> Result<(IdbTransaction, IdbObjectStore), JsValue> {
        let transaction = self.0.transaction_with_str_and_mode(STORE, mode)?;
        let store = transaction.object_store(STORE)?;
        Ok((transaction, store))
    }
}

fn name(session: &SessionHandle) -> JsValue {
    session.to_string().into()
}

fn create(request: &IdbOpenDbRequest) -> Result<(), JsValue> {
    let database: IdbDatabase = request.result()?.unchecked_into();
    let numbered = IdbObjectStoreParameters::new();
    numbered.set_auto_increment(true);
    let store = database.create_object_store_with_optional_parameters(STORE, &numbered)?;
    let unique = IdbIndexParameters::new();
    unique.set_unique(true);
    store.create_index_with_str_and_optional_parameters(SESSION, SESSION, &unique)?;
    Ok(())
}

/// Waits for a request's result.
async fn result(request: &IdbRequest) -> Result<JsValue, JsValue> {
    JsFuture::from(Promise::new(&mut |resolve, reject| {
        request.set_onsuccess(Some(&resolve));
        request.set_onerror(Some(&reject));
    }))
    .await?;
    request.result()
}

/// Waits until a transaction is on disk.
async fn committed(transaction: &IdbTransaction) -> Result<(), JsValue> {
    JsFuture::from(Promise::new(&mut |resolve, reject| {
        transaction.set_oncomplete(Some(&resolve));
        transaction.set_onabort(Some(&reject));
    }))
    .await
    .map(drop)
}
