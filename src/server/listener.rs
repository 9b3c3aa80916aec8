//! From a listening socket to the router: connections are counted, have little time to say what they want, and are let go when
//! the service ends.
//!
//! axum's own `serve` sets no bounds to heads, times and connections, so the connections are hyper's here. While the service
//! ends the port still answers, so that whoever sends queries learns from `/readyz` that they belong elsewhere.

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

use crate::server::{
    limits::{HttpLimits, HttpSettings},
    middleware::admission::Door,
    router,
};
use crate::{engine::Engine, telemetry};

/// How often measurements are sorted into their buckets.
const TIDY_EVERY: Duration = Duration::from_secs(5);

/// Connections beyond the most that are served, for probes and owners.
const SPARE: usize = 16;

/// How long nothing is accepted after the system refused a connection, as it does when there are no more files.
const AFTER_REFUSAL: Duration = Duration::from_millis(200);

/// Serves until `stop` resolves, then lets running requests end for at most [`HttpLimits::drain`].
///
/// # Errors
/// Never; the listener's errors are waited out.
pub async fn serve(
    listener: TcpListener,
    engine: Arc<Engine>,
    settings: HttpSettings,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let limits = settings.limits;
    let house = House::new(router::router(Arc::clone(&engine), settings), &limits);
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut tidy = interval(TIDY_EVERY);
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            _ = tidy.tick() => telemetry::tidy_metrics(),
            Some(_) = connections.join_next() => {}
            stream = accept(&listener) => {
                if let Some((door, place)) = house.place() {
                    let connection = graceful.watch(house.connection(stream, door));
                    connections.spawn(async move {
                        let _place = place;
                        // How a connection ends is its client's affair; what went wrong in a request is logged there.
                        let _ = connection.await;
                    });
                }
            }
        }
    }
    engine.close();
    let mut ended = pin!(graceful.shutdown());
    let deadline = Instant::now() + limits.drain;
    loop {
        tokio::select! {
            () = &mut ended => return Ok(()),
            () = sleep_until(deadline) => {
                tracing::warn!("some requests did not end within {:?}; the service ends without them", limits.drain);
                return Ok(());
            }
            Some(_) = connections.join_next() => {}
            stream = accept(&listener) => {
                if let Some((_, place)) = house.place() {
                    let connection = house.connection(stream, Door::Draining);
                    connections.spawn(async move {
                        let _place = place;
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
            // The client has gone before it was served.
            Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) => {
            }
            Err(error) => {
                tracing::error!(%error, "no connection could be accepted");
                tokio::time::sleep(AFTER_REFUSAL).await;
            }
        }
    }
}

/// What all connections share.
struct House {
    router: Router,
    http: http1::Builder,
    places: Arc<Semaphore>,
    spare: Arc<Semaphore>,
    /// How long a client may take nothing of what it is sent.
    patience: Duration,
}

impl House {
    fn new(router: Router, limits: &HttpLimits) -> Self {
        let mut http = http1::Builder::new();
        // Twice what is allowed: up to there the refusal has a body that says why.
        http.timer(TokioTimer::new()).header_read_timeout(limits.head).max_header_size(2 * limits.head_bytes);
        // hyper keeps up to a hundred without asking for memory.
        if 2 * limits.headers > 100 {
            http.max_headers(2 * limits.headers);
        }
        Self {
            router,
            http,
            places: Arc::new(Semaphore::new(limits.connections)),
            spare: Arc::new(Semaphore::new(SPARE)),
            patience: limits.body,
        }
    }

    /// A place for one more connection, and what it may ask for there.
    fn place(&self) -> Option<(Door, OwnedSemaphorePermit)> {
        let place = |places: &Arc<Semaphore>| Arc::clone(places).try_acquire_owned().ok();
        let open = place(&self.places).map(|place| (Door::Open, place));
        open.or_else(|| place(&self.spare).map(|place| (Door::Crowded, place)))
    }

    fn connection(&self, stream: TcpStream, door: Door) -> impl GracefulConnection<Error = hyper::Error> + use<> {
        // A socket that refuses either works without.
        let _ = stream.set_nodelay(true);
        let _ = set_tcp_user_timeout(&stream, u32::try_from(self.patience.as_millis()).unwrap_or(u32::MAX));
        let router = TowerToHyperService::new(self.router.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(door);
            hyper::service::Service::call(&router, request)
        });
        let mut http = self.http.clone();
        http.keep_alive(door == Door::Open).serve_connection(TokioIo::new(stream), service)
    }
}
