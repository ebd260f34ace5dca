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

use super::table::{Column, Section, Table};

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

/// The date of a time in UTC.
fn date_of(at: i64) -> String {
    // OK to narrow: the days of such a time have four digits of the year.
    match (0..=LATEST).contains(&at) {
        true => date((at / 86_400) as i32),
        false => rfc3339(at).chars().take("2026-11-22".len()).collect(),
    }
}

/// The last second of the year 9999.
const LATEST: i64 = 253_402_300_799;

/// The date of a day.
pub(super) fn date(day: i32) -> String {
    if (0..=(LATEST / 86_400) as i32).contains(&day) {
        let (year, month, day) = civil(day);
        return format!("{year:04}-{month:02}-{day:02}");
    }
    DateTime::from_timestamp(i64::from(day) * 86_400, 0)
        .map_or(String::new(), |time| time.format("%Y-%m-%d").to_string())
}

/// Year, month and day of month of a day since 1970, by the years that begin in March (Howard Hinnant, `civil_from_days`): tables have a
/// date or two in each row.
fn civil(day: i32) -> (i32, i32, i32) {
    let day = day + 719_468;
    let (era, day) = (day / 146_097, day % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let of_month = day - (153 * month + 2) / 5 + 1;
    match month < 10 {
        true => (year + era * 400, month + 3, of_month),
        false => (year + era * 400 + 1, month - 9, of_month),
    }
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
        .filter(|(_, column)| !column.title.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let by_chrono = |day: i32| {
            let time = DateTime::from_timestamp(i64::from(day) * 86_400, 0);
            time.map(|time| time.format("%Y-%m-%d").to_string())
        };
        let last = (LATEST / 86_400) as i32;
        let around = (-800..800).chain(10_900..11_100).chain(47_400..47_600);
        for day in around
            .chain(last - 800..last + 3)
            .chain((0..last).step_by(97))
        {
            assert_eq!(Some(date(day)), by_chrono(day), "{day}");
        }
        assert_eq!(date_of(86_399), "1970-01-01");
        assert_eq!(date_of(LATEST), "9999-12-31");
        assert_eq!(date_of(-1), "1969-12-31");
    }
}
