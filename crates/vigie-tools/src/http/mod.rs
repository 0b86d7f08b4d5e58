//! HTTP as people and scripts need it: one request, bounded in time and size, and failures that say what is wrong.
//!
//! In reading order: [`client`] how to connect · [`names`] who has which address · [`tls`] whom to trust, and what is wrong
//! with a certificate · [`request`] asking, and asking again · [`json`] reading what came.

pub mod client;
pub mod json;
pub mod names;
pub mod request;
pub mod tls;

pub use reqwest::{Method, StatusCode, Url, header};
