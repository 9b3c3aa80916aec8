//! `diptych serve`

use std::{process::ExitCode, sync::Arc};

use anyhow::{Context, bail};
use tokio::net::TcpListener;

use super::Shared;
use crate::{
    config::ServeArgs,
    http::{self, HttpLimits},
    index::VectorIndex,
    search::{Encoders, Engine, EngineLimits, Library, SearchError, tidy_backups},
};

pub(super) async fn run(shared: &Shared, args: &ServeArgs) -> anyhow::Result<ExitCode> {
    let library = shared.library().await?;
    check_address(args, &library).await?;
    let encoders = shared.encoders(&library).await?;
    serve(shared, args, library, encoders).await
}

/// Without keys whoever reaches the service may do everything, so it listens where only this machine reaches it.
async fn check_address(args: &ServeArgs, library: &Library) -> anyhow::Result<()> {
    if !args.listen.ip().is_loopback() && !library.catalog.has_admin_key().await? {
        bail!(
            "--listen {}: others may reach this address, and without keys they could do everything; make one for \
             yourself with `diptych key create --scope admin`, or listen on 127.0.0.1 or [::1]",
            args.listen
        );
    }
    Ok(())
}

pub(super) async fn serve(
    shared: &Shared,
    args: &ServeArgs,
    library: Library,
    encoders: Encoders,
) -> anyhow::Result<ExitCode> {
    check_address(args, &library).await?;
    let listener = TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("{} cannot be listened on; --listen takes another address", args.listen))?;
    let address = listener.local_addr()?;
    let interrupted = library.catalog.interrupt_orphaned_tasks().await?;
    if interrupted > 0 {
        tracing::warn!("{interrupted} tasks were cut off when the last service ended; their status says so");
    }
    tidy_backups(&library);
    let catalog = library.catalog.clone();
    let engine = Arc::new(Engine::new(library, encoders, EngineLimits::default())?);

    // The port answers at once (readyz: starting), while the first generation is made.
    let server =
        tokio::spawn(http::serve(listener, Arc::clone(&engine), HttpLimits::default(), shared.stop.clone().asked()));
    println!("diptych serves http://{address}/");
    match engine.start().await {
        Ok(generation) => tracing::info!(
            model = generation.record.version,
            pictures = generation.images.len(),
            captions = generation.texts.len(),
            "ready"
        ),
        Err(SearchError::NoModel) => eprintln!("{}", SearchError::NoModel),
        Err(SearchError::Stopped) => (),
        Err(error) => return Err(error.into()),
    }
    server.await??;
    catalog.close().await;
    Ok(ExitCode::SUCCESS)
}
