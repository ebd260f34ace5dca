//! What several lines say together.
//!
//! A TLS line names no message and a delivery line names no handshake: they belong together because one process wrote both. This
//! stage keeps, per log host, tag and process id, what is needed to tell ([`Tracker`]), judges ([`verdict`]), and gives out
//! [`crate::outcome::Outcome`]s. It knows no file and no database, and no mail server by name: what differs between them is carried by the events.
//!
//! State is bounded (the tracker drops processes that have been idle for an hour of log time) and can be saved and restored
//! between runs, so that a log cut anywhere gives the same outcomes as the whole.

#[cfg(test)]
mod cases;
mod due;
mod host;
mod inbound;
mod letters;
mod names;
mod outbound;
mod own;
mod process;
mod proof;
mod tracker;
pub mod verdict;

pub use own::{Network, Own};
pub use tracker::{Place, Tracker};
