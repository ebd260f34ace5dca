//! `hosts`: how mail reaches each MX host.

use std::cmp::Reverse;

use crate::query::Scope;
use crate::query::hosts::{Host, find_hosts};
use crate::query::servers::find_servers;
use crate::store::{Result, Store};

use super::advice::what_to_do;
use super::domains::{headline, left_out, needs_action, size};
use super::table::{Column, Kind, Rows, Section, Table, Value};
use super::words::{what, whose};

const COLUMNS: &[Column] = &[
    Column::both("host", "host", Kind::Text),
    Column::field("addresses", Kind::Text),
    Column::both("encrypted", "TLS", Kind::Number),
    Column::both("plaintext", "clear", Kind::Number),
    Column::both("unknown", "?", Kind::Number),
    Column::both("failed_tls", "failed", Kind::Number),
    Column::field("failed_other", Kind::Number),
    Column::field("handshakes", Kind::Number),
    Column::field("handshakes_failed", Kind::Number),
    Column::field("best_protocol", Kind::Text),
    Column::both("worst_protocol", "oldest", Kind::Date),
    Column::field("verdict", Kind::Text),
    Column::field("class", Kind::Text),
    Column::field("cause", Kind::Text),
    Column::detail("what happens"),
    Column::field("fault", Kind::Text),
    Column::prose("fault"),
    Column::field("first_seen", Kind::Date),
    Column::both("last_seen", "last", Kind::Date),
];

pub(super) fn build(store: &Store, scope: &Scope) -> Result<Table> {
    let all = find_hosts(store, scope)?;
    let (mut shown, left): (Vec<Host>, Vec<Host>) = all
        .into_iter()
        .partition(|h| scope.all || needs_action(&h.counters));
    if !scope.all {
        shown.sort_by_key(|h| Reverse(size(&h.counters)));
    }
    let acting: Vec<&Host> = shown.iter().filter(|h| needs_action(&h.counters)).collect();
    let mut notes = what_to_do(
        find_servers(store)?,
        acting
            .iter()
            .filter_map(|h| Some((h.problem.class?, h.problem.cause.as_str()))),
    );
    notes.extend(left_out(left.iter().map(|h| h.verdict), "host", "hosts"));
    let (to_do, of) = (acting.len(), shown.len() + left.len());
    Ok(Table {
        headline: headline(to_do as u64, of as u64, "MX host", "MX hosts"),
        to_do,
        sections: vec![Section {
            title: "",
            columns: COLUMNS,
            rows: Rows::of(shown, row),
        }],
        notes,
    })
}

fn row(h: &Host) -> Vec<Value> {
    let c = &h.counters;
    vec![
        Value::text(&h.host),
        Value::List(h.addresses.clone()),
        Value::Number(c.encrypted),
        Value::Number(c.plaintext),
        Value::Number(c.unknown),
        Value::Number(c.failed_tls),
        Value::Number(c.failed_other),
        Value::Number(h.handshakes),
        Value::Number(h.handshakes_failed),
        Value::text(h.best_protocol.map_or("", |p| p.name())),
        Value::text(h.worst_protocol.map_or("", |p| p.name())),
        Value::text(h.verdict.name()),
        Value::text(h.problem.class_name()),
        Value::text(&h.problem.cause),
        Value::text(what(h.problem.class, &h.problem.cause)),
        Value::text(&h.problem.fault),
        Value::text(whose(&h.problem.fault)),
        Value::Time(h.first_seen),
        Value::Time(h.last_seen),
    ]
}
