//! Plain text, for people at a terminal or in a mail: at most 100 columns, no colours.

use unicode_width::UnicodeWidthStr;

use crate::query::Scope;

use super::super::table::{Column, Kind, Note, Section, Table, Value};
use super::escape::{push_visible, visible};
use super::{date, date_of, period_in_words, titled};

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
    let titled = titled(section);
    let cells = Cells::of(section, &titled);
    let (details, mut columns): (Vec<usize>, Vec<usize>) =
        (0..titled.len()).partition(|at| titled[*at].1.kind == Kind::Detail);
    let is_too_wide = |columns: &[usize]| {
        let gaps = GAP * columns.len().saturating_sub(1);
        columns.iter().map(|at| cells.widths[*at]).sum::<usize>() + gaps > usize::from(WIDTH)
    };
    if is_too_wide(&columns) {
        columns.retain(|at| titled[*at].1.kind != Kind::Picture);
    }
    let stacked = is_too_wide(&columns);
    let places: Vec<Place> = columns
        .iter()
        .enumerate()
        .map(|(at, column)| Place {
            width: cells.widths[*column],
            is_number: titled[*column].1.kind == Kind::Number,
            is_alone: stacked && at == 0,
        })
        .collect();
    let mut out = String::new();
    let head = columns.iter().map(|at| titled[*at].1.title);
    push_row(&mut out, head, &places);
    let dashes: Vec<String> = places
        .iter()
        .map(|p| "-".repeat(p.width.min(usize::from(WIDTH))))
        .collect();
    push_row(&mut out, dashes.iter().map(String::as_str), &places);
    for row in 0..section.rows.len() {
        let text = |at: &usize| cells.text(row, *at);
        push_row(&mut out, columns.iter().map(text), &places);
        let detail: Vec<&str> = details.iter().map(text).filter(|t| !t.is_empty()).collect();
        if !detail.is_empty() {
            wrap(&mut out, &detail.join("; "), "    ", "    ");
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// The cells of the columns for people, written down once and in one piece of memory: there may be a hundred thousand rows.
struct Cells {
    text: String,
    /// Where each cell ends, row by row.
    ends: Vec<usize>,
    /// How wide the widest of each column is.
    widths: Vec<usize>,
}

impl Cells {
    fn of(section: &Section, columns: &[(usize, &Column)]) -> Cells {
        let mut cells = Cells {
            text: String::new(),
            ends: Vec::with_capacity(section.rows.len() * columns.len()),
            widths: columns.iter().map(|(_, c)| width(c.title)).collect(),
        };
        for row in &section.rows {
            for (at, (column, _)) in columns.iter().enumerate() {
                let start = cells.text.len();
                match row.get(*column) {
                    // The most frequent need no text of their own.
                    Some(Value::Text(text)) => push_visible(&mut cells.text, text),
                    Some(value) => push_visible(&mut cells.text, &cell(value)),
                    None => {}
                }
                cells.ends.push(cells.text.len());
                cells.widths[at] = cells.widths[at].max(width(&cells.text[start..]));
            }
        }
        cells
    }

    fn text(&self, row: usize, column: usize) -> &str {
        let at = row * self.widths.len() + column;
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start..self.ends[at]]
    }
}

/// Where a cell stands.
struct Place {
    width: usize,
    /// To the right.
    is_number: bool,
    /// On a line of its own.
    is_alone: bool,
}

fn push_row<'c>(out: &mut String, cells: impl Iterator<Item = &'c str>, places: &[Place]) {
    let mut line = String::new();
    for (cell, place) in cells.zip(places) {
        if place.is_alone {
            wrap(out, cell, "", "");
            line.push_str("    ");
            continue;
        }
        let pad = place.width.saturating_sub(width(cell));
        let (before, after) = if place.is_number { (pad, 0) } else { (0, pad) };
        line.extend(std::iter::repeat_n(' ', before));
        line.push_str(cell);
        line.extend(std::iter::repeat_n(' ', after + GAP));
    }
    out.push_str(line.trim_end());
    out.push('\n');
}

/// How many columns of a terminal a text takes that is fit to be seen.
fn width(text: &str) -> usize {
    match text.is_ascii() {
        true => text.len(),
        false => text.width(),
    }
}

/// A cell for people: days in place of times.
pub(super) fn cell(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Number(n) => n.to_string(),
        Value::Share(share) => format!("{share:.1}"),
        Value::Time(at) => date_of(*at),
        Value::Day(day) => date(*day),
        Value::List(list) => list.join(", "),
    }
}

/// Breaks a text at spaces, and words longer than a line where they must be.
fn wrap(out: &mut String, text: &str, first: &str, others: &str) {
    let most = usize::from(WIDTH);
    let mut line = first.to_string();
    let mut is_empty = true;
    let end = |out: &mut String, line: &mut String| {
        out.push_str(line);
        out.push('\n');
        line.clear();
        line.push_str(others);
    };
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        if !is_empty && width(&line) + 1 + width(word) > most {
            end(out, &mut line);
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        if line.is_ascii() && word.is_ascii() && line.len() + word.len() <= most {
            line.push_str(word);
        } else {
            for letter in word.chars() {
                if width(&line) >= most {
                    end(out, &mut line);
                }
                line.push(letter);
            }
        }
        is_empty = false;
    }
    out.push_str(&line);
    out.push('\n');
}
