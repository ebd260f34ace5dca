//! What `doctor` finds, one function for each thing looked at: a verdict, the reason in a sentence, and the line that cures it.
//!
//! Where nothing can be said, nothing is: a store without outbound mail has no finding about a smart host.

use std::path::Path;

use crate::outcome::{Direction, ProofLine, day_of};
use crate::query::doctor::Health;
use crate::query::logging::Logging;
use crate::query::servers::Servers;
use crate::query::services::Service;
use crate::query::silence::{Quiet, Silence};
use crate::query::summary::ToDo;
use crate::store::Check;

use super::advice::{advice, logging_cure, switch_on};
use super::format::{date, rfc3339};
use super::words::{count, way, what};

/// A service that has shown no TLS for so many days while mail went through it has rather stopped logging it.
const DAYS_WITHOUT_PROOF: i32 = 3;
/// More lines than this in a hundred that are not recognised are too many.
const STRANGE_PER_CENT: u64 = 1;
/// A newest record older than this is no news, in seconds.
const STALE: i64 = 2 * 86_400;
/// More holes or silences of one sort are counted, not listed.
const MOST_LISTED: usize = 3;
/// What keeps a syslog daemon from dropping records.
const KEEP_ALL: &[&str] = &[
    "module(load=\"imuxsock\" SysSock.RateLimit.Interval=\"0\")    # rsyslog.conf",
    "RateLimitIntervalSec=0                                      # journald.conf",
];
/// What makes time unmistakable in a log.
const ZONED_STAMPS: &str =
    "$ActionFileDefaultTemplate RSYSLOG_FileFormat    # rsyslog.conf: stamps with year and zone";

/// What is to be done about a thing; the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    /// Somebody should look at it.
    Look,
    /// The log cannot tell.
    Unknown,
    /// In order.
    Ok,
}

/// One thing looked at.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    /// How it stands.
    pub(super) verdict: Verdict,
    /// What was looked at: the word for programs, of a closed list.
    pub(super) item: &'static str,
    /// What was looked at, for people.
    pub(super) about: String,
    /// Why the verdict is as it is.
    pub(super) reason: String,
    /// Lines to type or to put into a configuration; none if there is nothing to cure.
    pub(super) cure: Vec<String>,
    /// How many messages, holes, lines or peers it concerns.
    pub(super) count: u64,
    /// Since when, in seconds since 1970 UTC, if known.
    pub(super) since: Option<i64>,
    /// The line that proves it, if one does and is kept.
    pub(super) proof: Option<ProofLine>,
}

impl Finding {
    pub(super) fn new(
        verdict: Verdict,
        item: &'static str,
        about: impl Into<String>,
        reason: impl Into<String>,
    ) -> Finding {
        Finding {
            verdict,
            item,
            about: about.into(),
            reason: reason.into(),
            cure: Vec::new(),
            count: 0,
            since: None,
            proof: None,
        }
    }

    fn cured_by(mut self, lines: impl IntoIterator<Item = impl Into<String>>) -> Finding {
        self.cure = lines.into_iter().map(Into::into).collect();
        self
    }

    fn counted(mut self, count: u64) -> Finding {
        self.count = count;
        self
    }

    fn since(mut self, at: i64) -> Finding {
        self.since = Some(at);
        self
    }
}

/// All that is found out about the logs and our own side, in the order looked at.
pub(super) fn find_all(health: &Health, servers: Servers, now: i64) -> Vec<Finding> {
    let mut found = vec![reading(health, now)];
    found.extend(
        health
            .services
            .iter()
            .map(|(s, shown)| logging(s, shown.as_ref())),
    );
    found.extend(own_side(health, servers));
    found.extend(smart_host(health));
    if health.runs.lines > 0 {
        found.push(holes(health));
        found.extend(silences(&health.silences));
        found.push(clocks(&health.clock_steps));
        found.push(recognised(health));
    }
    found
}

/// Was anything read, and is it of today?
fn reading(health: &Health, now: i64) -> Finding {
    let about = "the logs read";
    let Some(newest) = health.sources.first() else {
        let reason = "no log has been read yet, so that there is nothing to answer from";
        return Finding::new(Verdict::Unknown, "reading", about, reason)
            .cured_by(["tlsnag import"]);
    };
    let reason = format!(
        "{}, {} in all; the newest record is of {}, the last import of {}",
        count(health.sources.len() as u64, "log", "logs"),
        count(health.runs.lines, "line", "lines"),
        minute(newest.last_seen),
        minute(health.runs.at)
    );
    let sources = health.sources.len() as u64;
    if now - newest.last_seen <= STALE {
        return Finding::new(Verdict::Ok, "reading", about, reason).counted(sources);
    }
    let reason = format!(
        "{reason}: what happened in the {} since is not known",
        duration(now - newest.last_seen)
    );
    Finding::new(Verdict::Look, "reading", about, reason)
        .counted(sources)
        .since(newest.last_seen)
        .cured_by(["tlsnag import    # and add it to cron; name the log if it is not /var/log/mail.log or maillog"])
}

/// Does a service log its TLS sessions?
fn logging(service: &Service, shown: Option<&Logging>) -> Finding {
    let proven = shown.and_then(|shown| Some((shown, shown.proven?)));
    let (verdict, reason) = match proven {
        Some((shown, days)) => proven_logging(service, shown, days),
        None => unproven_logging(service, shown.is_some_and(|l| l.unlogged.is_some())),
    };
    let about = format!(
        "TLS logging of {} on {}, mail {}",
        service.tag,
        service.host,
        way(service.direction)
    );
    let cure = (verdict == Verdict::Look).then(|| logging_cure(service));
    let mut found = Finding::new(verdict, "logging", about, reason)
        .counted(service.unknown)
        .cured_by(cure);
    if let Some((shown, (first, _))) = proven {
        found.proof = shown.line.clone();
        found = found.since(i64::from(first) * 86_400);
    }
    found
}

/// `days`: the first and the last one with a line that proves it.
fn proven_logging(service: &Service, shown: &Logging, days: (i32, i32)) -> (Verdict, String) {
    let (first, last) = (date(days.0), date(days.1));
    let of = not_known(service);
    match shown.unlogged.filter(|day| *day >= days.1) {
        Some(day) => (
            Verdict::Look,
            format!("one of {} left no line, though others did; {of}", date(day)),
        ),
        None if shown.latest - days.1 >= DAYS_WITHOUT_PROOF => (
            Verdict::Look,
            format!("proven until {last}, and not since, though mail went on; {of}"),
        ),
        None if service.unknown > 0 => (
            Verdict::Unknown,
            format!("proven since {first}; still, {of}: a hole, or the beginning of a log"),
        ),
        None => (Verdict::Ok, format!("proven since {first}")),
    }
}

/// `missed`: a TLS session is known that left no line.
fn unproven_logging(service: &Service, missed: bool) -> (Verdict, String) {
    let of = not_known(service);
    match (missed, service.unknown) {
        (true, _) => (
            Verdict::Look,
            format!("it does not log them: one that took place left no line; {of}"),
        ),
        (false, 0) => (
            Verdict::Ok,
            "its lines state the channel of each message".into(),
        ),
        (false, _) => (
            Verdict::Look,
            format!(
                "not proven: no line shows that it logs them, so that silence means nothing; {of}"
            ),
        ),
    }
}

/// How much of its mail went in a way that is not known.
fn not_known(service: &Service) -> String {
    match service.unknown {
        0 => "other lines still state the channel of each message, though not why and how".into(),
        unknown => {
            let messages = count(service.total(), "message", "messages");
            format!("of {unknown} of {messages} the channel is not known")
        }
    }
}

/// Does our own TLS work?
fn own_side(health: &Health, servers: Servers) -> Vec<Finding> {
    let mut found: Vec<Finding> = health
        .own_faults
        .iter()
        .map(|t| own_fault(t, servers))
        .collect();
    for (direction, n) in &health.all_in_clear {
        let reason = format!(
            "all of it went in clear, {} with several peers: then it is rather we who do not use TLS",
            count(*n, "message", "messages")
        );
        found.push(
            Finding::new(
                Verdict::Look,
                "all_in_clear",
                format!("mail {}", way(*direction)),
                reason,
            )
            .counted(*n)
            .cured_by(switch_on(*direction, servers)),
        );
    }
    let mail = health.services.iter().any(|(s, _)| s.encrypted > 0);
    if found.is_empty() && mail {
        let reason = "TLS works, and no failure in this period is of our making";
        found.push(Finding::new(
            Verdict::Ok,
            "own_fault",
            "our own side",
            reason,
        ));
    }
    found
}

fn own_fault(fault: &ToDo, servers: Servers) -> Finding {
    let whom = match fault.peer.is_empty() {
        true => count(fault.peers, "peer", "peers"),
        false => fault.peer.clone(),
    };
    let reason = format!(
        "{}; {} with {whom}, first {}, last {} ({})",
        what(Some(fault.class), &fault.cause),
        count(fault.n, "time", "times"),
        minute(fault.first_seen),
        minute(fault.last_seen),
        fault.certainty.words()
    );
    let name = match fault.cause.as_str() {
        "" => fault.class.name(),
        cause => cause,
    };
    let about = format!("our own side, mail {}: {name}", way(fault.direction));
    let cure = advice(fault.class, &fault.cause, servers);
    Finding::new(Verdict::Look, "own_fault", about, reason)
        .counted(fault.n)
        .since(fault.first_seen)
        .cured_by(Some(cure).filter(|text| !text.is_empty()))
}

/// Does nearly all mail leave through one relay?
fn smart_host(health: &Health) -> Option<Finding> {
    let about = "the way mail goes out";
    if let Some(relay) = &health.limits.smart_host {
        let reason = format!(
            "nearly all of it leaves through one smart host, {relay}: how it goes on to the domains stands in the log of that host alone"
        );
        let cure = "tlsnag import LOG    # the mail log of the smart host";
        return Some(Finding::new(Verdict::Unknown, "smart_host", about, reason).cured_by([cure]));
    }
    let sends = |(s, _): &(Service, _)| s.direction == Direction::Outbound;
    let reason = "straight to the domains: no one relay takes nearly all of it";
    health
        .services
        .iter()
        .any(sends)
        .then(|| Finding::new(Verdict::Ok, "smart_host", about, reason))
}

/// Did a log host report lost records?
fn holes(health: &Health) -> Finding {
    let about = "holes in the log";
    let (times, records) = health.limits.gaps;
    if times == 0 {
        return Finding::new(
            Verdict::Ok,
            "hole",
            about,
            "no log host reports that it lost records",
        );
    }
    let records = match records {
        0 => String::new(),
        n => format!(", {n} or more in all"),
    };
    let reason = format!(
        "a log host reports lost records {}{records}: silence after that is not taken for clear text",
        count(times, "time", "times")
    );
    Finding::new(Verdict::Look, "hole", about, reason)
        .counted(times)
        .cured_by(KEEP_ALL.iter().copied())
}

/// Was a log host silent for longer than usual? Those in order are one finding.
fn silences(hosts: &[Quiet]) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut fine = Vec::new();
    for host in hosts {
        let about = format!("silence of {}", host.host);
        if !host.unusual.is_empty() {
            found.push(
                Finding::new(Verdict::Look, "silence", about, unusual(host))
                    .counted(host.unusual.len() as u64)
                    .since(host.unusual[0].from)
                    .cured_by(["tlsnag import LOG    # the log of that time, if it was rotated away and is still there"]),
            );
        } else if host.is_uncertain() {
            let reason = format!(
                "{}; too few days are known to say whether that is usual",
                at(&host.longest)
            );
            found.push(Finding::new(Verdict::Unknown, "silence", about, reason));
        } else {
            fine.push(host);
        }
    }
    if let Some(longest) = fine.iter().map(|h| h.longest).max_by_key(|s| s.seconds) {
        let about = count(fine.len() as u64, "log host", "log hosts");
        let reason = format!(
            "no silence much longer than usual; the longest is {}",
            at(&longest)
        );
        found.push(Finding::new(Verdict::Ok, "silence", about, reason));
    }
    found
}

fn unusual(host: &Quiet) -> String {
    let listed: Vec<String> = host.unusual.iter().take(MOST_LISTED).map(at).collect();
    let more = match host.unusual.len().saturating_sub(MOST_LISTED) {
        0 => String::new(),
        n => format!(", and {n} more"),
    };
    let usual = match host.usual {
        Some(usual) => format!("usually not for more than {}", duration(usual)),
        None => "a day or longer".into(),
    };
    format!(
        "not a line for {}{more} ({usual}): a part of its log may be missing",
        listed.join(", ")
    )
}

/// Did a clock step back?
fn clocks(steps: &[(String, i64, i64)]) -> Finding {
    let about = "clocks of the log hosts";
    let Some((_, first, _)) = steps.first() else {
        return Finding::new(Verdict::Ok, "clock", about, "none steps back");
    };
    let listed: Vec<String> = steps
        .iter()
        .take(MOST_LISTED)
        .map(|(host, at, seconds)| format!("{host} by {} to {}", duration(*seconds), minute(*at)))
        .collect();
    let more = match steps.len().saturating_sub(MOST_LISTED) {
        0 => String::new(),
        n => format!(", and {n} more"),
    };
    let reason = format!(
        "time steps back: {}{more}. A clock was set, summer time ended, or two logs of one host overlap; days and times near it may be off by as much",
        listed.join(", ")
    );
    Finding::new(Verdict::Look, "clock", about, reason)
        .counted(steps.len() as u64)
        .since(*first)
        .cured_by([ZONED_STAMPS])
}

/// How much of the logs was understood?
fn recognised(health: &Health) -> Finding {
    let runs = &health.runs;
    let about = "lines not recognised";
    let per_mille = runs.unrecognised.saturating_mul(1000) / runs.lines.max(1);
    let reason = format!(
        "{} of {} ({}.{} %)",
        runs.unrecognised,
        runs.lines,
        per_mille / 10,
        per_mille % 10
    );
    let found = |verdict| {
        Finding::new(verdict, "unrecognised", about, reason.clone()).counted(runs.unrecognised)
    };
    if runs.unrecognised * 100 <= runs.lines * STRANGE_PER_CENT {
        return found(Verdict::Ok);
    }
    found(Verdict::Look).cured_by(["send some of them to the project, as CONTRIBUTING.md says; if they are not of a mail server, name its log only"])
}

/// Is the store whole? Those checks that hold are one finding.
pub(super) fn store(checks: &[Check], path: &Path) -> Vec<Finding> {
    let (fine, broken): (Vec<&Check>, Vec<&Check>) =
        checks.iter().partition(|c| c.wrong.is_empty());
    let path = path.display();
    let mut found: Vec<Finding> = broken
        .into_iter()
        .map(|check| {
            let reason = format!("it does not hold that {}: {}", check.words, check.wrong);
            Finding::new(Verdict::Look, "store", format!("the store: {}", check.name), reason).cured_by([format!(
                "mv {path} {path}.damaged && tlsnag import LOG...    # or put back a copy made with `tlsnag store backup`"
            )])
        })
        .collect();
    if !fine.is_empty() {
        let names: Vec<&str> = fine.iter().map(|c| c.name).collect();
        let reason = format!("checked and found whole: {}", names.join(", "));
        found.push(Finding::new(Verdict::Ok, "store", "the store", reason));
    }
    found
}

/// `3 hours from 2026-11-02 09:41`.
fn at(silence: &Silence) -> String {
    format!(
        "{} from {}",
        duration(silence.seconds),
        minute(silence.from)
    )
}

/// A time to the minute.
pub(super) fn minute(at: i64) -> String {
    match day_of(at) {
        0 => "an unknown time".into(),
        _ => rfc3339(at)
            .chars()
            .take("2026-11-22T07:00".len())
            .collect::<String>()
            .replace('T', " "),
    }
}

/// A length of time in the unit that suits it.
fn duration(seconds: i64) -> String {
    let seconds = seconds.unsigned_abs();
    match seconds {
        0..120 => count(seconds, "second", "seconds"),
        120..7200 => format!("{} minutes", seconds / 60),
        7200..172_800 => format!("{} hours", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(unknown: u64) -> Service {
        Service {
            direction: Direction::Outbound,
            host: "mx".into(),
            tag: "postfix/smtp".into(),
            encrypted: 5,
            plaintext: 0,
            unknown,
            logs: true,
        }
    }

    fn shown(proven: Option<(i32, i32)>, unlogged: Option<i32>, latest: i32) -> Logging {
        Logging {
            direction: Direction::Outbound,
            host: "mx".into(),
            tag: "postfix/smtp".into(),
            proven,
            unlogged,
            latest,
            line: None,
        }
    }

    #[test]
    fn logging_is_in_order_only_where_it_is_proven_of_late() {
        for (unknown, shown, verdict, cure) in [
            (0, Some(shown(Some((100, 109)), None, 110)), Verdict::Ok, 0),
            (
                2,
                Some(shown(Some((100, 109)), None, 110)),
                Verdict::Unknown,
                0,
            ),
            (
                2,
                Some(shown(Some((100, 105)), None, 110)),
                Verdict::Look,
                1,
            ),
            (
                2,
                Some(shown(Some((100, 110)), Some(110), 110)),
                Verdict::Look,
                1,
            ),
            (
                2,
                Some(shown(Some((100, 110)), Some(99), 110)),
                Verdict::Unknown,
                0,
            ),
            (2, Some(shown(None, None, 110)), Verdict::Look, 1),
            (2, Some(shown(None, Some(110), 110)), Verdict::Look, 1),
            (2, None, Verdict::Look, 1),
            (0, None, Verdict::Ok, 0),
        ] {
            let found = logging(&service(unknown), shown.as_ref());
            assert_eq!(
                (found.verdict, found.cure.len()),
                (verdict, cure),
                "{}",
                found.reason
            );
        }
    }

    #[test]
    fn each_broken_check_is_named_and_the_whole_ones_together() {
        let check = |name, wrong: &str| Check {
            name,
            words: "all is well",
            wrong: wrong.into(),
        };
        let found = store(
            &[
                check("file", ""),
                check("totals", "3 are off"),
                check("names", ""),
            ],
            Path::new("/s.db"),
        );
        let short: Vec<_> = found
            .iter()
            .map(|f| (f.verdict, f.reason.as_str()))
            .collect();
        assert_eq!(
            short,
            [
                (
                    Verdict::Look,
                    "it does not hold that all is well: 3 are off"
                ),
                (Verdict::Ok, "checked and found whole: file, names")
            ]
        );
        assert!(found[0].cure[0].starts_with("mv /s.db /s.db.damaged"));
    }

    #[test]
    fn times_are_told_in_the_unit_that_suits_them() {
        assert_eq!(duration(1), "1 second");
        assert_eq!(duration(3537), "58 minutes");
        assert_eq!(duration(86_400), "24 hours");
        assert_eq!(duration(10 * 86_400), "10 days");
        assert_eq!(minute(0), "an unknown time");
    }
}
