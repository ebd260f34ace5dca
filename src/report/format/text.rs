//! Plain text, for people at a terminal or in a mail: at most 100 columns, no colours.

use comfy_table::{
    CellAlignment, ColumnConstraint, ContentArrangement, ContentLineStyle, LineStyle, TableStyle,
};

use crate::query::Scope;

use super::super::table::{Kind, Note, Section, Table, Value};
use super::escape::visible;
use super::{date, period_in_words, rfc3339, titled};

/// Most columns of a line, log lines aside.
const WIDTH: u16 = 100;

/// No borders; a dashed line under the head of each column.
const STYLE: TableStyle = TableStyle::new()
    .header_lines(ContentLineStyle::none().junction(' '))
    .header_separator(LineStyle::none().fill('-').junction(' '))
    .content_lines(ContentLineStyle::none().junction(' '));

pub(super) fn render(scope: &Scope, table: &Table) -> String {
    let mut out = String::new();
    wrap(&mut out, &visible(&table.headline), "", "");
    out.push_str(&format!(
        "Period: {} (days in UTC)\n",
        period_in_words(scope)
    ));
    for section in table
        .sections
        .iter()
        .filter(|s| !s.rows.is_empty() && !titled(s).is_empty())
    {
        out.push('\n');
        if !section.title.is_empty() {
            out.push_str(&format!("{}:\n", section.title));
        }
        out.push_str(&lay_out(section));
        out.push('\n');
    }
    for note in &table.notes {
        match note {
            Note::Paragraph(text) => {
                out.push('\n');
                wrap(&mut out, &visible(text), "", "");
            }
            Note::Item(text) => wrap(&mut out, &visible(text), "  - ", "    "),
            // As it is: somebody may want to copy it or to search for it.
            Note::Line(text) => out.push_str(&format!("    {}\n", visible(text))),
        }
    }
    out
}

fn lay_out(section: &Section) -> String {
    let columns = titled(section);
    let mut table = comfy_table::Table::new();
    table
        .load_style(STYLE)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH)
        .set_header(columns.iter().map(|(_, column)| column.title));
    for row in &section.rows {
        table.add_row(
            columns
                .iter()
                .filter_map(|(at, _)| row.get(*at))
                .map(|value| visible(&cell(value))),
        );
    }
    for (at, (_, column)) in columns.iter().enumerate() {
        let Some(laid) = table.column_mut(at) else {
            continue;
        };
        laid.set_padding((0, 1));
        if column.kind == Kind::Number {
            laid.set_cell_alignment(CellAlignment::Right);
        }
        if column.kind != Kind::Text {
            laid.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    table.trim_fmt()
}

/// A cell for people: days in place of times.
pub(super) fn cell(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Number(n) => n.to_string(),
        Value::Share(share) => format!("{share:.1}"),
        Value::Time(at) => rfc3339(*at).chars().take("2026-11-22".len()).collect(),
        Value::Day(day) => date(*day),
        Value::List(list) => list.join(", "),
    }
}

/// Breaks a text at spaces. Words longer than a line are left whole.
fn wrap(out: &mut String, text: &str, first: &str, others: &str) {
    let mut line = first.to_string();
    let mut is_empty = true;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let length = line.chars().count() + 1 + word.chars().count();
        if !is_empty && length > usize::from(WIDTH) {
            out.push_str(&format!("{line}\n"));
            line = others.to_string();
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    out.push_str(&format!("{line}\n"));
}
