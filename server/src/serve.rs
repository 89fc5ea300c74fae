//! The running server: listeners, operator endpoints and graceful shutdown.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{StatusCode, header};
use protocol::push::Cursor;
use tokio::{net::TcpListener, sync::watch, time::timeout};

use crate::{Functions, Server, StartError};

/// Timeout of the readiness check's store request.
const READY_TIMEOUT: Duration = Duration::from_secs(2);

/// Flag: the server is shutting down.
#[derive(Default)]
pub(crate) struct Stopping(AtomicBool);

impl Stopping {
    fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

impl Server {
    /// Serves until the process gets SIGINT or SIGTERM, then shuts down gracefully.
    ///
    /// On shutdown, requests in flight may finish within the drain time of the settings, and the server writes its
    /// remaining audit log entries.
    ///
    /// # Errors
    /// As [`Server::router`]; [`StartError::Listen`] if an address cannot be bound.
    pub async fn serve(&self, app: Router, functions: Functions) -> Result<(), StartError> {
        let router = self.router(app, &functions)?;
        let listener = listen(self.settings().listen).await?;
        let (stop, stopping) = watch::channel(false);
        if let Some(address) = self.settings().monitoring.listen {
            let operator_listener = listen(address).await?;
            tracing::info!("metrics at http://{address}/metrics");
            let serving = axum::serve(operator_listener, self.observer()).into_future();
            tokio::spawn(serving);
        }
        tracing::info!("listening at {}", self.settings().origins.app);
        let shutdown = wait_for_stop(stopping.clone());
        let serving = axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>())
            .with_graceful_shutdown(shutdown)
            .into_future();
        let serving = tokio::spawn(serving);
        shutdown_signal().await;
        // First /readyz fails, so that the load balancer sends no new requests. Then push connections close: they would
        // otherwise never end. Then the listener accepts no more connections.
        self.stopping().0.store(true, Ordering::SeqCst);
        self.hub().stop();
        // This fails only if the listener has stopped already.
        let _ = stop.send(true);
        let deadline = Duration::from_secs(self.settings().monitoring.drain);
        if timeout(deadline, serving).await.is_err() {
            tracing::warn!("aborting requests still in flight after {} s", deadline.as_secs());
        }
        // A store outage must not block the shutdown.
        if timeout(deadline, self.flush()).await.is_err() {
            tracing::error!("the last events could not be written to the audit log");
        }
        Ok(())
    }

    /// The operators' router: `/metrics`, `/healthz` and `/readyz`. [`Server::serve`] serves it on a separate address.
    pub fn observer(&self) -> Router {
        Router::new()
            .route("/metrics", get(metrics))
            .route("/healthz", get(async || "alive\n"))
            .route("/readyz", get(ready))
            .with_state(self.clone())
    }

    /// Whether the store answers and the server is not shutting down.
    async fn is_ready(&self) -> bool {
        let answer = timeout(READY_TIMEOUT, self.stores().event_log.since(Cursor::default(), 1)).await;
        !self.stopping().is_set() && answer.is_ok_and(|result| result.is_ok())
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|error| StartError::Listen(address, error))
}

async fn wait_for_stop(mut stopping: watch::Receiver<bool>) {
    // An error means that the sender was dropped: the server has stopped.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

async fn metrics(State(server): State<Server>) -> Response {
    let is_ready = server.is_ready().await;
    match server.metrics().text(server.now(), server.push_connections(), is_ready) {
        Ok(text) => {
            let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, content_type)], text).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "metrics could not be encoded");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn ready(State(server): State<Server>) -> Response {
    if server.is_ready().await {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response()
    }
}

/// Resolves when the process gets SIGINT or SIGTERM.
async fn shutdown_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
}
