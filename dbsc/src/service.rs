//! The endpoints as a tower layer.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use crate::{dbsc::Dbsc, store::SessionStore};

/// Answers requests to the endpoints, and passes all others to the inner service.
#[derive(Debug)]
pub struct DbscLayer<S>(Arc<Dbsc<S>>);

impl<S> DbscLayer<S> {
    /// Serves these sessions.
    pub fn new(dbsc: Arc<Dbsc<S>>) -> Self {
        Self(dbsc)
    }
}

impl<S> Clone for DbscLayer<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S, I> Layer<I> for DbscLayer<S> {
    type Service = DbscService<S, I>;

    fn layer(&self, inner: I) -> Self::Service {
        DbscService { dbsc: Arc::clone(&self.0), inner }
    }
}

/// The service of [`DbscLayer`].
#[derive(Debug)]
pub struct DbscService<S, I> {
    dbsc: Arc<Dbsc<S>>,
    inner: I,
}

impl<S, I: Clone> Clone for DbscService<S, I> {
    fn clone(&self) -> Self {
        Self { dbsc: Arc::clone(&self.dbsc), inner: self.inner.clone() }
    }
}

impl<S, I, B, R> Service<Request<B>> for DbscService<S, I>
where
    S: SessionStore,
    I: Service<Request<B>, Response = Response<R>>,
    I::Future: Send + 'static,
    R: From<String>,
{
    type Response = Response<R>;
    type Error = I::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Some(endpoint) = self.dbsc.endpoint(request.uri().path()) else {
            return Box::pin(self.inner.call(request));
        };
        let dbsc = Arc::clone(&self.dbsc);
        // The body is not read: these requests have none.
        let (parts, _) = request.into_parts();
        Box::pin(async move { Ok(dbsc.respond(endpoint, &parts.method, &parts.headers).await.map(R::from)) })
    }
}
