//! `doctor`: what the answers rest on, the worst first. Not in [`super::ALL`]: it is told the present, where the store lies, and how
//! its check went.
//!
//! What is found and what cures it is in `findings`.

use std::collections::BTreeMap;
use std::path::Path;

use crate::outcome::ProofLine;
use crate::query::Scope;
use crate::query::doctor::{Health, find_health};
use crate::query::servers::find_servers;
use crate::store::{Bookmark, Check, Result, Shape, Store};

use super::findings::{self, Finding, Verdict, minute};
use super::store::sources;
use super::table::{Column, Kind, Note, Section, Table, Value};

/// How many shapes of lines not recognised are shown.
const MOST_SHAPES: usize = 10;
/// How many logs people see, unless they ask for all.
const MOST_SOURCES: usize = 5;

const FIELDS: &[Column] = &[
    Column::field("item", Kind::Text),
    Column::field("verdict", Kind::Text),
    Column::field("about", Kind::Text),
    Column::field("reason", Kind::Text),
    Column::field("cure", Kind::Text),
    Column::field("count", Kind::Number),
    Column::field("since", Kind::Date),
    Column::field("proof", Kind::Text),
];

const FINDINGS: &[Column] = &[
    Column::prose("verdict"),
    Column::prose("about"),
    Column::detail("why"),
];

const SHAPES: &[Column] = &[
    Column {
        name: "",
        title: "lines",
        kind: Kind::Number,
    },
    Column::prose("shape (what differs from line to line as *)"),
];

/// What is known beside the store.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// The present, in seconds since 1970 UTC.
    pub now: i64,
    /// Where the store lies.
    pub path: &'a Path,
    /// How its check went.
    pub checks: &'a [Check],
}

/// The page. A store whose file is damaged is asked nothing: its answers might be wrong.
pub fn build(store: &Store, scope: &Scope, around: Surroundings<'_>) -> Result<Table> {
    let mut found = findings::store(around.checks, around.path);
    if around
        .checks
        .iter()
        .any(|c| c.name == "file" && !c.wrong.is_empty())
    {
        let reason = "not asked: a damaged store may answer wrongly";
        found.push(Finding::new(
            Verdict::Unknown,
            "reading",
            "all the rest",
            reason,
        ));
        return Ok(page(found, &Health::default(), scope, &BTreeMap::new()));
    }
    let health = find_health(store, scope)?;
    found.extend(findings::find_all(
        &health,
        find_servers(store)?,
        around.now,
    ));
    let paths = store.source_paths()?.into_iter().collect();
    Ok(page(found, &health, scope, &paths))
}

fn page(
    mut found: Vec<Finding>,
    health: &Health,
    scope: &Scope,
    paths: &BTreeMap<i64, String>,
) -> Table {
    found.sort_by_key(|finding| finding.verdict);
    let to_do = found.iter().filter(|f| f.verdict == Verdict::Look).count();
    let shapes: Vec<&Shape> = health
        .shapes
        .iter()
        .filter(|s| !s.shape.is_empty())
        .take(MOST_SHAPES)
        .collect();
    let shown = if scope.all { usize::MAX } else { MOST_SOURCES };
    let sections = vec![
        Section {
            title: "",
            columns: FIELDS,
            rows: all_fields(&found, &shapes, health, paths).into(),
        },
        Section {
            title: "",
            columns: FINDINGS,
            rows: found.iter().map(|f| row(f, paths)).collect(),
        },
        Section {
            title: "Lines not recognised, the most frequent shapes",
            columns: SHAPES,
            rows: shapes
                .iter()
                .map(|s| vec![Value::Number(s.n), Value::text(&s.shape)])
                .collect(),
        },
        sources(&health.sources[..health.sources.len().min(shown)]),
    ];
    let mut notes = Vec::new();
    if health.sources.len() > shown {
        let more = health.sources.len() - shown;
        notes.push(Note::Paragraph(format!(
            "... and {more} older logs (--all shows them)."
        )));
    }
    notes.extend(cures(&found));
    Table {
        headline: headline(&found, to_do),
        to_do,
        sections,
        notes,
    }
}

/// Everything in one shape, for programs.
fn all_fields(
    found: &[Finding],
    shapes: &[&Shape],
    health: &Health,
    paths: &BTreeMap<i64, String>,
) -> Vec<Vec<Value>> {
    let findings = found.iter().map(|finding| fields(finding, paths));
    let shapes = shapes.iter().map(|shape| shape_fields(shape));
    let sources = health.sources.iter().map(source_fields);
    findings.chain(shapes).chain(sources).collect()
}

fn headline(found: &[Finding], to_do: usize) -> String {
    let number = |verdict| found.iter().filter(|f| f.verdict == verdict).count();
    let look = match to_do {
        0 => "Nothing to look at".to_string(),
        1 => "1 thing to look at".to_string(),
        n => format!("{n} things to look at"),
    };
    format!(
        "{look}, {} that cannot be told, {} in order.",
        number(Verdict::Unknown),
        number(Verdict::Ok)
    )
}

/// The word for programs, and the words for people.
fn words(verdict: Verdict) -> (&'static str, &'static str) {
    match verdict {
        Verdict::Look => ("look", "LOOK AT THIS"),
        Verdict::Unknown => ("unknown", "cannot tell"),
        Verdict::Ok => ("ok", "ok"),
    }
}

fn row(finding: &Finding, paths: &BTreeMap<i64, String>) -> Vec<Value> {
    let proof = finding.proof.as_ref().map(|line| place(line, paths));
    let reason = match proof {
        Some(place) => format!("{} (the line: {place})", finding.reason),
        None => finding.reason.clone(),
    };
    vec![
        Value::text(words(finding.verdict).1),
        Value::text(&finding.about),
        Value::text(reason),
    ]
}

/// File and byte offset of a line.
fn place(line: &ProofLine, paths: &BTreeMap<i64, String>) -> String {
    let path = paths.get(&line.source).map_or("?", String::as_str);
    format!("{path}:{}", line.offset)
}

fn fields(finding: &Finding, paths: &BTreeMap<i64, String>) -> Vec<Value> {
    let proof = finding.proof.as_ref();
    vec![
        Value::text(finding.item),
        Value::text(words(finding.verdict).0),
        Value::text(&finding.about),
        Value::text(&finding.reason),
        Value::text(finding.cure.join("\n")),
        Value::Number(finding.count),
        finding.since.map_or_else(|| Value::text(""), Value::Time),
        Value::text(proof.map_or(String::new(), |line| {
            format!("{}: {}", place(line, paths), line.text)
        })),
    ]
}

fn shape_fields(shape: &Shape) -> Vec<Value> {
    let empty = || Value::text("");
    let first = match shape.first {
        0 => empty(),
        at => Value::Time(at),
    };
    vec![
        Value::text("shape"),
        empty(),
        Value::text(&shape.shape),
        empty(),
        empty(),
        Value::Number(shape.n),
        first,
        empty(),
    ]
}

fn source_fields(source: &Bookmark) -> Vec<Value> {
    let empty = || Value::text("");
    let reason = format!(
        "read to byte {}, newest record {}",
        source.offset,
        minute(source.last_seen)
    );
    vec![
        Value::text("source"),
        empty(),
        Value::text(&source.path),
        Value::text(reason),
        empty(),
        Value::Number(source.lines),
        Value::Time(source.first_seen),
        empty(),
    ]
}

/// The lines that cure what was found, each once.
fn cures(found: &[Finding]) -> Vec<Note> {
    let mut told: Vec<(&[String], Vec<&str>)> = Vec::new();
    for finding in found.iter().filter(|f| !f.cure.is_empty()) {
        match told.iter_mut().find(|(cure, _)| *cure == finding.cure) {
            Some((_, abouts)) => abouts.push(&finding.about),
            None => told.push((&finding.cure, vec![&finding.about])),
        }
    }
    let mut notes = Vec::new();
    if !told.is_empty() {
        notes.push(Note::Paragraph("What to do:".into()));
    }
    for (cure, mut abouts) in told {
        abouts.dedup();
        notes.push(Note::Item(format!("{}:", abouts.join("; "))));
        notes.extend(cure.iter().map(|line| Note::Line(line.clone())));
    }
    notes
}
