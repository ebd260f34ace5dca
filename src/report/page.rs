//! Reports on one page: the numbers, the trend, what to act on, and each peer behind it with its proof. How it looks is the
//! business of `templates/html`.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use crate::outcome::Direction;
use crate::query::changes::{Change, Found, closed, find_changes};
use crate::query::days::{DayMail, find_days};
use crate::query::limits::find_limits;
use crate::query::peer::{Peer, find_peers};
use crate::query::servers::find_servers;
use crate::query::shifts::Course;
use crate::query::summary::{Summary, ToDo, Totals, find_summary};
use crate::query::trend::find_trend;
use crate::query::{Period, Scope};
use crate::store::{Result, Store};

use super::advice::what_to_do;
use super::change_words::{account, which};
use super::changes::is_worth_telling;
use super::chart::{Chart, Mark, Series, Spark};
use super::peer::{self, Retention};
use super::summary::{headline, limits, strangers, what_was_read};
use super::table::{Column, Kind, Note, Section, Table, Value};
use super::words::{count, way, what, whose};
use super::{changes, failures, plaintext, protocols, trend};

/// How many peers have a row, and how many of these a part of their own.
const MOST_PEERS: usize = 50;
const MOST_PARTS: usize = 15;
/// A day with less than this share of the mail of a usual one is left out of the trend: it is the day that has just begun.
const LEAST_SHARE: f64 = 0.05;

/// A page.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// What it is called.
    pub title: String,
    /// One sentence that says it all.
    pub headline: String,
    /// What changed, or that nothing did; empty if that was not asked.
    pub news: String,
    /// The numbers one looks at first.
    pub tiles: Vec<Tile>,
    /// The trend.
    pub chart: Option<Chart>,
    /// All else, in order.
    pub parts: Vec<Part>,
}

/// A number one looks at first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tile {
    /// Of what.
    pub label: &'static str,
    /// The number, with its unit.
    pub value: String,
    /// What it was before, or what it means.
    pub remark: String,
}

/// A part with a heading.
#[derive(Clone, Debug, Default)]
pub struct Part {
    /// The heading.
    pub title: String,
    /// The peer it is about; other parts refer to it by this name.
    pub peer: Option<String>,
    /// What it says.
    pub table: Table,
    /// The lines that prove it: shown to who asks for them.
    pub proof: Vec<Note>,
    /// A small picture for each row of the first section; may be empty.
    pub sparks: Vec<Spark>,
}

impl Page {
    /// A page with one report.
    pub fn of(title: &str, table: &Table) -> Page {
        Page {
            title: title.to_string(),
            headline: table.headline.clone(),
            parts: vec![Part {
                table: Table {
                    headline: String::new(),
                    ..table.clone()
                },
                ..Part::default()
            }],
            ..Page::default()
        }
    }
}

/// Everything an operator wants to see of a period.
pub fn build(store: &Store, scope: &Scope, retention: Retention) -> Result<Page> {
    let summary = find_summary(store, scope)?;
    let days = find_days(store, scope)?;
    let mut trends = find_trend(store, scope)?;
    let peers = peers(store, scope, &summary.to_do)?;
    let changed = find_changed(store, scope)?;
    for trend in &mut trends {
        // By the same days before as all else that is said of a change on the page.
        if let Some(change) = changed.iter().find(|c| c.direction == trend.direction) {
            trend.course = Course::Known(change.found.iter().map(|f| f.shift).collect());
        }
    }
    let mut parts = vec![to_do(store, &summary, &peers, span(scope, &days))?];
    // What changed is told only where there is a period before.
    let reports = [
        ("In clear", plaintext::build(store, scope)?),
        ("Failures", failures::build(store, scope)?),
        ("When it changed", trend::found(&trends)),
        ("Changes", changes::table(&changed, scope)),
        ("Protocols", protocols::build(store, scope)?),
    ];
    for (title, table) in reports {
        if table.sections.iter().any(|s| !s.rows.is_empty()) {
            parts.push(Part {
                title: title.into(),
                // What a change means is said nowhere else.
                table: shortened(table, title == "Changes"),
                ..Part::default()
            });
        }
    }
    for peer in peers.values().take(MOST_PARTS) {
        let mut table = peer::table(store, peer, scope, retention)?;
        let is_heading = |note: &Note| *note == Note::Paragraph(peer::PROOF.into());
        let proof = table.notes.iter().position(is_heading);
        parts.push(Part {
            title: peer.name.clone(),
            peer: Some(peer.name.clone()),
            proof: table.notes.split_off(proof.unwrap_or(table.notes.len())),
            table,
            sparks: Vec::new(),
        });
    }
    parts.push(cannot_tell(store, scope, &summary)?);
    Ok(Page {
        title: "Mail in clear".into(),
        headline: headline(&summary),
        news: news(&changed, scope),
        tiles: tiles(store, scope, &summary)?,
        chart: chart(&days, trend::marks(&trends)),
        parts,
    })
}

/// The changes against the period before, where there is one.
fn find_changed(store: &Store, scope: &Scope) -> Result<Vec<Change>> {
    let mut changes = find_changes(store, &closed(store, scope)?)?;
    changes.retain(is_worth_telling);
    Ok(changes)
}

/// What changed most, in a sentence or two; that nothing did, is said too.
fn news(changes: &[Change], scope: &Scope) -> String {
    if scope.period.from_day.is_none() {
        return String::new();
    }
    if changes.iter().all(|c| c.now.total() == 0) {
        return String::new();
    }
    let all = changes
        .iter()
        .flat_map(|c| c.found.iter().map(move |f| (c, f)));
    let by_size = |f: &Found| (f.shift.is_fall(), f.shift.own.abs());
    let most = all.max_by(|(_, a), (_, b)| {
        by_size(a)
            .partial_cmp(&by_size(b))
            .unwrap_or(Ordering::Equal)
    });
    if let Some((change, found)) = most {
        return format!("{}: {}", which(change.direction), account(found));
    }
    let lost: Vec<&str> = changes
        .iter()
        .flat_map(Change::lost)
        .map(|m| m.peer.as_str())
        .collect();
    let turns = changes.iter().flat_map(|c| &c.turns).count() as u64;
    match (lost.as_slice(), turns) {
        ([], 0) => "No change of what peers do was found in this period.".into(),
        ([], n) => format!(
            "The share did not change; of {} mail that fails ends otherwise than before.",
            count(n, "domain", "domains")
        ),
        ([first, rest @ ..], _) => format!(
            "The share did not change as a whole, but {} less TLS than before.",
            match rest.len() {
                0 => format!("{first} has"),
                n => format!("{first} and {n} more have"),
            }
        ),
    }
}

/// A table with as many rows as one reads. What to do about them is said at the top of the page.
fn shortened(table: Table, keeps_notes: bool) -> Table {
    let (mut sections, mut more) = (table.sections, 0);
    let is_for_people = |s: &Section| s.columns.iter().any(|c| !c.title.is_empty());
    sections.retain(is_for_people);
    for section in &mut sections {
        more += section.rows.len().saturating_sub(MOST_PEERS);
        section.rows.truncate(MOST_PEERS);
    }
    let notes = match more {
        _ if keeps_notes => table.notes.clone(),
        0 => Vec::new(),
        more => vec![Note::Paragraph(format!(
            "... and {more} more, which the report of this name lists."
        ))],
    };
    Table {
        sections,
        notes,
        ..table
    }
}

/// The peers there is something to do about, by their place in the list.
fn peers(store: &Store, scope: &Scope, to_do: &[ToDo]) -> Result<BTreeMap<usize, Peer>> {
    let mut seen = BTreeSet::new();
    let places = to_do.iter().enumerate().take(MOST_PEERS);
    let (places, names): (Vec<usize>, Vec<&str>) = places
        .filter(|(_, entry)| !entry.peer.is_empty() && seen.insert(&entry.peer))
        .map(|(at, entry)| (at, entry.peer.as_str()))
        .unzip();
    let peers = find_peers(store, &names, scope)?;
    let found = places.into_iter().zip(peers);
    Ok(found.filter_map(|(at, peer)| Some((at, peer?))).collect())
}

const TO_DO: &[Column] = &[
    Column::prose("peer"),
    Column::prose("mail"),
    Column {
        name: "",
        title: "times",
        kind: Kind::Number,
    },
    Column::detail("what happens"),
    Column::prose("fault"),
    Column::detail("how sure"),
    Column {
        name: "",
        title: "last",
        kind: Kind::Date,
    },
];

/// The days that pictures show, first and last.
fn span(scope: &Scope, days: &[DayMail]) -> (i32, i32) {
    let of = |day: Option<&DayMail>| day.map_or(0, |d| d.day);
    (
        scope.period.from_day.unwrap_or(of(days.first())),
        scope.period.to_day.unwrap_or(of(days.last())),
    )
}

fn to_do(
    store: &Store,
    summary: &Summary,
    peers: &BTreeMap<usize, Peer>,
    span: (i32, i32),
) -> Result<Part> {
    let shown = &summary.to_do[..summary.to_do.len().min(MOST_PEERS)];
    let mut notes = what_to_do(
        find_servers(store)?,
        shown.iter().map(|t| (t.class, t.cause.as_str())),
    );
    if summary.to_do.len() > shown.len() {
        let more = summary.to_do.len() - shown.len();
        notes.insert(0, Note::Paragraph(format!("... and {more} more.")));
    }
    let spark = |entry: &ToDo| {
        let peer = peers.values().find(|p| p.name == entry.peer);
        peer.map_or(Spark::default(), |p| spark(p, span, entry.direction))
    };
    Ok(Part {
        title: "What to act on".into(),
        peer: None,
        table: Table {
            headline: match shown.is_empty() {
                true => "Nothing.".into(),
                false => String::new(),
            },
            to_do: summary.to_do.len(),
            sections: vec![Section {
                title: "",
                columns: TO_DO,
                rows: shown.iter().map(to_do_row).collect(),
            }],
            notes,
        },
        proof: Vec::new(),
        sparks: shown.iter().map(spark).collect(),
    })
}

fn to_do_row(t: &ToDo) -> Vec<Value> {
    let peer = match t.peer.is_empty() {
        true => Value::text(count(t.peers, "peer", "peers")),
        false => Value::text(&t.peer),
    };
    vec![
        peer,
        Value::text(way(t.direction)),
        Value::Number(t.n),
        Value::text(what(Some(t.class), &t.cause)),
        Value::text(whose(&t.fault)),
        Value::text(t.certainty.words()),
        Value::Time(t.last_seen),
    ]
}

fn spark(peer: &Peer, days: (i32, i32), direction: Direction) -> Spark {
    let one_way = peer.days.iter().filter(|d| d.direction == direction);
    let within = one_way.filter(|d| (days.0..=days.1).contains(&d.day));
    let counts: Vec<_> = within
        .map(|d| {
            let c = &d.counters;
            (d.day, c.encrypted, c.plaintext + c.failed_tls)
        })
        .collect();
    Spark { days, counts }
}

/// The share over TLS by day.
fn chart(days: &[DayMail], marks: Vec<Mark>) -> Option<Chart> {
    let series = [
        (Direction::Outbound, "sent over TLS"),
        (Direction::Inbound, "received over TLS"),
    ]
    .map(|(direction, name)| {
        let one_way = days.iter().filter(|d| d.direction == direction);
        let known: Vec<u64> = one_way.clone().map(DayMail::known).collect();
        let least = LEAST_SHARE * median(known) as f64;
        let usual = one_way.filter(|d| d.known() as f64 >= least);
        let points: Vec<_> = usual.filter_map(|d| Some((d.day, d.share()?))).collect();
        Series { name, points }
    });
    let (first, last) = (days.first()?.day, days.last()?.day);
    let series: Vec<Series> = series
        .into_iter()
        .filter(|s| !s.points.is_empty())
        .collect();
    let from_to = |s: &Series| {
        let (from, to) = (s.points.first()?, s.points.last()?);
        let text = format!("{} {:.1} % at first, {:.1} % at last", s.name, from.1, to.1);
        Some(text)
    };
    let found = marks.iter().map(|mark| mark.words.clone());
    let said: Vec<String> = series.iter().filter_map(from_to).chain(found).collect();
    (!series.is_empty()).then(|| Chart {
        title: "Mail over TLS, by day".into(),
        description: format!(
            "The share over TLS of the mail whose channel is known, per day: {}.",
            said.join("; ")
        ),
        days: (first, last),
        series,
        marks,
    })
}

/// The one in the middle; 0 of nothing.
fn median(mut numbers: Vec<u64>) -> u64 {
    numbers.sort_unstable();
    numbers.get(numbers.len() / 2).copied().unwrap_or(0)
}

/// The same number of days before.
fn before(scope: &Scope) -> Option<Scope> {
    let (from, to) = (scope.period.from_day?, scope.period.to_day?);
    let days = to - from + 1;
    let period = Period {
        from_day: Some(from - days),
        to_day: Some(from - 1),
    };
    Some(Scope { period, ..*scope })
}

fn tiles(store: &Store, scope: &Scope, summary: &Summary) -> Result<Vec<Tile>> {
    let before = match before(scope) {
        Some(scope) => find_days(store, &scope)?,
        None => Vec::new(),
    };
    let mut tiles = Vec::new();
    for t in &summary.totals {
        let earlier = before.iter().filter(|d| d.direction == t.direction);
        let earlier = earlier.fold((0, 0), |sum, d| (sum.0 + d.encrypted, sum.1 + d.plaintext));
        tiles.extend(share_tile(t, earlier));
    }
    let sum = |part: fn(&Totals) -> u64| summary.totals.iter().map(part).sum::<u64>();
    let clear = sum(|t| t.plaintext);
    tiles.push(Tile {
        label: "In clear",
        value: clear.to_string(),
        remark: format!("of {}", count(sum(Totals::total), "message", "messages")),
    });
    tiles.push(Tile {
        label: "To act on",
        value: summary.to_do.len().to_string(),
        remark: match summary.to_do.iter().filter(|t| t.fault == "us").count() {
            0 => "none of them our own".into(),
            n => format!("{n} of them our own"),
        },
    });
    Ok(tiles)
}

/// The share over TLS of one direction, and what it was in the period before.
fn share_tile(totals: &Totals, (encrypted, clear): (u64, u64)) -> Option<Tile> {
    let share = |part: u64, rest: u64| {
        (part + rest > 0).then(|| 100.0 * part as f64 / (part + rest) as f64)
    };
    let now = share(totals.encrypted, totals.plaintext)?;
    Some(Tile {
        label: match totals.direction {
            Direction::Outbound => "Sent over TLS",
            Direction::Inbound => "Received over TLS",
        },
        value: format!("{now:.1} %"),
        remark: match share(encrypted, clear) {
            Some(then) => format!("{then:.1} % in the period before"),
            None => "nothing is known of the period before".into(),
        },
    })
}

fn cannot_tell(store: &Store, scope: &Scope, summary: &Summary) -> Result<Part> {
    let mut notes = limits(&find_limits(store, scope)?);
    notes.extend(strangers(summary.strangers));
    notes.extend(what_was_read(summary));
    Ok(Part {
        title: "What the log cannot tell".into(),
        table: Table {
            headline: match notes.len() {
                0 => "Nothing was read yet.".into(),
                _ => String::new(),
            },
            notes,
            ..Table::default()
        },
        ..Part::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Class;
    use crate::store::fixture::{self, outbound};
    use maillog::Protocol;

    const RETENTION: Retention = Retention {
        days: 90,
        before: 0,
    };

    #[test]
    fn a_page_names_the_peer_in_clear_and_has_a_part_about_it() {
        let store = fixture::store([
            outbound("good.example")
                .encrypted(Protocol::Tls13)
                .times(3)
                .build(),
            outbound("bad.example")
                .plaintext(Class::PlaintextNotOffered)
                .build(),
        ]);
        let page = build(&store, &Scope::ALL, RETENTION).unwrap();
        let values: Vec<_> = page
            .tiles
            .iter()
            .map(|t| (t.label, t.value.as_str()))
            .collect();
        assert_eq!(
            values,
            [
                ("Sent over TLS", "75.0 %"),
                ("In clear", "1"),
                ("To act on", "1")
            ]
        );
        let peers: Vec<_> = page
            .parts
            .iter()
            .filter_map(|p| p.peer.as_deref())
            .collect();
        assert_eq!(peers, ["bad.example"]);
        assert_eq!(page.chart.map(|c| c.series[0].points.len()), Some(1));
        assert_eq!(page.parts[0].sparks[0].counts[0].2, 1);
    }

    #[test]
    fn a_page_of_an_empty_store_says_so() {
        let page = build(&fixture::store([]), &Scope::ALL, RETENTION).unwrap();
        assert_eq!(page.headline, "No mail is known of in this period.");
        assert!(page.chart.is_none());
        assert_eq!(page.parts[0].table.headline, "Nothing.");
    }
}
