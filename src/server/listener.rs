//! From a listening socket to the router: counts connections, limits the time for their headers, and drains them on
//! shutdown.
//!
//! `axum::serve` has no limits for headers, times and connections, so this drives hyper itself. During shutdown the
//! port still answers, so that load balancers learn from `/readyz` that requests belong elsewhere.

use std::{io, pin::pin, sync::Arc, time::Duration};

use axum::{Router, http::Request};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulConnection, GracefulShutdown},
    service::TowerToHyperService,
};
use rustix::net::sockopt::set_tcp_user_timeout;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{Instant, interval, sleep_until},
};

use super::{ServerSettings, router, state::ConnectionClass};
use crate::{config::Limits, engine::Engine, telemetry};

/// How often measurements are sorted into their buckets.
const METRICS_UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Connections beyond the maximum, for probes and admin requests.
const RESERVED_CONNECTIONS: usize = 16;

/// Pause after the system refused to accept a connection, as it does when there are no more file descriptors.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(200);

/// Serves until `stop` resolves, then lets running requests finish for at most [`Limits::drain_timeout`]. Errors of the
/// listener are logged and retried.
pub async fn serve(
    listener: TcpListener,
    engine: Arc<Engine>,
    settings: ServerSettings,
    stop: impl Future<Output = ()> + Send + 'static,
) {
    let limits = settings.limits;
    let server = ConnectionServer::new(router::router(Arc::clone(&engine), settings), &limits);
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut upkeep = interval(METRICS_UPKEEP_INTERVAL);
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            _ = upkeep.tick() => telemetry::tidy_metrics(),
            Some(_) = connections.join_next() => {}
            stream = accept(&listener) => {
                if let Some((class, permit)) = server.permit() {
                    let connection = graceful.watch(server.connection(stream, class));
                    connections.spawn(async move {
                        let _permit = permit;
                        // A broken connection concerns its client alone; errors of requests are logged elsewhere.
                        let _ = connection.await;
                    });
                }
            }
        }
    }
    engine.close();
    let mut drained = pin!(graceful.shutdown());
    let deadline = Instant::now() + limits.drain_timeout;
    loop {
        tokio::select! {
            () = &mut drained => return,
            () = sleep_until(deadline) => {
                let patience = limits.drain_timeout;
                tracing::warn!("some requests did not finish within {patience:?}; shutting down without them");
                return;
            }
            Some(_) = connections.join_next() => {}
            stream = accept(&listener) => {
                if let Some((_, permit)) = server.permit() {
                    let connection = server.connection(stream, ConnectionClass::Draining);
                    connections.spawn(async move {
                        let _permit = permit;
                        let _ = connection.await;
                    });
                }
            }
        }
    }
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            // The client closed the connection before it was accepted.
            Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) => {
            }
            Err(error) => {
                tracing::error!(%error, "no connection could be accepted");
                tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
            }
        }
    }
}

/// Serves connections, and limits how many there are.
struct ConnectionServer {
    router: Router,
    http: http1::Builder,
    connections: Arc<Semaphore>,
    reserved: Arc<Semaphore>,
    /// How long a client may leave sent data unacknowledged.
    user_timeout: Duration,
}

impl ConnectionServer {
    fn new(router: Router, limits: &Limits) -> Self {
        let mut http = http1::Builder::new();
        // Twice what is allowed: up to there the refusal has a body that gives the reason.
        http.timer(TokioTimer::new()).header_read_timeout(limits.head_timeout).max_header_size(2 * limits.max_head);
        // hyper stores up to 100 headers without allocating.
        if 2 * limits.max_headers > 100 {
            http.max_headers(2 * limits.max_headers);
        }
        Self {
            router,
            http,
            connections: Arc::new(Semaphore::new(limits.max_connections)),
            reserved: Arc::new(Semaphore::new(RESERVED_CONNECTIONS)),
            user_timeout: limits.body_timeout,
        }
    }

    /// A permit for one more connection, and what that may be used for.
    fn permit(&self) -> Option<(ConnectionClass, OwnedSemaphorePermit)> {
        let acquire = |permits: &Arc<Semaphore>| Arc::clone(permits).try_acquire_owned().ok();
        let normal = acquire(&self.connections).map(|permit| (ConnectionClass::Normal, permit));
        normal.or_else(|| acquire(&self.reserved).map(|permit| (ConnectionClass::Overflow, permit)))
    }

    fn connection(
        &self,
        stream: TcpStream,
        class: ConnectionClass,
    ) -> impl GracefulConnection<Error = hyper::Error> + use<> {
        // Connections work without these options as well.
        let _ = stream.set_nodelay(true);
        let _ = set_tcp_user_timeout(&stream, u32::try_from(self.user_timeout.as_millis()).unwrap_or(u32::MAX));
        let router = TowerToHyperService::new(self.router.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(class);
            hyper::service::Service::call(&router, request)
        });
        let mut http = self.http.clone();
        http.keep_alive(class == ConnectionClass::Normal).serve_connection(TokioIo::new(stream), service)
    }
}
