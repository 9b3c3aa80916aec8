//! `diptych key create`, `diptych key list` and `diptych key revoke`

use std::process::ExitCode;

use super::context::Shared;
use crate::{
    catalog::{Scope, now_ms},
    config::{KeyVerb, ScopeName},
};

pub(super) async fn run(shared: &Shared, verb: KeyVerb) -> anyhow::Result<ExitCode> {
    let collection = shared.collection().await?;
    let catalog = &collection.catalog;
    let mut code = ExitCode::SUCCESS;
    match verb {
        KeyVerb::Create { scope, name, expires_days } => {
            let scopes: Vec<Scope> = scope.into_iter().map(scope_of).collect();
            let (_, text) = catalog.create_key(&name, &scopes, expires_days).await?;
            println!("{text}");
            eprintln!("it is shown this once; from now on the service wants a key with every request");
        }
        KeyVerb::List => {
            for key in catalog.keys().await? {
                let scopes: Vec<&str> = key.scopes.iter().map(|scope| scope.name()).collect();
                let state = match (key.revoked_at, key.expires_at) {
                    (Some(_), _) => "revoked",
                    (None, Some(end)) if end <= now_ms() => "expired",
                    _ => "counts",
                };
                println!("{}  {:<8}  {:<22}  {}", key.id, state, scopes.join(", "), key.name);
            }
        }
        KeyVerb::Revoke { id } => {
            if !catalog.revoke_key(&id).await? {
                eprintln!("there is no key {id:?} that counts; `diptych key list` names all");
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
