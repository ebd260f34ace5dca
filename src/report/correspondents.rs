//! `correspondents`: of those we exchange mail with regularly, who does so in clear?

use crate::query::Scope;
pub use crate::query::correspondents::REGULAR;
use crate::query::correspondents::{Correspondent, find_correspondents};
use crate::store::{Result, Store};

use super::table::{Column, Kind, Note, Rows, Section, Table, Value};
use super::words::count;

const fn number(name: &'static str, title: &'static str) -> Column {
    Column::both(name, title, Kind::Number)
}

const COLUMNS: &[Column] = &[
    Column::both("correspondent", "correspondent", Kind::Text),
    number("sent_encrypted", "sent TLS"),
    number("sent_plaintext", "clear"),
    number("sent_unknown", "?"),
    number("received_encrypted", "received TLS"),
    number("received_plaintext", "clear"),
    number("received_unknown", "?"),
    Column::both("last_seen", "last", Kind::Date),
];

/// With whom mail goes both ways, `regular` times in the period or more.
pub fn build(store: &Store, scope: &Scope, regular: u64) -> Result<Table> {
    let found = find_correspondents(store, scope, regular)?;
    let in_clear = found.list.iter().filter(|c| c.in_clear() > 0).count();
    let (one, many) = match found.are_addresses {
        true => ("correspondent", "correspondents"),
        false => ("domain we correspond with", "domains we correspond with"),
    };
    let headline = match found.list.len() as u64 {
        0 => {
            "Nobody is known with whom mail went both ways, regularly, in this period.".to_string()
        }
        n => format!(
            "{in_clear} of {} exchange mail with us in clear.",
            count(n, one, many)
        ),
    };
    let mut notes = Vec::new();
    if found.robots > 0 {
        notes.push(Note::Paragraph(format!(
            "Left out: {} of programs and mailing lists.",
            count(found.robots, "address", "addresses")
        )));
    }
    if !found.list.is_empty() && !found.are_addresses {
        notes.push(Note::Paragraph(
            "Domains stand for people here: with `correspondents = true` in the settings (or --correspondents) the log's addresses are kept, and this names them."
                .into(),
        ));
    }
    // By default those to do something about.
    let is_shown = |c: &Correspondent| scope.all || c.in_clear() > 0;
    let shown: Vec<Correspondent> = found.list.into_iter().filter(is_shown).collect();
    Ok(Table {
        headline,
        to_do: in_clear,
        sections: vec![Section {
            title: "",
            columns: COLUMNS,
            rows: Rows::of(shown, row),
        }],
        notes,
    })
}

fn row(c: &Correspondent) -> Vec<Value> {
    let mut cells = vec![Value::text(&c.name)];
    for mail in [&c.sent, &c.received] {
        cells.extend([mail.encrypted, mail.plaintext, mail.unknown].map(Value::Number));
    }
    cells.push(Value::Time(c.last_seen));
    cells
}
