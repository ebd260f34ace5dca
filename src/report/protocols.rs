//! `protocols`: which TLS versions and ciphers are used.

use crate::query::Scope;
use crate::query::protocols::{Parameters, find_protocols};
use crate::store::{Result, Store};

use super::table::{Column, Kind, Section, Table, Value};

const COLUMNS: &[Column] = &[
    Column::both("direction", "direction", Kind::Text),
    Column::both("protocol", "protocol", Kind::Text),
    Column::both("cipher", "cipher", Kind::Text),
    Column::both("key_exchange", "key exchange", Kind::Text),
    Column::both("verification", "certificate", Kind::Text),
    Column::both("messages", "messages", Kind::Number),
    Column::both("share", "%", Kind::Number),
    Column::field("first_seen", Kind::Date),
    Column::field("last_seen", Kind::Date),
];

/// Versions nobody should need any more (RFC 8996 and before).
const OLD: &[&str] = &["SSLv2", "SSLv3", "TLSv1", "TLSv1.1"];

pub(super) fn build(store: &Store, scope: &Scope) -> Result<Table> {
    let found = find_protocols(store, scope)?;
    let total: u64 = found.iter().map(|p| p.messages).sum();
    let old: u64 = found
        .iter()
        .filter(|p| OLD.contains(&p.protocol.as_str()))
        .map(|p| p.messages)
        .sum();
    let headline = match (total, old) {
        (0, _) => "No encrypted mail is known of in this period.".to_string(),
        (_, 0) => {
            format!("{total} messages over TLS, none of them over a version older than TLS 1.2.")
        }
        _ => format!("{total} messages over TLS, {old} of them over a version older than TLS 1.2."),
    };
    let total_of = |direction: &str| {
        found
            .iter()
            .filter(|p| p.direction == direction)
            .map(|p| p.messages)
            .sum()
    };
    let rows = found
        .iter()
        .map(|p| row(p, total_of(&p.direction)))
        .collect();
    Ok(Table {
        headline,
        to_do: 0,
        sections: vec![Section {
            title: "",
            columns: COLUMNS,
            rows,
        }],
        notes: Vec::new(),
    })
}

fn row(p: &Parameters, total: u64) -> Vec<Value> {
    vec![
        Value::text(&p.direction),
        Value::text(&p.protocol),
        Value::text(&p.cipher),
        Value::text(&p.key_exchange),
        Value::text(&p.verification),
        Value::Number(p.messages),
        Value::share(p.messages, total),
        Value::Time(p.first_seen),
        Value::Time(p.last_seen),
    ]
}
