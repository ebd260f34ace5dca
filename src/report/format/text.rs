//! Plain text, for people at a terminal or in a mail: at most 100 columns, no colours.

use unicode_width::UnicodeWidthStr;

use crate::query::Scope;

use super::super::table::{Column, Kind, Note, Section, Table, Value};
use super::escape::visible;
use super::{date, period_in_words, rfc3339, titled};

/// Most columns of a line, log lines aside.
const WIDTH: u16 = 100;

/// Space between two columns.
const GAP: usize = 2;

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
    render_notes(&mut out, &table.notes);
    out
}

/// The same for a terminal that has no more than ASCII: what is drawn with blocks is drawn with signs as dark as they are high.
pub fn in_ascii(text: &str) -> String {
    let darker = |c: char| match c {
        '▁' => '_',
        '▂' => '.',
        '▃' => '-',
        '▄' => '=',
        '▅' => '+',
        '▆' => '*',
        '▇' => '%',
        '█' => '#',
        other => other,
    };
    text.chars().map(darker).collect()
}

/// What is said under the tables.
pub fn render_notes(out: &mut String, notes: &[Note]) {
    for note in notes {
        match note {
            Note::Paragraph(text) => {
                out.push('\n');
                wrap(out, &visible(text), "", "");
            }
            Note::Item(text) => wrap(out, &visible(text), "  - ", "    "),
            // As it is: somebody may want to copy it or to search for it.
            Note::Line(text) => out.push_str(&format!("    {}\n", visible(text))),
        }
    }
}

/// Columns side by side, each as wide as its widest cell. What happens stands under its row, where it has room. If the columns
/// do not fit, pictures give way; if they still do not, the first one, which is the name, gets a line of its own: a name is never broken.
fn lay_out(section: &Section) -> String {
    let (details, mut columns): (Vec<_>, Vec<_>) = titled(section)
        .into_iter()
        .partition(|(_, c)| c.kind == Kind::Detail);
    let text = |row: &[Value], at: usize| {
        row.get(at)
            .map_or(String::new(), |value| visible(&cell(value)))
    };
    let width = |(at, column): &(usize, &Column)| {
        let cells = section.rows.iter().map(|row| text(row, *at).width());
        cells.chain([column.title.width()]).max().unwrap_or(0)
    };
    let is_too_wide = |columns: &[(usize, &Column)]| {
        let gaps = GAP * columns.len().saturating_sub(1);
        columns.iter().map(width).sum::<usize>() + gaps > usize::from(WIDTH)
    };
    if is_too_wide(&columns) {
        columns.retain(|(_, c)| c.kind != Kind::Picture);
    }
    let stacked = is_too_wide(&columns);
    let widths: Vec<usize> = columns.iter().map(width).collect();
    let mut out = String::new();
    let head: Vec<String> = columns.iter().map(|(_, c)| c.title.to_string()).collect();
    push_row(&mut out, &head, &columns, &widths, stacked);
    let dashes: Vec<String> = widths
        .iter()
        .map(|w| "-".repeat((*w).min(usize::from(WIDTH))))
        .collect();
    push_row(&mut out, &dashes, &columns, &widths, stacked);
    for row in &section.rows {
        let cells: Vec<String> = columns.iter().map(|(at, _)| text(row, *at)).collect();
        push_row(&mut out, &cells, &columns, &widths, stacked);
        let detail: Vec<String> = details
            .iter()
            .map(|(at, _)| text(row, *at))
            .filter(|t| !t.is_empty())
            .collect();
        if !detail.is_empty() {
            wrap(&mut out, &detail.join("; "), "    ", "    ");
        }
    }
    out.truncate(out.trim_end().len());
    out
}

fn push_row(
    out: &mut String,
    cells: &[String],
    columns: &[(usize, &Column)],
    widths: &[usize],
    stacked: bool,
) {
    let mut line = String::new();
    for (at, (cell, (_, column))) in cells.iter().zip(columns).enumerate() {
        let pad = " ".repeat(widths[at].saturating_sub(cell.width()));
        if stacked && at == 0 {
            wrap(out, cell, "", "");
            line.push_str("    ");
            continue;
        }
        match column.kind {
            Kind::Number => line.push_str(&format!("{pad}{cell}")),
            _ => line.push_str(&format!("{cell}{pad}")),
        }
        line.push_str(&" ".repeat(GAP));
    }
    out.push_str(line.trim_end());
    out.push('\n');
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

/// Breaks a text at spaces, and words longer than a line where they must be.
fn wrap(out: &mut String, text: &str, first: &str, others: &str) {
    let width = usize::from(WIDTH);
    let mut line = first.to_string();
    let mut is_empty = true;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        if !is_empty && line.width() + 1 + word.width() > width {
            out.push_str(&format!("{line}\n"));
            line = others.to_string();
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        for letter in word.chars() {
            if line.width() >= width {
                out.push_str(&format!("{line}\n"));
                line = others.to_string();
            }
            line.push(letter);
        }
        is_empty = false;
    }
    out.push_str(&format!("{line}\n"));
}
