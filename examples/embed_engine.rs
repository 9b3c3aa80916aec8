//! Opens a trained collection in the process of a program of your own, without a server, and searches it by text.
//!
//! ```sh
//! cargo run --example embed_engine -- data models "a bird on a branch"
//! ```
//!
//! `data` is the folder that `diptych train` was run on, `models` the folder with the weights of the encoders.

use std::{error::Error, path::Path};

use diptych::{
    collection::{Collection, Encoders},
    config::Limits,
    dataset::PictureLimits,
    encoders::Registry,
    engine::{Engine, Query, Target},
};

/// The best picture for a text first: relevance in [0, 1], id, and labels of each.
type Pictures = Vec<(f32, String, Vec<String>)>;

pub(crate) async fn search(data: &Path, models: &Path, text: &str) -> Result<Pictures, Box<dyn Error>> {
    let collection = Collection::open(data, PictureLimits::default()).await?;
    let registry = Registry::open(models)?;
    let defaults = registry.defaults();
    let encoders = Encoders { image: registry.open_image(&defaults.image)?, text: registry.open_text(&defaults.text)? };

    let engine = Engine::new(collection, encoders, Limits::default())?;
    engine.serving().open().await?;
    let answer = engine.queries().search(Query::text(text, Target::Image, 5)).await?;
    Ok(answer.results.into_iter().map(|hit| (hit.relevance, hit.item.id.clone(), hit.item.labels.clone())).collect())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [data, models, text] = arguments.as_slice() else { return Err("usage: embed_engine DATA MODELS TEXT".into()) };
    for (relevance, id, labels) in search(Path::new(data), Path::new(models), text).await? {
        println!("{relevance:.2} {id} [{}]", labels.join(", "));
    }
    Ok(())
}
