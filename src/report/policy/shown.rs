//! The difference between the map in use and the one that follows from the evidence, as a table.

use std::collections::BTreeSet;

use crate::outcome::Direction;

use super::super::advice::logging_cure;
use super::super::format::date;
use super::super::table::{Column, Kind, Note, Section, Table, Value};
use super::super::words::count;
use super::file::{Change, Fate, Merged};
use super::plan::Plan;
use super::{Base, Question};

const FIELDS: &[Column] = &[
    Column::field("change", Kind::Text),
    Column::field("key", Kind::Text),
    Column::field("value", Kind::Text),
    Column::field("before", Kind::Text),
    Column::field("until", Kind::Date),
    Column::field("days", Kind::Number),
    Column::field("messages", Kind::Number),
    Column::field("last_seen", Kind::Date),
    Column::field("reason", Kind::Text),
];

const CHANGES: &[Column] = &[
    Column::prose("change"),
    Column::prose("entry"),
    Column {
        name: "",
        title: "until",
        kind: Kind::Date,
    },
    Column::detail("why"),
];

impl Fate {
    /// The word for programs, and the one for people.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Fate::Added => ("added", "+ added"),
            Fate::Changed => ("changed", "~ changed"),
            Fate::TakenBack => ("taken-back", "- taken back"),
            Fate::Renewed => ("renewed", "= renewed"),
            Fate::Kept => ("kept", "= kept"),
            Fate::Yours => ("yours", "  yours holds"),
        }
    }
}

/// The difference. `in_use`: there is a map to differ from.
pub(super) fn table(question: &Question, plan: &Plan, merged: &Merged, in_use: bool) -> Table {
    let number = |fate| merged.changes.iter().filter(|c| c.fate == fate).count();
    let to_do = number(Fate::Added) + number(Fate::Changed) + number(Fate::TakenBack);
    let shown = merged
        .changes
        .iter()
        .filter(|c| !matches!(c.fate, Fate::Kept | Fate::Renewed));
    Table {
        headline: headline(plan, merged, in_use),
        to_do,
        sections: vec![
            Section {
                title: "",
                columns: FIELDS,
                rows: fields(plan, merged).into(),
            },
            Section {
                title: "",
                columns: CHANGES,
                rows: shown.map(row).collect(),
            },
        ],
        notes: notes(question, plan),
    }
}

fn headline(plan: &Plan, merged: &Merged, in_use: bool) -> String {
    let number = |fate| merged.changes.iter().filter(|c| c.fate == fate).count() as u64;
    let entries = |n| count(n, "entry", "entries");
    let refused = match &plan.refusal {
        Some(refusal) => format!("No entry is added: {refusal}. "),
        None => String::new(),
    };
    if !in_use {
        return format!("{refused}{} by the evidence.", entries(number(Fate::Added)));
    }
    let rest = number(Fate::Renewed) + number(Fate::Kept);
    format!(
        "{refused}{} added, {} changed, {} taken back, {} as before; {} of your own stay as they are.",
        entries(number(Fate::Added)),
        number(Fate::Changed),
        number(Fate::TakenBack),
        rest,
        entries(merged.yours as u64)
    )
}

fn row(change: &Change) -> Vec<Value> {
    let e = &change.entry;
    let entry = match &change.before {
        Some(before) => format!("{} {} (was {before})", e.key, e.value),
        None => format!("{} {}", e.key, e.value),
    };
    vec![
        Value::text(change.fate.words().1),
        Value::text(entry),
        Value::text(match change.fate {
            Fate::TakenBack | Fate::Yours => String::new(),
            _ => date(e.until),
        }),
        Value::text(&e.reason),
    ]
}

/// Everything in one shape, for programs: what changes, then who has no entry.
fn fields(plan: &Plan, merged: &Merged) -> Vec<Vec<Value>> {
    let day = |day: i32| match day {
        0 => Value::text(""),
        day => Value::Day(day),
    };
    let changes = merged.changes.iter().map(|c| {
        vec![
            Value::text(c.fate.words().0),
            Value::text(&c.entry.key),
            Value::text(&c.entry.value),
            Value::text(c.before.clone().unwrap_or_default()),
            day(c.entry.until),
            Value::Number(c.entry.days.into()),
            Value::Number(c.entry.messages),
            day(c.entry.last),
            Value::text(&c.entry.reason),
        ]
    });
    let told: BTreeSet<&str> = merged
        .changes
        .iter()
        .map(|c| c.entry.key.as_str())
        .collect();
    let others = plan
        .without
        .iter()
        .filter(|(key, _)| !told.contains(key.as_str()));
    let others = others.map(|(key, without)| {
        let mut cells = vec![Value::text("left-out"), Value::text(key)];
        cells.extend(["", "", ""].map(Value::text));
        cells.extend([Value::Number(0), Value::Number(0), Value::text("")]);
        cells.push(Value::text(&without.reason));
        cells
    });
    changes.chain(others).collect()
}

fn notes(question: &Question, plan: &Plan) -> Vec<Note> {
    let mut notes: Vec<Note> = plan.cures.iter().map(|c| Note::Line(c.clone())).collect();
    let peers = match (question.direction, question.rules.server) {
        (Direction::Inbound, _) => "Clients",
        (_, super::Server::Postfix) => "Domains",
        (_, super::Server::Sendmail) => "MX hosts",
    };
    if !plan.left_out.is_empty() {
        notes.push(Note::Paragraph(format!(
            "{peers} without an entry, and why (--format json names them):"
        )));
        let items = plan.left_out.iter();
        notes.extend(items.map(|(why, n)| Note::Item(format!("{n}: {why}"))));
    }
    if plan.invalid > 0 {
        notes.push(Note::Paragraph(format!(
            "Left out: {} that can stand in no map.",
            count(plan.invalid, "name", "names")
        )));
    }
    if plan.refusal.is_none() {
        notes.extend(blind(question, plan));
    }
    notes
}

/// Mail whose channel the log does not tell, and what that means for a map.
fn blind(question: &Question, plan: &Plan) -> Vec<Note> {
    let unknown: u64 = plan.blind.iter().map(|s| s.unknown).sum();
    if unknown == 0 {
        return Vec::new();
    }
    let meaning = match question.base {
        Base::May => "days with such mail do not count as clean",
        Base::Encrypt => "if some of it went in clear, it will be held back",
    };
    let mut notes = vec![Note::Paragraph(format!(
        "Of {} sent lately the log does not tell whether TLS was used: {meaning}.",
        count(unknown, "mail", "mails")
    ))];
    for service in plan.blind.iter().filter(|s| !s.logs) {
        notes.push(Note::Item(format!(
            "{} on {} is not known to log TLS; this makes it:",
            service.tag, service.host
        )));
        notes.push(Note::Line(logging_cure(service)));
    }
    notes
}
