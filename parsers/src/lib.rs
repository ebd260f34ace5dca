//! Reads the lines of mail server logs.
//!
//! One line in, one value out. A line is first framed ([`framing::parse_line`]: who wrote it, when, and the text it wrote), then read by the
//! mail server that claims it ([`mta::parse_text`]: an [`Event`], nothing of interest, or something this crate does not know).
//!
//! What this crate does not do: it opens no file, has no clock, and remembers nothing from one line to the next. A time stamp
//! without a year stays without one ([`Stamp::Yearless`]); a line that only makes sense beside an earlier one says so by what it
//! leaves out (a handshake that names no message, a delivery whose [`StatedTls`] is `Elsewhere`).
//!
//! Everything is a byte slice of the line: logs hold bytes that are not UTF-8, and every name, address and reply in them may have
//! been chosen by a stranger.

pub mod dsn;
pub mod event;
pub mod framing;
pub mod lex;
pub mod mta;
pub mod peer;
pub mod reason;
pub mod record;
mod scan;
pub mod shape;
pub mod stamp;
pub mod tls;

pub use dsn::{Dsn, Status};
pub use event::{
    AttemptFailed, Delivery, Detail, Disconnect, Event, HandshakeFailed, Line, Logging, Message,
    Offered, Recipients, Relay, Scope, StatedTls, Transaction, Transport,
};
pub use peer::Peer;
pub use reason::{Cause, Fault, Reason};
pub use record::{Framed, Record};
pub use stamp::Stamp;
pub use tls::{Handshake, Protocol, Side, Verification};
