//! `store info` and `store check`: what the store holds, and whether it is whole. Not in [`super::ALL`]: they are about the store,
//! not about mail.

use std::path::Path;

use crate::query::{Period, Scope};
use crate::store::{Bookmark, Check, Contents, RunCounts};

use super::findings::minute;
use super::format::date;
use super::table::{Column, Kind, Section, Table, Value};
use super::words::count;

const FIELDS: &[Column] = &[
    Column::field("item", Kind::Text),
    Column::field("name", Kind::Text),
    Column::field("value", Kind::Text),
    Column::field("count", Kind::Number),
];

const FACTS: &[Column] = &[Column::prose("what"), Column::prose("value")];

const ROWS: &[Column] = &[
    Column::prose("table"),
    Column {
        name: "",
        title: "rows",
        kind: Kind::Number,
    },
    Column::prose("a row is one of the"),
];

const PERSONAL: &[Column] = &[
    Column {
        name: "",
        title: "number",
        kind: Kind::Number,
    },
    Column::prose("what may hold mail addresses"),
];

const SOURCES: &[Column] = &[
    Column::prose("log"),
    Column {
        name: "",
        title: "lines",
        kind: Kind::Number,
    },
    Column {
        name: "",
        title: "read to byte",
        kind: Kind::Number,
    },
    Column::prose("newest record"),
];

/// The logs read, for people.
pub(super) fn sources(sources: &[Bookmark]) -> Section {
    let row = |source: &Bookmark| {
        vec![
            Value::text(&source.path),
            Value::Number(source.lines),
            Value::Number(source.offset),
            Value::text(minute(source.last_seen)),
        ]
    };
    section(
        "Logs, the newest first",
        SOURCES,
        sources.iter().map(row).collect(),
    )
}

const CHECKS: &[Column] = &[
    Column::both("name", "check", Kind::Text),
    Column::both("verdict", "verdict", Kind::Text),
    Column::field("wrong", Kind::Text),
    Column::detail("why"),
];

/// All that `store info` shows.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// Where the store lies.
    pub path: &'a Path,
    /// Its size in bytes, with what SQLite keeps beside it.
    pub bytes: u64,
    /// What is in it.
    pub contents: Contents,
    /// All imports added up.
    pub runs: RunCounts,
    /// The logs read, the one with the newest records first.
    pub sources: Vec<Bookmark>,
}

/// What the store holds.
pub fn info(facts: &Facts<'_>) -> Table {
    let contents = &facts.contents;
    let values = values(facts);
    let mut rows: Vec<Vec<Value>> = values
        .iter()
        .map(|(name, words, n)| field("store", name, words, *n))
        .collect();
    rows.extend(
        contents
            .rows
            .iter()
            .map(|(table, words, n)| field("rows", table, words, *n)),
    );
    rows.extend(
        contents
            .personal
            .iter()
            .map(|(words, n)| field("personal", words, "", *n)),
    );
    rows.extend(
        facts
            .sources
            .iter()
            .map(|s| field("source", &s.path, &minute(s.last_seen), s.lines)),
    );
    let line =
        |(name, words, _): &(&str, String, u64)| vec![Value::text(*name), Value::text(words)];
    let of_table = |(table, words, n): &(&'static str, &'static str, u64)| {
        vec![Value::text(*table), Value::Number(*n), Value::text(*words)]
    };
    Table {
        headline: format!("The store {}.", facts.path.display()),
        sections: vec![
            section("", FIELDS, rows),
            section("", FACTS, values.iter().map(line).collect()),
            section("Rows", ROWS, contents.rows.iter().map(of_table).collect()),
            section(
                "Personal data",
                PERSONAL,
                contents
                    .personal
                    .iter()
                    .map(|(words, n)| vec![Value::Number(*n), Value::text(*words)])
                    .collect(),
            ),
            sources(&facts.sources),
        ],
        ..Table::default()
    }
}

/// Name, value in words, value as a number.
fn values(facts: &Facts<'_>) -> Vec<(&'static str, String, u64)> {
    let contents = &facts.contents;
    let peers = contents
        .rows
        .iter()
        .find(|(table, ..)| *table == "peer")
        .map_or(0, |(.., n)| *n);
    let days = contents.days.map_or_else(
        || ("none".to_string(), 0),
        |(first, last)| {
            let n = u64::from(last.abs_diff(first)) + 1;
            (
                format!(
                    "{} to {} ({})",
                    date(first),
                    date(last),
                    count(n, "day", "days")
                ),
                n,
            )
        },
    );
    let imported = match facts.runs.at {
        0 => "never".to_string(),
        at => minute(at),
    };
    vec![
        (
            "size",
            format!("{} kB", facts.bytes.div_ceil(1000)),
            facts.bytes,
        ),
        (
            "schema version",
            contents.version.to_string(),
            contents.version.unsigned_abs(),
        ),
        ("days covered", days.0, days.1),
        ("peers", peers.to_string(), peers),
        (
            "logs read",
            facts.sources.len().to_string(),
            facts.sources.len() as u64,
        ),
        ("lines read", facts.runs.lines.to_string(), facts.runs.lines),
        ("last import", imported, facts.runs.at.unsigned_abs()),
    ]
}

fn field(item: &str, name: &str, value: &str, n: u64) -> Vec<Value> {
    vec![
        Value::text(item),
        Value::text(name),
        Value::text(value),
        Value::Number(n),
    ]
}

fn section(title: &'static str, columns: &'static [Column], rows: Vec<Vec<Value>>) -> Section {
    Section {
        title,
        columns,
        rows: rows.into(),
    }
}

/// How the checks went.
pub fn check(path: &Path, checks: &[Check]) -> Table {
    let broken = checks.iter().filter(|c| !c.wrong.is_empty()).count();
    let row = |check: &Check| {
        let (verdict, why) = match check.wrong.is_empty() {
            true => ("ok", check.words.to_string()),
            false => (
                "broken",
                format!("it does not hold that {}: {}", check.words, check.wrong),
            ),
        };
        vec![
            Value::text(check.name),
            Value::text(verdict),
            Value::text(&check.wrong),
            Value::text(why),
        ]
    };
    let path = path.display();
    Table {
        headline: match broken {
            0 => format!("The store {path} is whole and agrees with itself."),
            _ => format!(
                "The store {path} is broken: {broken} of {} checks fail.",
                checks.len()
            ),
        },
        to_do: broken,
        sections: vec![section("", CHECKS, checks.iter().map(row).collect())],
        ..Table::default()
    }
}

/// The days covered, for the heading.
pub fn scope(contents: &Contents) -> Scope {
    let period = contents
        .days
        .map_or(Period::default(), |(first, last)| Period {
            from_day: Some(first),
            to_day: Some(last),
        });
    Scope {
        period,
        ..Scope::ALL
    }
}
