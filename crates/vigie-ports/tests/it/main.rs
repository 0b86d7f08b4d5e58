//! Scans through a real kernel. Most need network namespaces, and so root; elsewhere they say so and pass.

mod lab;
mod matrix;
mod rough;
