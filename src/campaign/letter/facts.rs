//! What a letter is about, as far as it is known: what templates may say is made of this, and of nothing else.

use maillog::Cause;
use serde::Serialize;

use crate::outcome::{Class, Direction};
use crate::query::software::Software;
use crate::store::outreach::Audience;

/// Who writes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Us {
    /// The person.
    pub person: String,
    /// What they write for.
    pub organisation: String,
    /// Our mail server.
    pub host: String,
    /// A page about it; may be empty.
    pub url: String,
}

/// Something that happened, as proof.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    /// The lines of the log, as they are. The last one settled how the mail went.
    pub lines: Vec<String>,
    /// Which of them tells what went wrong.
    pub telling: usize,
}

/// What became of the mail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Fate {
    /// Some of it crossed in clear.
    pub in_clear: bool,
    /// Some of it waited, or came back.
    pub held_back: bool,
}

impl Fate {
    /// Of mail that met these.
    pub fn of(classes: impl IntoIterator<Item = Class>) -> Fate {
        let mut fate = Fate::default();
        for class in classes {
            fate.held_back |= class.row().tls_failure;
            fate.in_clear |= class.name().starts_with("plaintext-");
        }
        fate
    }
}

/// What a letter is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// Who writes.
    pub us: Us,
    /// Of the case.
    pub token: String,
    /// Which way the mail goes.
    pub direction: Direction,
    /// For whom the letter is.
    pub audience: Audience,
    /// Who runs the hosts.
    pub organisation: String,
    /// Most mail first.
    pub domains: Vec<String>,
    /// MX hosts, or the client.
    pub hosts: Vec<String>,
    /// How many mails.
    pub messages: u64,
    /// On how many days.
    pub days: usize,
    /// What became of them.
    pub fate: Fate,
    /// First and last day, `2026-11-20`.
    pub since: String,
    /// See `since`.
    pub last: String,
    /// The log says outright that STARTTLS was not offered.
    pub is_certain: bool,
    /// What the TLS library said; `Unknown` if nothing.
    pub cause: Cause,
    /// TLS versions met.
    pub protocols: Vec<String>,
    /// One occurrence.
    pub proof: Option<Proof>,
    /// What its server said when it was asked; empty if it was not.
    pub heard: String,
    /// What the peer runs, if it told.
    pub software: Option<Software>,
    /// The day on which its server was asked and answered the same; empty if it was not.
    pub checked: String,
    /// The day from which we require TLS; empty if there is none.
    pub deadline: String,
    /// The day of the first letter, in a reminder: to the same reader, or to others if they had none.
    pub first_sent: String,
    /// That letter went to somebody else.
    pub to_another: bool,
    /// To whom, if that may be told; else empty.
    pub first_to: String,
    /// The reader has said that they will mend it.
    pub promised: bool,
    /// The day since which it is mended, in a thank-you.
    pub fixed_on: String,
}
