//! Tables written down: one file per format, and pages in `html`.
//!
//! Names, addresses and log lines were chosen by strangers. Each format makes them harmless in its own way: no control characters
//! reach a terminal, no formula a spreadsheet, no markup a page.

mod csv;
mod escape;
pub mod html;
mod json;
mod markdown;
pub mod text;

use chrono::DateTime;

use crate::query::{Period, Scope};

use super::table::{Column, Kind, Section, Table, Value};

/// How a table is written down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people, at most 100 columns wide.
    #[default]
    Text,
    /// For programs: `tlsnag.report/1`.
    Json,
    /// For spreadsheets.
    Csv,
    /// For wikis and tickets.
    Markdown,
}

/// Writes the table down. `name` is that of the report.
pub fn render(format: Format, name: &str, scope: &Scope, table: &Table) -> String {
    match format {
        Format::Text => text::render(scope, table),
        Format::Json => json::render(name, scope, table),
        Format::Csv => csv::render(table),
        Format::Markdown => markdown::render(name, scope, table),
    }
}

/// A time as RFC 3339 in UTC.
pub(super) fn rfc3339(at: i64) -> String {
    DateTime::from_timestamp(at, 0).map_or(String::new(), |time| {
        time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
    })
}

/// The date of a day.
pub(super) fn date(day: i32) -> String {
    DateTime::from_timestamp(i64::from(day) * 86_400, 0)
        .map_or(String::new(), |time| time.format("%Y-%m-%d").to_string())
}

/// First and last date of a period; empty where it is open.
fn bounds(period: &Period) -> (String, String) {
    (
        period.from_day.map(date).unwrap_or_default(),
        period.to_day.map(date).unwrap_or_default(),
    )
}

/// The period in words.
fn period_in_words(scope: &Scope) -> String {
    match bounds(&scope.period) {
        (from, to) if from.is_empty() && to.is_empty() => "all time".into(),
        (from, to) if from.is_empty() => format!("until {to}"),
        (from, to) if to.is_empty() => format!("since {from}"),
        (from, to) => format!("{from} to {to}"),
    }
}

/// The columns for programs, with their places.
fn fields(section: &Section) -> Vec<(usize, &'static Column)> {
    section
        .columns
        .iter()
        .enumerate()
        .filter(|(_, column)| !column.name.is_empty())
        .collect()
}

/// The columns for people, with their places.
fn titled(section: &Section) -> Vec<(usize, &'static Column)> {
    section
        .columns
        .iter()
        .enumerate()
        .filter(|(at, column)| {
            let has_pictures = || {
                section
                    .rows
                    .iter()
                    .any(|row| row.get(*at).is_some_and(|v| *v != Value::text("")))
            };
            !column.title.is_empty() && (column.kind != Kind::Picture || has_pictures())
        })
        .collect()
}
