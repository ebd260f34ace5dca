//! The answer for programs: one row for each total, peer and person, all of one shape.

use crate::outcome::Direction;
use crate::query::tally::Problem;
use crate::query::whatif::{Fate, Loss, Person, Total, Unseen};

use super::super::table::{Column, Kind, Value};
use super::{Case, to_keep};

pub(super) const FIELDS: &[Column] = &[
    Column::field("item", Kind::Text),
    Column::field("direction", Kind::Text),
    Column::field("name", Kind::Text),
    Column::field("lost", Kind::Number),
    Column::field("unknown", Kind::Number),
    Column::field("kept", Kind::Number),
    Column::field("class", Kind::Text),
    Column::field("cause", Kind::Text),
    Column::field("fault", Kind::Text),
    Column::field("certainty", Kind::Text),
    Column::field("last_lost", Kind::Date),
    Column::field("last_kept", Kind::Date),
    Column::field("spared", Kind::Number),
    Column::field("weak", Kind::Number),
    Column::field("peers", Kind::Number),
    Column::field("organisation", Kind::Text),
    Column::field("to_keep", Kind::Text),
    Column::field("own_entry", Kind::Number),
];

/// One row for programs. What it has not, stays empty.
#[derive(Default)]
struct Row<'r> {
    item: &'r str,
    name: &'r str,
    fate: Fate,
    problem: Problem,
    certainty: &'r str,
    /// The latest mail lost and kept, 0 for none.
    last: (i64, i64),
    weak: u64,
    peers: u64,
    organisation: &'r str,
    /// Rather in clear by an entry of our own.
    is_own_entry: bool,
}

impl Row<'_> {
    fn cells(&self, direction: Direction, case: &Case<'_>) -> Vec<Value> {
        let time = |at: i64| match at {
            0 => Value::text(""),
            at => Value::Time(at),
        };
        vec![
            Value::text(self.item),
            Value::text(direction.name()),
            Value::text(self.name),
            Value::Number(self.fate.lost),
            Value::Number(self.fate.unknown),
            Value::Number(self.fate.kept),
            Value::text(self.problem.class_name()),
            Value::text(&self.problem.cause),
            Value::text(&self.problem.fault),
            Value::text(self.certainty),
            time(self.last.0),
            time(self.last.1),
            Value::Number(self.fate.spared),
            Value::Number(self.weak),
            Value::Number(self.peers),
            Value::text(self.organisation),
            Value::text(to_keep(&self.problem, case)),
            Value::Number(self.is_own_entry.into()),
        ]
    }
}

/// Everything in one shape.
pub(super) fn rows(case: &Case<'_>) -> Vec<Vec<Value>> {
    let answer = case.answer;
    let total = |t: &Total| {
        let row = Row {
            item: "mail",
            fate: t.fate,
            weak: t.weak,
            peers: t.peers,
            ..Row::default()
        };
        row.cells(t.direction, case)
    };
    let unseen = |u: &Unseen| {
        let fate = Fate {
            unknown: u.mails,
            ..Fate::default()
        };
        let row = Row {
            item: "unseen",
            fate,
            peers: u.peers,
            ..Row::default()
        };
        row.cells(u.direction, case)
    };
    let peer = |l: &Loss| {
        let row = Row {
            item: "peer",
            name: &l.peer,
            fate: l.fate,
            problem: l.problem.clone(),
            certainty: l.certainty.words(),
            last: (l.last_lost, l.last_kept),
            peers: 1,
            organisation: &l.organisation,
            is_own_entry: l.is_own_entry,
            ..Row::default()
        };
        row.cells(l.direction, case)
    };
    let person = |p: &Person| {
        let row = Row {
            item: "person",
            name: &p.address,
            fate: p.fate,
            problem: p.problem.clone(),
            certainty: p.certainty.words(),
            last: (p.last_lost, 0),
            ..Row::default()
        };
        row.cells(p.direction, case)
    };
    let totals = answer.totals.iter().map(total);
    let peers = answer.losses.iter().chain(&answer.unknown).map(peer);
    let people = answer.people.iter().map(person);
    totals
        .chain(answer.unseen.iter().map(unseen))
        .chain(peers)
        .chain(people)
        .collect()
}
