//! One integration binary: linking the whole engine once is enough.
//!
//! The tests run the real binary on a small part of the real demo collection, with the real encoders. What they need is
//! pulled once into `models/` and cargo's folder for test files.

mod access;
mod admin_page;
mod axe;
mod backup;
mod bad_input;
mod browser;
mod clients;
mod compatibility;
mod damaged;
mod demo;
mod deploy;
mod errors;
mod hostile;
mod index;
mod items;
mod killed;
mod learning;
mod limits;
mod live;
mod load;
mod locales;
mod openapi;
mod queries;
mod reindex;
mod review;
mod rooms;
mod schemathesis;
mod search;
mod search_page;
mod search_page_answers;
mod search_page_hard;
mod settings;
mod slow;
mod soak;
mod static_files;
mod support;
mod tasks;
mod trace;
