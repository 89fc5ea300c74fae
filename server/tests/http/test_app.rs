//! The server under test: the real router, a clock that the test sets, and handlers that return the verified user.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    Json, Router,
    body::Body,
    extract::{ConnectInfo, State},
    response::{AppendHeaders, IntoResponse},
    routing::post,
};
use http::{Request, Response, StatusCode, header};
use protocol::{
    built_in::{ReadActivity, ReadSessions, Revoke, RevokeOthers, SignOut},
    problem::Code,
};
use server::{
    Functions, Server, Verified,
    audit::{AuditEntry, AuditLog, EntryBody, Outcome},
    auth::{accounts::Accounts, credentials::CredentialStore, passwords::Passwords},
    clock::Clock,
    extract::ActionRouter,
    settings::Settings,
    store::{RecordKey, Stores, Write},
};
use tower::ServiceExt;

use crate::{
    browser::{Browser, PASSWORD, Reply},
    test_actions::{CATALOGUE, Erase, Order, Pay, ReadNotes, Rename},
};

/// The start time of the tests' clock: Unix ms.
pub(crate) const START: u64 = 1_750_000_000_000;

/// PAN's own accounts, without registration.
pub(crate) fn accounts(stores: &Stores, settings: &Settings) -> Accounts {
    Accounts::new(stores.records.clone(), Passwords::new(&settings.origins))
}

/// A server with a clock that the test moves. Its handlers answer with what was verified.
#[derive(Clone)]
pub(crate) struct TestApp {
    pub server: Server,
    router: Router,
    now: Arc<AtomicU64>,
}

impl TestApp {
    pub(crate) fn new(store: Stores) -> Self {
        Self::with(store, Settings::default())
    }

    pub(crate) fn with(store: Stores, settings: Settings) -> Self {
        let functions = Functions::new(CATALOGUE)
            .public(&["/api/public"])
            .served(CATALOGUE.entries().map(|entry| entry.path).chain(["/api/public"]).collect());
        Self::serving(store, settings, &functions, routes)
    }

    /// Serves an application that the test defines.
    pub(crate) fn serving(
        store: Stores,
        settings: Settings,
        functions: &Functions,
        app: impl FnOnce(Server) -> Router,
    ) -> Self {
        let accounts = accounts(&store, &settings).with_registration(|user| {
            let key = RecordKey(format!("balance:{user}"));
            Ok(vec![Write { key, seen: 0, value: "100000".to_owned() }])
        });
        Self::with_users(store, settings, accounts, functions, app)
    }

    /// Serves an application of the test to the users of a credential store.
    pub(crate) fn with_users(
        store: Stores,
        settings: Settings,
        credentials: impl CredentialStore,
        functions: &Functions,
        app: impl FnOnce(Server) -> Router,
    ) -> Self {
        let now = Arc::new(AtomicU64::new(START));
        let clock = Clock::new({
            let now = now.clone();
            move || now.load(Ordering::SeqCst)
        });
        let server = Server::with(settings, store, Arc::new(credentials), clock).expect("randomness");
        let router = server.router(app(server.clone()), functions).expect("all is decided");
        Self { server, router, now }
    }

    /// The number of these events in the audit log.
    pub(crate) async fn logged(&self, action: &str, outcome: Outcome) -> u64 {
        self.server.flush().await;
        let is_it = |body: &EntryBody| body.event.action == action && body.event.outcome == outcome;
        let mut times = 0;
        for log in AuditLog::ALL {
            let entries = self.server.stores().audit_log.lines_after(log, 0, 10_000).await.expect("a store");
            let body = entries.iter().map(|(_, line)| AuditEntry::parse(line).expect("an entry").body);
            times += body.filter(is_it).map(|body| body.times).sum::<u64>();
        }
        times
    }

    pub(crate) fn now(&self) -> u64 {
        self.now.load(Ordering::SeqCst)
    }

    pub(crate) fn wait(&self, ms: u64) {
        self.now.fetch_add(ms, Ordering::SeqCst);
    }

    /// Sets the server's clock back.
    pub(crate) fn set_back(&self, ms: u64) {
        self.now.fetch_sub(ms, Ordering::SeqCst);
    }

    /// The metrics in the text format.
    pub(crate) async fn metrics(&self) -> String {
        let request = Request::get("/metrics").body(Body::empty()).expect("a request");
        let reply = self.server.observer().oneshot(request).await.expect("a router never fails");
        String::from_utf8(Reply::read(reply).await.body).expect("text")
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Reply {
        Reply::read(self.respond(request).await).await
    }

    /// Sends a request and does not read the body of the response.
    pub(crate) async fn respond(&self, mut request: Request<Body>) -> Response<Body> {
        self.adapt_scheme(&mut request);
        if request.extensions().get::<ConnectInfo<SocketAddr>>().is_none() {
            request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([192, 0, 2, 1], 4000))));
        }
        self.router.clone().oneshot(request).await.expect("a router never fails")
    }

    /// The browsers of the tests use http.
    fn adapt_scheme(&self, request: &mut Request<Body>) {
        let origin =
            request.headers_mut().get_mut(header::ORIGIN).filter(|_| self.server.settings().origins.app.is_secure());
        if let Some(origin) = origin
            && let Some(rest) = origin.to_str().ok().and_then(|text| text.strip_prefix("http://"))
        {
            *origin = format!("https://{rest}").parse().expect("a header value");
        }
    }

    /// A browser that has signed in, entered, and bound a frame key.
    pub(crate) async fn browser(&self, user: &str) -> Browser {
        let mut browser = self.entered(user).await;
        let bound = browser.bind(self).await;
        assert_eq!(bound.status, StatusCode::OK, "{bound:?}");
        // The hub is another task. Let it read the event of the sign-in before the test opens a push connection.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        browser
    }

    /// A browser that has signed in and entered.
    pub(crate) async fn entered(&self, user: &str) -> Browser {
        let mut browser = self.signed_in(user).await;
        let entered = browser.enter(self).await;
        assert_eq!(entered.status, StatusCode::SEE_OTHER, "{entered:?}");
        browser
    }

    /// A browser that has signed in. Registers the user if it does not exist.
    pub(crate) async fn signed_in(&self, user: &str) -> Browser {
        let mut browser = Browser::new();
        let mut reply = browser.post(self, "/register", user, PASSWORD).await;
        if reply.status == StatusCode::CONFLICT && reply.code() == Code::NameTaken {
            reply = browser.post(self, "/sign-in", user, PASSWORD).await;
        }
        assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
        browser
    }
}

/// The routes of the test actions. Each responds with the user's ID.
pub(crate) fn routes(server: Server) -> Router {
    Router::new()
        .action(async |_: State<Server>, request: Verified<ReadNotes>| request.user().to_string())
        .action(async |_: State<Server>, request: Verified<Rename>| request.user().to_string())
        .action(async |_: State<Server>, request: Verified<Order>| {
            ([("x-level", format!("{:?}", request.level()))], request.user().to_string())
        })
        .action(async |_: State<Server>, request: Verified<Pay>| request.user().to_string())
        .action(async |_: State<Server>, request: Verified<Erase>| request.user().to_string())
        .action(sign_out)
        .action(sessions)
        .action(revoke)
        .action(revoke_others)
        .action(activity)
        .route("/api/public", post(async || Json(())))
        .with_state(server)
}

async fn sign_out(State(server): State<Server>, request: Verified<SignOut>) -> impl IntoResponse {
    (AppendHeaders(server.sign_out(&request).await.expect("a store")), Json(()))
}

async fn sessions(State(server): State<Server>, request: Verified<ReadSessions>) -> impl IntoResponse {
    Json(server.sessions(&request).await.expect("a store"))
}

async fn revoke(State(server): State<Server>, request: Verified<Revoke>) -> impl IntoResponse {
    Json(server.revoke(&request, &request.action().session).await.expect("a store"))
}

async fn revoke_others(State(server): State<Server>, request: Verified<RevokeOthers>) -> impl IntoResponse {
    Json(server.revoke_others(&request).await.expect("a store"))
}

async fn activity(State(server): State<Server>, request: Verified<ReadActivity>) -> impl IntoResponse {
    Json(server.activity(&request).await.expect("a store"))
}
