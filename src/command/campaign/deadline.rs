//! The day from which we require TLS, where letters name it: it must be far enough ahead for somebody to act on, and it must be true when the
//! letter leaves.

use anyhow::bail;
use chrono::NaiveDate;

use crate::campaign::{Kind, Planned};
use crate::outcome::day_of;
use crate::settings::Campaign;
use crate::store::outreach::{Case, Notice, State};

/// So many days before it everybody should have been told.
pub(super) const NOTICE_DAYS: i32 = 28;

/// Fails with what to set if letters drafted now would name a day that leaves too little time, or is gone by.
pub(super) fn require_time(settings: &Campaign, now: i64) -> anyhow::Result<()> {
    let Some(day) = settings.enforce_day() else {
        return Ok(());
    };
    let left = day - day_of(now);
    if left < NOTICE_DAYS {
        bail!(
            "letters would name {}, {}: set `enforce_on` in the section [campaign] to a day at least {NOTICE_DAYS} days ahead, or take it out, \
             and letters name none",
            super::super::period::date(day),
            match left {
                ..0 => "which is gone by".to_string(),
                0 => "which is today".to_string(),
                1 => "which is tomorrow".to_string(),
                left => format!("which is {left} days ahead"),
            }
        );
    }
    Ok(())
}

/// The day that a letter of this kind names, if one is set. A first letter names it whenever it is; a reminder, of which the first letter may
/// have told the day already, as long as it is to come.
pub(super) fn named(kind: Kind, settings: &Campaign, now: i64) -> Option<&str> {
    let set = settings.enforce_on.as_deref();
    match kind {
        Kind::Deadline => set,
        Kind::Reminder | Kind::LastReminder => set.filter(|_| is_ahead(settings, now)),
        Kind::Notice | Kind::ThankYou => None,
    }
}

/// Whether somebody learns of the day by this letter: a first one, or a reminder of one that did not name it.
pub(super) fn is_news(planned: &Planned, cases: &[Case], settings: &Campaign) -> bool {
    let case = cases.iter().find(|case| case.token == planned.token);
    // What another contact was told, this one was not.
    let is_theirs = |letter: &&Notice| letter.address.eq_ignore_ascii_case(&planned.contact.0);
    let letters = case.iter().flat_map(|case| &case.notices);
    let mut letters = letters.filter(is_theirs);
    let set = settings.enforce_on.as_deref().unwrap_or_default();
    // The text of one may have been forgotten.
    let is_told = |letter: &Notice| {
        letter.progress.may_have_left() && (letter.body.is_empty() || says(letter, set))
    };
    match planned.kind {
        Kind::Deadline => true,
        Kind::Reminder | Kind::LastReminder => !letters.any(is_told),
        Kind::Notice | Kind::ThankYou => false,
    }
}

/// Whether what a drafted letter says of the day is so still: it is the one that is set, and it is to come.
pub(super) fn holds(notice: &Notice, settings: &Campaign, now: i64) -> bool {
    let set = settings.enforce_on.as_deref();
    let is_set = set.is_some_and(|day| says(notice, day));
    if notice.kind != Kind::Deadline.name() && !is_set && !names_another(notice) {
        return true;
    }
    is_set && is_ahead(settings, now)
}

fn is_ahead(settings: &Campaign, now: i64) -> bool {
    let day = settings.enforce_day();
    day.is_some_and(|day| day > day_of(now))
}

/// A letter without the lines of logs in it, which are indented and have dates of their own.
fn own_words(notice: &Notice) -> impl Iterator<Item = &str> {
    let lines = notice.body.lines();
    lines.filter(|line| !line.starts_with("  "))
}

/// Whether a letter has told its reader of a day; of one that came back, or whose text is forgotten, that is not said.
pub(super) fn has_told(case: &Case, letter: &Notice, day: &str) -> bool {
    letter.progress.may_have_left() && case.state != State::Bounced && says(letter, day)
}

fn says(notice: &Notice, day: &str) -> bool {
    own_words(notice).any(|line| line.contains(day))
}

/// Whether a letter names a day that was to come when it was drafted.
fn names_another(notice: &Notice) -> bool {
    let drafted = day_of(notice.planned);
    own_words(notice)
        .flat_map(|line| line.split(|c: char| !c.is_ascii_digit() && c != '-'))
        .filter_map(|word| word.parse::<NaiveDate>().ok())
        .any(|day| (day - NaiveDate::default()).num_days() > i64::from(drafted))
}
