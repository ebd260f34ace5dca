//! `scoreboard`: who has switched TLS on after being written to. A page to publish, or not.
//!
//! Those who mended it come first. Those who have not are named only where `--all` asks for it, and nobody is if little mail is concerned: a wrong
//! name in public is worse than a wrong name in a letter.

use std::cmp::Reverse;

use crate::outcome::{Direction, day_of};
use crate::query::sightings::{Sighting, find_sightings};
use crate::query::{Period, Scope};
use crate::store::addressees::Suppression;
use crate::store::outreach::{Case, State};
use crate::store::{Result, Store};

use super::table::{Column, Kind, Note, Section, Table, Value};
use super::words::count;

/// With fewer mails since our letter nobody is named.
const NAMED_FROM: u64 = 10;

const COLUMNS: &[Column] = &[
    Column::both("organisation", "organisation", Kind::Text),
    Column::both("item", "mail with us", Kind::Text),
    Column::both("since", "since", Kind::Date),
    Column::both("days", "days after our letter", Kind::Number),
    Column::both("messages", "mails in clear", Kind::Number),
];

pub(super) fn build(store: &Store, scope: &Scope) -> Result<Table> {
    let written = written_to(store)?;
    let seen = seen_since(store, scope, &written)?;
    let mut fixed: Vec<&(Case, i64)> = written
        .iter()
        .filter(|(case, _)| matches!(case.state, State::Fixed | State::Thanked))
        .collect();
    fixed.sort_by_key(|(case, _)| (Reverse(case.changed), case.organisation.clone()));
    let all = fixed.len();
    // Whom we hardly exchange mail with is nobody's business.
    fixed.retain(|(case, sent)| mails(&seen, case, *sent, has_crossed) >= NAMED_FROM);
    let mut rows: Vec<Vec<Value>> = fixed
        .iter()
        .map(|(case, sent)| fixed_cells(case, *sent))
        .collect();
    let mut notes = Vec::new();
    if all > fixed.len() {
        notes.push(Note::Paragraph(format!(
            "Not named: {}, with fewer than {NAMED_FROM} mails since our letter.",
            count(
                (all - fixed.len()) as u64,
                "organisation that encrypts",
                "organisations that encrypt"
            )
        )));
    }
    if scope.all && !written.is_empty() {
        rows.extend(holdouts(&written, &seen, &store.suppressions()?));
        notes.push(Note::Paragraph(format!(
            "In clear are named those with {NAMED_FROM} mails or more since our letter."
        )));
    }
    Ok(Table {
        headline: match (all as u64, written.len() as u64) {
            (_, 0) => "Nobody was written to yet.".to_string(),
            (n, all) => format!(
                "{} of {} who were written to encrypt mail with us now.",
                n,
                count(all, "organisation", "organisations")
            ),
        },
        to_do: 0,
        sections: vec![Section {
            title: "",
            columns: COLUMNS,
            rows: rows.into(),
        }],
        notes,
    })
}

/// The cases with a letter, and when the first one went out. Of several about one matter the first.
fn written_to(store: &Store) -> Result<Vec<(Case, i64)>> {
    let cases = store.cases()?;
    let first = |case: &Case| {
        let left = case.notices.iter().filter(|n| n.progress.may_have_left());
        left.map(|n| n.sent).min()
    };
    let of = |case: &Case| Some((case.clone(), first(case)?)).filter(|_| !case.repeats(&cases));
    Ok(cases.iter().filter_map(of).collect())
}

/// What was seen from the first letter to the end of the period: what was before it is no answer to it.
fn seen_since(store: &Store, scope: &Scope, written: &[(Case, i64)]) -> Result<Vec<Sighting>> {
    let Some(first) = written.iter().map(|(_, sent)| day_of(*sent)).min() else {
        return Ok(Vec::new());
    };
    let since = Scope {
        period: Period {
            from_day: Some(first),
            to_day: scope.period.to_day,
        },
        direction: scope.direction,
        all: true,
    };
    find_sightings(store, &since)
}

/// How many mails of a kind go to, or come from, the organisation of a case, after the day of its letter: at its hosts, or for a domain of its own
/// wherever that is taken. A customer's who has gone to another operator say nothing of it.
fn mails(seen: &[Sighting], case: &Case, sent: i64, counts: fn(&Sighting) -> bool) -> u64 {
    let is_theirs = |sighting: &&Sighting| {
        let rest = sighting.domain.strip_suffix(&case.organisation);
        let is_own = rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        let is_domain = || {
            let mut domains = case.peers.iter().map(|(domain, _)| domain);
            case.direction == Direction::Outbound
                && !sighting.domain.is_empty()
                && (is_own || sighting.organisation.is_empty())
                && domains.any(|domain| *domain == sighting.domain)
        };
        sighting.direction == case.direction
            && sighting.day > day_of(sent)
            && (sighting.organisation == case.organisation || is_domain())
    };
    let theirs = seen.iter().filter(is_theirs);
    theirs.filter(|s| counts(s)).map(|s| s.mails).sum()
}

fn has_crossed(sighting: &Sighting) -> bool {
    matches!(sighting.tls.as_str(), "encrypted" | "plaintext")
}

/// In clear, and by nothing of ours.
fn is_theirs_in_clear(sighting: &Sighting) -> bool {
    sighting.tls == "plaintext" && sighting.fault == "peer"
}

fn fixed_cells(case: &Case, sent: i64) -> Vec<Value> {
    let days = (day_of(case.changed) - day_of(sent)).max(0);
    vec![
        Value::text(&case.organisation),
        Value::text("encrypted"),
        Value::Time(case.changed),
        Value::Number(days.unsigned_abs().into()),
        Value::Number(0),
    ]
}

/// Those written to whose mail still goes in clear by their own doing, and enough of it. Not named: who has not got our letter, who was taken
/// out by hand, and who wants nothing of it.
fn holdouts(
    written: &[(Case, i64)],
    seen: &[Sighting],
    unwanted: &[Suppression],
) -> Vec<Vec<Value>> {
    const TOLD: &[State] = &[
        State::Sent,
        State::Answered,
        State::Declined,
        State::GivenUp,
    ];
    let is_unwanted = |case: &Case| {
        let of_peers = case.peers.iter().flat_map(|(domain, host)| [domain, host]);
        let mut names = of_peers.chain([&case.organisation, &case.address]);
        names.any(|name| unwanted.iter().any(|unwanted| unwanted.covers(name)))
    };
    let mut rows: Vec<(u64, Vec<Value>)> = Vec::new();
    for (case, sent) in written {
        let mails = mails(seen, case, *sent, is_theirs_in_clear);
        if !TOLD.contains(&case.state) || mails < NAMED_FROM || is_unwanted(case) {
            continue;
        }
        let cells = vec![
            Value::text(&case.organisation),
            Value::text("in clear"),
            Value::Time(*sent),
            Value::Number(0),
            Value::Number(mails),
        ];
        rows.push((mails, cells));
    }
    rows.sort_by_key(|(mails, _)| Reverse(*mails));
    rows.into_iter().map(|(_, cells)| cells).collect()
}
