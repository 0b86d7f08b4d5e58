//! The engine as its users see it: on a file system in memory, driven at random, and on the real kernel.

mod driver;
mod fake;
mod random;
mod real;
mod replica;
