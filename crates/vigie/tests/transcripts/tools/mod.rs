//! The tools of the course, beside the programs that people would use instead.

mod cast;
mod echo;
mod http;
mod ip;
mod repeat;
mod stand_in;
