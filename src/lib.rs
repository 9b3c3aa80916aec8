//! Cross-modal retrieval on your own labelled collection: texts find pictures, pictures find captions.
//!
//! A diptych is two panels on one hinge. Here the panels are pictures and texts, and the hinge is a common space that
//! is trained on the collection with DSCMR (Deep Supervised Cross-modal Retrieval, Zhen et al., CVPR 2019). The modules
//! below are in layer order, and each answers one question; `ARCHITECTURE.md` follows a query, an item and a training
//! through them.
//!
//! # Open a collection, train a model, search
//!
//! Real encoders come from [`encoders::Registry`], which downloads their weights. This example uses two toy encoders
//! instead: the mean colour of a picture, and the letters of a text.
//!
//! ```
//! use std::{path::Path, sync::Arc};
//!
//! use diptych::{
//!     collection::{Collection, Encoders, Job},
//!     config::Limits,
//!     dataset::{self, PictureLimits},
//!     engine::{Engine, Query, Target},
//!     training::{self, PromotionPolicy},
//! };
//! # use diptych::{core::Picture, encoders::{EncoderError, ImageEncoder, TextEncoder, Tokenized}};
//! #
//! # struct MeanColor;
//! # impl ImageEncoder for MeanColor {
//! #     fn id(&self) -> &str { "mean-color" }
//! #     fn dims(&self) -> usize { 3 }
//! #     fn encode(&self, pictures: &[Picture]) -> Result<Vec<Vec<f32>>, EncoderError> {
//! #         let mean = |picture: &Picture, channel: usize| {
//! #             let values = picture.rgb().iter().skip(channel).step_by(3);
//! #             values.map(|&value| f32::from(value)).sum::<f32>() / (picture.rgb().len() / 3) as f32
//! #         };
//! #         Ok(pictures.iter().map(|picture| (0..3).map(|channel| mean(picture, channel)).collect()).collect())
//! #     }
//! # }
//! #
//! # struct Letters;
//! # impl TextEncoder for Letters {
//! #     fn id(&self) -> &str { "letters" }
//! #     fn dims(&self) -> usize { 26 }
//! #     fn tokenize(&self, text: &str) -> Result<Tokenized, EncoderError> {
//! #         let letters = text.bytes().filter(u8::is_ascii_lowercase);
//! #         Ok(Tokenized { ids: letters.map(|letter| u32::from(letter - b'a')).collect(), unknown_ratio: 0.0 })
//! #     }
//! #     fn encode_tokens(&self, texts: &[&[u32]]) -> Vec<Vec<f32>> {
//! #         let count = |text: &[u32], letter: u32| text.iter().filter(|&&id| id == letter).count() as f32;
//! #         texts.iter().map(|text| (0..26).map(|letter| count(text, letter)).collect()).collect()
//! #     }
//! # }
//! #
//! # fn write_pictures(folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
//! #     for (label, color) in [("red", [200, 20, 30]), ("blue", [10, 40, 190])] {
//! #         std::fs::create_dir_all(folder.join(label))?;
//! #         for n in 0..20u8 {
//! #             let pixel = image::Rgb(color.map(|value: u8| value.saturating_add(n)));
//! #             let file = folder.join(label).join(format!("{label}-wall-{n}.png"));
//! #             image::RgbImage::from_pixel(8, 8, pixel).save(file)?;
//! #         }
//! #     }
//! #     Ok(())
//! # }
//! #
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # write_pictures(&folder.path().join("pictures"))?;
//!
//! let collection = Collection::open(&folder.path().join("data"), PictureLimits::default()).await?;
//! let encoders = Encoders { image: Arc::new(MeanColor), text: Arc::new(Letters) };
//!
//! // One folder per label; the file names are the captions.
//! let records = dataset::read(&folder.path().join("pictures"))?;
//! let job = Job::default();
//! training::import(&collection, Box::new(records), None, &job).await?;
//! training::encode_missing(&collection, &encoders, &job).await?;
//! # let mut settings = serde_json::Map::new();
//! # let small = serde_json::json!({
//! #     "hidden": 32, "dims": 16, "batch": 16, "learning_rate": 0.01, "max_epochs": 40, "patience": 40
//! # });
//! # settings.insert("class".into(), serde_json::json!({"optimizer": small}));
//! # settings.insert("pair".into(), serde_json::json!({"optimizer": small}));
//! # let settings = training::train_settings(settings)?;
//! # let policy = PromotionPolicy::default();
//! training::train(&collection, &encoders, settings, policy, &job).await?;
//!
//! let engine = Engine::new(collection, encoders, Limits::default())?;
//! engine.start().await?;
//! let answer = engine.queries().search(Query::text("a red wall", Target::Image, 3)).await?;
//! assert_eq!(answer.results.len(), 3);
//! for hit in &answer.results {
//!     println!("{:.2} {} {:?}", hit.relevance, hit.item.id, hit.item.labels);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Train on features
//!
//! The trainer needs neither a collection nor encoders: matrices of features are enough.
//!
//! ```
//! use std::sync::atomic::AtomicBool;
//!
//! use diptych::{
//!     dataset::Split,
//!     model::{self, FeatureMatrix, TrainSettings, TrainingData},
//! };
//!
//! // 60 pairs of two classes, whose features depend on the class.
//! let row = |item: usize, dims: usize| (0..dims).map(move |n| ((item % 2 * 3 + n) as f32 + item as f32 * 0.01).sin());
//! let matrix = |dims| FeatureMatrix::new(dims, (0..60).flat_map(|item| row(item, dims)).collect());
//! let split = |item| match item / 2 % 6 { 0 => Split::Test, 1 => Split::Validation, _ => Split::Train };
//! let data = TrainingData {
//!     images: matrix(4).ok_or("not a matrix")?,
//!     texts: matrix(3).ok_or("not a matrix")?,
//!     text_items: (0..60).collect(),
//!     labels: (0..60).map(|item| vec![item % 2]).collect(),
//!     splits: (0..60).map(split).collect(),
//!     classes: vec!["even".into(), "odd".into()],
//!     token_embeddings: None,
//! };
//!
//! let small = "hidden = 32\ndims = 16\nbatch = 16\nlearning_rate = 0.01\nmax_epochs = 40\npatience = 40\n";
//! let settings = format!("[class.optimizer]\n{small}[pair.optimizer]\n{small}").parse::<toml::Table>()?;
//! let settings = TrainSettings::from_tables([settings])?;
//! let encoders = ("my image features".to_owned(), "my text features".to_owned());
//! let model = model::train(&data, &settings, &encoders, None, &AtomicBool::new(false), &mut |_| {})?;
//!
//! let report = model::evaluate(&model, &data, Split::Test)?;
//! assert!(report.mean_map() > 0.6, "{report}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

// Which helpers do several folders share?
pub mod util;

// Which settings are there, and where do they come from?
pub mod config;
// How is the service observed?
pub mod telemetry;

// How does CPU-bound work stay off the async threads?
pub mod compute;
// How are pictures and embeddings represented?
pub mod core;

// What does the model learn from?
pub mod dataset;

// How are pictures and texts encoded as features?
pub mod encoders;

// How is the common space trained, and how are features embedded in it?
pub mod model;

// How good is a model?
pub mod evaluation;

// Which vectors are nearest to a query?
pub mod index;

// What is known about each item?
pub mod catalog;

// How is a collection stored in one file?
pub mod archive;

// What is a collection on disk?
pub mod collection;

// How are records imported, and models trained and promoted?
pub mod training;

// How is a collection backed up, restored and compacted?
pub mod maintenance;

// What serves queries and changes the collection?
pub mod engine;

// How do clients reach the service over HTTP?
pub mod server;

// What does each command do?
pub mod cli;
