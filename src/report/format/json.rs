//! JSON, for programs. An interface: fields are added, never renamed or removed, while the schema keeps its number.

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::query::Scope;

use super::super::table::{Column, Section, Table, Value};
use super::escape::visible_json;
use super::{bounds, date, fields, rfc3339};

/// Name and version of what is written: `{"schema", "report", "period": {"from", "to"}, "rows": [...]}`. Rows are flat, times RFC
/// 3339 in UTC, dates of an open period empty, shares per cent.
pub(super) const SCHEMA: &str = "tlsnag.report/1";

pub(super) fn render(name: &str, scope: &Scope, table: &Table) -> String {
    let (from, to) = bounds(&scope.period);
    let rows: Vec<Row<'_>> = table.sections.iter().flat_map(rows_of).collect();
    let document = Document {
        schema: SCHEMA,
        report: name,
        period: Dates { from, to },
        rows,
    };
    // Texts and numbers always have a JSON text.
    let mut text = visible_json(&serde_json::to_string_pretty(&document).unwrap_or_default());
    text.push('\n');
    text
}

#[derive(serde::Serialize)]
struct Document<'a> {
    schema: &'a str,
    report: &'a str,
    period: Dates,
    rows: Vec<Row<'a>>,
}

#[derive(serde::Serialize)]
struct Dates {
    from: String,
    to: String,
}

/// A row as an object with the fields in the order of the columns.
struct Row<'a>(Vec<(&'static Column, &'a Value)>);

fn rows_of(section: &Section) -> Vec<Row<'_>> {
    let fields = fields(section);
    if fields.is_empty() {
        return Vec::new();
    }
    let row = |cells: &'_ Vec<Value>| -> Vec<(&'static Column, usize)> {
        fields
            .iter()
            .filter(|(at, _)| *at < cells.len())
            .map(|(at, column)| (*column, *at))
            .collect()
    };
    section
        .rows
        .iter()
        .map(|cells| {
            Row(row(cells)
                .into_iter()
                .map(|(column, at)| (column, &cells[at]))
                .collect())
        })
        .collect()
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (column, value) in &self.0 {
            match value {
                Value::Text(text) => map.serialize_entry(column.name, text)?,
                Value::Number(n) => map.serialize_entry(column.name, n)?,
                Value::Share(share) => map.serialize_entry(column.name, share)?,
                Value::Time(at) => map.serialize_entry(column.name, &rfc3339(*at))?,
                Value::Day(day) => map.serialize_entry(column.name, &date(*day))?,
                Value::List(list) => map.serialize_entry(column.name, list)?,
            }
        }
        map.end()
    }
}
