//! `diptych serve`

use std::{net::SocketAddr, process::ExitCode, sync::Arc};

use anyhow::{Context as _, bail};
use tokio::net::TcpListener;

use super::context::Context;
use crate::{
    collection::{Collection, CollectionError, Encoders},
    config::ServeArgs,
    engine::{Engine, EngineError, Kind},
    maintenance::remove_stale_backups,
    server::{self, ServerSettings},
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

/// Error text if a service without an admin key would listen on an address that other machines can reach.
pub(super) fn unprotected(listen: SocketAddr, has_admin_key: bool) -> Option<String> {
    (!listen.ip().is_loopback() && !has_admin_key).then(|| {
        format!(
            "--listen {listen}: other machines may reach this address, and without API keys they may do everything; \
             create a key with `diptych key create --scope admin`, or listen on 127.0.0.1 or [::1]"
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
        tracing::warn!("{interrupted} tasks were interrupted when the previous service stopped");
    }
    remove_stale_backups(&collection);
    let catalog = collection.catalog.clone();
    let engine = Arc::new(Engine::new(collection, encoders, args.limits)?);
    let settings = ServerSettings {
        limits: args.limits,
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
            pictures = generation.indexes.points(Kind::Image),
            captions = generation.indexes.points(Kind::Text),
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
