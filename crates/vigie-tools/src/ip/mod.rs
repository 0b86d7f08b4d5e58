//! The public address: several operators are asked, and two of them have to agree.
//!
//! In reading order: [`source`] who can be asked · [`answer`] what counts as an answer · [`verdict`] what follows from
//! several · [`memory`] what need not be asked again yet · [`ask`] all of it.

pub mod answer;
pub mod ask;
pub mod memory;
pub mod source;
pub mod verdict;
