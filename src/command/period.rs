//! What span of time a report is about: what `--since` and `--until` mean, and the last 30 days if neither is given.

use anyhow::{Context, bail};
use chrono::{NaiveDate, TimeDelta};
use clap::Args;

use crate::cli::DirectionArg;
use crate::outcome::{Direction, day_of};
use crate::query::{Period, Scope};

/// Days a report looks back if nothing is said.
const DAYS: i32 = 30;

/// Options of everything that reports.
#[derive(Clone, Debug, Default, Args)]
pub struct PeriodArgs {
    /// First day, UTC: 2026-11-01, or a number of days back such as 7d [default: the 30 days before the newest record; for `peer` all time]
    #[arg(long, value_name = "DAY")]
    pub since: Option<String>,
    /// Last day, UTC
    #[arg(long, value_name = "DAY")]
    pub until: Option<String>,
    /// Only mail in this direction
    #[arg(long, value_enum, default_value = "both")]
    pub direction: DirectionArg,
    /// Every row of all time, not only what to act on
    #[arg(long)]
    pub all: bool,
}

impl PeriodArgs {
    /// The scope for a store whose newest record is of day `newest`. An archive that ended long ago is judged by its own last days.
    pub fn scope(&self, now: i64, newest: Option<i32>) -> anyhow::Result<Scope> {
        let today = day_of(now);
        let since = self
            .since
            .as_deref()
            .map(|text| parse_day(text, today).context("--since"))
            .transpose()?;
        let until = self
            .until
            .as_deref()
            .map(|text| parse_day(text, today).context("--until"))
            .transpose()?;
        if let (Some(since), Some(until)) = (since, until)
            && since > until
        {
            bail!("--since {} is after --until {}", date(since), date(until));
        }
        let last = until.or(if self.all {
            None
        } else {
            Some(newest.map_or(today, |n| n.min(today)))
        });
        let first = since.or(if self.all {
            None
        } else {
            last.map(|l| l - DAYS + 1)
        });
        let direction = match self.direction {
            DirectionArg::Out => Some(Direction::Outbound),
            DirectionArg::In => Some(Direction::Inbound),
            DirectionArg::Both => None,
        };
        let until_end = if until.is_none() && since.is_some() {
            None
        } else {
            last
        };
        Ok(Scope {
            period: Period {
                from_day: first,
                to_day: until_end,
            },
            direction,
            all: self.all,
        })
    }
}

/// Days since 1970 of a date, or of so many days before today.
pub fn parse_day(text: &str, today: i32) -> anyhow::Result<i32> {
    if let Some(days) = text.strip_suffix('d').and_then(|n| n.parse::<u16>().ok()) {
        // The last no days would begin tomorrow.
        return Ok(today - i32::from(days.max(1)) + 1);
    }
    let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") else {
        bail!("expected a day such as 2026-11-01, or 7d for the last seven days, found `{text}`");
    };
    Ok(day_of(
        date.and_time(chrono::NaiveTime::MIN).and_utc().timestamp(),
    ))
}

/// A day as `2026-11-01`.
pub fn date(day: i32) -> String {
    let date = NaiveDate::default() + TimeDelta::days(day.into());
    date.format("%Y-%m-%d").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(since: Option<&str>, until: Option<&str>, all: bool) -> PeriodArgs {
        PeriodArgs {
            since: since.map(str::to_owned),
            until: until.map(str::to_owned),
            direction: DirectionArg::Both,
            all,
        }
    }

    #[test]
    fn ok_days() {
        assert_eq!(parse_day("1970-01-02", 100).ok(), Some(1));
        assert_eq!(parse_day("7d", 100).ok(), Some(94));
        assert_eq!(parse_day("1d", 100).ok(), Some(100));
        assert_eq!(parse_day("0d", 100).ok(), Some(100));
        assert_eq!(date(20_000), "2024-10-04");
        for wrong in ["2026-02-30", "yesterday", "", "d", "-1d"] {
            assert!(parse_day(wrong, 100).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_default_is_thirty_days_up_to_the_newest_record() {
        let now = 1000 * 86_400;
        let span = |a: PeriodArgs, newest| {
            a.scope(now, newest)
                .ok()
                .map(|s| (s.period.from_day, s.period.to_day))
        };
        assert_eq!(
            span(args(None, None, false), Some(990)),
            Some((Some(961), Some(990)))
        );
        assert_eq!(
            span(args(None, None, false), None),
            Some((Some(971), Some(1000)))
        );
        assert_eq!(span(args(None, None, true), Some(990)), Some((None, None)));
        assert_eq!(
            span(args(Some("1970-01-05"), None, false), Some(990)),
            Some((Some(4), None))
        );
        assert!(
            args(Some("2026-11-10"), Some("2026-11-01"), false)
                .scope(now, None)
                .is_err()
        );
    }
}
