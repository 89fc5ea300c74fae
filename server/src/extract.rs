//! [`Verified`]: the axum extractor of a verified request.

use std::{convert::Infallible, ops::Deref, sync::Arc};

use axum::{
    Router,
    extract::{FromRequestParts, OptionalFromRequestParts, State},
    response::IntoResponse,
    routing::post,
};
use http::request::Parts;
use protocol::action::Action;

use crate::{middleware::verified_request::VerifiedRequest, rejection::Rejection};

/// An axum extractor: a request that was verified as the action `A`.
///
/// It works only behind the verification middleware, and only on the path of `A`.
///
/// ```
/// use axum::{Router, extract::State};
/// use protocol::built_in::Revoke;
/// use server::{Verified, extract::ActionRouter};
///
/// async fn revoke(State(()): State<()>, request: Verified<Revoke>) -> String {
///     format!("{} ends {}", request.user(), request.action().session)
/// }
/// // The path is that of the handler's action.
/// let router: Router = Router::new().action(revoke).with_state(());
/// ```
#[derive(Clone, Debug)]
pub struct Verified<A> {
    request: VerifiedRequest,
    action: Arc<A>,
}

impl<A: Action> Verified<A> {
    /// Takes the request that was verified as `A`.
    ///
    /// # Errors
    /// [`Rejection::Unverified`] if the request was not verified, or is another action.
    pub fn from_extensions(extensions: &http::Extensions) -> Result<Self, Rejection> {
        Self::new(extensions.get::<VerifiedRequest>().ok_or(Rejection::Unverified)?.clone())
    }

    /// Takes a request that was verified as `A`.
    ///
    /// # Errors
    /// [`Rejection::Unverified`] if it was verified as another action.
    pub fn new(request: VerifiedRequest) -> Result<Self, Rejection> {
        let action = request.action::<A>().filter(|_| request.level() >= A::LEVEL).ok_or(Rejection::Unverified)?;
        Ok(Self { request, action })
    }

    /// The action with its arguments.
    pub fn action(&self) -> &A {
        &self.action
    }
}

impl<A> Deref for Verified<A> {
    type Target = VerifiedRequest;

    fn deref(&self) -> &VerifiedRequest {
        &self.request
    }
}

impl<A: Action, S: Send + Sync> FromRequestParts<S> for Verified<A> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Rejection> {
        Self::from_extensions(&parts.extensions)
    }
}

/// On an observed path an unsigned request has no `Verified`.
impl<A: Action, S: Send + Sync> OptionalFromRequestParts<S> for Verified<A> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Option<Self>, Rejection> {
        parts.extensions.get::<VerifiedRequest>().cloned().map(Self::new).transpose()
    }
}

/// Routes actions to handlers by type, so that no handler can serve the path of another action.
pub trait ActionRouter<S> {
    /// Serves `POST A::PATH` with a handler of the action `A`.
    #[must_use]
    fn action<A, F, Fut, R>(self, handler: F) -> Self
    where
        A: Action,
        F: Fn(State<S>, Verified<A>) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = R> + Send,
        R: IntoResponse;
}

impl<S: Clone + Send + Sync + 'static> ActionRouter<S> for Router<S> {
    fn action<A, F, Fut, R>(self, handler: F) -> Self
    where
        A: Action,
        F: Fn(State<S>, Verified<A>) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = R> + Send,
        R: IntoResponse,
    {
        let handler =
            async move |state: State<S>, request: Verified<A>| Ok::<_, Infallible>(handler(state, request).await);
        self.route(A::PATH, post(handler))
    }
}
