//! `by-...`: how mail falls apart by who the others are and which TLS is used. One report for each way.

use std::rc::Rc;

use maillog::Cause;

use crate::outcome::{Class, Direction};
use crate::query::Scope;
use crate::query::breakdown::{Axis, Breakdown, Slice, find_breakdown};
use crate::store::{Result, Store};

use super::Report;
use super::share_line::bar;
use super::table::{Column, Kind, Note, Rows, Section, Table, Value};
use super::words::{count, way};

/// How many parts of each direction people see; programs see all.
const MOST_ENTRIES: usize = 20;
/// What the key exchanges that a quantum computer does not break have in their names.
const POST_QUANTUM: &[&str] = &["mlkem", "kyber", "sntrup", "frodo", "hqc"];

const FIELDS: &[Column] = &[
    Column::field("direction", Kind::Text),
    Column::field("name", Kind::Text),
    Column::field("messages", Kind::Number),
    Column::field("part", Kind::Number),
    Column::field("encrypted", Kind::Number),
    Column::field("plaintext", Kind::Number),
    Column::field("unknown", Kind::Number),
    Column::field("share", Kind::Number),
    Column::field("failed_tls", Kind::Number),
    Column::field("peers", Kind::Number),
    Column::field("peers_plaintext", Kind::Number),
];

const MAIL: &[Column] = &[
    Column::prose("name"),
    Column::prose("mail"),
    number("messages"),
    number("TLS"),
    number("clear"),
    number("?"),
    number("TLS %"),
    Column::picture("over TLS"),
    number("failed"),
    number("peers"),
    number("in clear"),
];

const CAUSES: &[Column] = &[
    Column::prose("cause"),
    Column::prose("mail"),
    number("in clear"),
    number("failed"),
    number("peers"),
    Column::detail("what it is"),
];

const SOFTWARE: &[Column] = &[
    Column::prose("appears to run"),
    number("in clear"),
    number("failed"),
    number("peers"),
];

const SESSIONS: &[Column] = &[
    Column::prose("name"),
    Column::prose("mail"),
    number("messages"),
    number("%"),
    Column::picture("of all"),
    number("peers"),
];

const fn number(title: &'static str) -> Column {
    Column {
        name: "",
        title,
        kind: Kind::Number,
    }
}

/// What the software is known from.
const NOTE_SOFTWARE: &str = "Told by the log lines that are kept and quote the server. Of mail over TLS none are kept, so there is no share over TLS here.";

/// Makes the cells of a part, given all mail of its direction.
type Row = fn(&Slice, u64) -> Vec<Value>;

/// All of them, for the list of reports.
pub(super) const REPORTS: [Report; 9] = [
    Report {
        name: "by-organisation",
        help: "Mail by organisation: the registrable domain of the other side",
        build: |store, scope| build(store, scope, Axis::Organisation),
    },
    Report {
        name: "by-operator",
        help: "Mail we sent by who runs the MX hosts, and for how many domains",
        build: |store, scope| build(store, scope, Axis::Operator),
    },
    Report {
        name: "by-suffix",
        help: "Mail by top-level domain and sector: gov, edu, mil",
        build: |store, scope| build(store, scope, Axis::Suffix),
    },
    Report {
        name: "by-protocol",
        help: "Mail over TLS by version",
        build: |store, scope| build(store, scope, Axis::Protocol),
    },
    Report {
        name: "by-cipher",
        help: "Mail over TLS by cipher suite",
        build: |store, scope| build(store, scope, Axis::Cipher),
    },
    Report {
        name: "by-key-exchange",
        help: "Mail over TLS by key exchange, and how much of it is post-quantum",
        build: |store, scope| build(store, scope, Axis::KeyExchange),
    },
    Report {
        name: "by-certificate",
        help: "Mail over TLS by how far the certificate was checked",
        build: |store, scope| build(store, scope, Axis::Certificate),
    },
    Report {
        name: "by-cause",
        help: "Mail in clear and failures of TLS by their cause",
        build: |store, scope| build(store, scope, Axis::Cause),
    },
    Report {
        name: "by-software",
        help: "Mail we sent in clear and failures of TLS by what the server appears to run",
        build: |store, scope| build(store, scope, Axis::Software),
    },
];

fn build(store: &Store, scope: &Scope, axis: Axis) -> Result<Table> {
    let Breakdown { slices, smart_host } = find_breakdown(store, scope, axis)?;
    let slices = Rc::new(slices);
    let shown = match scope.all {
        true => Rc::clone(&slices),
        false => Rc::new(largest(&slices)),
    };
    let mut notes = Vec::new();
    if shown.len() < slices.len() {
        let more = slices.len() - shown.len();
        notes.push(Note::Paragraph(format!(
            "... and {more} more (--all shows them)."
        )));
    }
    if axis == Axis::Software && !slices.is_empty() {
        notes.push(Note::Paragraph(NOTE_SOFTWARE.into()));
    }
    let about_domains = matches!(axis, Axis::Organisation | Axis::Suffix);
    if let Some(relay) = smart_host.filter(|_| about_domains && scope.includes(Direction::Outbound))
    {
        notes.push(Note::Paragraph(format!(
            "Nearly all mail leaves through one smart host, {relay}: how mail was sent is about that host, not about those named here."
        )));
    }
    let (columns, row): (&[Column], Row) = match axis {
        Axis::Cause => (CAUSES, cause_row),
        Axis::Software => (SOFTWARE, software_row),
        _ if axis.is_of_sessions() => (SESSIONS, session_row),
        _ => (MAIL, mail_row),
    };
    let sent = whole(&slices, Direction::Outbound, axis);
    let received = whole(&slices, Direction::Inbound, axis);
    let whole = move |direction| match direction {
        Direction::Outbound => sent,
        Direction::Inbound => received,
    };
    Ok(Table {
        headline: headline(&slices, axis),
        to_do: 0,
        sections: vec![
            Section {
                title: "",
                columns: FIELDS,
                rows: Rows::of(slices, move |s| fields(s, whole(s.direction), axis)),
            },
            Section {
                title: "",
                columns,
                rows: Rows::of(shown, move |s| row(s, whole(s.direction))),
            },
        ],
        notes,
    })
}

/// The parts people see of each direction, unless they ask for all.
fn largest(slices: &[Slice]) -> Vec<Slice> {
    let of = |direction| {
        let one_way = slices.iter().filter(move |s| s.direction == direction);
        one_way.take(MOST_ENTRIES).cloned()
    };
    let directions = [Direction::Outbound, Direction::Inbound];
    directions.into_iter().flat_map(of).collect()
}

/// All mail of a direction. A sector is a part of what the top-level domains hold already.
fn whole(slices: &[Slice], direction: Direction, axis: Axis) -> u64 {
    let parts = slices.iter().filter(|s| s.direction == direction);
    parts
        .filter(|s| axis != Axis::Suffix || !s.name.starts_with("sector "))
        .map(Slice::mails)
        .sum()
}

fn headline(slices: &[Slice], axis: Axis) -> String {
    let all: u64 = [Direction::Outbound, Direction::Inbound]
        .map(|direction| whole(slices, direction, axis))
        .iter()
        .sum();
    let parts = slices.len() as u64;
    if slices.is_empty() {
        return "No such mail is known of in this period.".into();
    }
    let mails = count(all, "message", "messages");
    match axis {
        Axis::Organisation => format!(
            "{mails} in {}.",
            count(parts, "part", "parts by organisation")
        ),
        Axis::Operator => operators(slices, &mails),
        Axis::Suffix => format!("{mails} by top-level domain and sector."),
        Axis::Protocol => format!("{mails} over TLS, by version."),
        Axis::Cipher => format!("{mails} over TLS, by cipher suite."),
        Axis::KeyExchange => key_exchanges(slices, &mails),
        Axis::Certificate => format!("{mails} over TLS, by certificate."),
        Axis::Cause | Axis::Software => {
            let failed: u64 = slices.iter().map(|s| s.failed).sum();
            let failures = count(failed, "failure", "failures");
            let by = match axis {
                Axis::Software => "not by our own fault, by what the server appears to run",
                _ => "by cause",
            };
            format!("{mails} in clear and {failures} because of TLS, {by}.")
        }
    }
}

fn operators(slices: &[Slice], mails: &str) -> String {
    let named = slices.iter().filter(|s| !s.name.is_empty());
    let most = named.clone().map(|s| s.peers).max().unwrap_or(0);
    // They come by how much mail they take, so the first of several is the largest.
    let largest = named.clone().find(|s| s.peers == most && most > 1);
    let operators = count(named.count() as u64, "operator", "operators");
    match largest {
        Some(s) => format!(
            "{mails} sent to {operators}; {} runs the MX hosts of the most domains: {most}.",
            s.name
        ),
        None => format!("{mails} sent to {operators}, none of them for several domains."),
    }
}

/// How much of what is logged is post-quantum: Sendmail and older Postfix log no key exchange.
fn key_exchanges(slices: &[Slice], mails: &str) -> String {
    let sum = |wanted: &dyn Fn(&str) -> bool| -> u64 {
        let some = slices.iter().filter(|s| wanted(&s.name));
        some.map(|s| s.encrypted).sum()
    };
    let logged = sum(&|name| !name.is_empty());
    let is_safe = |name: &str| {
        let name = name.to_ascii_lowercase();
        POST_QUANTUM.iter().any(|part| name.contains(part))
    };
    match logged {
        0 => format!("{mails} over TLS, and the log does not name the key exchange of any."),
        _ => format!(
            "{mails} over TLS; of {logged} whose key exchange is logged, {} ({:.1} %) had a post-quantum one.",
            sum(&is_safe),
            100.0 * sum(&is_safe) as f64 / logged as f64
        ),
    }
}

fn share(slice: &Slice) -> Value {
    Value::share(slice.encrypted, slice.encrypted + slice.plaintext)
}

fn fields(s: &Slice, whole: u64, axis: Axis) -> Vec<Value> {
    vec![
        Value::text(s.direction.name()),
        Value::text(&s.name),
        Value::Number(s.mails()),
        Value::share(s.mails(), whole),
        Value::Number(s.encrypted),
        Value::Number(s.plaintext),
        Value::Number(s.unknown),
        match axis.is_of_faults() {
            true => Value::text(""),
            false => share(s),
        },
        Value::Number(s.failed),
        Value::Number(s.peers),
        Value::Number(s.peers_in_clear),
    ]
}

fn mail_row(s: &Slice, _whole: u64) -> Vec<Value> {
    vec![
        Value::text(name(s)),
        Value::text(way(s.direction)),
        Value::Number(s.mails()),
        Value::Number(s.encrypted),
        Value::Number(s.plaintext),
        Value::Number(s.unknown),
        match s.encrypted + s.plaintext {
            0 => Value::text(""),
            _ => share(s),
        },
        bar(s.encrypted, s.encrypted + s.plaintext),
        Value::Number(s.failed),
        Value::Number(s.peers),
        Value::Number(s.peers_in_clear),
    ]
}

fn session_row(s: &Slice, whole: u64) -> Vec<Value> {
    vec![
        Value::text(name(s)),
        Value::text(way(s.direction)),
        Value::Number(s.mails()),
        Value::share(s.mails(), whole),
        bar(s.mails(), whole),
        Value::Number(s.peers),
    ]
}

fn cause_row(s: &Slice, _whole: u64) -> Vec<Value> {
    let words = Cause::from_name(&s.name)
        .map(|c| c.row().words)
        .or_else(|| Class::from_name(&s.name).map(|c| c.row().words));
    vec![
        Value::text(&s.name),
        Value::text(way(s.direction)),
        Value::Number(s.plaintext),
        Value::Number(s.failed),
        Value::Number(s.peers),
        Value::text(words.unwrap_or_default()),
    ]
}

fn software_row(s: &Slice, _whole: u64) -> Vec<Value> {
    let name = match s.name.as_str() {
        "" => "(not known)",
        name => name,
    };
    vec![
        Value::text(name),
        Value::Number(s.plaintext),
        Value::Number(s.failed),
        Value::Number(s.peers),
    ]
}

/// The name for people.
fn name(s: &Slice) -> &str {
    match s.name.is_empty() {
        true => "(not logged)",
        false => &s.name,
    }
}
