//! The running server: its listeners, what an operator asks it, and how it stops.

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

/// How long the store may take to show that it is there.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whether the server is about to stop.
#[derive(Default)]
pub(crate) struct Stopping(AtomicBool);

impl Stopping {
    fn is_so(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

impl Server {
    /// Serves until the process is told to stop. Requests in flight may then finish, for as long as the settings say, and
    /// what was recorded is written.
    ///
    /// # Errors
    /// As [`Server::router`]; [`StartError::Listen`] when an address cannot be had.
    pub async fn serve(&self, app: Router, functions: Functions) -> Result<(), StartError> {
        let router = self.router(app, &functions)?;
        let listener = listen(self.settings().listen).await?;
        let (stop, stopping) = watch::channel(false);
        if let Some(address) = self.settings().observe.listen {
            let observed = listen(address).await?;
            tracing::info!("metrics at http://{address}/metrics");
            let serving = axum::serve(observed, self.observer()).into_future();
            tokio::spawn(serving);
        }
        tracing::info!("listening at {}", self.settings().origins.app);
        let told = until(stopping.clone());
        let serving = axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>())
            .with_graceful_shutdown(told)
            .into_future();
        let serving = tokio::spawn(serving);
        stopped().await;
        // First nobody sends new requests here; then none are taken; open push connections would be requests for ever.
        self.stopping().0.store(true, Ordering::SeqCst);
        self.hub().stop();
        // Its receivers are the listeners; without one there is nothing to stop.
        let _ = stop.send(true);
        let deadline = Duration::from_secs(self.settings().observe.drain);
        if timeout(deadline, serving).await.is_err() {
            tracing::warn!("requests were still in flight after {} s, and are cut off", deadline.as_secs());
        }
        // A store that is away must not keep a stopping server for ever.
        if timeout(deadline, self.flush()).await.is_err() {
            tracing::error!("what was recorded last could not be written to the audit log");
        }
        Ok(())
    }

    /// What is for operators only: `/metrics`, `/healthz` and `/readyz`. [`Server::serve`] serves it on an address of its own.
    pub fn observer(&self) -> Router {
        Router::new()
            .route("/metrics", get(metrics))
            .route("/healthz", get(async || "alive\n"))
            .route("/readyz", get(ready))
            .with_state(self.clone())
    }

    /// Whether the store answers and the server is not stopping.
    async fn is_ready(&self) -> bool {
        let asked = timeout(PATIENCE, self.stores().event_log.since(Cursor::default(), 1)).await;
        !self.stopping().is_so() && asked.is_ok_and(|answer| answer.is_ok())
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|error| StartError::Listen(address, error))
}

async fn until(mut stopping: watch::Receiver<bool>) {
    // The sender goes when the server has stopped: also a reason to stop.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

async fn metrics(State(server): State<Server>) -> Response {
    let is_ready = server.is_ready().await;
    match server.metrics().text(server.now(), server.push_connections(), is_ready) {
        Ok(text) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "the metrics have no text");
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

/// Resolves when the process is asked to stop (SIGINT or SIGTERM).
async fn stopped() {
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
