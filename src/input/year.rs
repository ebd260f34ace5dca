//! Stamps to UTC seconds: the year that BSD syslog does not write, the zone, and the hour that comes twice in autumn.
//!
//! A log moves forward. A stamp that goes back by more than 26 hours, counted in a leap year, begins a new year; 26 hours absorb
//! daylight saving, small clock steps and lines that overtake each other. No gap is too long: January to November is one year.
//!
//! Where the first year comes from, best first: `--year`; stamps in the same file that have a year, or the time in queue or message ids; the
//! time the file was last written, as the latest possible time of its last line. For the last one the years of the whole file have
//! to be counted before its first line can be dated: that is [`Scan`], one cheap pass, needed for yearless logs only, and only up to a
//! line that tells the year.
//!
//! [`Clock`] is all the state there is. Stored at a line boundary and loaded again, it goes on as if nothing had happened, whatever
//! became of the file's own time in between.
//!
//! # What it gets wrong
//!
//! Files glued together newest first, and a clock that lost its date in the middle of a file: both look like a new year. A
//! silent gap of a year or more cannot be seen. In the hour that comes twice, lines too far apart to show the step back are taken
//! for the first pass.

use std::io::{self, Read};

use chrono::{Datelike, Local, LocalResult, NaiveDate, NaiveDateTime, Offset, TimeZone};
use maillog::Stamp;
use maillog::framing::parse_stamp;
use serde::{Deserialize, Serialize};

use super::hint;
use super::identity::SkipTo;
use super::lines::{LastLine, Lines};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
/// How far a log may step back without a new year having begun, and a last line may be later than the file.
const SLACK: i64 = 26 * HOUR;
/// Days of a leap year, in which 29 February has a place.
const LEAP_YEAR: i64 = 366 * DAY;
/// A leap year to count days in.
const REFERENCE_YEAR: i32 = 2000;
/// How much of a line `Nov  2 10:00:01 host ...` names day and hour.
const HOUR_BYTES: usize = "Nov  2 10".len();
/// Stamps with a year that is farther off than this are not believed about the year of their neighbours.
const BELIEVABLE: i64 = 400 * DAY;
/// Stamps within this of each other, in seconds, whatever the zone, are of one time; and so near to New Year is around New Year.
const BESIDE: i64 = 2 * DAY;
/// So many lines that agree are right about the year of one that does not.
const NEIGHBOURS: u8 = 3;
/// 29 February cannot be farther back than this (1896 to 1904).
const YEARS_TO_TRY: i32 = 9;
/// How many different years with a 29 February a scan remembers.
const MAX_LEAP_DAYS: usize = 64;
/// How many yearless lines are searched for an id that tells the year.
const MAX_SEARCHED: u32 = 10_000;
/// Zones change their offset at multiples of this.
const OFFSET_STEP: i64 = HOUR / 4;

/// The zone of stamps that name none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Zone {
    /// UTC.
    Utc,
    /// That of this machine (`TZ`, `/etc/localtime`).
    #[default]
    Local,
    /// Seconds east of Greenwich, all year round.
    Fixed(i32),
    /// Central Europe in 2025, for tests that must not depend on the machine.
    #[cfg(test)]
    Test,
}

/// The offsets, in seconds east, that a civil time can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Offsets {
    One(i64),
    /// The clock was set back: first and second pass.
    Two(i64, i64),
    /// The clock was set forward over it: the offset before.
    Gap(i64),
}

impl Zone {
    /// What offsets a civil time, in seconds, can have.
    fn offsets(self, civil: i64) -> Offsets {
        match self {
            Zone::Utc => Offsets::One(0),
            Zone::Fixed(offset) => Offsets::One(offset.into()),
            Zone::Local => local_offsets(civil),
            #[cfg(test)]
            Zone::Test => tests::central_europe(civil),
        }
    }

    /// The civil time at an instant.
    fn civil_at(self, instant: i64) -> i64 {
        let offset = match self {
            Zone::Utc => 0,
            Zone::Fixed(offset) => offset.into(),
            Zone::Local => naive(instant).map_or(0, |n| {
                Local
                    .offset_from_utc_datetime(&n)
                    .fix()
                    .local_minus_utc()
                    .into()
            }),
            #[cfg(test)]
            Zone::Test => HOUR,
        };
        instant + offset
    }
}

fn local_offsets(civil: i64) -> Offsets {
    let Some(time) = naive(civil) else {
        return Offsets::One(0);
    };
    let east = |o: &chrono::FixedOffset| i64::from(o.local_minus_utc());
    match Local.offset_from_local_datetime(&time) {
        LocalResult::Single(offset) => Offsets::One(east(&offset.fix())),
        LocalResult::Ambiguous(a, b) => {
            // the larger offset is the earlier instant: summer time, the first pass
            let (a, b) = (east(&a.fix()), east(&b.fix()));
            Offsets::Two(a.max(b), a.min(b))
        }
        LocalResult::None => {
            let before = naive(civil - 3 * HOUR)
                .and_then(|t| Local.offset_from_local_datetime(&t).earliest());
            Offsets::Gap(before.map_or(0, |o| east(&o.fix())))
        }
    }
}

fn naive(seconds: i64) -> Option<NaiveDateTime> {
    chrono::DateTime::from_timestamp(seconds, 0).map(|t| t.naive_utc())
}

/// The walk through the years of a yearless log, relative to its first line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Walk {
    /// Seconds since the start of the (leap) year of the furthest line so far.
    place: Option<i64>,
    /// New years seen.
    years: i32,
}

/// Where a stamp stands in a walk.
#[derive(Clone, Copy)]
enum Step {
    Same,
    NextYear,
    /// A late line of the year that just ended; it does not move the walk.
    LateFromLastYear,
}

impl Walk {
    fn look(&self, place: i64) -> Step {
        match self.place {
            Some(last) if place < last - SLACK => Step::NextYear,
            Some(last) if place > last + LEAP_YEAR - SLACK => Step::LateFromLastYear,
            _ => Step::Same,
        }
    }

    /// Takes the step and returns the year of the stamp, relative to the first line.
    fn step(&mut self, place: i64) -> i32 {
        match self.look(place) {
            Step::LateFromLastYear => return self.years - 1,
            Step::NextYear => self.years += 1,
            Step::Same => {}
        }
        self.place = Some(place);
        self.years
    }
}

/// Seconds from the start of a leap year, by month, day and second: what two stamps without year are compared by.
fn place_in_year(month: u8, day: u8, second: u32) -> Option<i64> {
    let date = NaiveDate::from_ymd_opt(REFERENCE_YEAR, month.into(), day.into())?;
    Some(i64::from(date.ordinal0()) * DAY + i64::from(second))
}

fn place_of(civil: i64) -> Option<(i32, i64)> {
    let time = naive(civil)?;
    let month = u8::try_from(time.month()).ok()?;
    let day = u8::try_from(time.day()).ok()?;
    Some((
        time.year(),
        place_in_year(month, day, u32::try_from(civil.rem_euclid(DAY)).ok()?)?,
    ))
}

/// A log of this size and more is sampled rather than gone through, in bytes.
pub const LARGE: u64 = 32 * 1024 * 1024;
/// How many samples at least, and how long they are, in bytes: a log of some years shows each day, and one of decades each year.
const SAMPLES: u64 = 1024;
const SAMPLE: u64 = 4 * 1024;
/// How much of the beginning and of the end is looked at, in bytes.
const END: u64 = 64 * 1024;

/// What one pass over a yearless log tells about its years.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// The first stamp of the file.
    pub first: Option<Stamp>,
    /// The furthest yearless stamp, which the bound is for.
    last: Option<Stamp>,
    /// The year of the first line, from a stamp with a year later in the file.
    stated: Option<i32>,
    /// The year of the first line, from a queue or message id.
    hinted: Option<i32>,
    /// Yearless lines searched for ids.
    searched: u32,
    /// Years, relative to the first line, that have a 29 February.
    leap_days: Vec<i32>,
    walk: Walk,
    /// Month, day and hour of the last line looked at, as written.
    hour: [u8; HOUR_BYTES],
}

impl Scan {
    /// Reads a log to its end, or only to its first stamp if that one has a year.
    pub fn read(reader: impl Read, zone: Zone) -> io::Result<Scan> {
        let mut scan = Scan::default();
        let mut lines = Lines::new(reader, LastLine::Final);
        loop {
            match lines.next_line() {
                Ok(Some(line)) => scan.note_line(line.bytes, zone),
                // what could be inflated counts; that the rest is damaged is found out, and told, when it is read
                Err(error) if scan.first.is_none() => return Err(error),
                Ok(None) | Err(_) => return Ok(scan),
            }
            if scan.is_needless() {
                return Ok(scan);
            }
        }
    }

    /// The same for a large log of `size` bytes in which one can move about: its beginning, its end, and samples at equal
    /// distances in between.
    pub fn sample(mut reader: impl Read + SkipTo, size: u64, zone: Zone) -> io::Result<Scan> {
        let mut scan = Scan::default();
        let mut piece = Vec::new();
        // No line twice, which would look like a step back.
        let last = size.saturating_sub(END).max(END);
        let stride = (last / SAMPLES).max(SAMPLE);
        let between = (END..last.saturating_sub(SAMPLE)).step_by(stride as usize);
        let pieces = between.map(|start| (start, SAMPLE));
        for (start, wanted) in [(0, END)].into_iter().chain(pieces).chain([(last, END)]) {
            reader.skip_to(start)?;
            piece.clear();
            reader.by_ref().take(wanted).read_to_end(&mut piece)?;
            // Without the torn lines at its ends.
            let mut lines = piece.split(|b| *b == b'\n');
            lines.next_back();
            for line in lines.skip(usize::from(start > 0)) {
                scan.note_line(line, zone);
            }
            if scan.is_needless() {
                return Ok(scan);
            }
        }
        Ok(scan)
    }

    /// The year is known: stamps have one, or an id tells it. The rest of a log would only say it again.
    fn is_needless(&self) -> bool {
        self.hinted.is_some() || matches!(self.first, Some(Stamp::Zoned(_) | Stamp::Local(_)))
    }

    fn note_line(&mut self, line: &[u8], zone: Zone) {
        let settled = self.searched >= MAX_SEARCHED;
        if settled && line.get(..HOUR_BYTES) == Some(&self.hour) {
            return;
        }
        let stamp = parse_stamp(line);
        self.note(stamp, zone);
        // A year does not begin within an hour, and a last line that is an hour too early changes no year.
        if let (Stamp::Yearless { .. }, Some(hour)) = (stamp, line.first_chunk()) {
            self.hour = *hour;
        }
        if !settled && matches!(stamp, Stamp::Yearless { .. }) {
            self.searched += 1;
            self.hinted = hint::year_of(line).map(|year| year - self.walk.years);
        }
    }

    fn note(&mut self, stamp: Stamp, zone: Zone) {
        match stamp {
            Stamp::Missing => return,
            Stamp::Yearless { month, day, second } => {
                self.note_yearless(stamp, (month, day, second))
            }
            Stamp::Zoned(instant) => self.note_year(zone.civil_at(instant)),
            Stamp::Local(civil) => self.note_year(civil.and_utc().timestamp()),
        }
        self.first.get_or_insert(stamp);
    }

    fn note_yearless(&mut self, stamp: Stamp, (month, day, second): (u8, u8, u32)) {
        let Some(place) = place_in_year(month, day, second) else {
            return;
        };
        let before = self.walk.place;
        let year = self.walk.step(place);
        if self.walk.place != before {
            self.last = Some(stamp);
        }
        if (month, day) == (2, 29)
            && !self.leap_days.contains(&year)
            && self.leap_days.len() < MAX_LEAP_DAYS
        {
            self.leap_days.push(year);
        }
    }

    fn note_year(&mut self, civil: i64) {
        if let (Some((year, place)), None) = (place_of(civil), self.stated) {
            self.stated = Some(year - self.walk.step(place));
        }
    }

    /// The year of the first line, given the latest time its last line can have.
    fn first_year(&self, bound: i64, zone: Zone) -> Option<i32> {
        let last = self.last?;
        let (latest, _) = place_of(zone.civil_at(bound + SLACK))?;
        let fits = |year: i32| {
            let civil = last.in_year(year)?.and_utc().timestamp();
            let instant = civil - offset_of(zone.offsets(civil), false);
            (instant <= bound + SLACK).then_some(())
        };
        let leap = |year: i32| NaiveDate::from_ymd_opt(year, 2, 29).is_some();
        let years = || {
            (latest - YEARS_TO_TRY..=latest)
                .rev()
                .filter(|y| fits(*y).is_some())
        };
        let first_of = |last: i32| last.saturating_sub(self.walk.years);
        let with_leap_days = years().map(first_of).find(|first| {
            self.leap_days
                .iter()
                .all(|r| leap(first.saturating_add(*r)))
        });
        with_leap_days.or_else(|| years().map(first_of).next())
    }
}

/// Turns the stamps of one source, in the order of the file, into instants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// The zone of stamps that name none.
    zone: Zone,
    /// The year of the first line; what comes after is counted.
    first_year: Option<i32>,
    walk: Walk,
    /// Civil seconds of the last line.
    last: Option<i64>,
    /// The clock has been set back in the hour that comes twice.
    second_pass: bool,
    /// So many stamps with a year in a row were of one time.
    #[serde(default)]
    agreed: u8,
    /// Nothing is later than this, in seconds since 1970; not part of the state.
    #[serde(skip, default = "no_limit")]
    limit: i64,
    /// The quarter of an hour looked at last, and its offset.
    #[serde(skip)]
    cached: Option<(i64, i64)>,
    /// The day asked for last: year, month, day, and the civil second it begins with.
    #[serde(skip)]
    midnight: Option<((i32, u8, u8), i64)>,
}

fn no_limit() -> i64 {
    i64::MAX - SLACK
}

impl Clock {
    /// A clock that has seen nothing. Until it is anchored or meets a stamp with a year, yearless stamps have no answer unless
    /// [`Clock::set_now`] was called: then the first one is the latest that is not in the future.
    pub fn new(zone: Zone) -> Clock {
        Clock {
            zone,
            first_year: None,
            walk: Walk::default(),
            last: None,
            second_pass: false,
            agreed: 0,
            limit: no_limit(),
            cached: None,
            midnight: None,
        }
    }

    /// Replaces the zone, for stamps from here on.
    pub fn set_zone(&mut self, zone: Zone) {
        (self.zone, self.cached) = (zone, None);
    }

    /// Tells the time of this run (seconds since 1970): a new year that would begin after it is a clock that went wrong. To be
    /// called after loading.
    pub fn set_now(&mut self, now: i64) {
        self.limit = now;
    }

    /// Whether it has not told the time of any line yet.
    pub fn is_fresh(&self) -> bool {
        self.last.is_none()
    }

    /// Fixes the year of the first line, unless it is known. `year` is what the user says (`--year`), `hint_year` what the caller
    /// knows better than ids and the age of the file, both for the first line; `modified` is when the file was written, `now`
    /// the time of this run. Returns the year if nothing but the age of the file, or of its name, tells it.
    pub fn anchor(
        &mut self,
        scan: &Scan,
        year: Option<i32>,
        hint_year: Option<i32>,
        modified: Option<i64>,
        now: i64,
    ) -> Option<i32> {
        self.set_now(now);
        if self.first_year.is_some() {
            return None;
        }
        self.first_year = year.or(scan.stated).or(hint_year).or(scan.hinted);
        if self.first_year.is_some() {
            return None;
        }
        let bound = modified.map_or(now, |m| m.min(now));
        self.first_year = scan.first_year(bound, self.zone);
        self.first_year
    }

    /// The year of the next yearless stamp if no new year begins; `None` if it is not known yet.
    pub fn year(&self) -> Option<i32> {
        self.first_year.map(|y| y.saturating_add(self.walk.years))
    }

    /// The instant of a stamp, in seconds since 1970-01-01T00:00:00Z. `None` if the line has no time, or no year could be found
    /// in which its day exists. To be called once for each record, in the order of the file.
    pub fn resolve(&mut self, stamp: Stamp) -> Option<i64> {
        match stamp {
            Stamp::Missing => None,
            Stamp::Zoned(instant) => {
                let instant = self.beside_neighbours(instant);
                self.follow(instant);
                Some(instant)
            }
            Stamp::Local(civil) => {
                let civil = civil.and_utc().timestamp();
                let instant = self.instant_of(civil);
                self.note_year(civil);
                Some(instant)
            }
            Stamp::Yearless { month, day, second } => {
                let place = place_in_year(month, day, second)?;
                self.resolve_yearless(stamp, place)
            }
        }
    }

    fn resolve_yearless(&mut self, stamp: Stamp, place: i64) -> Option<i64> {
        let base = match self.first_year {
            Some(year) => year,
            None => *self
                .first_year
                .insert(guess_year(stamp, self.limit, self.zone)?),
        };
        let year = base.saturating_add(self.walk.years);
        let (year, moves) = match self.walk.look(place) {
            Step::Same => (year, true),
            Step::LateFromLastYear => (year - 1, false),
            // a clock that lost its date: the year stays, and the walk waits for the log to come back to where it was
            Step::NextYear if self.is_future(stamp, year + 1) => (year, false),
            Step::NextYear => (year + 1, true),
        };
        if moves {
            self.walk.step(place);
        }
        let civil = self.civil_of(stamp, year)?;
        Some(self.instant_of(civil))
    }

    /// The civil second of a yearless stamp. Most are of the same day as the one before.
    fn civil_of(&mut self, stamp: Stamp, year: i32) -> Option<i64> {
        let Stamp::Yearless { month, day, second } = stamp else {
            return None;
        };
        let date = (year, month, day);
        if let Some((_, midnight)) = self.midnight.filter(|(known, _)| *known == date) {
            return Some(midnight + i64::from(second));
        }
        let time = stamp.in_year(year).or_else(|| day_before(stamp, year))?;
        let civil = time.and_utc().timestamp();
        self.midnight = Some((date, civil - i64::from(second)));
        Some(civil)
    }

    fn is_future(&self, stamp: Stamp, year: i32) -> bool {
        stamp
            .in_year(year)
            .is_some_and(|t| t.and_utc().timestamp() > self.limit.saturating_add(SLACK))
    }

    /// A syslog daemon that gives the lines of others their year is off by one around New Year. Its neighbours know better, if there
    /// were enough of them.
    fn beside_neighbours(&mut self, instant: i64) -> i64 {
        let Some(last) = self.last else {
            return instant;
        };
        if (instant - last).abs() < BESIDE {
            self.agreed = self.agreed.saturating_add(1);
            return instant;
        }
        let civil = self.zone.civil_at(instant);
        let moved = |years: i32| {
            let time = naive(civil)?;
            let moved = time.with_year(time.year() + years)?.and_utc().timestamp();
            let is_new_year = place_of(moved)
                .is_some_and(|(_, place)| !(BESIDE..LEAP_YEAR - BESIDE).contains(&place));
            (is_new_year && (moved - last).abs() < BESIDE).then_some(instant + moved - civil)
        };
        match moved(1).or_else(|| moved(-1)) {
            Some(moved) if self.agreed >= NEIGHBOURS => moved,
            _ => {
                self.agreed = 0;
                instant
            }
        }
    }

    /// Lets a stamp with zone move the walk without costing the usual log anything: only the day counts.
    fn follow(&mut self, instant: i64) {
        match self.last {
            Some(last) if (instant - last).abs() < DAY / 2 && self.walk.place.is_some() => {}
            _ => {
                let civil = self.zone.civil_at(instant);
                self.note_year(civil);
                self.last = Some(civil);
            }
        }
    }

    /// A stamp with a year tells the year of those without, unless it is far off.
    fn note_year(&mut self, civil: i64) {
        let Some((year, place)) = place_of(civil) else {
            return;
        };
        let believable = match (self.first_year, self.walk.place) {
            (Some(first), Some(here)) => {
                let years = i64::from(year) - i64::from(first) - i64::from(self.walk.years);
                (years * LEAP_YEAR + place - here).abs() <= BELIEVABLE
            }
            _ => true,
        };
        if believable {
            self.first_year = Some(year);
            self.walk = Walk {
                place: Some(place),
                years: 0,
            };
        }
    }

    /// The instant of a civil time, which also becomes the last one.
    fn instant_of(&mut self, civil: i64) -> i64 {
        let quarter = civil.div_euclid(OFFSET_STEP);
        let last = self.last.replace(civil);
        if let Some((_, offset)) = self.cached.filter(|(q, _)| *q == quarter) {
            return civil - offset;
        }
        let offsets = self.zone.offsets(civil);
        match offsets {
            Offsets::Two(..) => {
                let back = last.map_or(0, |last| last - civil);
                self.second_pass |= (HOUR / 2..=70 * 60).contains(&back);
            }
            Offsets::One(offset) => {
                self.second_pass = false;
                let edges = [
                    quarter * OFFSET_STEP,
                    quarter * OFFSET_STEP + OFFSET_STEP - 1,
                ];
                let steady = edges.iter().all(|edge| self.zone.offsets(*edge) == offsets);
                self.cached = steady.then_some((quarter, offset));
            }
            Offsets::Gap(_) => self.second_pass = false,
        }
        civil - offset_of(offsets, self.second_pass)
    }
}

fn offset_of(offsets: Offsets, second_pass: bool) -> i64 {
    match offsets {
        Offsets::One(offset) | Offsets::Gap(offset) => offset,
        Offsets::Two(_, second) if second_pass => second,
        Offsets::Two(first, _) => first,
    }
}

/// The latest year in which a stamp is not in the future, and its day exists.
fn guess_year(stamp: Stamp, now: i64, zone: Zone) -> Option<i32> {
    let (latest, _) = place_of(zone.civil_at(now.checked_add(SLACK)?))?;
    let past = |year: &i32| {
        stamp
            .in_year(*year)
            .is_some_and(|t| t.and_utc().timestamp() <= zone.civil_at(now + SLACK))
    };
    (latest - YEARS_TO_TRY..=latest).rev().find(past)
}

/// 29 February in a year that has none: the year was guessed wrong, the order of the lines was not. 28 February keeps it.
fn day_before(stamp: Stamp, year: i32) -> Option<NaiveDateTime> {
    let Stamp::Yearless { month, day, second } = stamp else {
        return None;
    };
    Stamp::Yearless {
        month,
        day: day.checked_sub(1)?,
        second,
    }
    .in_year(year)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_392_000; // 2026-11-23

    /// CET, with daylight saving from 30 March to 26 October 2025.
    pub(super) fn central_europe(civil: i64) -> Offsets {
        let (spring, autumn) = (at("2025-03-30 02:00:00"), at("2025-10-26 02:00:00"));
        match civil {
            t if (spring..spring + HOUR).contains(&t) => Offsets::Gap(HOUR),
            t if (autumn..autumn + HOUR).contains(&t) => Offsets::Two(2 * HOUR, HOUR),
            t if (spring..autumn).contains(&t) => Offsets::One(2 * HOUR),
            _ => Offsets::One(HOUR),
        }
    }

    fn at(text: &str) -> i64 {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S")
            .unwrap()
            .and_utc()
            .timestamp()
    }

    fn stamp(text: &str) -> Stamp {
        parse_stamp(format!("{text} host a[1]: x").as_bytes())
    }

    fn show(instant: Option<i64>) -> String {
        instant.and_then(naive).map_or("-".to_owned(), |t| {
            t.format("%Y-%m-%d %H:%M:%S").to_string()
        })
    }

    fn scan(stamps: &[&str], zone: Zone) -> Scan {
        let text: String = stamps
            .iter()
            .map(|s| format!("{s} host postfix/smtp[1]: x\n"))
            .collect();
        Scan::read(text.as_bytes(), zone).unwrap()
    }

    /// A clock for a file that was written at `modified`.
    fn anchored(stamps: &[&str], modified: &str) -> Clock {
        let mut clock = Clock::new(Zone::Utc);
        clock.anchor(
            &scan(stamps, Zone::Utc),
            None,
            None,
            Some(at(modified)),
            NOW,
        );
        clock
    }

    /// Resolves in one go, and again with the clock stored and loaded before every line: both must say the same.
    fn resolve(mut clock: Clock, stamps: &[&str]) -> Vec<String> {
        let mut resumed = clock.clone();
        let mut out = Vec::new();
        for text in stamps {
            let stored = serde_json::to_string(&resumed).unwrap();
            resumed = serde_json::from_str(&stored).unwrap();
            resumed.set_now(NOW);
            let instant = clock.resolve(stamp(text));
            assert_eq!(resumed.resolve(stamp(text)), instant, "{text}");
            out.push(show(instant));
        }
        out
    }

    fn years(stamps: &[&str], modified: &str) -> Vec<i32> {
        let years = resolve(anchored(stamps, modified), stamps);
        years.iter().map(|t| t[..4].parse().unwrap()).collect()
    }

    #[test]
    fn ok_new_year_in_a_file() {
        assert_eq!(
            years(
                &["Dec 31 23:59:59", "Jan  1 00:00:01"],
                "2026-01-01 00:00:02"
            ),
            [2025, 2026]
        );
    }

    #[test]
    fn ok_a_sample_tells_what_the_whole_tells() {
        let mut text = String::new();
        for day in 0..900 {
            let date = NaiveDate::from_ymd_opt(2023, 11, 5).unwrap() + chrono::Days::new(day);
            for hour in 0..24 {
                for minute in ["00", "20", "40"] {
                    let date = date.format("%b %e");
                    text += &format!(
                        "{date} {hour:02}:{minute}:00 host postfix/smtp[{day}]: {day:-^60}\n"
                    );
                }
            }
        }
        let whole = Scan::read(text.as_bytes(), Zone::Utc).unwrap();
        let cursor = io::Cursor::new(text.as_bytes());
        let sample = Scan::sample(cursor, text.len() as u64, Zone::Utc).unwrap();
        let bound = at("2026-04-23 00:00:00");
        let told = |scan: &Scan| {
            (
                scan.first,
                scan.walk.years,
                scan.first_year(bound, Zone::Utc),
            )
        };
        assert_eq!(told(&sample), told(&whole));
        assert_eq!(told(&sample).2, Some(2023));
    }

    #[test]
    fn ok_29_february_steps_back_to_a_leap_year() {
        assert_eq!(years(&["Feb 29 12:00:00"], "2026-05-01 00:00:00"), [2024]);
        assert_eq!(
            years(
                &["Feb 29 12:00:00", "Mar  1 00:00:00"],
                "2026-05-01 00:00:00"
            ),
            [2024, 2024]
        );
        assert_eq!(
            years(
                &["Dec 31 12:00:00", "Feb 29 12:00:00"],
                "2026-05-01 00:00:00"
            ),
            [2023, 2024]
        );
    }

    #[test]
    fn ok_long_gap_stays_in_its_year() {
        assert_eq!(
            years(
                &["Jan  5 00:00:00", "Nov 20 00:00:00"],
                "2026-11-20 00:00:00"
            ),
            [2026, 2026]
        );
    }

    #[test]
    fn ok_four_lines_three_new_years() {
        let stamps = [
            "Nov  1 00:00:00",
            "Jan  1 00:00:00",
            "Nov  1 00:00:00",
            "Jan  1 00:00:00",
        ];
        assert_eq!(
            years(&stamps, "2026-01-02 00:00:00"),
            [2024, 2025, 2025, 2026]
        );
    }

    #[test]
    fn ok_small_steps_back_are_no_new_year() {
        let stamps = [
            "Nov  2 10:00:00",
            "Nov  2 09:00:00",
            "Nov  1 09:00:00",
            "Nov  2 10:00:00",
        ];
        assert_eq!(years(&stamps, "2026-11-02 10:00:00"), [2026; 4]);
        let late = [
            "Dec 31 23:59:58",
            "Jan  1 00:00:01",
            "Dec 31 23:59:59",
            "Jan  1 00:00:02",
        ];
        assert_eq!(
            years(&late, "2026-01-01 01:00:00"),
            [2025, 2026, 2025, 2026]
        );
    }

    #[test]
    fn ok_never_in_the_future() {
        assert_eq!(years(&["Dec  1 00:00:00"], "2030-01-01 00:00:00"), [2025]);
        assert_eq!(years(&["Nov 23 20:00:00"], "2030-01-01 00:00:00"), [2026]);
        // written by a clock a little ahead, read before the new year
        assert_eq!(years(&["Jan  1 00:00:03"], "2025-12-31 23:59:50"), [2026]);
        assert_eq!(years(&["Dec 31 23:59:59"], "2026-01-01 00:00:10"), [2025]);
    }

    #[test]
    fn ok_clock_that_lost_its_date_does_not_advance_the_year() {
        let mut clock = anchored(&["Nov 20 00:00:00"], "2026-11-20 00:00:00");
        let years: Vec<String> = [
            "Nov 20 00:00:00",
            "Jan  1 00:00:00",
            "Jan  1 00:00:09",
            "Nov 20 00:10:00",
        ]
        .iter()
        .map(|t| show(clock.resolve(stamp(t))))
        .collect();
        assert!(years.iter().all(|t| t.starts_with("2026")), "{years:?}");
    }

    #[test]
    fn ok_resume_over_new_year() {
        let clock = anchored(&["Dec 31 23:50:00"], "2025-12-31 23:50:01");
        assert_eq!(
            resolve(clock, &["Dec 31 23:50:00", "Jan  1 00:00:05"]),
            ["2025-12-31 23:50:00", "2026-01-01 00:00:05"]
        );
    }

    #[test]
    fn ok_a_year_that_only_the_age_of_the_file_tells_is_said_to_be_one() {
        let guess = |lines: &str, year: Option<i32>| {
            let scan = Scan::read(lines.as_bytes(), Zone::Utc).unwrap();
            let mut clock = Clock::new(Zone::Utc);
            let modified = Some(at("2026-01-01 00:00:02"));
            clock.anchor(&scan, year, None, modified, NOW)
        };
        let yearless = "Dec 31 23:59:59 h a[1]: x\nJan  1 00:00:01 h a[1]: x\n";
        assert_eq!(guess(yearless, None), Some(2025));
        assert_eq!(guess(yearless, Some(2020)), None);
        assert_eq!(
            guess(&format!("{yearless}2026-01-01T00:00:01Z h a[1]: x\n"), None),
            None
        );
        let id = "Jan  2 10:00:00 h sm-mta[1]: 1019s2aB004300: to=<a@b>\n";
        assert_eq!(guess(id, None), None);
        assert_eq!(guess("2026-01-01T00:00:01Z h a[1]: x\n", None), None);
        assert_eq!(guess("no log\n", None), None);
    }

    #[test]
    fn ok_a_year_that_is_off_by_one_at_new_year_gives_way_to_its_neighbours() {
        let many = [
            "2025-12-31T23:59:56Z",
            "2025-12-31T23:59:57Z",
            "2025-12-31T23:59:58Z",
            "2025-12-31T23:59:59Z",
            "2025-01-01T00:00:01+00:00",
            "2026-01-01T00:00:02Z",
            "2026-12-31T23:59:59+00:00",
            "2026-01-01T00:00:03Z",
        ];
        let shown = resolve(Clock::new(Zone::Utc), &many);
        let ends = shown[4..].join(", ");
        assert_eq!(
            ends,
            "2026-01-01 00:00:01, 2026-01-01 00:00:02, 2025-12-31 23:59:59, 2026-01-01 00:00:03"
        );
        // One line is no proof against another, and a silent year is a silent year.
        for stamps in [
            ["2025-12-31T23:59:59Z", "2025-01-01T00:00:01Z"],
            ["2025-06-30T23:59:59Z", "2024-06-30T23:59:59Z"],
        ] {
            let years = resolve(Clock::new(Zone::Utc), &stamps);
            assert_eq!(years.join(" ").replace(' ', "T")[..19], stamps[0][..19]);
            assert!(years[1].starts_with(&stamps[1][..10]), "{years:?}");
        }
        let summer = ["2025-06-30T23:59:5"; 4].map(|s| s.to_owned() + "1Z");
        let mut stamps: Vec<&str> = summer.iter().map(String::as_str).collect();
        stamps.push("2024-06-30T23:59:59Z");
        assert_eq!(
            resolve(Clock::new(Zone::Utc), &stamps)[4],
            "2024-06-30 23:59:59"
        );
    }

    #[test]
    fn ok_hint_and_option_beat_the_time_of_the_file() {
        let stamps = ["Nov  2 10:00:00", "Jan  2 10:00:00"];
        let mut clock = Clock::new(Zone::Utc);
        clock.anchor(
            &scan(&stamps, Zone::Utc),
            None,
            Some(2021),
            Some(at("2030-01-01 00:00:00")),
            NOW,
        );
        assert_eq!(
            resolve(clock, &stamps),
            ["2021-11-02 10:00:00", "2022-01-02 10:00:00"]
        );
        let mut clock = Clock::new(Zone::Utc);
        clock.anchor(&scan(&stamps, Zone::Utc), Some(2019), Some(2021), None, NOW);
        assert_eq!(resolve(clock, &stamps[..1]), ["2019-11-02 10:00:00"]);
    }

    #[test]
    fn ok_queue_id_beats_the_time_of_a_copied_file() {
        let stamps = ["Dec 31 10:00:00", "Jan  2 10:00:00"];
        let lines = "Dec 31 10:00:00 h sm-mta[1]: x\nJan  2 10:00:00 h sm-mta[1]: 1019s2aB004300: to=<a@b>\n";
        let mut clock = Clock::new(Zone::Utc);
        let scan = Scan::read(lines.as_bytes(), Zone::Utc).unwrap();
        clock.anchor(&scan, None, None, Some(at("2030-01-01 00:00:00")), NOW);
        assert_eq!(
            resolve(clock, &stamps),
            ["2020-12-31 10:00:00", "2021-01-02 10:00:00"]
        );
    }

    #[test]
    fn ok_stamps_with_a_year_tell_those_without() {
        let stamps = [
            "Dec 30 10:00:00",
            "Jan  2 10:00:00",
            "2022-01-02T10:00:01Z",
            "Jan  2 10:00:02",
            "Dec 30 10:00:00",
        ];
        let expected = [
            "2021-12-30 10:00:00",
            "2022-01-02 10:00:00",
            "2022-01-02 10:00:01",
            "2022-01-02 10:00:02",
            "2022-12-30 10:00:00",
        ];
        assert_eq!(
            resolve(anchored(&stamps, "2026-01-01 00:00:00"), &stamps),
            expected
        );
    }

    #[test]
    fn ok_without_anchor_the_first_line_is_the_latest_possible() {
        let mut clock = Clock::new(Zone::Utc);
        assert_eq!(clock.resolve(stamp("Nov 24 12:00:00")), None);
        clock.set_now(NOW);
        assert_eq!(
            show(clock.resolve(stamp("Nov 25 12:00:00"))),
            "2025-11-25 12:00:00"
        );
        assert_eq!(
            show(clock.resolve(stamp("Jan  1 12:00:00"))),
            "2026-01-01 12:00:00"
        );
        assert_eq!(clock.year(), Some(2026));
    }

    #[test]
    fn ok_padding_makes_no_difference() {
        assert_eq!(stamp("Nov  2 10:00:00"), stamp("Nov 02 10:00:00"));
        assert_eq!(stamp("Nov  2 10:00:00"), stamp("Nov 2 10:00:00"));
    }

    fn central(stamps: &[&str]) -> Vec<String> {
        let mut clock = Clock::new(Zone::Test);
        clock.anchor(&Scan::default(), Some(2025), None, None, NOW);
        resolve(clock, stamps)
    }

    #[test]
    fn ok_hour_that_comes_twice() {
        let stamps = [
            "Oct 26 01:59:59",
            "Oct 26 02:59:59",
            "Oct 26 02:00:01",
            "Oct 26 02:59:59",
            "Oct 26 03:00:00",
        ];
        let expected = [
            "2025-10-25 23:59:59",
            "2025-10-26 00:59:59",
            "2025-10-26 01:00:01",
            "2025-10-26 01:59:59",
            "2025-10-26 02:00:00",
        ];
        assert_eq!(central(&stamps), expected);
    }

    #[test]
    fn ok_hour_that_does_not_exist_moves_forward() {
        let stamps = ["Mar 30 01:59:59", "Mar 30 02:30:00", "Mar 30 03:30:00"];
        assert_eq!(
            central(&stamps),
            [
                "2025-03-30 00:59:59",
                "2025-03-30 01:30:00",
                "2025-03-30 01:30:00"
            ]
        );
    }

    #[test]
    fn ok_fixed_zone() {
        let mut clock = Clock::new(Zone::Fixed(-5 * 3600));
        clock.anchor(&Scan::default(), Some(2025), None, None, NOW);
        assert_eq!(
            show(clock.resolve(stamp("Nov  2 10:00:00"))),
            "2025-11-02 15:00:00"
        );
        assert_eq!(
            show(clock.resolve(stamp("2025-11-02T10:00:00+01:00"))),
            "2025-11-02 09:00:00"
        );
    }

    #[test]
    fn ok_empty_scan() {
        assert_eq!(scan(&[], Zone::Utc), Scan::default());
        assert_eq!(anchored(&[], "2026-01-01 00:00:00").year(), None);
        assert_eq!(Clock::new(Zone::Utc).resolve(Stamp::Missing), None);
    }
}
