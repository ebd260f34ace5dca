//! `scoreboard`: who has switched TLS on after being written to. A page to publish, or not.
//!
//! Those who mended it come first. Those who have not are named only where `--all` asks for it, and only if enough mail is concerned:
//! a wrong name in public is worse than a wrong name in a letter.

use std::cmp::Reverse;

use crate::outcome::day_of;
use crate::query::Scope;
use crate::query::plaintext::find_plaintext;
use crate::store::outreach::{Case, State};
use crate::store::{Result, Store};

use super::table::{Column, Kind, Note, Section, Table, Value};
use super::words::count;

/// With fewer mails in clear in the period nobody is named.
const NAMED_FROM: u64 = 10;

const COLUMNS: &[Column] = &[
    Column::both("organisation", "organisation", Kind::Text),
    Column::both("item", "mail with us", Kind::Text),
    Column::both("since", "since", Kind::Date),
    Column::both("days", "days after our letter", Kind::Number),
    Column::both("messages", "mails in clear", Kind::Number),
];

pub(super) fn build(store: &Store, scope: &Scope) -> Result<Table> {
    let mut cases = store.cases()?;
    let repeated: Vec<i64> = cases
        .iter()
        .filter(|case| case.repeats(&cases))
        .map(|case| case.id)
        .collect();
    cases.retain(|case| !repeated.contains(&case.id));
    let first = |case: &Case| {
        let left = case.notices.iter().filter(|n| n.progress.may_have_left());
        left.map(|n| n.sent).min()
    };
    let mut fixed: Vec<(&Case, i64)> = cases
        .iter()
        .filter(|case| matches!(case.state, State::Fixed | State::Thanked))
        .filter_map(|case| Some((case, first(case)?)))
        .collect();
    fixed.sort_by_key(|(case, _)| (Reverse(case.changed), case.organisation.clone()));
    let written = cases.iter().filter(|case| first(case).is_some()).count();
    let mut rows: Vec<Vec<Value>> = fixed
        .iter()
        .map(|(case, sent)| fixed_cells(case, *sent))
        .collect();
    let mut notes = Vec::new();
    if scope.all && written > 0 {
        rows.extend(holdouts(store, scope, &cases, first)?);
        notes.push(Note::Paragraph(format!(
            "In clear are named those with {NAMED_FROM} mails or more since our letter."
        )));
    }
    Ok(Table {
        headline: match (fixed.len() as u64, written as u64) {
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
            rows,
        }],
        notes,
    })
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

/// Those written to whose mail still goes in clear, and enough of it.
fn holdouts(
    store: &Store,
    scope: &Scope,
    cases: &[Case],
    first: impl Fn(&Case) -> Option<i64>,
) -> Result<Vec<Vec<Value>>> {
    let clear = find_plaintext(store, scope)?;
    let mut rows = Vec::new();
    for case in cases.iter().filter(|case| case.state.is_open()) {
        let Some(sent) = first(case) else { continue };
        let names = |peer: &str| {
            case.organisation == peer
                || case
                    .peers
                    .iter()
                    .any(|(domain, host)| domain == peer || host == peer)
        };
        let of = clear.iter().filter(|p| {
            p.direction == case.direction && day_of(p.last_seen) > day_of(sent) && names(&p.peer)
        });
        let mails: u64 = of.map(|p| p.in_clear).sum();
        if mails >= NAMED_FROM {
            rows.push((
                mails,
                vec![
                    Value::text(&case.organisation),
                    Value::text("in clear"),
                    Value::Time(sent),
                    Value::Number(0),
                    Value::Number(mails),
                ],
            ));
        }
    }
    rows.sort_by_key(|(mails, _)| Reverse(*mails));
    Ok(rows.into_iter().map(|(_, cells)| cells).collect())
}
