//! Both origins as one router, and the order of the middleware.

use axum::{Router, middleware::from_fn_with_state};
use protocol::{
    action::{ActionEntry, Catalogue, Target},
    built_in,
};

use crate::{
    Functions, Server, StartError,
    auth::enter,
    extract::ActionRouter,
    middleware::{
        host_routing::Hosts,
        verification::{Protected, verify},
    },
    nonces, push,
    sign_origin::SignOrigin,
};

impl Server {
    /// Both origins as one router: the application behind the verification middleware, and the sign origin.
    ///
    /// ```text
    /// Hosts: Host header, request id, security headers
    /// ├─ app origin
    /// │  ├─ POST /enter, GET /api/jitterbug/socket: check their requests themselves
    /// │  └─ verification
    /// │     ├─ nonces, restore_browser, jitterbug/stream
    /// │     └─ the application's router
    /// └─ sign origin
    ///    ├─ verification: jitterbug/keys
    ///    └─ pages, sign-in, binding
    /// ```
    ///
    /// # Errors
    /// [`StartError::Unprotected`] or [`StartError::Ambiguous`] when a server function is not clearly protected or public:
    /// forgetting to protect a function prevents the start.
    pub fn router(&self, app: Router, functions: &Functions) -> Result<Router, StartError> {
        let Functions { catalogue, public, .. } = *functions;
        check(functions)?;
        let verification =
            |target, public| from_fn_with_state((self.clone(), Protected { target, catalogue, public }), verify);
        let app = Router::new()
            .action(nonces::nonces)
            .action(nonces::restore_browser)
            .action(push::stream)
            .with_state(self.clone())
            // As a fallback service, so that the middleware also stands before paths that the application does not route.
            .fallback_service(app)
            .layer(verification(Target::App, public));
        let app = push::router(self.clone()).merge(enter::router(self.clone())).fallback_service(app);

        let push_keys =
            Router::new().action(push::agree_keys).with_state(self.clone()).layer(verification(Target::Sign, &[]));
        let sign = SignOrigin { server: self.clone(), register: functions.register }.router().merge(push_keys);
        Ok(Hosts { server: self.clone(), app, sign }.router())
    }
}

/// Checks that every server function is either protected or public.
fn check(functions: &Functions) -> Result<(), StartError> {
    let Functions { catalogue, public, served, .. } = functions;
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
