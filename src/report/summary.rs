//! `summary`: all in all.

use crate::outcome::Direction;
use crate::query::Scope;
use crate::query::days::{DayMail, find_days};
use crate::query::limits::{Limits, find_limits};
use crate::query::servers::find_servers;
use crate::query::summary::{Summary, ToDo, Totals, find_summary};
use crate::store::{Result, Store};

use super::advice::{logging_cure, what_to_do};
use super::format::rfc3339;
use super::share_line::{self, bar};
use super::table::{Column, Kind, Note, Section, Table, Value};
use super::words::{count, how, way, what};

/// How many entries people see; programs see all.
const MOST_ENTRIES: usize = 20;

/// Headings of what there is to do, and the faults under each. Nobody is to be written to for what may be ours.
const GROUPS: [(&str, &[&str]); 3] = [
    ("Our own faults, which only we can mend:", &["us"]),
    ("Theirs, to tell them of:", &["peer"]),
    (
        "Theirs or ours, to look into first:",
        &["either", "nobody", ""],
    ),
];

const FIELDS: &[Column] = &[
    Column::field("item", Kind::Text),
    Column::field("direction", Kind::Text),
    Column::field("name", Kind::Text),
    Column::field("count", Kind::Number),
    Column::field("share", Kind::Number),
    Column::field("peers", Kind::Number),
    Column::field("class", Kind::Text),
    Column::field("cause", Kind::Text),
    Column::field("fault", Kind::Text),
    Column::field("certainty", Kind::Text),
    Column::field("last_seen", Kind::Date),
];

const TOTALS: &[Column] = &[
    Column::prose("mail"),
    Column::picture("over TLS"),
    Column {
        name: "",
        title: "encrypted",
        kind: Kind::Number,
    },
    Column {
        name: "",
        title: "%",
        kind: Kind::Number,
    },
    Column {
        name: "",
        title: "in clear",
        kind: Kind::Number,
    },
    Column {
        name: "",
        title: "%",
        kind: Kind::Number,
    },
    Column {
        name: "",
        title: "cannot tell",
        kind: Kind::Number,
    },
    Column {
        name: "",
        title: "%",
        kind: Kind::Number,
    },
    Column {
        name: "",
        title: "failed for TLS",
        kind: Kind::Number,
    },
];

const DOMAINS: &[Column] = &[
    Column::prose("mail goes"),
    Column::picture("of all"),
    Column {
        name: "",
        title: "domains",
        kind: Kind::Number,
    },
];

pub(super) fn build(store: &Store, scope: &Scope) -> Result<Table> {
    let summary = find_summary(store, scope)?;
    let limit = if scope.all { usize::MAX } else { MOST_ENTRIES };
    let domains: &[_] = if summary.limits.smart_host.is_some() {
        &[]
    } else {
        &summary.domains
    };
    let all = domains.iter().map(|(_, n)| n).sum();
    let verdicts = domains
        .iter()
        .map(|(v, n)| vec![Value::text(how(*v)), bar(*n, all), Value::Number(*n)]);
    let totals = summary
        .totals
        .iter()
        .filter(|t| t.total() + t.failed_tls > 0);
    let sections = vec![
        Section {
            title: "",
            columns: FIELDS,
            rows: fields(&summary).into(),
        },
        Section {
            title: "Mail",
            columns: TOTALS,
            rows: totals.map(totals_row).collect(),
        },
        Section {
            title: "Share over TLS",
            columns: share_line::COLUMNS,
            rows: lines(&find_days(store, scope)?).into(),
        },
        Section {
            title: "Recipient domains",
            columns: DOMAINS,
            rows: verdicts.collect(),
        },
    ];
    let mut notes = entries_by_fault(&summary.to_do, limit);
    if summary.to_do.len() > limit {
        notes.push(Note::Paragraph(format!(
            "... and {} more (--all shows them).",
            summary.to_do.len() - limit
        )));
    }
    notes.extend(what_to_do(
        find_servers(store)?,
        summary
            .to_do
            .iter()
            .take(limit)
            .map(|t| (t.class, t.cause.as_str())),
    ));
    notes.extend(limits(&summary.limits));
    notes.extend(strangers(summary.strangers));
    notes.extend(what_was_read(&summary));
    Ok(Table {
        headline: headline(&summary),
        to_do: summary.to_do.len(),
        sections,
        notes,
    })
}

/// What the log cannot tell in this period, and what would make it tell.
pub fn cannot_tell(store: &Store, scope: &Scope) -> Result<Vec<Note>> {
    Ok(limits(&find_limits(store, scope)?))
}

pub(super) fn headline(summary: &Summary) -> String {
    let sum = |part: fn(&Totals) -> u64| summary.totals.iter().map(part).sum::<u64>();
    let (total, clear) = (sum(Totals::total), sum(|t| t.plaintext));
    if total + sum(|t| t.failed_tls) == 0 {
        return "No mail is known of in this period.".into();
    }
    let ours = summary.to_do.iter().filter(|t| t.fault == "us").count() as u64;
    let acting = match (summary.to_do.len() as u64, ours) {
        (0, _) => "nothing to act on".to_string(),
        (n, 0) => count(n, "thing to act on", "things to act on"),
        (n, ours) if n == ours => format!(
            "{}, our own",
            count(n, "thing to act on", "things to act on")
        ),
        (n, ours) => format!(
            "{}, {ours} of them our own",
            count(n, "thing to act on", "things to act on")
        ),
    };
    if total == 0 {
        return format!("No message got across; {acting}.");
    }
    format!(
        "{clear} of {} crossed in clear; {acting}.",
        count(total, "message", "messages")
    )
}

fn totals_row(t: &Totals) -> Vec<Value> {
    let total = t.total();
    vec![
        Value::text(way(t.direction)),
        bar(t.encrypted, total),
        Value::Number(t.encrypted),
        Value::share(t.encrypted, total),
        Value::Number(t.plaintext),
        Value::share(t.plaintext, total),
        Value::Number(t.unknown),
        Value::share(t.unknown, total),
        Value::Number(t.failed_tls),
    ]
}

/// The share of each direction from day to day, where there are two days or more.
fn lines(days: &[DayMail]) -> Vec<Vec<Value>> {
    let of = |direction: Direction| -> Vec<(i32, f64)> {
        let one_way = days.iter().filter(|d| d.direction == direction);
        let share = |d: &DayMail| Some((d.day, d.share()? / 100.0));
        one_way.filter_map(share).collect()
    };
    [Direction::Outbound, Direction::Inbound]
        .map(|direction| (direction, of(direction)))
        .into_iter()
        .filter(|(_, shares)| shares.len() > 1)
        .map(|(direction, shares)| share_line::row(direction, &shares))
        .collect()
}

/// The first so many problems, those of each side under a heading.
pub(super) fn entries_by_fault(to_do: &[ToDo], limit: usize) -> Vec<Note> {
    let shown = &to_do[..to_do.len().min(limit)];
    let group = |(heading, faults): (&str, &[&str])| {
        let is_of = |t: &&ToDo| faults.contains(&t.fault.as_str());
        entries(heading, &shown.iter().filter(is_of).collect::<Vec<_>>())
    };
    GROUPS.into_iter().flat_map(group).collect()
}

/// A heading and an item for each problem.
fn entries(heading: &str, problems: &[&ToDo]) -> Vec<Note> {
    if problems.is_empty() {
        return Vec::new();
    }
    let heading = Note::Paragraph(heading.into());
    [heading]
        .into_iter()
        .chain(problems.iter().map(|t| Note::Item(entry(t))))
        .collect()
}

/// One problem in a sentence or two: how often, with whom, what, whose fault, how sure.
fn entry(t: &ToDo) -> String {
    let preposition = match t.direction {
        Direction::Outbound => "to",
        Direction::Inbound => "from",
    };
    let peer = match t.peer.is_empty() {
        true => count(t.peers, "peer", "peers"),
        false => t.peer.clone(),
    };
    let last: String = rfc3339(t.last_seen)
        .chars()
        .take("2026-11-22".len())
        .collect();
    format!(
        "{preposition} {peer}, {}: {} ({}, last {last})",
        times(t.n),
        what(Some(t.class), &t.cause),
        t.certainty.words()
    )
}

fn times(n: u64) -> String {
    match n {
        1 => "once".into(),
        n => format!("{n} times"),
    }
}

/// What the log cannot tell, and the line that cures it.
pub(super) fn limits(limits: &Limits) -> Vec<Note> {
    let mut notes = Vec::new();
    if let (times @ 1.., records) = limits.gaps {
        let records = if records > 0 {
            format!(", {records} records or more")
        } else {
            String::new()
        };
        notes.push(Note::Paragraph(format!(
            "The log has {}{records}: what happened in them is not known, and silence after them is not taken for clear text.",
            count(times, "hole", "holes")
        )));
    }
    if let Some(relay) = &limits.smart_host {
        notes.push(Note::Paragraph(format!(
            "Nearly all mail leaves through one smart host, {relay}: how it goes on from there to the domains is not in this log."
        )));
    }
    for service in &limits.blind {
        let counted = match service.direction {
            Direction::Outbound => count(service.unknown, "message sent", "messages sent"),
            Direction::Inbound => count(service.unknown, "message received", "messages received"),
        };
        let (tag, host) = (&service.tag, &service.host);
        if service.logs {
            let text = format!(
                "The log of {tag} on {host} does not always tell (it begins in mid-session, or has a hole): of {counted} the channel is not known."
            );
            notes.push(Note::Paragraph(text));
            continue;
        }
        notes.push(Note::Paragraph(format!(
            "{tag} on {host} is not known to log its TLS sessions: of {counted} the channel is not known. This makes it log them:"
        )));
        notes.push(Note::Line(logging_cure(service)));
    }
    notes
}

/// Failures that are left out.
pub(super) fn strangers(n: u64) -> Option<Note> {
    (n > 0).then(|| {
        Note::Paragraph(format!(
            "Left out: failed handshakes of {} that never sent us a message, mostly scanners (report failures --direction in).",
            count(n, "client", "clients")
        ))
    })
}

/// How much of the logs was understood.
pub(super) fn what_was_read(summary: &Summary) -> Vec<Note> {
    let mut notes = Vec::new();
    let runs = &summary.runs;
    if runs.lines > 0 {
        notes.push(Note::Paragraph(format!(
            "Read so far: {}, of which {} understood, {} irrelevant, {} not recognised.",
            count(runs.lines, "line", "lines"),
            runs.understood,
            runs.irrelevant,
            runs.unrecognised
        )));
    }
    notes
}

/// Everything in one shape, for programs.
fn fields(summary: &Summary) -> Vec<Vec<Value>> {
    let plain = |item: &str, direction: &str, name: &str, n: u64, share: Value| {
        let empty = || Value::text("");
        let name = Value::text(name);
        let (item, direction) = (Value::text(item), Value::text(direction));
        vec![
            item,
            direction,
            name,
            Value::Number(n),
            share,
            Value::Number(0),
            empty(),
            empty(),
            empty(),
            empty(),
            empty(),
        ]
    };
    let mut rows = Vec::new();
    for t in &summary.totals {
        let (direction, total) = (t.direction.name(), t.total());
        for (name, n) in [
            ("encrypted", t.encrypted),
            ("plaintext", t.plaintext),
            ("unknown", t.unknown),
        ] {
            rows.push(plain("mail", direction, name, n, Value::share(n, total)));
        }
        rows.push(plain(
            "mail",
            direction,
            "failed_tls",
            t.failed_tls,
            Value::Share(0.0),
        ));
    }
    let domains = summary.domains.iter().map(|(_, n)| n).sum();
    rows.extend(summary.domains.iter().map(|(v, n)| {
        plain(
            "domains",
            "outbound",
            v.name(),
            *n,
            Value::share(*n, domains),
        )
    }));
    rows.extend(summary.to_do.iter().map(problem));
    for b in &summary.limits.blind {
        let name = format!("{} {}", b.host, b.tag);
        rows.push(plain(
            "blind",
            b.direction.name(),
            &name,
            b.unknown,
            Value::share(b.unknown, b.total()),
        ));
    }
    rows.extend(
        summary
            .limits
            .smart_host
            .iter()
            .map(|relay| plain("smart_host", "outbound", relay, 0, Value::Share(0.0))),
    );
    rows
}

fn problem(t: &ToDo) -> Vec<Value> {
    vec![
        Value::text("problem"),
        Value::text(t.direction.name()),
        Value::text(&t.peer),
        Value::Number(t.n),
        Value::Share(0.0),
        Value::Number(t.peers),
        Value::text(t.class.name()),
        Value::text(&t.cause),
        Value::text(&t.fault),
        Value::text(t.certainty.words()),
        Value::Time(t.last_seen),
    ]
}
