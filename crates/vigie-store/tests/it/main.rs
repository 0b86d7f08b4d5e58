//! The store from outside: real bytes on a real or simulated disk.

#![allow(clippy::unwrap_used)] // Every function here is part of a test.

mod bundles;
mod contents;
mod crash;
mod damage;
mod faults;
mod fixture;
mod instants;
mod opening;
mod support;
mod tree;
