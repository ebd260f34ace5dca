//! Which entries a map has by the evidence, and why others are not in it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::outcome::Direction;
use crate::query::policy::{
    Evidence, InUse, Refusal, Server, Standing, Subject, find_inbound, find_outbound,
};
use crate::query::services::Service;
use crate::store::{Result, Store};

use super::super::advice::logging_cure;
use super::super::format::date;
use super::super::words::{count, what};
use super::{Base, Question};

/// One line of a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) value: String,
    /// The last day it holds, in days since 1970.
    pub(super) until: i32,
    pub(super) reason: String,
    pub(super) days: u32,
    pub(super) messages: u64,
    pub(super) last: i32,
}

/// What is said of a key that has no entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Without {
    pub(super) reason: String,
    /// One that stands in the map already may stay until its last day: nothing speaks against it.
    pub(super) may_stay: bool,
}

/// The map as it should be.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    pub(super) entries: Vec<Entry>,
    pub(super) without: BTreeMap<String, Without>,
    /// How many peers are in no map, by the reason in general.
    pub(super) left_out: BTreeMap<&'static str, u64>,
    pub(super) invalid: u64,
    pub(super) refusal: Option<String>,
    /// Lines that make the log tell more.
    pub(super) cures: Vec<String>,
    /// Services whose logs leave the channel of some mail open.
    pub(super) blind: Vec<Service>,
}

/// One kind of line: `KEY` in front of the name, and the value.
type Line = (&'static str, &'static str);

/// The lines each standing has in the map of each server, by what holds without an entry.
const LINES: &[(Server, Base, Standing, &[Line])] = &[
    (
        Server::Postfix,
        Base::May,
        Standing::Proven,
        &[("", "encrypt")],
    ),
    (
        Server::Postfix,
        Base::Encrypt,
        Standing::InClear,
        &[("", "may")],
    ),
    // Like `may`, but for hosts that publish DANE; without DNSSEC it is `may`.
    (
        Server::Postfix,
        Base::Encrypt,
        Standing::PartlyVerified,
        &[("", "dane")],
    ),
    (
        Server::Postfix,
        Base::Encrypt,
        Standing::Broken,
        &[("", "may")],
    ),
    (
        Server::Sendmail,
        Base::May,
        Standing::Proven,
        &[("TLS_Srv:", "ENCR:112")],
    ),
    // Sendmail does not fall back to clear text: mail to such a host waits in the queue until it is returned.
    (
        Server::Sendmail,
        Base::May,
        Standing::Broken,
        &[("Try_TLS:", "NO")],
    ),
    (
        Server::Sendmail,
        Base::Encrypt,
        Standing::InClear,
        &[("TLS_Srv:", "OK")],
    ),
    (
        Server::Sendmail,
        Base::Encrypt,
        Standing::Broken,
        &[("TLS_Srv:", "OK"), ("Try_TLS:", "NO")],
    ),
];

fn lines(question: &Question, standing: Standing) -> &'static [Line] {
    let server = question.rules.server;
    if question.direction == Direction::Inbound {
        return match (server, standing) {
            (Server::Postfix, Standing::Broken) => &[("", "starttls")],
            (Server::Sendmail, Standing::Broken) => &[("Srv_Features:", "S")],
            _ => &[],
        };
    }
    let found = LINES
        .iter()
        .find(|row| (row.0, row.1, row.2) == (server, question.base, standing));
    found.map_or(&[], |row| row.3)
}

/// Every kind of line this map can have: what is not wanted of a peer has to be taken back.
fn all_prefixes(question: &Question) -> &'static [&'static str] {
    match (question.direction, question.rules.server) {
        (_, Server::Postfix) => &[""],
        (Direction::Outbound, Server::Sendmail) => &["TLS_Srv:", "Try_TLS:"],
        (Direction::Inbound, Server::Sendmail) => &["Srv_Features:"],
    }
}

/// The map that follows from a store.
pub(super) fn plan(store: &Store, question: &Question, in_use: &InUse) -> Result<Plan> {
    let evidence = match question.direction {
        Direction::Outbound => find_outbound(store, &question.rules, in_use)?,
        Direction::Inbound => find_inbound(store, &question.rules)?,
    };
    Ok(from_evidence(&evidence, question))
}

pub(super) fn from_evidence(evidence: &Evidence, question: &Question) -> Plan {
    let mut plan = Plan {
        invalid: evidence.invalid,
        blind: evidence.blind.clone(),
        ..Plan::default()
    };
    if let Some(refusal) = &evidence.refusal {
        plan.refuse(refusal, question);
        return plan;
    }
    for subject in &evidence.subjects {
        plan.add(subject, question);
    }
    plan
}

impl Plan {
    fn refuse(&mut self, refusal: &Refusal, question: &Question) {
        let expire = count(question.rules.expire.unsigned_abs().into(), "day", "days");
        self.refusal = Some(match refusal {
            Refusal::NothingRecent(None) => {
                format!("the store has no mail of {}", server_name(question))
            }
            Refusal::NothingRecent(Some(day)) => format!(
                "the latest mail of {} in the store is of {}, and evidence counts for {expire}",
                server_name(question),
                date(*day)
            ),
            Refusal::Blind(services) => {
                self.cures = services.iter().map(logging_cure).collect();
                self.cures.dedup();
                "it is not proven that TLS is logged, so a missing line proves nothing".into()
            }
            Refusal::NoTls => {
                format!("no mail went over TLS with anybody in {expire}, so our own TLS is likelier to be at fault than everybody's: see `tlsnag doctor`")
            }
            Refusal::SmartHost(_) => {
                "nearly all mail leaves through one smart host, whose TLS says nothing of the domains behind it: ask the log of that host".into()
            }
        });
    }

    fn add(&mut self, subject: &Subject, question: &Question) {
        let rules = &question.rules;
        let is_over = subject.until(rules) < rules.today;
        let wanted: &[Line] = match is_over {
            true => &[],
            false => lines(question, subject.standing),
        };
        let reason = reason(subject, question);
        for prefix in all_prefixes(question) {
            let key = key(prefix, &subject.name, question);
            let line = wanted.iter().find(|(before, _)| before == prefix);
            let Some((_, value)) = line else {
                let may_stay = may_stay(subject, prefix, question) && !is_over;
                let reason = match is_over && subject.standing == Standing::Proven {
                    true => format!("expired: {reason}"),
                    false => reason.clone(),
                };
                self.without.insert(key, Without { reason, may_stay });
                continue;
            };
            self.entries.push(Entry {
                key,
                value: (*value).to_string(),
                until: subject.until(rules),
                reason: reason.clone(),
                days: subject.days,
                messages: subject.messages,
                last: subject.last,
            });
        }
        if wanted.is_empty()
            && let Some(words) = left_out(subject.standing, question, is_over)
        {
            *self.left_out.entry(words).or_default() += 1;
        }
    }
}

/// Whether a line that stands may stay until its last day, though the evidence would not bring it about today: nothing speaks against it.
fn may_stay(subject: &Subject, prefix: &str, question: &Question) -> bool {
    match subject.standing {
        Standing::TooLittle | Standing::NoEvidence | Standing::FellBack => true,
        Standing::OldVersion => question.base == Base::May,
        // Something that worked once is no reason to hold mail back again.
        Standing::Doubtful => {
            question.direction == Direction::Outbound
                && question.base == Base::Encrypt
                && prefix != "Try_TLS:"
        }
        _ => false,
    }
}

/// The name as the server looks it up.
fn key(prefix: &str, name: &str, question: &Question) -> String {
    let address = || name.parse::<IpAddr>().map(|a| a.to_canonical());
    match (question.direction, question.rules.server) {
        (Direction::Inbound, server) => match (address(), server) {
            // Sendmail writes such addresses out in full.
            (Ok(IpAddr::V6(six)), Server::Sendmail) => {
                let parts = six.segments().map(|s| format!("{s:x}"));
                format!("{prefix}IPv6:{}", parts.join(":"))
            }
            (Ok(address), _) => format!("{prefix}{address}"),
            (Err(_), _) => format!("{prefix}{name}"),
        },
        (Direction::Outbound, _) => format!("{prefix}{name}"),
    }
}

pub(super) fn server_name(question: &Question) -> &'static str {
    match question.rules.server {
        Server::Postfix => "Postfix",
        Server::Sendmail => "Sendmail",
    }
}

/// Why a peer is in the map, or is not.
fn reason(subject: &Subject, question: &Question) -> String {
    let (days, mails) = (u64::from(subject.days), subject.messages);
    let against = || match &subject.against {
        Some((day, problem)) => {
            format!("{}: {}", date(*day), what(problem.class, &problem.cause))
        }
        None => "something spoke against TLS".to_string(),
    };
    // The days are those of a year, the mails those of the last few weeks.
    let clean = || {
        format!(
            "over TLS on {}, none in clear; {} in the {} up to {}",
            count(days, "day", "days"),
            count(mails, "mail", "mails"),
            count(question.rules.expire.unsigned_abs().into(), "day", "days"),
            date(subject.last)
        )
    };
    match (question.direction, subject.standing) {
        (Direction::Inbound, Standing::Proven) => "its TLS with us works".into(),
        (Direction::Inbound, Standing::Broken) => format!(
            "{} failed on {}, none brought mail since; {}",
            count(mails, "session", "sessions"),
            count(days, "day", "days"),
            against()
        ),
        (Direction::Inbound, Standing::TooLittle) => format!(
            "{} failed, too little to tell it from a scanner",
            count(mails, "session", "sessions")
        ),
        (_, Standing::Proven) => clean(),
        (_, Standing::OldVersion) => format!("{}; {OLD_VERSION}", clean()),
        (_, Standing::InClear | Standing::Broken) => against(),
        (_, Standing::PartlyVerified) => format!(
            "{}; other mail was verified, and what DANE requires of its hosts stays required",
            against()
        ),
        (_, Standing::Stuck) => format!("{}; {STUCK}", against()),
        (_, Standing::Doubtful) => format!(
            "{}; {} since",
            against(),
            count(days, "clean day", "clean days")
        ),
        (_, Standing::TooLittle) => format!("{}: too little yet", clean()),
        (_, Standing::HeldToMore) => {
            "more than TLS is required of it already (DANE, verify or secure), which an entry would take back".into()
        }
        (_, Standing::RequiredAlready) => format!(
            "{}; TLS is required of it already, though not of all, and an exception would take that back",
            against()
        ),
        (_, Standing::CoversOthers) => {
            "names below it stand differently, and Sendmail would apply an entry to them too".into()
        }
        (_, Standing::FellBack) => "its mail comes in clear where TLS fails".into(),
        (_, Standing::NoEvidence) => "the log does not tell, or the fault was ours".into(),
    }
}

/// Said of those whose TLS is old.
const OLD_VERSION: &str = "over TLS older than 1.2: if postconf smtp_tls_mandatory_protocols asks for more, mail is held back where TLS is required";
/// Said of those with a requirement of their own.
pub(super) const WAITING: &str = "wait for TLS that cannot be had or fails, while mail goes in clear to others: an entry of your own requires it of them";
/// The same in general.
const STUCK_IN_GENERAL: &str = "the connection ends at STARTTLS, and Postfix never falls back to clear text there: only none, an entry of your own, would send their mail, in clear";
/// Said of those whom no entry that allows TLS helps.
const STUCK: &str = "Postfix never falls back to clear text there, so that may would not help; none would, in clear";

/// The reason in general, for counting.
fn left_out(standing: Standing, question: &Question, is_over: bool) -> Option<&'static str> {
    Some(match standing {
        Standing::Proven if is_over => "the evidence is too old",
        Standing::Proven => return None,
        Standing::OldVersion => OLD_VERSION,
        Standing::InClear => "mail goes in clear",
        Standing::PartlyVerified => "some mail goes in clear, some is verified",
        Standing::Stuck => STUCK_IN_GENERAL,
        Standing::Broken => "TLS fails",
        Standing::Doubtful => "something spoke against TLS, too few clean days since",
        Standing::TooLittle if question.direction == Direction::Inbound => {
            "failed too rarely to be told from a scanner"
        }
        Standing::TooLittle if question.base == Base::Encrypt => return None,
        Standing::TooLittle => "too few days or mails yet",
        Standing::HeldToMore => "more than TLS is required already",
        Standing::RequiredAlready => WAITING,
        Standing::CoversOthers => "names below it stand differently",
        Standing::FellBack => "mail comes in clear where TLS fails",
        Standing::NoEvidence => "the log cannot tell, or the fault was ours",
    })
}
