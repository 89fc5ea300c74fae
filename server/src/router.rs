//! Both origins as one router, and the order of the middleware.

use axum::{Router, middleware::from_fn_with_state};
use protocol::{
    action::Action,
    catalogue::{CATALOGUE, Nonces, PushKeys, PushStream, RestoreBrowser},
};

use crate::{
    Functions, Server, StartError,
    auth::enter,
    middleware::{host_routing, verification},
    push,
    sign_origin::SignOrigin,
};

impl Server {
    /// Both origins as one router: the application behind the verification layer, and the signing frame's origin.
    ///
    /// # Errors
    /// [`StartError::Unprotected`] or [`StartError::Ambiguous`] when a server function is not clearly one or the other:
    /// forgetting to protect something stops the start.
    pub fn router(&self, app: Router, functions: &Functions) -> Result<Router, StartError> {
        let is_protected = |path: &str| CATALOGUE.iter().any(|entry| entry.path == path);
        if let Some(path) = functions.public.iter().find(|path| is_protected(path)) {
            return Err(StartError::Ambiguous((*path).to_owned()));
        }
        if let Some(path) = functions.served.iter().find(|path| !is_protected(path) && !functions.public.contains(path))
        {
            return Err(StartError::Unprotected((*path).to_owned()));
        }
        let own = [Nonces::PATH, RestoreBrowser::PATH, PushKeys::PATH, PushStream::PATH];
        for entry in CATALOGUE.iter().filter(|entry| !own.contains(&entry.path)) {
            if !functions.served.contains(&entry.path) {
                tracing::warn!(action = entry.name, "in the catalogue, but no server function serves it");
            }
        }
        let guard = from_fn_with_state((self.clone(), functions.public), verification::guard);
        // As a fallback service, so that the guard also stands before paths that the application does not route.
        let app = Router::new().fallback_service(app).layer(guard);
        let app = push::router(self.clone()).merge(enter::router(self.clone())).fallback_service(app);
        let sign = SignOrigin { server: self.clone(), register: functions.register }.router();
        Ok(host_routing::Hosts { server: self.clone(), app, sign }.router())
    }
}
