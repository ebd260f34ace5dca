//! Mail: makes messages, hands them over, asks servers what they offer, and reads what comes back.
//!
//! | file | does |
//! |---|---|
//! | `message` | a message with its headers and its envelope |
//! | `outbox` | hands it to sendmail, an SMTP server, or a directory, and says what became of it |
//! | `probe` | asks a mail server, as a client would, whether TLS works |
//! | `mailbox` | the messages of a Maildir, an mbox, a file |
//! | `reply` | what an answer is: a bounce, a robot, an opt-out, a human |
//!
//! It decides nothing: who is written to, and whether at all, is known by those who call it.

pub mod mailbox;
pub mod message;
pub mod outbox;
pub mod probe;
pub mod reply;

pub use message::{Draft, Message};
pub use outbox::{Outbox, Refused, Security, Server};
