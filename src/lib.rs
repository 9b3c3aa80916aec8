//! diptych: post words and get pictures, post a picture and get captions.
//!
//! A diptych is two panels on one hinge. Here the panels are pictures and words, and the hinge is a common space that
//! is learned from the owner's own labelled collection with DSCMR (Deep Supervised Cross-modal Retrieval, Zhen et al.,
//! CVPR 2019). The rooms below stand in the order in which data walks through them; each answers one question.

// Which small tools does every folder need?
pub mod util;

// What did the owner ask for?
pub mod config;
// What is it doing?
pub mod telemetry;

// How does work that keeps a core busy leave the async threads?
pub mod compute;
// What is a picture, and what is a point of the common space?
pub mod core;

// What are we learning from?
pub mod dataset;

// What do a picture and a sentence look like to a network?
pub mod encoders;

// How is the common space learned?
pub mod model;

// How good is it?
pub mod evaluation;

// Which points are near this one?
pub mod index;

// What do we know of each item?
pub mod catalog;

// How is a collection one file?
pub mod archive;

// What is a collection on disk?
pub mod collection;

// How does a collection grow and get a common space?
pub mod training;

// How is a collection kept small, and kept safe?
pub mod maintenance;

// Who answers a query, and who changes the collection?
pub mod engine;

// How does the world talk to it?
pub mod server;

// How does its owner talk to it?
pub mod cli;
