//! `tlsnag audit --digest weekly|monthly`: one line for cron, run daily. News are told at once, the whole when a week or a month is over, and
//! on all other days nothing is said.
//!
//! Of how far the digests go the store keeps the last day, once one was printed or mailed to anybody: a run that could not tell does not
//! count, and a machine that slept makes up for the latest week and not for each.

use chrono::{Datelike, Months, NaiveDate, TimeDelta};

use crate::cli::DigestArg;
use crate::outcome::day_of;
use crate::query::{Period, Scope};
use crate::report::{Table, digest};
use crate::store::Store;

use super::alert::News;
use super::audit::AuditArgs;
use super::mailed::Missed;
use super::report::{mail_table, newest_day, print_whole};
use super::{Environment, Status};

/// Tells what there is to tell.
pub(super) fn run(
    store: &Store,
    (args, how_often): (&AuditArgs, DigestArg),
    environment: &Environment,
) -> anyhow::Result<Status> {
    let scope = args.period.scope(environment.now, newest_day(store)?)?;
    let today = day_of(environment.now);
    let news = News::find(store, &scope, today)?;
    let (mut to_do, mut missed) = (0, Missed::default());
    if let Some(table) = &news.table {
        to_do += table.to_do;
        match tell(store, ("changes", table), &news.scope, args, environment)? {
            Some(some) => missed.and(some),
            None => return Ok(Status::Done),
        }
    }
    news.remember(store)?;
    let (first, last) = latest_whole(how_often, today);
    if is_due(store.digested(how_often.span())?, last, today) {
        let scope = Scope {
            period: Period {
                from_day: Some(first),
                to_day: Some(last),
            },
            ..scope
        };
        let table = digest::build(store, &scope, how_often.span())?;
        to_do += table.to_do;
        if news.table.is_some() && args.mail.mail_to.is_empty() {
            environment.printer.result("\n")?;
        }
        if let Some(some) = tell(store, ("digest", &table), &scope, args, environment)? {
            missed.and(some);
            store.save_digested(how_often.span(), last)?;
        }
    }
    missed.into_result()?;
    Ok(match args.print.exit_code && to_do > 0 {
        true => Status::SomethingToDo,
        false => Status::Done,
    })
}

/// Whether the days until `last` have not been told of. What is said to be told of today or later was told when the clock was ahead.
fn is_due(done: Option<i32>, last: i32, today: i32) -> bool {
    done.is_none_or(|done| done < last || done >= today)
}

/// Prints or mails a table, and says whom the mail did not reach. `None` if nobody read it.
fn tell(
    store: &Store,
    (name, table): (&str, &Table),
    scope: &Scope,
    args: &AuditArgs,
    environment: &Environment,
) -> anyhow::Result<Option<Missed>> {
    let to = &args.mail.mail_to;
    if to.is_empty() {
        let was_read = print_whole(table, name, scope, &args.print, environment)?;
        return Ok(was_read.then(Missed::default));
    }
    mail_table(store, (name, table), scope, to, environment).map(Some)
}

/// The latest week, Monday to Sunday, or month that was over before this day; all in days since 1970.
fn latest_whole(how_often: DigestArg, today: i32) -> (i32, i32) {
    let date = NaiveDate::default() + TimeDelta::days(today.into());
    let since_1970 = |date: NaiveDate| {
        // OK to narrow: the days of a clock.
        (date - NaiveDate::default()).num_days() as i32
    };
    match how_often {
        DigestArg::Weekly => {
            let monday = today - date.weekday().num_days_from_monday() as i32;
            (monday - 7, monday - 1)
        }
        DigestArg::Monthly => {
            let begun = date.with_day(1).unwrap_or(date);
            (since_1970(begun - Months::new(1)), since_1970(begun) - 1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::period::{date, parse_day};
    use super::*;

    #[test]
    fn what_a_clock_ahead_said_is_done_is_due() {
        assert!(is_due(None, 10, 12) && is_due(Some(9), 10, 12));
        assert!(!is_due(Some(10), 10, 12) && !is_due(Some(11), 10, 12));
        assert!(is_due(Some(12), 10, 12) && is_due(Some(400), 10, 12));
    }

    #[test]
    fn a_week_is_from_monday_to_sunday_and_a_month_from_its_first_to_its_last_day() {
        let spans = |how_often, today| {
            let (first, last) = latest_whole(how_often, parse_day(today, 0).unwrap());
            format!("{} {}", date(first), date(last))
        };
        for (today, week, month) in [
            // A Sunday, the Monday after it, and the Tuesday after that.
            (
                "2026-11-22",
                "2026-11-09 2026-11-15",
                "2026-10-01 2026-10-31",
            ),
            (
                "2026-11-23",
                "2026-11-16 2026-11-22",
                "2026-10-01 2026-10-31",
            ),
            (
                "2026-11-24",
                "2026-11-16 2026-11-22",
                "2026-10-01 2026-10-31",
            ),
            (
                "2024-03-01",
                "2024-02-19 2024-02-25",
                "2024-02-01 2024-02-29",
            ),
            (
                "2026-01-01",
                "2025-12-22 2025-12-28",
                "2025-12-01 2025-12-31",
            ),
        ] {
            assert_eq!(spans(DigestArg::Weekly, today), week, "{today}");
            assert_eq!(spans(DigestArg::Monthly, today), month, "{today}");
        }
    }
}
