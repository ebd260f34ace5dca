//! Times: microseconds since 1970 UTC, and how a log writes them. Every log is written in UTC.
//!
//! ```text
//! rfc3164    Mar  2 09:10:44
//! rfc3339    2026-03-02T09:10:44.288510+00:00
//! ```

use std::io::Write;

/// Microseconds since 1970 UTC.
pub type Time = u64;

/// One second.
pub const SECOND: Time = 1_000_000;

/// One day.
pub const DAY: Time = 86_400 * SECOND;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// How a line begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Style {
    /// `Mar  2 09:10:44`: no year, no zone.
    Rfc3164,
    /// `2026-03-02T09:10:44.288510+00:00`
    Rfc3339,
}

/// A moment as people write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Civil {
    /// The year, such as 2026.
    pub year: u64,
    /// 1 to 12.
    pub month: u64,
    /// 1 to 31.
    pub day: u64,
    /// 0 to 23.
    pub hour: u64,
    /// 0 to 59.
    pub minute: u64,
    /// 0 to 59.
    pub second: u64,
}

/// The moment in UTC (Howard Hinnant's `civil_from_days`, for days since 1970 only).
pub fn civil(at: Time) -> Civil {
    let seconds = at / SECOND % 86_400;
    let days = at / DAY + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    Civil {
        year: era * 400 + year_of_era + u64::from(month <= 2),
        month,
        day: day_of_year - (153 * shifted + 2) / 5 + 1,
        hour: seconds / 3600,
        minute: seconds / 60 % 60,
        second: seconds % 60,
    }
}

/// Midnight of a day written `2026-03-02`, or why that is none.
pub fn parse_day(text: &str) -> Result<Time, String> {
    let expected = || format!("expected a day from 1970 on such as 2026-03-02, found `{text}`");
    let numbers: Vec<u64> = text.split('-').flat_map(str::parse).collect();
    let [year @ 1970..=9000, month, day] = numbers[..] else {
        return Err(expected());
    };
    // a guess that is never late, then the day itself
    let first = (year - 1970) * 365;
    (first..first + 3000)
        .map(|days| days * DAY)
        .find(|at| {
            let found = civil(*at);
            (found.year, found.month, found.day) == (year, month, day)
        })
        .ok_or_else(expected)
}

/// Writes stamps, and remembers the second it wrote last: most lines share it with the one before.
pub struct Stamper {
    style: Style,
    second: u64,
    text: String,
}

impl Stamper {
    /// Writes in that style.
    pub fn new(style: Style) -> Self {
        Stamper {
            style,
            second: u64::MAX,
            text: String::new(),
        }
    }

    /// Appends the stamp and a blank.
    pub fn write(&mut self, at: Time, line: &mut impl Write) -> std::io::Result<()> {
        if at / SECOND != self.second {
            self.second = at / SECOND;
            self.text = second_text(self.style, at);
        }
        match self.style {
            Style::Rfc3164 => write!(line, "{} ", self.text),
            Style::Rfc3339 => write!(line, "{}.{:06}+00:00 ", self.text, at % SECOND),
        }
    }
}

fn second_text(style: Style, at: Time) -> String {
    let Civil {
        year,
        month,
        day,
        hour,
        minute,
        second,
    } = civil(at);
    match style {
        Style::Rfc3164 => {
            let month = MONTHS[month as usize - 1];
            format!("{month} {day:>2} {hour:02}:{minute:02}:{second:02}")
        }
        Style::Rfc3339 => {
            format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{DAY, SECOND, Stamper, Style, civil, parse_day};

    #[test]
    fn a_day_is_found_and_written_again() {
        for text in [
            "1970-01-01",
            "2024-02-29",
            "2026-03-02",
            "2026-12-31",
            "2100-03-01",
        ] {
            let at = parse_day(text).unwrap();
            assert_eq!(at % DAY, 0);
            let day = civil(at);
            assert_eq!(
                format!("{}-{:02}-{:02}", day.year, day.month, day.day),
                text
            );
        }
        assert!(parse_day("2026-02-30").is_err());
        assert!(parse_day("yesterday").is_err());
    }

    #[test]
    fn both_styles() {
        let at = parse_day("2026-03-02").unwrap() + 33_044 * SECOND + 288_510;
        let mut line = Vec::new();
        Stamper::new(Style::Rfc3164).write(at, &mut line).unwrap();
        Stamper::new(Style::Rfc3339).write(at, &mut line).unwrap();
        assert_eq!(
            String::from_utf8(line).unwrap(),
            "Mar  2 09:10:44 2026-03-02T09:10:44.288510+00:00 "
        );
    }
}
