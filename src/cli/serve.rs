//! `diptych serve`

use std::{net::SocketAddr, process::ExitCode, sync::Arc};

use anyhow::{Context as _, bail};
use tokio::net::TcpListener;

use super::context::Context;
use crate::{
    collection::{Collection, CollectionError, Encoders},
    config::{Limits, ServeArgs},
    engine::{Engine, EngineError, EngineLimits},
    index::VectorIndex,
    maintenance::remove_stale_backups,
    server::{self, FilterLimits, HttpLimits, HttpSettings},
};

pub(super) async fn run(context: &Context, args: &ServeArgs) -> anyhow::Result<ExitCode> {
    let collection = context.collection().await?;
    check_settings(args, &collection).await?;
    let encoders = context.encoders(&collection).await?;
    serve(context, args, collection, encoders).await
}

/// Rejects invalid settings before minutes of downloading and encoding.
async fn check_settings(args: &ServeArgs, collection: &Collection) -> anyhow::Result<()> {
    let mut faults = args.limits.faults();
    faults.extend(unprotected(args.at.listen, collection.catalog.has_admin_key().await?));
    if !faults.is_empty() {
        bail!(faults.join("\n"));
    }
    Ok(())
}

/// Describes the fault that a service without keys listens on an address that other machines can reach: without keys, everybody
/// who reaches the service may do everything.
pub(super) fn unprotected(listen: SocketAddr, has_admin_key: bool) -> Option<String> {
    (!listen.ip().is_loopback() && !has_admin_key).then(|| {
        format!(
            "--listen {listen}: other machines may reach this address, and without API keys they may do everything; create a \
             key with `diptych key create --scope admin`, or listen on 127.0.0.1 or [::1]"
        )
    })
}

pub(super) async fn serve(
    context: &Context,
    args: &ServeArgs,
    collection: Collection,
    encoders: Encoders,
) -> anyhow::Result<ExitCode> {
    check_settings(args, &collection).await?;
    let listen = args.at.listen;
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("cannot listen on {listen}; choose another address with --listen"))?;
    let address = listener.local_addr()?;
    let interrupted = collection.catalog.interrupt_orphaned_tasks().await?;
    if interrupted > 0 {
        tracing::warn!("{interrupted} tasks were interrupted when the previous service ended");
    }
    remove_stale_backups(&collection);
    let catalog = collection.catalog.clone();
    let engine = Arc::new(Engine::new(collection, encoders, engine_limits(&args.limits))?);
    let settings = HttpSettings {
        limits: http_limits(&args.limits),
        cors_origins: args.cors_origins.clone(),
        metrics_open: args.metrics_open,
    };

    // The server responds at once (readyz: starting), while the index is opened or built.
    let server =
        tokio::spawn(server::serve(listener, Arc::clone(&engine), settings, context.shutdown.clone().requested()));
    println!("diptych serves http://{address}/");
    match engine.start().await {
        Ok(generation) => tracing::info!(
            model = generation.record.version,
            pictures = generation.images.len(),
            captions = generation.texts.len(),
            "ready"
        ),
        Err(EngineError::Collection(error @ CollectionError::NoModel)) => eprintln!("{error}"),
        Err(EngineError::Collection(CollectionError::Cancelled)) => (),
        Err(error) => return Err(error.into()),
    }
    server.await?;
    catalog.close().await;
    Ok(ExitCode::SUCCESS)
}

fn engine_limits(args: &Limits) -> EngineLimits {
    EngineLimits {
        text_chars: args.max_text_chars,
        results: args.max_results,
        terms: args.max_terms,
        queue: args.queue,
        query_cache_entries: args.query_cache_entries,
        query_cache_bytes: args.query_cache_size,
    }
}

fn http_limits(args: &Limits) -> HttpLimits {
    HttpLimits {
        picture_bytes: args.max_picture,
        body_bytes: args.max_body,
        upload_bytes: args.max_uploads,
        head_bytes: args.max_head,
        headers: args.max_headers,
        batch: args.max_batch,
        filter: FilterLimits { depth: args.max_filter_depth, conditions: args.max_filter_conditions },
        requests: args.max_requests,
        connections: args.max_connections,
        head: args.head_timeout,
        body: args.body_timeout,
        request: args.request_timeout,
        drain: args.drain_timeout,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Cli, Command};

    #[test]
    fn default_limits_of_flags_and_engine_are_equal() {
        let (cli, _) = Cli::read(["diptych", "serve"].map(Into::into)).expect("settings");
        let Command::Serve(args) = cli.command else { panic!("{cli:?}") };
        assert_eq!(engine_limits(&args.limits), EngineLimits::default());
        assert_eq!(args.limits.faults(), Vec::<String>::new());
    }
}
