//! CSV (RFC 4180), for spreadsheets.

use super::super::table::{Table, Value};
use super::escape::visible;
use super::{date, fields, rfc3339};

/// What makes a spreadsheet take a cell for a formula.
const FORMULA: [char; 7] = ['=', '+', '-', '@', '\t', '\r', '\n'];

pub(super) fn render(table: &Table) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for section in &table.sections {
        let fields = fields(section);
        if fields.is_empty() {
            continue;
        }
        // Writing to memory does not fail, and all rows of a section have the columns of its head.
        let _ = writer.write_record(fields.iter().map(|(_, column)| column.name));
        for row in section.rows.iter() {
            let _ = writer.write_record(fields.iter().filter_map(|(at, _)| row.get(*at)).map(cell));
        }
    }
    let bytes = writer.into_inner().unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn cell(value: &Value) -> String {
    match value {
        Value::Text(text) => guarded(text),
        Value::Number(n) => n.to_string(),
        Value::Share(share) => format!("{share:.1}"),
        Value::Time(at) => rfc3339(*at),
        Value::Day(day) => date(*day),
        Value::List(list) => guarded(&list.join(", ")),
    }
}

/// With a quotation mark before what would be a formula, and harmless for a terminal, where many a CSV file ends up.
fn guarded(text: &str) -> String {
    let shown = visible(text);
    match text.starts_with(FORMULA) {
        true => format!("'{shown}"),
        false => shown,
    }
}
