//! The key store: `IndexedDB` of the sign origin, which scripts of the app origin cannot open.
//!
//! There are two object stores, one for each kind of key. A record is `{session, key, point, …}` under an increasing
//! number, so the lowest number is the oldest record. A unique index allows one record per session. A browser may
//! partition the frame's storage from that of the top-level pages; this module works either way.

use js_sys::{Array, Object, Promise, Reflect, Uint8Array};
use protocol::token::SessionHandle;
use wasm_bindgen::{JsCast as _, JsValue, closure::Closure};
use web_sys::{
    IdbDatabase, IdbIndexParameters, IdbKeyRange, IdbObjectStore, IdbObjectStoreParameters, IdbOpenDbRequest,
    IdbRequest, IdbTransaction, IdbTransactionMode,
};

use crate::{
    keys::Key,
    wait::{LOCAL, within},
};

const DATABASE: &str = "pan";
const VERSION: u32 = 2;

/// The object store of frame keys. `bound`: whether the server has bound the key.
const FRAME_KEYS: &str = "keys";

/// The object store of confirmation keys. `user`: the user name; `made`: when the key was stored (Unix ms). There is no
/// `session` until the sign-in succeeds.
const CONFIRMATION_KEYS: &str = "confirmation_keys";

const SESSION: &str = "session";
const KEY: &str = "key";
const POINT: &str = "point";
const BOUND: &str = "bound";
const USER: &str = "user";
const MADE: &str = "made";

/// The most records that an object store keeps. One session is live in a browser at a time; the other records belong to
/// sessions that ended without this browser's knowledge.
const MAX_RECORDS: f64 = 8.0;

/// The age at which a confirmation key without a session is deleted, in ms: its sign-in was abandoned.
const ABANDONED_AFTER: f64 = 600_000.0;

/// The number of a record.
#[derive(Clone, Copy)]
pub(crate) struct RecordId(f64);

/// The open key store.
///
/// Every error means that the browser does not let this origin store keys (private mode, blocked storage, full or
/// broken disk), or does not answer (another tab has an older version of the database open). A missing key is not an
/// error.
pub(crate) struct KeyStore(IdbDatabase);

impl Drop for KeyStore {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl KeyStore {
    /// Opens the store, and creates it if it does not exist.
    pub(crate) async fn open() -> Result<Self, JsValue> {
        let factory = web_sys::window().ok_or(JsValue::NULL)?.indexed_db()?.ok_or(JsValue::NULL)?;
        let request = factory.open_with_u32(DATABASE, VERSION)?;
        let to_upgrade = request.clone();
        let upgrade = Closure::once(move || create(&to_upgrade));
        request.set_onupgradeneeded(Some(upgrade.as_ref().unchecked_ref()));
        result(&request).await.map(|database| Self(database.unchecked_into()))
    }

    /// The frame key of a session, and whether it is bound.
    pub(crate) async fn frame_key(&self, session: &SessionHandle) -> Result<Option<(RecordId, Key, bool)>, JsValue> {
        let Some((id, record)) = self.find(FRAME_KEYS, session).await? else { return Ok(None) };
        let is_bound = Reflect::get(&record, &BOUND.into())?.is_truthy();
        Ok(Some((id, key_of(&record)?, is_bound)))
    }

    /// Stores a frame key: as a new record, or in place of the record `id`.
    pub(crate) async fn keep_frame_key(
        &self,
        id: Option<RecordId>,
        session: &SessionHandle,
        key: &Key,
        is_bound: bool,
    ) -> Result<RecordId, JsValue> {
        let record = record_of(Some(session), key)?;
        Reflect::set(&record, &BOUND.into(), &is_bound.into())?;
        let RecordId(id) = self.keep(FRAME_KEYS, id, &record).await?;
        let (transaction, store) = self.begin(FRAME_KEYS, IdbTransactionMode::Readwrite)?;
        store.delete(&IdbKeyRange::upper_bound(&(id - MAX_RECORDS).into())?.into())?;
        committed(&transaction).await?;
        Ok(RecordId(id))
    }

    /// Deletes the frame key of a session, if there is one.
    pub(crate) async fn forget_frame_key(&self, session: &SessionHandle) -> Result<(), JsValue> {
        let Some((RecordId(id), _)) = self.find(FRAME_KEYS, session).await? else { return Ok(()) };
        let (transaction, store) = self.begin(FRAME_KEYS, IdbTransactionMode::Readwrite)?;
        store.delete(&id.into())?;
        committed(&transaction).await
    }

    /// The confirmation key of a session, and the user name.
    pub(crate) async fn confirmation_key(&self, session: &SessionHandle) -> Result<Option<(Key, String)>, JsValue> {
        let Some((_, record)) = self.find(CONFIRMATION_KEYS, session).await? else { return Ok(None) };
        let user = Reflect::get(&record, &USER.into())?.as_string().unwrap_or_default();
        Ok(Some((key_of(&record)?, user)))
    }

    /// Stores a confirmation key: as a new record without a session before the sign-in request, then with the session
    /// under the same number.
    pub(crate) async fn keep_confirmation_key(
        &self,
        id: Option<RecordId>,
        session: Option<&SessionHandle>,
        key: &Key,
        user: &str,
    ) -> Result<RecordId, JsValue> {
        self.delete_old_confirmation_keys(id).await?;
        let record = record_of(session, key)?;
        Reflect::set(&record, &USER.into(), &user.into())?;
        Reflect::set(&record, &MADE.into(), &js_sys::Date::now().into())?;
        self.keep(CONFIRMATION_KEYS, id, &record).await
    }

    /// Deletes the confirmation keys of abandoned sign-ins and of the oldest sessions, but not `own`.
    async fn delete_old_confirmation_keys(&self, own: Option<RecordId>) -> Result<(), JsValue> {
        let (transaction, store) = self.begin(CONFIRMATION_KEYS, IdbTransactionMode::Readwrite)?;
        let ids: Array = result(&store.get_all_keys()?).await?.unchecked_into();
        let records: Array = result(&store.get_all()?).await?.unchecked_into();
        let mut sessions = 0.0;
        // Numbers increase, so this starts with the newest.
        for at in (0..ids.length()).rev() {
            let (id, record) = (ids.get(at), records.get(at));
            let made = Reflect::get(&record, &MADE.into())?.as_f64().unwrap_or_default();
            let is_of_session = Reflect::has(&record, &SESSION.into())?;
            sessions += f64::from(u8::from(is_of_session));
            let is_old =
                if is_of_session { sessions >= MAX_RECORDS } else { js_sys::Date::now() - made > ABANDONED_AFTER };
            if is_old && own.map(|RecordId(own)| own.into()) != Some(id.clone()) {
                store.delete(&id)?;
            }
        }
        committed(&transaction).await
    }

    async fn find(&self, store: &str, session: &SessionHandle) -> Result<Option<(RecordId, JsValue)>, JsValue> {
        let (_, store) = self.begin(store, IdbTransactionMode::Readonly)?;
        let (index, name) = (store.index(SESSION)?, name(session));
        let id = result(&index.get_key(&name)?).await?.as_f64();
        let record = result(&index.get(&name)?).await?;
        Ok(id.map(|id| (RecordId(id), record)))
    }

    async fn keep(&self, store: &str, id: Option<RecordId>, record: &Object) -> Result<RecordId, JsValue> {
        let (transaction, store) = self.begin(store, IdbTransactionMode::Readwrite)?;
        // `put` for both, so that a browser that cannot store keys fails at the first one.
        let request = match id {
            Some(RecordId(id)) => store.put_with_key(record, &id.into()),
            None => store.put(record),
        }?;
        let id = result(&request).await?.as_f64().unwrap_or_default();
        committed(&transaction).await?;
        Ok(RecordId(id))
    }

    fn begin(&self, store: &str, mode: IdbTransactionMode) -> Result<(IdbTransaction, IdbObjectStore), JsValue> {
        let transaction = self.0.transaction_with_str_and_mode(store, mode)?;
        let store = transaction.object_store(store)?;
        Ok((transaction, store))
    }
}

fn record_of(session: Option<&SessionHandle>, key: &Key) -> Result<Object, JsValue> {
    let record = Object::new();
    if let Some(session) = session {
        Reflect::set(&record, &SESSION.into(), &name(session))?;
    }
    Reflect::set(&record, &KEY.into(), key.private())?;
    Reflect::set(&record, &POINT.into(), &Uint8Array::from(&key.public().as_sec1()[..]))?;
    Ok(record)
}

fn key_of(record: &JsValue) -> Result<Key, JsValue> {
    let point = Uint8Array::new(&Reflect::get(record, &POINT.into())?).to_vec();
    Key::of(Reflect::get(record, &KEY.into())?.unchecked_into(), &point)
}

fn name(session: &SessionHandle) -> JsValue {
    session.to_string().into()
}

/// Creates both object stores. Records of version 1 belong to sessions that no longer exist.
fn create(request: &IdbOpenDbRequest) -> Result<(), JsValue> {
    let database: IdbDatabase = request.result()?.unchecked_into();
    if database.object_store_names().contains(FRAME_KEYS) {
        database.delete_object_store(FRAME_KEYS)?;
    }
    for name in [FRAME_KEYS, CONFIRMATION_KEYS] {
        let numbered = IdbObjectStoreParameters::new();
        numbered.set_auto_increment(true);
        let store = database.create_object_store_with_optional_parameters(name, &numbered)?;
        let unique = IdbIndexParameters::new();
        unique.set_unique(true);
        store.create_index_with_str_and_optional_parameters(SESSION, SESSION, &unique)?;
    }
    Ok(())
}

/// Waits for a request's result.
async fn result(request: &IdbRequest) -> Result<JsValue, JsValue> {
    let done = Promise::new(&mut |resolve, reject| {
        request.set_onsuccess(Some(&resolve));
        request.set_onerror(Some(&reject));
    });
    within(LOCAL, &done).await?;
    request.result()
}

/// Waits until a transaction is committed.
async fn committed(transaction: &IdbTransaction) -> Result<(), JsValue> {
    let done = Promise::new(&mut |resolve, reject| {
        transaction.set_oncomplete(Some(&resolve));
        transaction.set_onabort(Some(&reject));
    });
    within(LOCAL, &done).await.map(drop)
}
