//! The store from outside: real bytes on a real or simulated disk.

mod contents;
mod crash;
mod faults;
mod fixture;
mod instants;
mod opening;
mod support;
mod tree;
