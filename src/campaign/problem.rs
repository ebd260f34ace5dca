//! The reasons to write, and the kinds of letters. Which of them a peer has given is read off here; whether that is reason enough is
//! `plan`'s business.

use crate::outcome::{Class, Direction};
use crate::query::sightings::Sighting;

/// A reason to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Problem {
    /// Their server does not announce STARTTLS.
    NotOffered,
    /// It announces STARTTLS, and refuses it.
    Refused,
    /// It accepts STARTTLS, and the handshake fails.
    Handshake,
    /// The handshake succeeds, and the certificate is not one we may accept.
    Certificate,
    /// It speaks no TLS newer than 1.1.
    OldProtocol,
    /// Its TLSA records cannot be used.
    Dane,
    /// Its MX host is not in its own MTA-STS policy.
    Sts,
    /// Their server sends to us in clear.
    InboundClear,
    /// Mail goes in clear, and the log does not say why: it takes a look at the server to know which of the first three it is.
    Unclear,
}

/// One reason.
#[derive(Clone, Copy, Debug)]
pub struct ProblemRow {
    /// The reason.
    pub problem: Problem,
    /// The word stored and shown, and the directory of its letters.
    pub name: &'static str,
    /// What is the matter, without a full stop, to follow "mail to X".
    pub words: &'static str,
    /// What leads to it.
    classes: &'static [Class],
}

/// The closed list.
pub const PROBLEMS: &[ProblemRow] = &[
    ProblemRow {
        problem: Problem::NotOffered,
        name: "not-offered",
        words: "goes in clear: the server does not offer STARTTLS",
        classes: &[
            Class::PlaintextNotOffered,
            Class::PlaintextOpportunistic,
            Class::TlsRequiredNotOffered,
        ],
    },
    ProblemRow {
        problem: Problem::Refused,
        name: "refused",
        words: "goes in clear: the server offers STARTTLS and then refuses it",
        classes: &[Class::PlaintextStarttlsRefused, Class::StarttlsRefused],
    },
    ProblemRow {
        problem: Problem::Handshake,
        name: "handshake",
        words: "cannot be encrypted: the TLS handshake fails",
        classes: &[
            Class::PlaintextAfterFailedHandshake,
            Class::HandshakeFailed,
            Class::StarttlsLostConnection,
            Class::PlaintextCauseUnknown,
        ],
    },
    ProblemRow {
        problem: Problem::Certificate,
        name: "certificate",
        words: "is held back: the certificate cannot be accepted",
        classes: &[Class::CertVerifyFailed],
    },
    ProblemRow {
        problem: Problem::OldProtocol,
        name: "old-protocol",
        words: "is encrypted with TLS older than 1.2 only",
        classes: &[],
    },
    ProblemRow {
        problem: Problem::Dane,
        name: "dane",
        words: "meets TLSA records that do not fit",
        // A lookup that fails, and a certificate that fits no record (or none of our own fingerprints), may be our doing.
        classes: &[Class::DaneDowngraded],
    },
    ProblemRow {
        problem: Problem::Sts,
        name: "sts",
        words: "meets an MTA-STS policy without the MX host",
        classes: &[Class::StsMxMismatch],
    },
    ProblemRow {
        problem: Problem::InboundClear,
        name: "inbound-clear",
        words: "comes to us in clear",
        classes: &[],
    },
    ProblemRow {
        problem: Problem::Unclear,
        name: "in-clear",
        words: "goes in clear",
        classes: &[],
    },
];

/// What may be wrong with a certificate whatever name it is for.
const CHAIN: &[&str] = &[
    "certificate-expired",
    "certificate-not-yet-valid",
    "self-signed",
    "untrusted-issuer",
];

/// The words of TLS versions that are out of date (RFC 8996).
const OLD: &[&str] = &["SSLv2", "SSLv3", "TLSv1", "TLSv1.1"];

/// The ports at which mail is handed in (RFC 6409, RFC 8314).
const SUBMISSION: &[u16] = &[465, 587];

/// What exactly a letter says of a host: what happened, and what the TLS library said. Hosts of which something else is to be said
/// belong in another letter.
pub type Fact = (Class, String);

impl Problem {
    /// What is known about it.
    pub fn row(self) -> &'static ProblemRow {
        PROBLEMS
            .iter()
            .find(|row| row.problem == self)
            .unwrap_or(&PROBLEMS[0])
    }

    /// The word stored and shown.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// Reads a word.
    pub fn from_name(name: &str) -> Option<Problem> {
        PROBLEMS
            .iter()
            .find(|row| row.name == name)
            .map(|row| row.problem)
    }

    /// Whether two are about the same thing: a log that does not say why mail goes in clear is about whatever the reason is.
    pub fn is_like(self, other: Problem) -> bool {
        const IN_CLEAR: &[Problem] = &[
            Problem::NotOffered,
            Problem::Refused,
            Problem::Handshake,
            Problem::Unclear,
        ];
        self == other || (IN_CLEAR.contains(&self) && IN_CLEAR.contains(&other))
    }

    /// What a letter about it says of a host that met this: things that are told in the same words are one.
    pub fn fact(self, class: Class, cause: &str) -> Fact {
        let (class, cause) = match (self, class) {
            // The only one of its kind that may be a refusal as well.
            (Problem::NotOffered, Class::PlaintextOpportunistic) => (class, ""),
            (Problem::Handshake, Class::StarttlsLostConnection)
            | (Problem::Certificate | Problem::Dane, _) => (class, cause),
            (Problem::Handshake, _) => (Class::HandshakeFailed, cause),
            _ => (Class::Unknown, ""),
        };
        (class, cause.to_string())
    }

    /// Whether a sighting of the same host speaks against the accusation: mail that crossed over TLS, after the last that did not.
    pub fn is_cleared_by(self, sighting: &Sighting) -> bool {
        sighting.is_tls()
            && match self {
                Problem::OldProtocol => !sighting.is_old(),
                Problem::Dane => sighting.class != Class::DaneDowngraded,
                _ => true,
            }
    }

    /// Whether a later sighting of the same host speaks against what a letter would say of it, whatever became of the mail: TLS came up, though
    /// the recipient was refused or put off; or a server that is said not to offer STARTTLS has offered it, or the other way round.
    pub fn is_contradicted_by(self, sighting: &Sighting) -> bool {
        let came_up = || sighting.tls == "encrypted";
        match self {
            Problem::NotOffered => came_up() || offers(sighting) == Some(true),
            Problem::Refused | Problem::Handshake => came_up() || offers(sighting) == Some(false),
            Problem::Unclear | Problem::InboundClear => came_up(),
            Problem::Certificate | Problem::OldProtocol | Problem::Dane | Problem::Sts => {
                self.is_cleared_by(sighting)
            }
        }
    }

    /// Whether a sighting shows the very thing to work that did not. Of a certificate this takes its verification: that mail crosses over
    /// TLS says nothing of it. `fact` is what was the matter.
    pub fn works_in(self, sighting: &Sighting, fact: &Fact) -> bool {
        // A chain that is trusted by itself is one that is neither expired nor of an unknown issuer; for whom it is was not looked at.
        let is_about_chain = CHAIN.contains(&fact.1.as_str());
        self.is_cleared_by(sighting)
            && match (self, sighting.class) {
                (Problem::Certificate, Class::TlsTrusted) => is_about_chain,
                (Problem::Certificate | Problem::Dane | Problem::Sts, class) => {
                    class == Class::TlsVerified
                }
                _ => true,
            }
    }

    /// What this sighting accuses the peer of; `None` if of nothing, or if the fault may be ours.
    pub fn of(sighting: &Sighting) -> Option<Problem> {
        let crossed = sighting.mails > 0 && sighting.tls == "plaintext";
        match (sighting.direction, sighting.fault.as_str()) {
            // Mail servers take mail from others at port 25: there somebody of ours logs in, and that it goes there is our setting.
            (Direction::Outbound, _) if SUBMISSION.contains(&sighting.port) => None,
            (Direction::Inbound, "peer") => crossed.then_some(Problem::InboundClear),
            (Direction::Outbound, _) if sighting.is_old() => {
                sighting.is_tls().then_some(Problem::OldProtocol)
            }
            (Direction::Outbound, "peer") => {
                let sent = sighting.delivery == "sent";
                let downgraded = sent && sighting.class == Class::DaneDowngraded;
                let row = PROBLEMS
                    .iter()
                    .find(|row| row.classes.contains(&sighting.class))?;
                // Mail that went in clear, or mail that did not go because of it: never a mere attempt.
                ((sent && crossed) || sighting.is_held_back() || downgraded).then_some(row.problem)
            }
            (Direction::Outbound, "either") => {
                let unsaid = matches!(
                    sighting.class,
                    Class::PlaintextCauseUnknown | Class::PlaintextOpportunistic
                );
                (crossed && unsaid && sighting.delivery == "sent").then_some(Problem::Unclear)
            }
            _ => None,
        }
    }
}

/// Whether a server of ours was offered STARTTLS; `None` if the sighting does not tell. Whose fault it was that nothing came of it does not matter.
fn offers(sighting: &Sighting) -> Option<bool> {
    match sighting.class {
        Class::PlaintextNotOffered | Class::TlsRequiredNotOffered => Some(false),
        Class::PlaintextStarttlsRefused
        | Class::StarttlsRefused
        | Class::PlaintextAfterFailedHandshake
        | Class::HandshakeFailed
        | Class::StarttlsLostConnection
        | Class::CertVerifyFailed => Some(true),
        _ => None,
    }
}

impl Sighting {
    /// Mail that was not delivered because of TLS. A host that our policy skips is not tried: what becomes of the mail stands elsewhere.
    pub fn is_held_back(&self) -> bool {
        self.is_skipped()
            || self.class.row().tls_failure
                && matches!(self.delivery.as_str(), "deferred" | "bounced")
    }

    /// An MX host that was skipped, since the domain's MTA-STS policy does not name it.
    pub fn is_skipped(&self) -> bool {
        self.class == Class::StsMxMismatch && self.direction == Direction::Outbound
    }

    /// Mail that crossed over TLS.
    pub fn is_tls(&self) -> bool {
        self.tls == "encrypted"
            && match self.direction {
                Direction::Outbound => self.delivery == "sent",
                Direction::Inbound => self.mails > 0,
            }
    }

    /// Mail that crossed over TLS that is out of date.
    pub fn is_old(&self) -> bool {
        self.tls == "encrypted"
            && self.direction == Direction::Outbound
            && OLD.contains(&self.protocol.as_str())
    }

    /// How many mails it stands for as evidence. Mail that waits is tried again and again: it counts once a day.
    pub fn weight(&self) -> u64 {
        match self.is_held_back() {
            true => 1,
            false => self.mails,
        }
    }
}

/// What sort of letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// The first.
    Notice,
    /// The second, if nothing has changed.
    Reminder,
    /// The third, and the end of it.
    LastReminder,
    /// A first letter that names a day from which we require TLS.
    Deadline,
    /// It works now.
    ThankYou,
}

const KINDS: &[(Kind, &str)] = &[
    (Kind::Notice, "notice"),
    (Kind::Reminder, "reminder"),
    (Kind::LastReminder, "last-reminder"),
    (Kind::Deadline, "deadline"),
    (Kind::ThankYou, "thank-you"),
];

impl Kind {
    /// The word stored and shown.
    pub fn name(self) -> &'static str {
        let row = KINDS.iter().find(|(kind, _)| *kind == self);
        row.map_or("", |(_, name)| name)
    }

    /// Reads a word.
    pub fn from_name(name: &str) -> Option<Kind> {
        let row = KINDS.iter().find(|(_, word)| *word == name);
        row.map(|(kind, _)| *kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::peers::tests::seen;

    #[test]
    fn only_what_proves_the_peers_fault_accuses() {
        let clear = seen("a.example").clear(Class::PlaintextNotOffered);
        assert_eq!(Problem::of(&clear), Some(Problem::NotOffered));
        for fault in ["us", "either", "nobody", ""] {
            let other = Sighting {
                fault: fault.into(),
                ..clear.clone()
            };
            assert_eq!(Problem::of(&other), None, "{fault}");
        }
        for tls in ["encrypted", "unknown", "none"] {
            let other = Sighting {
                tls: tls.into(),
                ..clear.clone()
            };
            assert_eq!(Problem::of(&other), None, "{tls}");
        }
    }

    #[test]
    fn what_the_log_does_not_explain_is_a_question() {
        let clear = Sighting {
            fault: "either".into(),
            ..seen("a.example").clear(Class::PlaintextCauseUnknown)
        };
        assert_eq!(Problem::of(&clear), Some(Problem::Unclear));
        assert!(
            Problem::Unclear.is_like(Problem::NotOffered)
                && !Problem::Unclear.is_like(Problem::Dane)
        );
    }

    #[test]
    fn an_attempt_accuses_only_if_tls_kept_mail_back() {
        let failed = |delivery: &str, class| Sighting {
            tls: "none".into(),
            class,
            fault: "peer".into(),
            delivery: delivery.into(),
            n: 40,
            mails: 40,
            ..seen("a.example").sighting()
        };
        let held = failed("deferred", Class::TlsRequiredNotOffered);
        assert_eq!(Problem::of(&held), Some(Problem::NotOffered));
        assert_eq!(held.weight(), 1, "forty retries are one mail that waits");
        assert_eq!(
            Problem::of(&failed("deferred", Class::StarttlsRefused)),
            Some(Problem::Refused)
        );
        assert_eq!(Problem::of(&failed("probed", Class::HandshakeFailed)), None);
        assert_eq!(Problem::of(&failed("deferred", Class::NoSession)), None);
    }

    #[test]
    fn words_are_read_back() {
        for row in PROBLEMS {
            assert_eq!(Problem::from_name(row.name), Some(row.problem));
        }
        for (kind, name) in KINDS {
            assert_eq!(Kind::from_name(name), Some(*kind));
        }
    }
}
