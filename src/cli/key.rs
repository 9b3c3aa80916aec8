//! `diptych key create`, `diptych key list` and `diptych key revoke`

use std::process::ExitCode;

use super::context::Context;
use crate::{
    catalog::{Scope, now_ms},
    config::{KeyCommand, ScopeName},
};

pub(super) async fn run(context: &Context, command: KeyCommand) -> anyhow::Result<ExitCode> {
    let collection = context.collection().await?;
    let catalog = &collection.catalog;
    let mut code = ExitCode::SUCCESS;
    match command {
        KeyCommand::Create { scope, name, expires_days } => {
            let scopes: Vec<Scope> = scope.into_iter().map(scope_of).collect();
            let (_, text) = catalog.create_key(&name, &scopes, expires_days).await?;
            println!("{text}");
            eprintln!("the key cannot be shown again; from now on the service requires a key with every request");
        }
        KeyCommand::List => {
            for key in catalog.keys().await? {
                let scopes: Vec<&str> = key.scopes.iter().map(|scope| scope.name()).collect();
                let state = match (key.revoked_at, key.expires_at) {
                    (Some(_), _) => "revoked",
                    (None, Some(end)) if end <= now_ms() => "expired",
                    _ => "active",
                };
                println!("{}  {:<8}  {:<22}  {}", key.id, state, scopes.join(", "), key.name);
            }
        }
        KeyCommand::Revoke { id } => {
            if !catalog.revoke_key(&id).await? {
                eprintln!("there is no active key {id:?}; `diptych key list` lists all keys");
                code = ExitCode::FAILURE;
            }
        }
    }
    catalog.close().await;
    Ok(code)
}

fn scope_of(name: ScopeName) -> Scope {
    match name {
        ScopeName::Search => Scope::Search,
        ScopeName::Ingest => Scope::Ingest,
        ScopeName::Admin => Scope::Admin,
    }
}
