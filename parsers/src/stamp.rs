//! Time stamps as far as a line tells them.
//!
//! No year is invented here and no zone is assumed: the reader of the file knows its age, the line does not.

use chrono::{NaiveDate, NaiveDateTime};

/// The time written on a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stamp {
    /// An instant: the line names year and zone. Seconds since 1970-01-01T00:00:00Z.
    Zoned(i64),
    /// Year, but no zone: local time of the writer.
    Local(NaiveDateTime),
    /// Neither year nor zone (RFC 3164, `Nov  2 10:00:01`).
    Yearless {
        /// 1 to 12.
        month: u8,
        /// 1 to 31; 29 February is possible, the year is not known.
        day: u8,
        /// Seconds since local midnight, 0 to 86 400 (a leap second).
        second: u32,
    },
    /// The line has no time.
    Missing,
}

impl Stamp {
    /// The civil local time this stamp means in `year`; `None` for a day that year does not have, and for stamps that need no year.
    pub fn in_year(self, year: i32) -> Option<NaiveDateTime> {
        let Stamp::Yearless { month, day, second } = self else {
            return None;
        };
        let midnight =
            NaiveDate::from_ymd_opt(year, month.into(), day.into())?.and_hms_opt(0, 0, 0)?;
        Some(midnight + chrono::TimeDelta::seconds(second.into()))
    }
}
