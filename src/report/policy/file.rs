//! A map as a file: which lines are ours, and the text with ours brought up to date.
//!
//! Ours are an entry right below a comment that names the very same entry, and the comments with our mark; an access map that serves both
//! directions has two marks, and each is a stranger to the other. Everything else is the operator's
//! and stays as it is, byte by byte: an entry of ours that somebody changed is theirs from then on. No mail server's grammar is known here beyond
//! what Postfix tables and Sendmail's access map share: `key value`, `#`, and lines that begin with a blank and go on with the line before.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike, NaiveDate};

use super::super::format::date;
use super::head::{Head, mark};
use super::plan::{Entry, Plan, Without};
use super::{InUse, Question, Server};

/// Days from the first of January of the year 1 to 1970.
const EPOCH: i32 = 719_163;

/// What becomes of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fate {
    Added,
    /// Another value.
    Changed,
    TakenBack,
    /// The same with a later end or another reason.
    Renewed,
    Kept,
    /// The operator has a line of that key, and it holds.
    Yours,
}

/// One key, and what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) fate: Fate,
    pub(super) entry: Entry,
    /// The value before, where it is another.
    pub(super) before: Option<String>,
}

/// A map and what it changes.
#[derive(Clone, Debug)]
pub(super) struct Merged {
    pub(super) text: Vec<u8>,
    pub(super) changes: Vec<Change>,
    /// Entries of the operator.
    pub(super) yours: usize,
}

/// The map with our lines as they should be.
pub(super) fn merge(plan: &Plan, head: &Head, current: Option<&[u8]>, today: i32) -> Merged {
    let known = Known::of(current.unwrap_or_default(), head.mark);
    let mut changes = Vec::new();
    let mut ours = known.ours.clone();
    for entry in &plan.entries {
        let old = ours.remove(&entry.key.to_ascii_lowercase());
        changes.push(change(entry, old.as_ref(), &known));
    }
    let without: BTreeMap<String, &Without> = plan
        .without
        .iter()
        .map(|(key, without)| (key.to_ascii_lowercase(), without))
        .collect();
    for (key, old) in ours {
        let without = without.get(&key).copied();
        changes.push(leftover(
            plan,
            without,
            old,
            known.keys.contains(&key),
            today,
        ));
    }
    changes.sort_by(|a, b| (a.fate, &a.entry.key).cmp(&(b.fate, &b.entry.key)));
    let text = write(&known, head, &changes);
    Merged {
        text: match current {
            Some(current) if differs_in_date_only(current, &text, head.mark) => current.to_vec(),
            _ => text,
        },
        changes,
        yours: known.keys.len(),
    }
}

/// Which names the map in use has entries for.
pub(super) fn in_use(question: &Question, current: &[u8]) -> InUse {
    let known = Known::of(current, mark(question));
    let name = |key: &String| {
        let name = match (question.rules.server, key.split_once(':')) {
            (Server::Sendmail, Some((_, name))) => name,
            _ => key,
        };
        name.trim_start_matches('.').to_string()
    };
    let ours: BTreeSet<String> = known.ours.keys().map(name).collect();
    let own_hosts = known.keys.iter().filter_map(|key| {
        let host = key.strip_prefix("tls_srv:").filter(|h| !h.is_empty())?;
        let is_required = known.required.contains(key);
        Some((host.trim_start_matches('.').to_string(), is_required))
    });
    InUse {
        named: known.keys.iter().map(name).chain(ours.clone()).collect(),
        required: match question.rules.server {
            Server::Sendmail => own_hosts.collect(),
            Server::Postfix => BTreeMap::new(),
        },
        ours,
    }
}

fn change(entry: &Entry, old: Option<&Mark>, known: &Known) -> Change {
    let fate = match old {
        _ if known.keys.contains(&entry.key.to_ascii_lowercase()) => Fate::Yours,
        None => Fate::Added,
        Some(old) if old.value != entry.value => Fate::Changed,
        Some(old) if old.until != entry.until || old.reason != entry.reason => Fate::Renewed,
        Some(_) => Fate::Kept,
    };
    Change {
        fate,
        entry: entry.clone(),
        before: old
            .filter(|_| fate == Fate::Changed)
            .map(|o| o.value.clone()),
    }
}

/// An entry of ours that the evidence does not bring about today. `is_yours`: the operator has one of that key.
fn leftover(
    plan: &Plan,
    without: Option<&Without>,
    old: Mark,
    is_yours: bool,
    today: i32,
) -> Change {
    let is_over = old.until < today;
    let may_stay = match without {
        _ if is_yours => false,
        _ if plan.refusal.is_some() => true,
        Some(without) => without.may_stay,
        // The logs do not reach back to it, or know nothing of it.
        None => true,
    };
    let reason = match without {
        _ if is_yours => "you have a line for it".to_string(),
        Some(without) if !may_stay => without.reason.clone(),
        _ if is_over => format!("expired on {}", date(old.until)),
        _ => old.reason.clone(),
    };
    Change {
        fate: match may_stay && !is_over {
            true => Fate::Kept,
            false => Fate::TakenBack,
        },
        entry: Entry {
            key: old.key,
            value: old.value,
            until: old.until,
            reason,
            days: 0,
            messages: 0,
            last: 0,
        },
        before: None,
    }
}

/// The operator's lines, and ours where they were, else at the end.
fn write(known: &Known, head: &Head, changes: &[Change]) -> Vec<u8> {
    let (before, after) = known.yours.split_at(known.place());
    let mut text = before.to_vec();
    if text.last().is_some_and(|byte| *byte != b'\n') {
        text.push(b'\n');
    }
    if !text.is_empty() && !text.ends_with(b"\n\n") {
        text.push(b'\n');
    }
    text.extend(own_lines(head, changes).into_bytes());
    if !after.is_empty() && !after.starts_with(b"\n") {
        text.push(b'\n');
    }
    text.extend(after);
    text
}

fn own_lines(head: &Head, changes: &[Change]) -> String {
    let mark = head.mark;
    let mut own: String = head.lines.iter().map(|l| format!("{mark}{l}\n")).collect();
    let mut entries: Vec<&Entry> = changes
        .iter()
        .filter(|c| !matches!(c.fate, Fate::TakenBack | Fate::Yours))
        .map(|c| &c.entry)
        .collect();
    entries.sort_by(|a, b| a.key.cmp(&b.key));
    for e in entries {
        let (key, value, until) = (&e.key, &e.value, date(e.until));
        own.push_str(&format!(
            "{mark}{key} {value}, until {until}: {}\n{key} {value}\n",
            e.reason
        ));
    }
    own
}

/// Whether two maps are the same but for the day they say they were made.
fn differs_in_date_only(a: &[u8], b: &[u8], mark: &str) -> bool {
    let made = format!("{mark}Written on ").into_bytes();
    let rest = |text: &[u8]| -> Vec<Vec<u8>> {
        let lines = text.split(|byte| *byte == b'\n');
        lines
            .filter(|line| !line.starts_with(&made))
            .map(<[u8]>::to_vec)
            .collect()
    };
    rest(a) == rest(b)
}

/// What the comment above an entry of ours says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mark {
    key: String,
    value: String,
    until: i32,
    reason: String,
}

impl Mark {
    /// Reads `KEY VALUE, until DATE: REASON`.
    fn parse(text: &str) -> Option<Mark> {
        let (entry, rest) = text.split_once(", until ")?;
        let (key, value) = entry.split_once(' ')?;
        let (day, reason) = rest.split_once(": ")?;
        let day = NaiveDate::parse_from_str(day, "%Y-%m-%d").ok()?;
        Some(Mark {
            key: key.to_string(),
            value: value.to_string(),
            until: day.num_days_from_ce() - EPOCH,
            reason: reason.to_string(),
        })
    }
}

/// What a map in use holds.
#[derive(Debug, Default)]
struct Known {
    /// All that is not ours, as it is.
    yours: Vec<u8>,
    /// Where in them the first of ours stood.
    first: Option<usize>,
    /// Keys of the operator's entries, in lower case.
    keys: BTreeSet<String>,
    /// Those of them whose value is not `OK`.
    required: BTreeSet<String>,
    /// Entries of ours by key, in lower case.
    ours: BTreeMap<String, Mark>,
}

/// A line of a map.
enum Line<'a> {
    /// A comment or nothing.
    Other(&'a [u8]),
    /// A comment of ours.
    Marked,
    /// An entry, with the mark right above it if there is one.
    Entry(&'a [u8], Option<Mark>),
}

impl Known {
    fn of(text: &[u8], mark: &str) -> Known {
        let mut known = Known::default();
        for line in read(text, mark) {
            match line {
                Line::Other(bytes) => known.yours.extend(bytes),
                Line::Marked => {
                    known.first.get_or_insert(known.yours.len());
                }
                Line::Entry(bytes, mark) => known.add(bytes, mark),
            }
        }
        known
    }

    /// Where ours go: not before a line that goes on with one of the operator's, which would then go on with ours.
    fn place(&self) -> usize {
        let end = self.yours.len();
        let place = self.first.unwrap_or(end);
        let mut after = self.yours[place..].split(|byte| *byte == b'\n');
        let next = after.find(|line| {
            let line = line.trim_ascii();
            !line.is_empty() && !line.starts_with(b"#")
        });
        match next.and_then(|line| line.first()) {
            Some(byte) if byte.is_ascii_whitespace() => end,
            _ => place,
        }
    }

    fn add(&mut self, bytes: &[u8], mark: Option<Mark>) {
        let text = String::from_utf8_lossy(bytes);
        let mut words = text.split_whitespace();
        let key = words.next().unwrap_or_default();
        let value: Vec<&str> = words.collect();
        match mark.filter(|mark| mark.key == key && value == [mark.value.as_str()]) {
            Some(mark) => {
                self.ours.insert(key.to_ascii_lowercase(), mark);
            }
            None => {
                self.keys.insert(key.to_ascii_lowercase());
                if !value.first().is_some_and(|v| v.eq_ignore_ascii_case("OK")) {
                    self.required.insert(key.to_ascii_lowercase());
                }
                self.yours.extend(bytes);
            }
        }
    }
}

/// Splits a map into its lines. One that begins with a blank goes on with the entry before, whatever comments lie between: that entry is not
/// ours then.
fn read<'t>(text: &'t [u8], ours: &str) -> Vec<Line<'t>> {
    let mut lines: Vec<Line<'_>> = Vec::new();
    let mut mark = None;
    for bytes in text.split_inclusive(|byte| *byte == b'\n') {
        let trimmed = bytes.trim_ascii();
        if trimmed.is_empty() || trimmed.starts_with(b"#") {
            let marked = trimmed.strip_prefix(ours.trim_end().as_bytes());
            mark = marked.and_then(|m| Mark::parse(String::from_utf8_lossy(m).trim_start()));
            lines.push(match marked {
                Some(_) => Line::Marked,
                None => Line::Other(bytes),
            });
        } else if bytes.first().is_some_and(u8::is_ascii_whitespace) {
            for line in lines.iter_mut().rev() {
                if let Line::Entry(_, mark) = line {
                    *mark = None;
                    break;
                }
            }
            lines.push(Line::Other(bytes));
        } else {
            lines.push(Line::Entry(bytes, mark.take()));
        }
    }
    lines
}
