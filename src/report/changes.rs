//! `changes`: how the share over TLS moved against the period before, since when, and who carries it.

use crate::query::Scope;
use crate::query::changes::{
    Become, Change, Found, Known, Moved, closed, find_changes, period_before,
};
use crate::query::fallback::Turn;
use crate::query::parts::{Component, Part};
use crate::query::shifts::Shift;
use crate::query::verdict::Shape;
use crate::store::{Result, Store};

use super::change_words::{becomes, course, explanation, shape_name, unchanged};
use super::format::date;
use super::table::{Column, Kind, Note, Section, Table, Value};
use super::words::{sentence_case, way};

/// How many peers of a direction people see, and how many of each other kind.
const MOST_ENTRIES: usize = 10;
const MOST_OF_A_KIND: usize = 3;
/// What moved the share by less than this, in parts of one, is not shown unless all is asked for.
const LEAST: f64 = 0.0005;

/// For programs.
const FIELDS: &[Column] = &[
    Column::field("item", Kind::Text),
    Column::field("direction", Kind::Text),
    Column::field("peer", Kind::Text),
    Column::field("points", Kind::Number),
    Column::field("rate", Kind::Number),
    Column::field("mix", Kind::Number),
    Column::field("share_before", Kind::Number),
    Column::field("share_now", Kind::Number),
    Column::field("mail_before", Kind::Number),
    Column::field("mail_now", Kind::Number),
    Column::field("what", Kind::Text),
    Column::field("onset", Kind::Date),
    Column::field("steepest", Kind::Date),
    Column::field("end", Kind::Date),
    Column::field("confidence", Kind::Number),
    Column::field("carried_by", Kind::Text),
];

const fn number(title: &'static str) -> Column {
    Column {
        name: "",
        title,
        kind: Kind::Number,
    }
}

const PEERS: &[Column] = &[
    Column::prose("peer"),
    Column::prose("mail"),
    number("points"),
    number("by itself"),
    number("by amount"),
    number("% before"),
    number("% now"),
    number("of"),
];

const MOVED: &[Column] = &[
    Column::prose("peer"),
    Column::prose("mail"),
    Column::prose("since"),
    Column::prose("has"),
    number("% before"),
    number("% since"),
    number("of"),
];

const OTHER_SIDES: &[Column] = &[
    Column::prose("of"),
    Column::prose("mail"),
    Column::prose("name"),
    number("points"),
    number("messages before"),
    number("now"),
];

pub(super) fn build(store: &Store, scope: &Scope) -> Result<Table> {
    let scope = closed(store, scope)?;
    let mut changes = find_changes(store, &scope)?;
    changes.retain(is_worth_telling);
    Ok(table(&changes, &scope))
}

/// A direction without any mail is nothing to talk about.
pub(super) fn is_worth_telling(change: &Change) -> bool {
    change.before.total() + change.now.total() > 0 || !change.turns.is_empty()
}

/// The changes written down.
pub(super) fn table(changes: &[Change], scope: &Scope) -> Table {
    let known = changes.iter().any(|c| c.before.total() + c.now.total() > 0);
    if !known && changes.iter().all(|c| c.turns.is_empty()) {
        return Table {
            headline: headline(changes, scope, false),
            sections: vec![section("", FIELDS, Vec::new())],
            ..Table::default()
        };
    }
    let mut notes: Vec<Note> = Vec::new();
    for change in changes {
        notes.extend(explanation(change));
    }
    notes.push(Note::Paragraph(
        "The points of all peers add up to the change: \"by itself\" is what a peer did, \"by amount\" that more or less of the mail was its.".into(),
    ));
    let rows = |of: fn(&Change, &Scope) -> Vec<Vec<Value>>| -> Vec<Vec<Value>> {
        changes
            .iter()
            .flat_map(|change| of(change, scope))
            .collect()
    };
    Table {
        headline: headline(changes, scope, known),
        to_do: changes.iter().filter(|c| is_alarming(c)).count(),
        sections: vec![
            section("", PEERS, rows(peer_rows)),
            section("Who lost or won TLS", MOVED, rows(moved_rows)),
            section("Where it lies", OTHER_SIDES, rows(other_rows)),
            section("", FIELDS, rows(fields)),
        ],
        notes,
    }
}

/// The section that programs read.
pub(super) fn fields_section(rows: Vec<Vec<Value>>) -> Section {
    section("", FIELDS, rows)
}

fn section(title: &'static str, columns: &'static [Column], rows: Vec<Vec<Value>>) -> Section {
    Section {
        title,
        columns,
        rows: rows.into(),
    }
}

fn headline(changes: &[Change], scope: &Scope, known: bool) -> String {
    let Some(before) = period_before(scope).filter(|_| known) else {
        return match scope.period.from_day {
            Some(_) => "No mail is known of in this period, nor in the one before.".into(),
            None => "A change needs two periods: name the later one, such as --since 7d.".into(),
        };
    };
    let said: Vec<String> = changes.iter().filter_map(sentence).collect();
    let days = (before.period.from_day, before.period.to_day);
    let is_compared = changes.iter().any(|c| c.before.total() > 0) || said.is_empty();
    let compared = match days {
        (Some(from), Some(to)) if is_compared => {
            format!("Against {} to {}: ", date(from), date(to))
        }
        _ => String::new(),
    };
    let said = match said.is_empty() {
        true => "too few messages to say".to_string(),
        false => said.join("; "),
    };
    match compared.is_empty() {
        true => sentence_case(&format!("{said}.")),
        false => format!("{compared}{said}."),
    }
}

fn sentence(change: &Change) -> Option<String> {
    if let (Shape::TooFew, Some(found)) = (&change.shape, change.found.last()) {
        return Some(format!(
            "of mail {}, {}",
            way(change.direction),
            course(&found.shift)
        ));
    }
    let percent = |known: Known| known.share().map(|share| 100.0 * share);
    let (before, now) = (percent(change.before)?, percent(change.now)?);
    let way = way(change.direction);
    Some(match change.shape {
        Shape::TooFew => return None,
        Shape::Steady if !change.found.is_empty() => {
            format!("{way} mail is at {now:.1} % over TLS, and was not so on all days between")
        }
        Shape::Steady => unchanged(way, (Some(before), now), now, ["", ""]),
        Shape::Cancelling => format!(
            "{way} mail is at {now:.1} % over TLS as before, but peers changed in both directions"
        ),
        _ => format!("{way} mail went from {before:.1} % to {now:.1} % over TLS"),
    })
}

/// Peers, or we, have less TLS than before. That others write more is nothing to act on.
fn is_alarming(change: &Change) -> bool {
    let falls = change.shape.is_of_rates() && change.difference() < 0.0
        || change.found.iter().any(|f| f.shift.is_fall());
    let is_lost = change.lost().next().is_some() || !change.turns.is_empty();
    falls || is_lost || change.shape == Shape::Cancelling
}

/// By how much the share moved; empty where one of the periods has none.
fn whole_points(change: &Change, effect: f64) -> Value {
    match change.before.total().min(change.now.total()) {
        0 => Value::text(""),
        _ => points(effect),
    }
}

fn points(effect: f64) -> Value {
    // Nothing has no sign.
    Value::Share((1000.0 * effect).round() / 10.0 + 0.0)
}

/// The share over TLS; empty where there was no mail.
pub(super) fn share(known: Known) -> Value {
    match known.total() {
        0 => Value::text(""),
        total => Value::share(known.encrypted, total),
    }
}

/// The peers that are shown to people.
fn shown<'c>(change: &'c Change, scope: &Scope) -> impl Iterator<Item = &'c Part> {
    let all = scope.all;
    let limit = if all { usize::MAX } else { MOST_ENTRIES };
    let told = change.shape.is_told();
    let parts = change.parts.iter();
    let shown = parts.filter(move |part| all || (told && part.effect().abs() >= LEAST));
    shown.take(limit)
}

fn peer_rows(change: &Change, scope: &Scope) -> Vec<Vec<Value>> {
    let sum = |part: fn(&Part) -> f64| change.parts.iter().map(part).sum::<f64>();
    let row = |name: &str, effect: [f64; 3], before: Known, now: Known| {
        let [all, rate, mix] = effect.map(|e| whole_points(change, e));
        vec![
            Value::text(name),
            Value::text(way(change.direction)),
            all,
            rate,
            mix,
            share(before),
            share(now),
            Value::Number(now.total()),
        ]
    };
    let whole = [change.difference(), sum(|p| p.rate), sum(|p| p.mix)];
    let mut rows = vec![row("(all)", whole, change.before, change.now)];
    rows.extend(
        shown(change, scope).map(|p| row(&p.peer, [p.effect(), p.rate, p.mix], p.before, p.now)),
    );
    rows
}

fn moved_rows(change: &Change, _: &Scope) -> Vec<Vec<Value>> {
    let row = |m: &Moved| {
        vec![
            Value::text(&m.peer),
            Value::text(way(change.direction)),
            Value::Day(m.shift.onset),
            Value::text(becomes(m.what)),
            share(m.shift.before),
            share(m.shift.after),
            Value::Number(m.shift.after.total()),
        ]
    };
    change.moved.iter().map(row).collect()
}

/// By operator, service, reason and protocol: each only where there is more than one, or where it says why.
fn other_rows(change: &Change, _: &Scope) -> Vec<Vec<Value>> {
    if !change.shape.is_told() {
        return Vec::new();
    }
    let row = |of: &str, name: &str, effect: f64, before: u64, now: u64| {
        let row = vec![
            Value::text(of),
            Value::text(way(change.direction)),
            Value::text(name),
            points(effect),
            Value::Number(before),
            Value::Number(now),
        ];
        (effect.abs() >= LEAST).then_some(row)
    };
    let facets = &change.facets;
    let mut rows = Vec::new();
    // An operator with one domain only was told as that.
    let is_peer = |operator: &Part| {
        let same = |p: &Part| (p.before, p.now) == (operator.before, operator.now);
        change.parts.iter().any(same)
    };
    let operators = facets.operators.iter().filter(|p| !is_peer(p)).cloned();
    let operators: Vec<Part> = operators.collect();
    for (of, parts) in [("operator", &operators), ("our service", &facets.services)] {
        let several = parts
            .iter()
            .filter(|_| parts.len() > 1)
            .take(MOST_OF_A_KIND);
        rows.extend(
            several.filter_map(|p| row(of, &p.peer, p.effect(), p.before.total(), p.now.total())),
        );
    }
    for (of, list) in [("reason", &facets.reasons), ("protocol", &facets.protocols)] {
        let first = list.iter().take(MOST_OF_A_KIND);
        rows.extend(first.filter_map(|c| row(of, &c.name, c.effect, c.before, c.now)));
    }
    rows
}

/// What programs read: one row for everything that is told.
fn fields(change: &Change, scope: &Scope) -> Vec<Vec<Value>> {
    let way = change.direction.name();
    let sum = |part: fn(&Part) -> f64| change.parts.iter().map(part).sum::<f64>();
    let moved = [change.difference(), sum(|p| p.rate), sum(|p| p.mix)];
    let has_both = change.before.total().min(change.now.total()) > 0;
    let whole = Row {
        points: moved.map(|points| has_both.then_some(points)),
        mail: Some((change.before, change.now)),
        what: shape_name(&change.shape),
        ..Row::new("all", "(all)")
    };
    let mut rows = vec![whole];
    rows.extend(shown(change, scope).map(|p| Row::of_part("peer", p)));
    let facets = &change.facets;
    let worth = |p: &&Part| scope.all || p.effect().abs() >= LEAST;
    let limit = if scope.all { usize::MAX } else { MOST_ENTRIES };
    let operators = facets.operators.iter().filter(worth).take(limit);
    rows.extend(operators.map(|p| Row::of_part("operator", p)));
    rows.extend(facets.services.iter().map(|p| Row::of_part("service", p)));
    rows.extend(
        facets
            .reasons
            .iter()
            .map(|c| Row::of_component("reason", c)),
    );
    rows.extend(
        facets
            .protocols
            .iter()
            .map(|c| Row::of_component("protocol", c)),
    );
    rows.extend(change.found.iter().map(Row::of_found));
    rows.extend(change.moved.iter().map(Row::of_moved));
    rows.extend(change.turns.iter().map(Row::of_turn));
    rows.into_iter().map(|row| row.values(way)).collect()
}

/// One row for programs; what does not apply stays empty.
#[derive(Default)]
pub(super) struct Row<'a> {
    item: &'static str,
    peer: &'a str,
    points: [Option<f64>; 3],
    mail: Option<(Known, Known)>,
    counts: Option<(u64, u64)>,
    what: &'static str,
    since: Option<i32>,
    shift: Option<Shift>,
    carried_by: &'static str,
}

impl<'a> Row<'a> {
    fn new(item: &'static str, peer: &'a str) -> Row<'a> {
        Row {
            item,
            peer,
            ..Row::default()
        }
    }

    fn of_part(item: &'static str, part: &'a Part) -> Row<'a> {
        Row {
            points: [part.effect(), part.rate, part.mix].map(Some),
            mail: Some((part.before, part.now)),
            ..Row::new(item, &part.peer)
        }
    }

    fn of_component(item: &'static str, component: &'a Component) -> Row<'a> {
        Row {
            points: [Some(component.effect), None, None],
            counts: Some((component.before, component.now)),
            ..Row::new(item, &component.name)
        }
    }

    pub(super) fn of_found(found: &'a Found) -> Row<'a> {
        let (shift, cause) = (&found.shift, &found.cause);
        let first = cause.parts.first().map_or("(all)", |p| p.peer.as_str());
        let is_one = cause.shape == Shape::OnePeer;
        Row {
            carried_by: shape_name(&cause.shape),
            points: [Some(shift.difference()), Some(shift.own), None],
            mail: Some((shift.before, shift.after)),
            what: if shift.is_fall() { "fall" } else { "rise" },
            shift: Some(*shift),
            ..Row::new("change", if is_one { first } else { "(all)" })
        }
    }

    pub(super) fn of_moved(moved: &'a Moved) -> Row<'a> {
        Row {
            mail: Some((moved.shift.before, moved.shift.after)),
            what: Become::name(moved.what),
            shift: Some(moved.shift),
            ..Row::new("moved", &moved.peer)
        }
    }

    pub(super) fn of_turn(turn: &'a Turn) -> Row<'a> {
        Row {
            counts: Some((turn.failed_before, turn.failed_now)),
            what: turn.kind.name(),
            since: Some(turn.since),
            ..Row::new("failing", &turn.peer)
        }
    }

    pub(super) fn values(self, way: &'static str) -> Vec<Value> {
        let empty = || Value::text("");
        let mut values = vec![
            Value::text(self.item),
            Value::text(way),
            Value::text(self.peer),
        ];
        values.extend(self.points.map(|p| p.map_or_else(empty, points)));
        let shares = self.mail.map(|(before, now)| [share(before), share(now)]);
        values.extend(shares.unwrap_or_else(|| [empty(), empty()]));
        let totals = self.mail.map(|(before, now)| (before.total(), now.total()));
        let counts = self.counts.or(totals);
        values.extend(match counts {
            Some((before, now)) => [before, now].map(Value::Number),
            None => [empty(), empty()],
        });
        values.push(Value::text(self.what));
        let days = self
            .shift
            .map(|s| [s.onset, s.steepest, s.end].map(Value::Day));
        let since = || self.since.map_or_else(empty, Value::Day);
        values.extend(days.unwrap_or_else(|| [since(), empty(), empty()]));
        values.push(self.shift.map_or_else(empty, |s| sure(&s)));
        values.push(Value::text(self.carried_by));
        values
    }
}

/// How sure a change is, in per cent; never wholly.
pub(super) fn sure(shift: &Shift) -> Value {
    Value::Share(((1000.0 * shift.confidence).floor() / 10.0).min(99.9))
}

#[cfg(test)]
mod tests {
    use super::super::change_words::one_peer;
    use super::*;
    use crate::outcome::Direction;
    use crate::query::parts::Facets;
    use crate::query::shifts::Course;

    fn change(part: Part) -> Change {
        Change {
            direction: Direction::Outbound,
            before: Known {
                encrypted: 90,
                plaintext: 10,
            },
            now: Known {
                encrypted: 90,
                plaintext: 60,
            },
            shape: Shape::OnePeer,
            parts: vec![part],
            facets: Facets::default(),
            course: Course::TooFew,
            found: Vec::new(),
            moved: Vec::new(),
            turns: Vec::new(),
        }
    }

    fn part(before: u64, now: u64) -> Part {
        let clear = |plaintext| Known {
            encrypted: 0,
            plaintext,
        };
        Part {
            peer: "clear.example".into(),
            operator: Some(0),
            operators: 1,
            before: clear(before),
            now: clear(now),
            rate: 0.0,
            mix: -0.2,
        }
    }

    #[test]
    fn a_peer_that_never_had_tls_is_not_said_to_have_lost_it() {
        let said = one_peer(&change(part(10, 60)));
        assert!(said.contains("how much mail it has"), "{said}");
        assert!(!said.contains("any more"), "{said}");
    }

    #[test]
    fn a_share_of_no_mail_is_not_zero_per_cent() {
        let rows = peer_rows(&change(part(0, 60)), &Scope::ALL);
        assert_eq!(rows[1][5], Value::text(""));
        assert_eq!(rows[1][6], Value::Share(0.0));
    }
}
