//! `good-news`: who got better, and since when.

use crate::query::Scope;
use crate::query::good_news::{Improvement, find_good_news};
use crate::store::{Result, Store};

use super::table::{Column, Kind, Section, Table, Value};
use super::words::{count, way, what, whose};

const COLUMNS: &[Column] = &[
    Column::field("direction", Kind::Text),
    Column::both("peer", "peer", Kind::Text),
    Column::prose("mail"),
    Column::field("class", Kind::Text),
    Column::field("cause", Kind::Text),
    Column::detail("what it was"),
    Column::field("fault", Kind::Text),
    Column::prose("fault"),
    Column::both("times", "times", Kind::Number),
    Column::both("last_bad", "last", Kind::Date),
    Column::both("since", "good since", Kind::Date),
    Column::both("days", "days", Kind::Number),
    Column::both("messages", "messages", Kind::Number),
];

pub(super) fn build(store: &Store, scope: &Scope) -> Result<Table> {
    let news = find_good_news(store, scope)?;
    let headline = match news.len() as u64 {
        0 => "Nobody is known to have got better in this period.".to_string(),
        n => format!(
            "{} got better: in clear or failing before, and nothing but TLS on two days or more since.",
            count(n, "peer", "peers")
        ),
    };
    Ok(Table {
        headline,
        to_do: 0,
        sections: vec![Section {
            title: "",
            columns: COLUMNS,
            rows: news.iter().map(row).collect(),
        }],
        notes: Vec::new(),
    })
}

fn row(i: &Improvement) -> Vec<Value> {
    vec![
        Value::text(i.direction.name()),
        Value::text(&i.peer),
        Value::text(way(i.direction)),
        Value::text(i.was.class_name()),
        Value::text(&i.was.cause),
        Value::text(what(i.was.class, &i.was.cause)),
        Value::text(&i.was.fault),
        Value::text(whose(&i.was.fault)),
        Value::Number(i.times),
        Value::Day(i.last_bad),
        Value::Day(i.since),
        Value::Number(i.days),
        Value::Number(i.mails),
    ]
}
