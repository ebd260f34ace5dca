//! The day from which we require TLS, where letters name it: it must be far enough ahead for somebody to act on, and it must be true when the
//! letter leaves.

use anyhow::bail;

use crate::campaign::Kind;
use crate::outcome::day_of;
use crate::settings::Campaign;
use crate::store::outreach::Notice;

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

/// Whether what a drafted letter says of the day is so still: it is the one that is set, and it is to come.
pub(super) fn holds(notice: &Notice, settings: &Campaign, now: i64) -> bool {
    let set = settings.enforce_on.as_deref();
    let is_named = |day: &str| notice.body.contains(day);
    if notice.kind != Kind::Deadline.name() && !set.is_some_and(is_named) {
        return true;
    }
    let is_ahead = settings.enforce_day().is_some_and(|day| day > day_of(now));
    is_ahead && set.is_some_and(is_named)
}
