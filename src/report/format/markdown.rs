//! Markdown, for wikis and tickets.

use crate::query::Scope;

use super::super::table::{Kind, Note, Section, Table, Value};
use super::escape::visible;
use super::text::cell;
use super::{period_in_words, titled};

/// What has a meaning in Markdown.
const MARKUP: [char; 9] = ['\\', '`', '*', '_', '[', ']', '|', '~', '#'];

pub(super) fn render(name: &str, scope: &Scope, table: &Table) -> String {
    let mut out = format!(
        "## {}\n\n{} ({})\n",
        escaped(name),
        escaped(&table.headline),
        period_in_words(scope)
    );
    for section in table.sections.iter().filter(|s| !s.rows.is_empty()) {
        write_section(&mut out, section);
    }
    let mut in_code = false;
    for note in &table.notes {
        let is_code = matches!(note, Note::Line(_));
        if !(is_code && in_code) {
            out.push('\n');
        }
        in_code = is_code;
        match note {
            Note::Paragraph(text) => out.push_str(&format!("{}\n", escaped(text))),
            Note::Item(text) => out.push_str(&format!("- {}\n", escaped(text))),
            // A code block by indentation has no end that a text could forge.
            Note::Line(text) => out.push_str(&format!("        {}\n", visible(text))),
        }
    }
    out
}

fn write_section(out: &mut String, section: &Section) {
    let mut columns = titled(section);
    let is_blank = |at: usize| {
        let blank = Value::text("");
        let mut rows = section.rows.iter();
        rows.all(|row| row.get(at).is_none_or(|value| *value == blank))
    };
    columns.retain(|(at, column)| column.kind != Kind::Picture || !is_blank(*at));
    if columns.is_empty() {
        return;
    }
    if !section.title.is_empty() {
        out.push_str(&format!("\n### {}\n", escaped(section.title)));
    }
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    out.push('\n');
    out.push_str(&line(
        columns.iter().map(|(_, c)| escaped(c.title)).collect(),
    ));
    let rule = |kind: Kind| if kind == Kind::Number { "---:" } else { "---" }.to_string();
    out.push_str(&line(columns.iter().map(|(_, c)| rule(c.kind)).collect()));
    for row in section.rows.iter() {
        out.push_str(&line(
            columns
                .iter()
                .filter_map(|(at, _)| row.get(*at))
                .map(|value| escaped(&cell(value)))
                .collect(),
        ));
    }
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in visible(text).chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            _ if MARKUP.contains(&c) => safe.extend(['\\', c]),
            _ => safe.push(c),
        }
    }
    safe
}
