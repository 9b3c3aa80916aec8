//! `diptych serve`

use std::{net::SocketAddr, process::ExitCode, sync::Arc};

use anyhow::{Context, bail};
use tokio::net::TcpListener;

use super::context::Shared;
use crate::{
    collection::{Collection, CollectionError, Encoders},
    config::{LimitArgs, ServeArgs},
    engine::{Engine, EngineError, EngineLimits},
    index::VectorIndex,
    maintenance::remove_stale_backups,
    server::{self, FilterLimits, HttpLimits, HttpSettings},
};

pub(super) async fn run(shared: &Shared, args: &ServeArgs) -> anyhow::Result<ExitCode> {
    let collection = shared.collection().await?;
    refuse_faults(args, &collection).await?;
    let encoders = shared.encoders(&collection).await?;
    serve(shared, args, collection, encoders).await
}

/// What is wrong with the settings is said before minutes of fetching and encoding.
async fn refuse_faults(args: &ServeArgs, collection: &Collection) -> anyhow::Result<()> {
    let mut faults = args.limits.faults();
    faults.extend(open_to_others(args.at.listen, collection.catalog.has_admin_key().await?));
    if !faults.is_empty() {
        bail!(faults.join("\n"));
    }
    Ok(())
}

/// Without keys whoever reaches the service may do everything, so it listens where only this machine reaches it. Says so if it
/// would not.
pub(super) fn open_to_others(listen: SocketAddr, has_admin_key: bool) -> Option<String> {
    (!listen.ip().is_loopback() && !has_admin_key).then(|| {
        format!(
            "--listen {listen}: others may reach this address, and without keys they could do everything; make one for \
             yourself with `diptych key create --scope admin`, or listen on 127.0.0.1 or [::1]"
        )
    })
}

pub(super) async fn serve(
    shared: &Shared,
    args: &ServeArgs,
    collection: Collection,
    encoders: Encoders,
) -> anyhow::Result<ExitCode> {
    refuse_faults(args, &collection).await?;
    let listen = args.at.listen;
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("{listen} cannot be listened on; --listen takes another address"))?;
    let address = listener.local_addr()?;
    let interrupted = collection.catalog.interrupt_orphaned_tasks().await?;
    if interrupted > 0 {
        tracing::warn!("{interrupted} tasks were cut off when the last service ended; their status says so");
    }
    remove_stale_backups(&collection);
    let catalog = collection.catalog.clone();
    let engine = Arc::new(Engine::new(collection, encoders, engine_limits(&args.limits))?);
    let settings = HttpSettings {
        limits: http_limits(&args.limits),
        cors_origins: args.cors_origins.clone(),
        metrics_open: args.metrics_open,
    };

    // The port answers at once (readyz: starting), while the first generation is made.
    let server = tokio::spawn(server::serve(listener, Arc::clone(&engine), settings, shared.stop.clone().asked()));
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

fn engine_limits(args: &LimitArgs) -> EngineLimits {
    EngineLimits {
        text_chars: args.max_text_chars,
        results: args.max_results,
        terms: args.max_terms,
        queue: args.queue,
        query_cache_entries: args.kept_texts,
        query_cache_bytes: args.kept_bytes,
    }
}

fn http_limits(args: &LimitArgs) -> HttpLimits {
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
    use crate::config::{Config, Verb};

    #[test]
    fn the_flags_defaults_are_the_engines() {
        let (config, _) = Config::read(["diptych", "serve"].map(Into::into)).expect("settings");
        let Verb::Serve(args) = config.verb else { panic!("{config:?}") };
        assert_eq!(engine_limits(&args.limits), EngineLimits::default());
        assert_eq!(args.limits.faults(), Vec::<String>::new());
    }
}
