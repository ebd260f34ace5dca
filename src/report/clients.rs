//! `clients`: how mail comes from each client.

use std::cmp::Reverse;

use crate::query::Scope;
use crate::query::clients::{Client, find_clients};
use crate::query::servers::find_servers;
use crate::store::{Result, Store};

use super::advice::what_to_do;
use super::table::{Column, Kind, Note, Rows, Section, Table, Value};
use super::words::{count, what, whose};

const COLUMNS: &[Column] = &[
    Column::both("address", "client", Kind::Text),
    Column::both("name", "name", Kind::Detail),
    Column::field("organisation", Kind::Text),
    Column::field("sessions_encrypted", Kind::Number),
    Column::field("sessions_plaintext", Kind::Number),
    Column::both("sessions_failed", "failed", Kind::Number),
    Column::field("sessions_unknown", Kind::Number),
    Column::both("messages_encrypted", "TLS", Kind::Number),
    Column::both("messages_plaintext", "clear", Kind::Number),
    Column::both("messages_unknown", "?", Kind::Number),
    Column::field("class", Kind::Text),
    Column::field("cause", Kind::Text),
    Column::detail("what happens"),
    Column::field("fault", Kind::Text),
    Column::prose("fault"),
    Column::field("first_seen", Kind::Date),
    Column::both("last_seen", "last", Kind::Date),
];

pub(super) fn build(store: &Store, scope: &Scope) -> Result<Table> {
    let all = find_clients(store, scope)?;
    let of = all.len() as u64;
    let blind = all.iter().filter(|c| c.messages.unknown > 0).count() as u64;
    let mut shown: Vec<Client> = all
        .into_iter()
        .filter(|c| scope.all || size(c) > 0)
        .collect();
    if !scope.all {
        shown.sort_by_key(|c| Reverse(size(c)));
    }
    let acting: Vec<&Client> = shown.iter().filter(|c| size(c) > 0).collect();
    let mut notes = what_to_do(
        find_servers(store)?,
        acting
            .iter()
            .filter_map(|c| Some((c.problem.class?, c.problem.cause.as_str()))),
    );
    if blind > 0 {
        notes.push(Note::Paragraph(format!(
            "Of {} the log does not tell how some mail came. `tlsnag report summary` names the setting.",
            count(blind, "client", "clients")
        )));
    }
    if (shown.len() as u64) < of {
        notes.push(Note::Paragraph(
            "Not shown: what needs no action (--all shows it).".into(),
        ));
    }
    let to_do = acting.len();
    Ok(Table {
        headline: headline(to_do as u64, of),
        to_do,
        sections: vec![Section {
            title: "",
            columns: COLUMNS,
            rows: Rows::of(shown, row),
        }],
        notes,
    })
}

fn size(client: &Client) -> u64 {
    client.messages.plaintext + client.sessions_failed
}

fn headline(acting: u64, of: u64) -> String {
    match (acting, of) {
        (_, 0) => "Nothing is known about any client in this period.".into(),
        (0, _) => format!(
            "Nothing to act on: none of {} sends in clear or fails because of TLS.",
            count(of, "client", "clients")
        ),
        (1, _) => format!(
            "1 of {} sends in clear or fails because of TLS.",
            count(of, "client", "clients")
        ),
        _ => format!(
            "{acting} of {} send in clear or fail because of TLS.",
            count(of, "client", "clients")
        ),
    }
}

fn row(c: &Client) -> Vec<Value> {
    vec![
        Value::text(&c.address),
        Value::text(&c.name),
        Value::text(&c.organisation),
        Value::Number(c.sessions.encrypted),
        Value::Number(c.sessions.plaintext),
        Value::Number(c.sessions_failed),
        Value::Number(c.sessions.unknown),
        Value::Number(c.messages.encrypted),
        Value::Number(c.messages.plaintext),
        Value::Number(c.messages.unknown),
        Value::text(c.problem.class_name()),
        Value::text(&c.problem.cause),
        Value::text(what(c.problem.class, &c.problem.cause)),
        Value::text(&c.problem.fault),
        Value::text(whose(&c.problem.fault)),
        Value::Time(c.first_seen),
        Value::Time(c.last_seen),
    ]
}
