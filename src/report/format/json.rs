//! JSON, for programs. An interface: fields are added, never renamed or removed, while the schema keeps its number.

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use crate::query::Scope;

use super::super::table::{Column, Table, Value};
use super::escape::visible_json;
use super::{bounds, date, fields, rfc3339};

/// Name and version of what is written: `{"schema", "report", "period": {"from", "to"}, "rows": [...]}`. Rows are flat, times RFC
/// 3339 in UTC, dates of an open period empty, shares per cent.
pub(super) const SCHEMA: &str = "tlsnag.report/1";

pub(super) fn render(name: &str, scope: &Scope, table: &Table) -> String {
    let (from, to) = bounds(&scope.period);
    let document = Document {
        schema: SCHEMA,
        report: name,
        period: Dates { from, to },
        rows: Rows(table),
    };
    // Texts and numbers always have a JSON text.
    let mut text = visible_json(serde_json::to_string_pretty(&document).unwrap_or_default());
    text.push('\n');
    text
}

#[derive(serde::Serialize)]
struct Document<'a> {
    schema: &'a str,
    report: &'a str,
    period: Dates,
    rows: Rows<'a>,
}

#[derive(serde::Serialize)]
struct Dates {
    from: String,
    to: String,
}

/// The rows of all sections, written one after the other.
struct Rows<'a>(&'a Table);

impl Serialize for Rows<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for section in &self.0.sections {
            let fields = fields(section);
            if fields.is_empty() {
                continue;
            }
            for cells in section.rows.iter() {
                let cells = fields
                    .iter()
                    .filter_map(|(at, column)| Some((*column, cells.get(*at)?)));
                list.serialize_element(&Row(cells.collect()))?;
            }
        }
        list.end()
    }
}

/// A row as an object with the fields in the order of the columns.
struct Row<'a>(Vec<(&'static Column, &'a Value)>);

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
