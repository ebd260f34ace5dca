//! Plain text, for people at a terminal or in a mail: at most 100 columns, no colours.

use std::fmt::Write;

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
        lay_out(&mut out, section);
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
    let mut out = String::with_capacity(text.len());
    // What is drawn stands between much that is not.
    let mut rest = text;
    while let Some(start) = rest.bytes().position(|octet| !octet.is_ascii()) {
        let (plain, other) = rest.split_at(start);
        let end = other.bytes().position(|octet| octet.is_ascii());
        let (other, after) = other.split_at(end.unwrap_or(other.len()));
        out.push_str(plain);
        out.extend(other.chars().map(darker));
        rest = after;
    }
    out.push_str(rest);
    out
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
fn lay_out(out: &mut String, section: &Section) {
    let titled = titled(section);
    let cells = Cells::of(section, &titled);
    let is_shown = |at: &usize| titled[*at].1.kind != Kind::Picture || !cells.is_blank(*at);
    let (details, mut columns): (Vec<usize>, Vec<usize>) = (0..titled.len())
        .filter(is_shown)
        .partition(|at| titled[*at].1.kind == Kind::Detail);
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
    let head = columns.iter().map(|at| titled[*at].1.title);
    push_row(out, head.map(Shown::of), &places);
    let dashes: Vec<String> = places
        .iter()
        .map(|p| "-".repeat(p.width.min(usize::from(WIDTH))))
        .collect();
    push_row(out, dashes.iter().map(|text| Shown::of(text)), &places);
    for row in 0..section.rows.len() {
        let cell = |at: &usize| cells.get(row, *at);
        push_row(out, columns.iter().map(cell), &places);
        let detail = details.iter().map(|at| cell(at).text);
        let detail: Vec<&str> = detail.filter(|text| !text.is_empty()).collect();
        if !detail.is_empty() {
            wrap(out, &detail.join("; "), "    ", "    ");
        }
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
}

/// The cells of the columns for people, written down once and in one piece of memory: there may be a hundred thousand rows.
struct Cells {
    text: String,
    /// Where each cell ends and how wide it is, row by row.
    ends: Vec<(usize, usize)>,
    /// How wide the widest of each column is, the heading included.
    widths: Vec<usize>,
    /// The same without the heading.
    filled: Vec<usize>,
}

impl Cells {
    fn of(section: &Section, columns: &[(usize, &Column)]) -> Cells {
        let mut cells = Cells {
            text: String::new(),
            ends: Vec::with_capacity(section.rows.len() * columns.len()),
            widths: Vec::new(),
            filled: vec![0; columns.len()],
        };
        for row in section.rows.iter() {
            for (widest, (column, _)) in cells.filled.iter_mut().zip(columns) {
                let start = cells.text.len();
                if let Some(value) = row.get(*column) {
                    push_cell(&mut cells.text, value);
                }
                let width = width(&cells.text[start..]);
                cells.ends.push((cells.text.len(), width));
                *widest = width.max(*widest);
            }
        }
        let widths = cells.filled.iter().zip(columns);
        cells.widths = widths.map(|(w, (_, c))| width(c.title).max(*w)).collect();
        cells
    }

    /// No row has anything in this column.
    fn is_blank(&self, column: usize) -> bool {
        self.filled[column] == 0
    }

    fn get(&self, row: usize, column: usize) -> Shown<'_> {
        let at = row * self.filled.len() + column;
        let (end, width) = self.ends[at];
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before].0);
        Shown {
            text: &self.text[start..end],
            width,
        }
    }
}

/// What stands in a place.
struct Shown<'c> {
    text: &'c str,
    width: usize,
}

impl<'c> Shown<'c> {
    fn of(text: &'c str) -> Shown<'c> {
        let width = width(text);
        Shown { text, width }
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

fn push_row<'c>(out: &mut String, cells: impl Iterator<Item = Shown<'c>>, places: &[Place]) {
    let mut start = out.len();
    for (cell, place) in cells.zip(places) {
        if place.is_alone {
            wrap(out, cell.text, "", "");
            start = out.len();
            push_blanks(out, 4);
            continue;
        }
        let pad = place.width.saturating_sub(cell.width);
        let (before, after) = if place.is_number { (pad, 0) } else { (0, pad) };
        push_blanks(out, before);
        out.push_str(cell.text);
        push_blanks(out, after + GAP);
    }
    out.truncate(start + out[start..].trim_end().len());
    out.push('\n');
}

fn push_blanks(out: &mut String, mut width: usize) {
    const BLANKS: &str = "                                ";
    while width > BLANKS.len() {
        out.push_str(BLANKS);
        width -= BLANKS.len();
    }
    out.push_str(&BLANKS[..width]);
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

/// The same at the end of other text, harmless for a terminal. The most frequent need no text of their own.
fn push_cell(out: &mut String, value: &Value) {
    match value {
        Value::Text(text) => push_visible(out, text),
        // Writing to memory does not fail.
        Value::Number(n) => {
            let _ = write!(out, "{n}");
        }
        Value::Share(share) => push_share(out, *share),
        other => push_visible(out, &cell(other)),
    }
}

/// A share with one decimal. Mostly it has no more, and need not be rounded with all the care of a fraction.
fn push_share(out: &mut String, share: f64) {
    let tenths = (10.0 * share).round();
    // OK to narrow: a whole number of few digits.
    let whole = tenths as u32;
    let _ = match tenths / 10.0 == share && f64::from(whole) == tenths && share.is_sign_positive() {
        true => write!(out, "{}.{}", whole / 10, whole % 10),
        false => write!(out, "{share:.1}"),
    };
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
