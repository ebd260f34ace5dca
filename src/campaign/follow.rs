//! Which cases the log shows to be fixed, which came back, which are at their end. Nothing is sent here, and nothing is planned.

use std::collections::BTreeSet;

use crate::outcome::{Direction, day_of};
use crate::query::sightings::Sighting;
use crate::store::outreach::{Audience, Case, State};

use super::peers::{Charge, is_tls, records, who};
use super::problem::Problem;

/// TLS on so many days, and nothing in clear since, is mended.
const DAYS: usize = 2;
/// Letters to a case before it is given up, and days after the last.
const LETTERS: usize = 3;
const PATIENCE: i32 = 30;

/// What becomes of a case, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// The case.
    pub case: i64,
    /// Its token.
    pub token: String,
    /// The state it comes into.
    pub state: State,
    /// Why.
    pub note: String,
}

/// What the log says of each case. `sightings` are to reach back to before the cases were opened, as far as there are any.
pub fn follow(cases: &[Case], sightings: &[Sighting], today: i32) -> Vec<Move> {
    cases
        .iter()
        .filter_map(|case| {
            let (state, note) = next(case, sightings, today)?;
            Some(Move {
                case: case.id,
                token: case.token.clone(),
                state,
                note,
            })
        })
        .collect()
}

fn next(case: &Case, sightings: &[Sighting], today: i32) -> Option<(State, String)> {
    let problem = Problem::from_name(&case.problem)?;
    let about: Vec<&Sighting> = sightings.iter().filter(|s| concerns(case, s)).collect();
    let accusing = about
        .iter()
        .filter(|s| Problem::of(s).is_some_and(|of| of.is_like(problem)));
    let last = accusing.map(|s| s.last).max().unwrap_or(i64::MIN);
    if matches!(case.state, State::Fixed | State::Thanked) {
        // On the very day on which TLS was seen for the second time nothing is said yet.
        let again = last > case.changed && day_of(last) > day_of(case.changed);
        return again.then(|| (State::Relapsed, "in clear again".to_string()));
    }
    // A case that is only planned is planned anew each time; one that was taken out by hand stays so, whatever comes.
    if matches!(case.state, State::Planned | State::Exempt) || !case.state.is_open() {
        return None;
    }
    let since = last.max(case.opened);
    let days: BTreeSet<i32> = about
        .iter()
        .filter(|s| is_tls(s) && s.last > since && !(problem == Problem::OldProtocol && s.is_old()))
        .map(|s| s.day)
        .collect();
    if days.len() >= DAYS {
        return Some((
            State::Fixed,
            format!("TLS on {} days, nothing else since", days.len()),
        ));
    }
    let sent: Vec<i64> = case
        .notices
        .iter()
        .filter(|n| n.progress.may_have_left())
        .map(|n| n.sent)
        .collect();
    let latest = sent.iter().max().copied().unwrap_or(i64::MAX);
    let is_over =
        case.state == State::Sent && sent.len() >= LETTERS && today - day_of(latest) > PATIENCE;
    is_over.then(|| (State::GivenUp, format!("{} letters", sent.len())))
}

/// Whether what a case is about holds still, by the latest of the log: a letter may be drafted on one day and sent on another.
pub fn holds(case: &Case, sightings: &[Sighting]) -> bool {
    let charges = records(sightings).remove(&(case.direction, case.organisation.clone()));
    let problem = Problem::from_name(&case.problem);
    charges
        .into_iter()
        .flat_map(|record| record.charges)
        .any(|(of, charge)| {
            problem.is_some_and(|problem| of.is_like(problem)) && is_about(case, &charge)
        })
}

/// Whether there is something left of what the case says. Somebody there is told of mail in clear to their own domain.
fn is_about(case: &Case, charge: &Charge) -> bool {
    let mut domains = case.peers.iter().map(|(domain, _)| domain);
    match case.audience {
        Audience::Postmaster => charge.mails > 0,
        Audience::Correspondents => {
            charge.in_clear > 0 && domains.any(|domain| charge.domains.contains_key(domain))
        }
    }
}

/// Whether a sighting is about the organisation of a case: its hosts, or any host that takes mail for its domains now.
fn concerns(case: &Case, sighting: &Sighting) -> bool {
    if sighting.direction != case.direction {
        return false;
    }
    who(sighting).1 == case.organisation
        || (case.direction == Direction::Outbound
            && case
                .peers
                .iter()
                .any(|(domain, _)| !domain.is_empty() && *domain == sighting.domain))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::peers::tests::seen;
    use crate::outcome::Class;

    fn case(state: State) -> Case {
        Case {
            id: 1,
            token: "AA".into(),
            direction: Direction::Outbound,
            organisation: "a.example".into(),
            problem: "not-offered".into(),
            audience: Audience::Postmaster,
            state,
            address: String::new(),
            daily: 1.0,
            opened: 100 * 86_400,
            changed: 100 * 86_400,
            peers: vec![("a.example".into(), "mx.a.example".into())],
            notices: Vec::new(),
        }
    }

    fn after(state: State, sightings: &[Sighting]) -> Option<State> {
        follow(&[case(state)], sightings, 110)
            .first()
            .map(|m| m.state)
    }

    #[test]
    fn tls_on_two_days_and_nothing_in_clear_since_is_mended() {
        let tls = |day| seen("a.example").day(day).sighting();
        let clear = |day| seen("a.example").day(day).clear(Class::PlaintextNotOffered);
        assert_eq!(
            after(State::Sent, &[tls(102), tls(103)]),
            Some(State::Fixed)
        );
        assert_eq!(
            after(State::Sent, &[tls(102)]),
            None,
            "one day may be chance"
        );
        assert_eq!(
            after(State::Sent, &[tls(98), tls(99)]),
            None,
            "before the case"
        );
        assert_eq!(after(State::Sent, &[tls(102), tls(103), clear(104)]), None);
        assert_eq!(
            after(State::Sent, &[clear(102), tls(103), tls(104)]),
            Some(State::Fixed)
        );
        for state in [
            State::Control,
            State::Answered,
            State::Bounced,
            State::Declined,
            State::GivenUp,
        ] {
            assert_eq!(
                after(state, &[tls(102), tls(103)]),
                Some(State::Fixed),
                "{state:?}"
            );
        }
    }

    #[test]
    fn thirty_days_after_the_third_letter_it_is_over() {
        let written = |state, days: &[i32]| Case {
            notices: crate::campaign::plan::tests::case("a.example", state, days).notices,
            ..case(state)
        };
        let over = |case: Case, today| {
            let clear = seen("a.example")
                .day(today)
                .clear(Class::PlaintextNotOffered);
            let moves = follow(&[case], &[clear], today);
            moves.first().map(|m| (m.state, m.note.clone()))
        };
        let all = [101, 131, 191];
        let given_up = Some((State::GivenUp, "3 letters".to_string()));
        assert_eq!(over(written(State::Sent, &all), 222), given_up);
        assert_eq!(over(written(State::Sent, &all), 221), None, "too early");
        assert_eq!(over(written(State::Sent, &all[..2]), 300), None);
        assert_eq!(over(written(State::Answered, &all), 300), None);
        // Refused letters were none.
        let mut refused = written(State::Sent, &all);
        refused.notices[2].progress = crate::store::outreach::Progress::Refused;
        assert_eq!(over(refused, 300), None);
    }

    #[test]
    fn what_was_taken_out_by_hand_stays_so() {
        let tls = |day| seen("a.example").day(day).sighting();
        assert_eq!(after(State::Exempt, &[tls(102), tls(103)]), None);
    }

    #[test]
    fn a_new_mx_counts_too_and_another_organisation_does_not() {
        let moved = |day| {
            seen("a.example")
                .at("mx.new.example", "new.example")
                .day(day)
                .sighting()
        };
        assert_eq!(
            after(State::Sent, &[moved(102), moved(103)]),
            Some(State::Fixed)
        );
        let other = |day| seen("b.example").day(day).sighting();
        assert_eq!(after(State::Sent, &[other(102), other(103)]), None);
    }

    #[test]
    fn a_letter_holds_until_its_hosts_do_tls() {
        let clear = seen("a.example").day(102).clear(Class::PlaintextNotOffered);
        let tls = |host: &str| seen("a.example").at(host, "a.example").day(103).sighting();
        let case = case(State::Planned);
        assert!(holds(&case, std::slice::from_ref(&clear)));
        assert!(holds(&case, &[clear.clone(), tls("mx2.a.example")]));
        assert!(!holds(&case, &[clear, tls("mx.a.example")]));
        assert!(!holds(&case, &[]));
    }

    #[test]
    fn what_comes_back_is_a_relapse() {
        let clear = |day| seen("a.example").day(day).clear(Class::PlaintextNotOffered);
        for state in [State::Fixed, State::Thanked] {
            assert_eq!(after(state, &[clear(104)]), Some(State::Relapsed));
            assert_eq!(after(state, &[clear(100)]), None);
        }
    }
}
