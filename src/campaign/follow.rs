//! Which cases the log shows to be fixed, which came back, which are at their end. Nothing is sent here, and nothing is planned.

use std::collections::BTreeSet;

use crate::outcome::{Class, Direction, day_of};
use crate::query::sightings::Sighting;
use crate::store::outreach::{Audience, Case, State};

use super::peers::{Charge, name_of, records};
use super::problem::{Fact, Problem};

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
    if matches!(case.state, State::Fixed | State::Thanked) {
        let last = last_accused(problem, about.iter().copied());
        // On the very day on which TLS was seen for the second time nothing is said yet.
        let again = last > case.changed && day_of(last) > day_of(case.changed);
        return again.then(|| (State::Relapsed, "in clear again".to_string()));
    }
    // A case that is only planned is planned anew each time; one that was taken out by hand stays so, whatever comes.
    if matches!(case.state, State::Planned | State::Exempt) || !case.state.is_open() {
        return None;
    }
    if let Some(days) = days_mended(case, problem, &about, sightings) {
        let note = format!("TLS on {days} days, nothing else since");
        return Some((State::Fixed, note));
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

/// On how many days it was seen to work, if that is enough for each domain of the case, and nothing has spoken against it since.
/// Another host of the same operator that has always worked mends nothing.
fn days_mended(
    case: &Case,
    problem: Problem,
    about: &[&Sighting],
    sightings: &[Sighting],
) -> Option<usize> {
    let since = last_against(case, problem, about, sightings);
    let facts = facts(problem, about);
    let works =
        |s: &&&Sighting| s.last > since && facts.iter().all(|fact| problem.works_in(s, fact));
    let working: Vec<&Sighting> = about.iter().filter(works).copied().collect();
    let days_of = |counts: &dyn Fn(&Sighting) -> bool| {
        let counted = working.iter().filter(|s| counts(s));
        counted.map(|s| s.day).collect::<BTreeSet<i32>>().len()
    };
    let is_mended = |domain: &String| {
        let is_host = |host: &String| case.peers.iter().any(|(d, h)| d == domain && h == host);
        days_of(&|s| s.domain == *domain || is_host(&s.host)) >= DAYS
    };
    let all = days_of(&|_| true);
    let each = match case.direction {
        Direction::Outbound => case.peers.iter().all(|(domain, _)| is_mended(domain)),
        // Who sends to us may write any domain on it: there the hosts are one.
        Direction::Inbound => true,
    };
    (all >= DAYS && each).then_some(all)
}

/// The last that speaks against a case being mended; its beginning, if nothing does. As long as another host of the operator fails in the
/// same way the matter is not over; nor while mail to these crosses in clear, whosever fault it is.
fn last_against(case: &Case, problem: Problem, about: &[&Sighting], sightings: &[Sighting]) -> i64 {
    let is_theirs =
        |s: &&Sighting| s.direction == case.direction && name_of(s) == case.organisation;
    let whole = last_accused(problem, sightings.iter().filter(is_theirs));
    let own = last_accused(problem, about.iter().copied());
    let crossed = about.iter().filter(|s| is_in_clear(s)).map(|s| s.last);
    let crossed = crossed.max().unwrap_or(i64::MIN);
    whole.max(own).max(crossed).max(case.opened)
}

/// What was the matter, as far as it is still seen.
fn facts(problem: Problem, about: &[&Sighting]) -> BTreeSet<Fact> {
    let accusing = about
        .iter()
        .filter(|s| Problem::of(s).is_some_and(|of| of.is_like(problem)));
    let found: BTreeSet<Fact> = accusing.map(|s| problem.fact(s.class, &s.cause)).collect();
    match found.is_empty() {
        true => BTreeSet::from([problem.fact(Class::Unknown, "")]),
        false => found,
    }
}

/// Mail that crossed in clear, whosever fault it was.
fn is_in_clear(sighting: &Sighting) -> bool {
    sighting.tls == "plaintext" && sighting.mails > 0 && sighting.delivery != "deferred"
}

/// When a problem like this was last seen.
fn last_accused<'s>(problem: Problem, sightings: impl Iterator<Item = &'s Sighting>) -> i64 {
    let accusing = sightings.filter(|s| Problem::of(s).is_some_and(|of| of.is_like(problem)));
    accusing.map(|s| s.last).max().unwrap_or(i64::MIN)
}

/// Whether all that a letter of this case says holds still, by the latest of the log: it may be drafted on one day and sent on
/// another. Each domain and host it names must still be charged with the same.
pub fn holds(case: &Case, sightings: &[Sighting]) -> bool {
    charge_of(case, sightings).is_some()
}

/// What the latest of the log charges the peers of a case with, if it is all of them.
pub fn charge_of(case: &Case, sightings: &[Sighting]) -> Option<Charge> {
    let problem = Problem::from_name(&case.problem)?;
    let record = records(sightings).remove(&(case.direction, case.organisation.clone()))?;
    let mut charges = record.charges.into_iter();
    let (_, charge) = charges.find(|((of, _), charge)| {
        of.is_like(problem) && case.peers.iter().all(|p| charge.peers.contains(p))
    })?;
    // People are told of mail in clear, and nothing else.
    let is_told = case.audience == Audience::Postmaster || charge.in_clear > 0;
    (charge.mails > 0 && is_told).then_some(charge)
}

/// Whether a sighting is about a case: its hosts, or any host that takes mail for its domains now.
fn concerns(case: &Case, sighting: &Sighting) -> bool {
    let is_domain = |domain: &String| {
        case.direction == Direction::Outbound && !domain.is_empty() && *domain == sighting.domain
    };
    let is_host = |host: &String| !host.is_empty() && *host == sighting.host;
    // A client without a name goes by its address, and has no host to tell it by.
    let is_nameless = |host: &String| host.is_empty() && name_of(sighting) == case.organisation;
    sighting.direction == case.direction
        && case
            .peers
            .iter()
            .any(|(domain, host)| is_domain(domain) || is_host(host) || is_nameless(host))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::peers::tests::seen;

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
        assert!(!holds(&case, &[clear.clone(), tls("mx.a.example")]));
        assert!(!holds(&case, &[]));
        // One of the hosts it names works by now.
        let two = Case {
            peers: ["mx.a.example", "mx2.a.example"]
                .map(|host| ("a.example".to_string(), host.to_string()))
                .to_vec(),
            ..case
        };
        assert!(!holds(&two, &[clear, tls("mx2.a.example")]));
    }

    /// Of two hosts of one operator one has always done TLS, for other domains.
    #[test]
    fn another_host_of_the_operator_mends_nothing() {
        let at = |domain: &str, host: &str, day| {
            let seen = seen(domain).at(host, "host.example");
            seen.day(day).sighting()
        };
        let case = Case {
            organisation: "host.example".into(),
            peers: vec![("a.example".into(), "mx7.host.example".into())],
            ..case(State::Sent)
        };
        let moved = |sightings: &[Sighting]| {
            let moves = follow(std::slice::from_ref(&case), sightings, 110);
            moves.first().map(|m| m.state)
        };
        let other = |day| at("b.example", "mx1.host.example", day);
        assert_eq!(moved(&[other(102), other(103)]), None);
        // Its own host for whomever, and its own domain at whatever host.
        let same_host = |day| at("b.example", "mx7.host.example", day);
        assert_eq!(moved(&[same_host(102), same_host(103)]), Some(State::Fixed));
        let same_domain = |day| at("a.example", "mx1.host.example", day);
        assert_eq!(
            moved(&[same_domain(102), same_domain(103)]),
            Some(State::Fixed)
        );
    }

    #[test]
    fn each_domain_of_a_case_has_to_be_seen() {
        let case = Case {
            peers: ["a", "b"]
                .map(|name| (format!("{name}.example"), format!("mx.{name}.example")))
                .to_vec(),
            ..case(State::Sent)
        };
        let tls = |domain: &str, day| {
            seen(domain)
                .at(&format!("mx.{domain}"), "a.example")
                .day(day)
                .sighting()
        };
        let moved = |sightings: &[Sighting]| {
            let moves = follow(std::slice::from_ref(&case), sightings, 110);
            moves.first().map(|m| m.state)
        };
        let one = [tls("a.example", 102), tls("a.example", 103)];
        assert_eq!(moved(&one), None);
        let both = [
            one.to_vec(),
            vec![tls("b.example", 102), tls("b.example", 104)],
        ]
        .concat();
        assert_eq!(moved(&both), Some(State::Fixed));
    }

    #[test]
    fn a_certificate_is_mended_when_it_is_verified_and_not_when_we_no_longer_look() {
        let failed = |cause: &str| Sighting {
            tls: "none".into(),
            class: Class::CertVerifyFailed,
            cause: cause.into(),
            fault: "peer".into(),
            delivery: "deferred".into(),
            ..seen("a.example").day(100).sighting()
        };
        let case = Case {
            problem: "certificate".into(),
            ..case(State::Sent)
        };
        let moved = |cause: &str, class| {
            let tls = |day| Sighting {
                class,
                ..seen("a.example").day(day).sighting()
            };
            let seen = [failed(cause), tls(102), tls(103)];
            let moves = follow(std::slice::from_ref(&case), &seen, 110);
            moves.first().map(|m| m.state)
        };
        for class in [
            Class::TlsUntrusted,
            Class::TlsAnonymous,
            Class::TlsParamsUnknown,
        ] {
            assert_eq!(moved("certificate-expired", class), None, "{class:?}");
        }
        assert_eq!(
            moved("certificate-expired", Class::TlsTrusted),
            Some(State::Fixed)
        );
        assert_eq!(moved("hostname-mismatch", Class::TlsTrusted), None);
        assert_eq!(
            moved("hostname-mismatch", Class::TlsVerified),
            Some(State::Fixed)
        );
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
