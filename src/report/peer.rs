//! Everything about one name, with the log lines that prove it. Not in [`super::ALL`]: it needs to be told the name.

use std::collections::{BTreeMap, BTreeSet};

use crate::outcome::{Class, Direction, ProofLine};
use crate::query::Scope;
use crate::query::own_entry::{self, find_own_entries, find_servers_of, server_name};
use crate::query::peer::{Day, Event, Peer, find_peer};
use crate::query::servers::find_servers;
use crate::store::{Claim, Result, Store};

use super::advice::what_to_do;
use super::share_line;
use super::table::{Column, Kind, Note, Section, Table, Value};
use super::words::{OWN_ENTRY, count, way, what, whose};

/// How many days people see, unless they ask for all.
const MOST_DAYS: usize = 14;
/// How many occurrences are shown with their lines, unless all are asked for: one of each kind first.
const MOST_CLAIMS: usize = 5;

/// What stands before the lines that prove what is said; they are last.
pub(super) const PROOF: &str =
    "The lines that prove it, latest first (file:byte offset, then the line):";

const FIELDS: &[Column] = &[
    Column::field("direction", Kind::Text),
    Column::field("domain", Kind::Text),
    Column::field("host", Kind::Text),
    Column::field("address", Kind::Text),
    Column::field("tls", Kind::Text),
    Column::field("class", Kind::Text),
    Column::field("cause", Kind::Text),
    Column::field("fault", Kind::Text),
    Column::field("delivery", Kind::Text),
    Column::field("count", Kind::Number),
    Column::field("messages", Kind::Number),
    Column::field("first_seen", Kind::Date),
    Column::field("last_seen", Kind::Date),
    Column::field("proof", Kind::Text),
];

const EVENTS: &[Column] = &[
    Column::prose("host"),
    Column::prose("mail"),
    Column::prose("address"),
    Column {
        name: "",
        title: "times",
        kind: Kind::Number,
    },
    Column::detail("what happens"),
    Column::prose("delivery"),
    Column::prose("fault"),
    Column {
        name: "",
        title: "last",
        kind: Kind::Date,
    },
];

const DAYS: &[Column] = &[
    Column {
        name: "",
        title: "day",
        kind: Kind::Date,
    },
    Column::prose("mail"),
    Column {
        name: "",
        title: "TLS",
        kind: Kind::Number,
    },
    Column {
        name: "",
        title: "clear",
        kind: Kind::Number,
    },
    Column {
        name: "",
        title: "?",
        kind: Kind::Number,
    },
    Column {
        name: "",
        title: "failed for TLS",
        kind: Kind::Number,
    },
    Column {
        name: "",
        title: "failed otherwise",
        kind: Kind::Number,
    },
];

/// Said of clients without mail.
const NO_PROOF: &str =
    "No lines are kept of sessions that never sent mail: nothing is claimed about them.";

/// How long log lines are kept.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Days, counted back from the newest record.
    pub days: u32,
    /// What is older has lost its lines, in seconds since 1970 UTC.
    pub before: i64,
}

/// What is known under `name` (a domain, host, address or organisation); `None` if nothing is.
pub fn build(
    store: &Store,
    name: &str,
    scope: &Scope,
    retention: Retention,
) -> Result<Option<Table>> {
    let Some(peer) = find_peer(store, name, scope)? else {
        return Ok(None);
    };
    let mut table = table(store, &peer, scope, retention)?;
    table.notes.splice(0..0, own_entries(store, &peer, scope)?);
    Ok(Some(table))
}

/// Domains among these that are rather in clear by an entry of our own.
fn own_entries(store: &Store, peer: &Peer, scope: &Scope) -> Result<Option<Note>> {
    let untold = peer.events.iter().filter(|e| {
        e.direction == Direction::Outbound && e.group.class == Class::PlaintextCauseUnknown
    });
    let mut clear: BTreeMap<&str, u64> = BTreeMap::new();
    for event in untold {
        *clear.entry(&event.domain).or_default() += event.group.n;
    }
    // All mail of the domain asked for is here; of others there may be more.
    let is_enough =
        |(domain, n): &(&str, u64)| *domain != peer.name || *n >= own_entry::DAYS as u64;
    let asked: BTreeSet<String> = clear
        .into_iter()
        .filter(is_enough)
        .map(|(domain, _)| domain.to_owned())
        .collect();
    let found: BTreeSet<String>;
    let servers = match asked.iter().any(|domain| *domain != peer.name) {
        true => {
            found = find_servers_of(store, scope, &asked)?;
            found.iter().map(String::as_str).collect()
        }
        false => servers_of(peer),
    };
    let own = find_own_entries(store, scope, &asked, &servers)?;
    let own: Vec<String> = own.into_iter().collect();
    let text = format!("{}: {OWN_ENTRY}", own.join(", "));
    Ok((!own.is_empty()).then_some(Note::Paragraph(text)))
}

/// The names of the servers of a domain.
fn servers_of(peer: &Peer) -> BTreeSet<&str> {
    let is_sent = |e: &&Event| e.direction == Direction::Outbound && e.domain == peer.name;
    let sent = peer.events.iter().filter(is_sent);
    sent.map(|e| server_name(&e.host, &e.address)).collect()
}

/// What is known of a peer.
pub(super) fn table(
    store: &Store,
    peer: &Peer,
    scope: &Scope,
    retention: Retention,
) -> Result<Table> {
    let paths: BTreeMap<i64, String> = store.source_paths()?.into_iter().collect();
    let skipped = if scope.all {
        0
    } else {
        peer.days.len().saturating_sub(MOST_DAYS)
    };
    let troubles: Vec<&Event> = peer.events.iter().filter(|e| is_trouble(e)).collect();
    let mut notes = what_to_do(
        find_servers(store)?,
        troubles.iter().map(|e| (e.group.class, e.group.cause)),
    );
    notes.extend(proof(peer, scope, &paths, retention));
    let sections = vec![
        Section {
            title: "",
            columns: FIELDS,
            rows: peer
                .events
                .iter()
                .map(|e| fields(e, &peer.claims))
                .collect(),
        },
        Section {
            title: "What happened",
            columns: EVENTS,
            rows: merged_events(&peer.events).into(),
        },
        Section {
            title: "Share over TLS",
            columns: share_line::COLUMNS,
            rows: lines(&peer.days).into(),
        },
        Section {
            title: "By day",
            columns: DAYS,
            rows: peer.days[skipped..].iter().map(day_row).collect(),
        },
    ];
    Ok(Table {
        headline: headline(peer, &troubles),
        to_do: troubles.len(),
        sections,
        notes,
    })
}

/// One line of signs for each direction, if there are more days than the table shows.
fn lines(days: &[Day]) -> Vec<Vec<Value>> {
    if days.len() <= MOST_DAYS {
        return Vec::new();
    }
    let of = |direction: Direction| -> Vec<(i32, f64)> {
        let one_way = days.iter().filter(|d| d.direction == direction);
        let share = |d: &Day| {
            let known = d.counters.encrypted + d.counters.plaintext;
            (known > 0).then(|| (d.day, d.counters.encrypted as f64 / known as f64))
        };
        one_way.filter_map(share).collect()
    };
    [Direction::Outbound, Direction::Inbound]
        .into_iter()
        .map(|direction| (direction, of(direction)))
        .filter(|(_, shares)| shares.len() > 1)
        .map(|(direction, shares)| share_line::row(direction, &shares))
        .collect()
}

/// Something to act on: mail in clear, or a failure because of TLS.
fn is_trouble(event: &Event) -> bool {
    let g = &event.group;
    let mail = g.is_sent() || g.messages > 0;
    (mail && g.tls == "plaintext")
        || g.is_tls_failure()
        || (g.delivery.is_empty() && g.class.row().tls_failure)
}

fn headline(peer: &Peer, troubles: &[&Event]) -> String {
    let sum = |tls: &str| -> u64 {
        let mail = peer.events.iter().filter(|e| e.group.tls == tls);
        mail.map(|e| {
            if e.group.is_sent() {
                e.group.n
            } else {
                e.group.messages
            }
        })
        .sum()
    };
    let (encrypted, clear, unknown) = (sum("encrypted"), sum("plaintext"), sum("unknown"));
    let what = if troubles.is_empty() {
        "Nothing to act on"
    } else {
        "There is something to act on"
    };
    format!(
        "{} ({}): messages over TLS {encrypted}, in clear {clear}, cannot tell {unknown}. {what}.",
        peer.name,
        peer.known_as.join(", ")
    )
}

fn fields(event: &Event, claims: &[Claim]) -> Vec<Value> {
    let g = &event.group;
    let same = |c: &&Claim| {
        (c.direction.as_str(), &c.domain, &c.host, &c.address)
            == (
                event.direction.name(),
                &event.domain,
                &event.host,
                &event.address,
            )
            && (c.class, &*c.cause, &*c.tls, &*c.delivery)
                == (g.class, &*g.cause, &*g.tls, &*g.delivery)
    };
    let latest = claims.iter().rev().find(same);
    let lines: Vec<&str> = latest
        .iter()
        .flat_map(|c| c.lines.iter().map(|l| l.text.as_str()))
        .collect();
    vec![
        Value::text(event.direction.name()),
        Value::text(&event.domain),
        Value::text(&event.host),
        Value::text(&event.address),
        Value::text(g.tls),
        Value::text(g.class.name()),
        Value::text(g.cause),
        Value::text(g.fault),
        Value::text(g.delivery),
        Value::Number(g.n),
        Value::Number(g.messages),
        Value::Time(g.first),
        Value::Time(g.last),
        Value::text(lines.join("\n")),
    ]
}

/// For people: the domain is left out, and what then is the same is added up.
fn merged_events(events: &[Event]) -> Vec<Vec<Value>> {
    let mut merged: Vec<Event> = Vec::new();
    for event in events {
        let key = |e: &Event| {
            (
                e.direction,
                e.host.clone(),
                e.address.clone(),
                e.group.class,
                e.group.cause,
                e.group.delivery,
            )
        };
        match merged.iter_mut().find(|m| key(m) == key(event)) {
            Some(same) => {
                same.group.n += event.group.n;
                same.group.last = same.group.last.max(event.group.last);
            }
            None => merged.push(event.clone()),
        }
    }
    merged.iter().map(event_row).collect()
}

fn event_row(event: &Event) -> Vec<Value> {
    let g = &event.group;
    vec![
        Value::text(&event.host),
        Value::text(way(event.direction)),
        Value::text(&event.address),
        Value::Number(g.n),
        Value::text(what(Some(g.class), g.cause)),
        Value::text(g.delivery),
        Value::text(whose(g.fault)),
        Value::Time(g.last),
    ]
}

fn day_row(day: &Day) -> Vec<Value> {
    let c = &day.counters;
    vec![
        Value::Day(day.day),
        Value::text(way(day.direction)),
        Value::Number(c.encrypted),
        Value::Number(c.plaintext),
        Value::Number(c.unknown),
        Value::Number(c.failed_tls),
        Value::Number(c.failed_other),
    ]
}

/// The lines behind each claim, the latest occurrences first.
fn proof(
    peer: &Peer,
    scope: &Scope,
    paths: &BTreeMap<i64, String>,
    retention: Retention,
) -> Vec<Note> {
    let limit = if scope.all { usize::MAX } else { MOST_CLAIMS };
    let mut notes = Vec::new();
    for claim in worth_showing(&peer.claims, limit) {
        let said = what(Some(claim.class), &claim.cause);
        let with = [&claim.host, &claim.address]
            .into_iter()
            .find(|t| !t.is_empty())
            .map_or(String::new(), |t| format!(", {t}"));
        let time = super::format::rfc3339(claim.at);
        notes.push(Note::Paragraph(format!(
            "{time} {}{with}: {said}",
            claim.direction
        )));
        if claim.lines.is_empty() {
            notes.push(Note::Item(gone("the lines are", claim.at, retention)));
        }
        notes.extend(claim.lines.iter().map(|line| show(line, paths)));
        notes.extend(logging_proof(claim, paths, retention));
    }
    if !notes.is_empty() {
        notes.insert(0, Note::Paragraph(PROOF.into()));
    }
    if peer.claims.len() > limit {
        notes.push(Note::Paragraph(format!(
            "... and {} more (--all shows them).",
            peer.claims.len() - limit
        )));
    }
    if peer.claims.iter().any(|c| c.class == Class::Unknown) {
        notes.push(Note::Paragraph(
            "`tlsnag report summary` names the setting that makes the log tell.".into(),
        ));
    }
    let is_probe = |class: Class| class == Class::InProbe;
    let (seen, shown) = (
        peer.events.iter().any(|e| is_probe(e.group.class)),
        peer.claims.iter().any(|c| is_probe(c.class)),
    );
    if seen && !shown {
        notes.push(Note::Paragraph(NO_PROOF.into()));
    }
    notes
}

/// If it is the absence of a line that proves it: the line without which that would mean nothing.
fn logging_proof(claim: &Claim, paths: &BTreeMap<i64, String>, retention: Retention) -> Vec<Note> {
    let silence = "no line tells of TLS here, though this service logs it";
    match &claim.logging_proof {
        None => Vec::new(),
        Some(line) if line.text.is_empty() => {
            let gone = gone("the line that proves this is", claim.at, retention);
            vec![Note::Item(format!("{silence}; {gone}"))]
        }
        Some(line) => {
            let item = Note::Item(format!("{silence}, as this one proves:"));
            vec![item, show(line, paths)]
        }
    }
}

/// Why there is no line: its time was up, or somebody had it forgotten.
fn gone(lines: &str, at: i64, retention: Retention) -> String {
    match retention {
        Retention { days: 0, .. } => {
            format!("{lines} not kept: evidence_days is 0")
        }
        Retention { days, before } if at < before => {
            let days = count(days.into(), "day", "days");
            format!("{lines} older than {days} and no longer kept")
        }
        _ => format!(
            "{lines} no longer kept: taken out by `tlsnag forget`, or evidence_days was shorter once"
        ),
    }
}

/// The latest occurrence of each kind, then as many of the others as there is room for; latest first.
fn worth_showing(claims: &[Claim], limit: usize) -> Vec<&Claim> {
    let mut chosen: Vec<usize> = Vec::new();
    let kind = |at: usize| (&claims[at].direction, claims[at].class, &claims[at].cause);
    for at in (0..claims.len()).rev() {
        if !chosen.iter().any(|c| kind(*c) == kind(at)) {
            chosen.push(at);
        }
    }
    for at in (0..claims.len()).rev() {
        if chosen.len() < limit && !chosen.contains(&at) {
            chosen.push(at);
        }
    }
    chosen.truncate(limit);
    chosen.sort_unstable_by_key(|at| std::cmp::Reverse(*at));
    chosen.into_iter().map(|at| &claims[at]).collect()
}

fn show(line: &ProofLine, paths: &BTreeMap<i64, String>) -> Note {
    let path = paths.get(&line.source).map_or("?", String::as_str);
    Note::Line(format!("{path}:{}: {}", line.offset, line.text))
}
