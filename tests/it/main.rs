//! One integration binary: linking the whole engine once is enough.
//!
//! The tests run the real binary on a small part of the demo collection, with the real encoders. Weights and packages
//! are downloaded once, into `models/` and the temporary folder of cargo.

mod abuse;
mod access;
mod admin_page;
mod architecture;
mod axe;
mod backup;
mod browser;
mod common;
mod compatibility;
mod corrupt_index;
mod crash_recovery;
mod demo;
mod deploy;
mod errors;
mod example_settings;
mod examples;
mod index;
mod invalid_files;
mod items;
mod limits;
mod live_updates;
mod load;
mod locales;
mod logging;
mod openapi;
mod queries;
mod reindex;
mod review;
mod schemathesis;
mod search;
mod search_page;
mod search_page_failures;
mod search_page_results;
mod settings;
mod slow_clients;
mod soak;
mod static_files;
mod tasks;
mod training;
