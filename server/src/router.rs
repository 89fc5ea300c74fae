//! Both origins as one router, and the order of the middleware.

use axum::{
    Router,
    extract::State,
    middleware::{from_fn_with_state, map_request, map_response_with_state},
    routing::{get, post},
};
use protocol::{
    action::{ActionEntry, Target},
    built_in,
    catalogue::Catalogue,
};
use tower::ServiceBuilder;
use tower_http::request_id::{PropagateRequestIdLayer, SetRequestIdLayer};

use crate::{
    Functions, Server, StartError,
    auth::{enter, passkey_sign_in, sign_in},
    device,
    extract::ActionRouter,
    middleware::{
        host_routing::{self, Hosts},
        request_id::{self, REQUEST_ID, RandomId},
        security_headers,
        verification::{Protected, verify},
    },
    nonces, outcomes,
    passkeys::{self, recovery},
    push,
    sign_origin::{self, assets::Page, bind, get_page},
};

impl Server {
    /// Both origins as one router: the application behind the verification middleware, and the sign origin.
    ///
    /// ```text
    /// request id, trace and metrics, security headers, host routing
    /// ├─ app origin
    /// │  ├─ POST /enter, GET /api/jitterbug/socket, POST /device/*: check their requests themselves
    /// │  └─ verification
    /// │     ├─ nonces, restore_browser, outcome, jitterbug/stream, passkeys
    /// │     └─ the application's router
    /// └─ sign origin
    ///    ├─ verification: jitterbug/keys
    ///    └─ pages, sign-in, binding, passkeys of a session
    /// ```
    ///
    /// # Errors
    /// [`StartError::Unprotected`] or [`StartError::Ambiguous`] when a server function is not clearly protected or
    /// public: forgetting to protect a function prevents the start.
    pub fn router(&self, app: Router, functions: &Functions) -> Result<Router, StartError> {
        let Functions { catalogue, public, observed, .. } = *functions;
        check(functions)?;
        let verification = |target, public| {
            from_fn_with_state((self.clone(), Protected { target, catalogue, public, observed }), verify)
        };
        let app = Router::new()
            .action(nonces::nonces)
            .action(nonces::restore_browser)
            .action(outcomes::read_outcome)
            .action(passkeys::list)
            .action(passkeys::add)
            .action(passkeys::remove)
            .action(recovery::create)
            .action(push::stream)
            .with_state(self.clone())
            // As a fallback service, so that the middleware also covers paths that the application does not route.
            .fallback_service(app)
            .layer(verification(Target::App, public));
        let app = push::router(self.clone())
            .merge(enter::router(self.clone()))
            .merge(device::router(self.clone()))
            .fallback_service(app);

        let push_keys =
            Router::new().action(push::agree_keys).with_state(self.clone()).layer(verification(Target::Sign, &[]));
        let sign = sign_origin_router(self.clone()).merge(push_keys);

        // The first layer sees a request first.
        let stack = ServiceBuilder::new()
            .layer(map_request(request_id::remove))
            .layer(SetRequestIdLayer::new(REQUEST_ID, RandomId))
            .layer(PropagateRequestIdLayer::new(REQUEST_ID))
            .layer(from_fn_with_state(self.clone(), host_routing::trace))
            .layer(map_response_with_state(self.clone(), security_headers::add));
        Ok(Hosts { server: self.clone(), app, sign }.router().layer(stack))
    }
}

/// The pages and endpoints of the sign origin that check their requests themselves.
fn sign_origin_router(server: Server) -> Router {
    let page = |page| get(async move |State(server): State<Server>| get_page(&server, page));
    Router::new()
        .route("/", get(sign_origin::frame))
        .route("/sign-in", page(Page::SignIn).post(sign_in::sign_in))
        .route("/sign-in/passkey", post(passkey_sign_in::sign_in))
        .route("/passkeys", post(passkeys::of_session))
        .route("/register", get(sign_origin::register_page).post(sign_in::register))
        .route("/recover", page(Page::Recover).post(sign_in::recover))
        .route("/confirm", page(Page::Confirm))
        .route("/time", get(sign_origin::time))
        .route("/challenge", post(bind::challenge))
        .route("/bind", post(bind::bind))
        .fallback(get(sign_origin::asset))
        .with_state(server)
}

/// Checks that every server function is either protected or public.
fn check(functions: &Functions) -> Result<(), StartError> {
    let Functions { catalogue, public, observed, served, .. } = functions;
    if let Some(path) = observed.iter().find(|path| !catalogue.own().iter().any(|entry| entry.path == **path)) {
        return Err(StartError::NotObservable((*path).to_owned()));
    }
    if let Some(path) = public.iter().find(|path| catalogue.at(path).is_some()) {
        return Err(StartError::Ambiguous((*path).to_owned()));
    }
    if let Some(path) = served.iter().find(|path| catalogue.at(path).is_none() && !public.contains(path)) {
        return Err(StartError::Unprotected((*path).to_owned()));
    }
    for entry in served_by_application(*catalogue).filter(|entry| !served.contains(&entry.path)) {
        tracing::warn!(action = entry.name, "in the catalogue, but no server function serves it");
    }
    Ok(())
}

fn served_by_application(catalogue: Catalogue) -> impl Iterator<Item = &'static ActionEntry> {
    built_in::sessions::ACTIONS.iter().chain(catalogue.own())
}
