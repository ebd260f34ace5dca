//! What the questions share: groups of equal outcomes, counters over them, and the problem that dominates.

use rusqlite::Row;

use crate::outcome::{Class, Direction};
use crate::store::natural;
use crate::store::words::read_word;

/// Equal outcomes, added up.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// `encrypted`, `plaintext`, `none` or `unknown`.
    pub tls: &'static str,
    /// What happened.
    pub class: Class,
    /// What the TLS library said, or empty.
    pub cause: &'static str,
    /// Whose fault.
    pub fault: &'static str,
    /// What became of the recipients; empty inbound.
    pub delivery: &'static str,
    /// Recipients, attempts or sessions.
    pub n: u64,
    /// Inbound: messages accepted.
    pub messages: u64,
    /// Handshakes, good or failed.
    pub handshakes: u64,
    /// Seconds since 1970 UTC.
    pub first: i64,
    /// Seconds since 1970 UTC.
    pub last: i64,
}

impl Group {
    /// Reads ten columns from `at` on: tls, class, cause, fault, delivery, and the sums in the order of the fields.
    pub(super) fn read(row: &Row<'_>, at: usize) -> rusqlite::Result<Group> {
        let class: String = row.get(at + 1)?;
        Ok(Group {
            tls: read_word(row, at)?,
            class: Class::from_name(&class).unwrap_or(Class::Unknown),
            cause: read_word(row, at + 2)?,
            fault: read_word(row, at + 3)?,
            delivery: read_word(row, at + 4)?,
            n: natural(row, at + 5)?,
            messages: natural(row, at + 6)?,
            handshakes: natural(row, at + 7)?,
            first: row.get(at + 8)?,
            last: row.get(at + 9)?,
        })
    }

    /// Adds up what is equal.
    pub(super) fn add_to(self, groups: &mut Vec<Group>) {
        let is_equal = |g: &&mut Group| {
            (g.class, &g.tls, &g.cause, &g.fault, &g.delivery)
                == (
                    self.class,
                    &self.tls,
                    &self.cause,
                    &self.fault,
                    &self.delivery,
                )
        };
        let Some(sum) = groups.iter_mut().find(is_equal) else {
            return groups.push(self);
        };
        sum.add(&self);
    }

    /// What is counted is mail: recipients outbound, messages inbound.
    pub(super) fn of_mails(mut self, direction: Direction) -> Group {
        if direction == Direction::Inbound {
            self.n = self.messages;
        }
        self
    }

    /// Adds as many more.
    pub(super) fn add(&mut self, more: &Group) {
        self.n += more.n;
        self.messages += more.messages;
        self.handshakes += more.handshakes;
        self.first = self.first.min(more.first);
        self.last = self.last.max(more.last);
    }

    /// Mail the peer accepted, outbound.
    pub fn is_sent(&self) -> bool {
        is_sent(self.delivery)
    }

    /// An attempt that delivered nothing. Address probes carry no mail and are neither.
    pub fn is_undelivered(&self) -> bool {
        is_undelivered(self.delivery)
    }

    /// An attempt that delivered nothing because of TLS.
    pub fn is_tls_failure(&self) -> bool {
        is_tls_failure(self.delivery, self.class)
    }
}

/// As [`Group::is_sent`], by what became of the recipients.
pub(super) fn is_sent(delivery: &str) -> bool {
    delivery == "sent"
}

/// As [`Group::is_undelivered`].
pub(super) fn is_undelivered(delivery: &str) -> bool {
    matches!(delivery, "deferred" | "bounced")
}

/// As [`Group::is_tls_failure`].
pub(super) fn is_tls_failure(delivery: &str, class: Class) -> bool {
    is_undelivered(delivery) && class.row().tls_failure
}

/// Outbound counters: recipients by channel, attempts by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Accepted over TLS.
    pub encrypted: u64,
    /// Accepted in clear.
    pub plaintext: u64,
    /// Accepted, and the log cannot tell how.
    pub unknown: u64,
    /// Not delivered because of TLS.
    pub failed_tls: u64,
    /// Not delivered for another reason.
    pub failed_other: u64,
}

impl Counters {
    /// Adds the groups up.
    pub fn of(groups: &[Group]) -> Counters {
        let mut counters = Counters::default();
        for group in groups {
            match (group.is_sent(), group.tls) {
                (true, "encrypted") => counters.encrypted += group.n,
                (true, "plaintext") => counters.plaintext += group.n,
                (true, _) => counters.unknown += group.n,
                _ if group.is_tls_failure() => counters.failed_tls += group.n,
                _ if group.is_undelivered() => counters.failed_other += group.n,
                // Probed: a session, but no mail.
                _ => {}
            }
        }
        counters
    }

    /// Adds inbound groups up: sessions by channel; `failed_other` stays 0.
    pub fn of_sessions(groups: &[Group]) -> Counters {
        let mut counters = Counters::default();
        for group in groups.iter().filter(|g| g.class != Class::InProbe) {
            match (group.class.row().tls_failure, group.tls) {
                (true, _) => counters.failed_tls += group.n,
                (_, "encrypted") => counters.encrypted += group.n,
                (_, "plaintext") => counters.plaintext += group.n,
                (_, "unknown") => counters.unknown += group.n,
                // No mail crossed.
                _ => {}
            }
        }
        counters
    }

    /// What the peer accepted.
    pub fn delivered(&self) -> u64 {
        self.encrypted + self.plaintext + self.unknown
    }

    /// Nothing to count.
    pub fn is_empty(&self) -> bool {
        self.delivered() + self.failed_tls + self.failed_other == 0
    }

    /// In one word.
    pub fn verdict(&self) -> Verdict {
        match self {
            Counters {
                encrypted: 1..,
                plaintext: 1..,
                ..
            } => Verdict::Mixed,
            Counters { plaintext: 1.., .. } => Verdict::Plaintext,
            Counters { encrypted: 1.., .. } => Verdict::Encrypted,
            Counters { unknown: 1.., .. } => Verdict::Unknown,
            _ if self.failed_tls + self.failed_other > 0 => Verdict::Undeliverable,
            _ => Verdict::Unknown,
        }
    }
}

/// How mail reaches a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// All that was delivered and can be told was encrypted.
    Encrypted,
    /// All that was delivered and can be told was in clear.
    Plaintext,
    /// Some of each.
    Mixed,
    /// Nothing was delivered.
    Undeliverable,
    /// The log cannot tell.
    Unknown,
}

impl Verdict {
    /// The word shown.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Encrypted => "encrypted",
            Verdict::Plaintext => "plaintext",
            Verdict::Mixed => "mixed",
            Verdict::Undeliverable => "undeliverable",
            Verdict::Unknown => "unknown",
        }
    }
}

/// The problem that dominates: of a peer, the one to name if there is room for one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problem {
    /// What happened; `None` if there is no problem.
    pub class: Option<Class>,
    /// What the TLS library said, or empty.
    pub cause: String,
    /// Whose fault; empty if there is no problem.
    pub fault: String,
    /// How often this class was found.
    pub n: u64,
}

impl Problem {
    /// The word shown; empty if there is no problem.
    pub fn class_name(&self) -> &'static str {
        self.class.map_or("", Class::name)
    }

    /// The most frequent class among these, the latest of equals; a class that says why wins over those that do not. Then the
    /// most frequent cause within that class.
    pub fn dominating<'a>(groups: impl Iterator<Item = &'a Group> + Clone) -> Problem {
        let sum = |class: Class| -> (u64, i64) {
            let same = groups.clone().filter(|g| g.class == class);
            same.fold((0, i64::MIN), |(n, last), g| (n + g.n, last.max(g.last)))
        };
        let rank = |class: Class| {
            (
                !matches!(class, Class::PlaintextCauseUnknown | Class::Unknown),
                sum(class),
            )
        };
        let by_rank =
            |a: &Class, b: &Class| rank(*a).cmp(&rank(*b)).then_with(|| b.name().cmp(a.name()));
        let Some(class) = groups.clone().map(|g| g.class).max_by(by_rank) else {
            return Problem::default();
        };
        let within = groups.clone().filter(|g| g.class == class);
        let worst = within.max_by(|a, b| {
            (a.n, a.last)
                .cmp(&(b.n, b.last))
                .then_with(|| b.cause.cmp(a.cause))
        });
        let (cause, fault) = worst
            .map(|g| (g.cause.to_string(), g.fault.to_string()))
            .unwrap_or_default();
        Problem {
            class: Some(class),
            cause,
            fault,
            n: sum(class).0,
        }
    }

    /// The problem of a peer we send to, given its verdict.
    pub fn outbound(verdict: Verdict, groups: &[Group]) -> Problem {
        let tls_failures = || groups.iter().filter(|g| g.is_tls_failure());
        match verdict {
            Verdict::Plaintext | Verdict::Mixed => Problem::dominating(
                groups
                    .iter()
                    .filter(|g| g.is_sent() && g.tls == "plaintext"),
            ),
            Verdict::Undeliverable if tls_failures().next().is_none() => {
                Problem::dominating(groups.iter().filter(|g| g.is_undelivered()))
            }
            Verdict::Unknown if tls_failures().next().is_none() => {
                Problem::dominating(groups.iter().filter(|g| g.is_sent()))
            }
            Verdict::Encrypted | Verdict::Undeliverable | Verdict::Unknown => {
                Problem::dominating(tls_failures())
            }
        }
    }
}

/// First and last time over all groups.
pub(super) fn span<'g>(groups: impl IntoIterator<Item = &'g Group>) -> (i64, i64) {
    let spans = groups.into_iter().map(|g| (g.first, g.last));
    let both = spans.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
    both.unwrap_or_default()
}
