//! Which cases the log shows to be fixed, which came back, which are at their end. Nothing is sent here, and nothing is planned.

use crate::outcome::day_of;
use crate::query::sightings::Sighting;
use crate::store::outreach::{Audience, Case, State};

use super::mended::{about, have_all_left, last, last_accused, mended};
use super::peers::{Charge, records};
use super::problem::Problem;
use super::turn::had_last_letter;

/// Days after the last letter of a case until it is given up.
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
    /// The day by which the log had shown it.
    pub day: i32,
    /// Why.
    pub note: String,
}

/// The state that comes, the day by which the log had shown it, and why.
type Next = (State, i32, String);

/// What the log says of each case. `sightings` are to reach back to before the cases were opened, as far as there are any. Who has said that they
/// will mend it is waited for so many days.
pub fn follow(cases: &[Case], sightings: &[Sighting], today: i32, will_fix_days: i32) -> Vec<Move> {
    cases
        .iter()
        .filter_map(|case| {
            let (state, day, note) = next(case, sightings, today, will_fix_days)?;
            Some(Move {
                case: case.id,
                token: case.token.clone(),
                state,
                day,
                note,
            })
        })
        .collect()
}

fn next(case: &Case, sightings: &[Sighting], today: i32, will_fix_days: i32) -> Option<Next> {
    let problem = Problem::from_name(&case.problem)?;
    let about = about(case, sightings);
    // On the very day on which it changed nothing is said yet.
    let is_later = |at: i64| at > case.changed && day_of(at) > day_of(case.changed);
    let moves = |is_so: bool, state, note: &str| is_so.then(|| (state, today, note.to_string()));
    match case.state {
        State::Fixed | State::Thanked => {
            let again = is_later(last(problem, about.iter().copied()));
            return moves(again, State::Relapsed, "in clear again");
        }
        State::Left => {
            let again = is_later(last_accused(case, problem, &about, sightings));
            return moves(again, State::Sent, "the same was seen at their hosts again");
        }
        // A case that is only planned is planned anew each time; one that was taken out by hand stays so, whatever comes.
        State::Planned | State::Exempt => return None,
        state if !state.is_open() => return None,
        _ => {}
    }
    // Where somebody has answered, or nobody was written to, that they are gone changes nothing.
    let is_awaited = matches!(case.state, State::Sent | State::WillFix);
    if is_awaited && have_all_left(case, sightings) {
        let note = "all mail goes to other operators' hosts since: not known to be mended here";
        return moves(true, State::Left, note);
    }
    if let Some(mended) = mended(case, problem, sightings) {
        let note = format!("TLS on {} days, nothing else since", mended.days);
        return Some((State::Fixed, mended.by, note));
    }
    given_up(case, problem, &about, (today, will_fix_days))
}

/// Whether a case is at its end: the last letter was long ago; or who has said after it that they will mend it was waited for, and has not.
fn given_up(
    case: &Case,
    problem: Problem,
    about: &[&Sighting],
    (today, will_fix_days): (i32, i32),
) -> Option<Next> {
    let letters = || case.notices.iter().filter(|n| n.progress.may_have_left());
    let latest = letters().map(|n| n.sent).max()?;
    let is_past = |at: i64, days: i32| today - day_of(at) > days;
    let is_past = match case.state {
        State::Sent => is_past(latest, PATIENCE),
        // Not before the log shows that it goes on.
        State::WillFix => {
            let accused = last(problem, about.iter().copied());
            is_past(case.changed, will_fix_days) && accused > case.changed
        }
        _ => false,
    };
    let is_over = is_past && had_last_letter(case);
    is_over.then(|| {
        (
            State::GivenUp,
            today,
            format!("{} letters", letters().count()),
        )
    })
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
    // That mail goes in clear, and no more, leaves what a look at their server has shown as it was.
    let is_same = |of: Problem| of == problem || (of == Problem::Unclear && of.is_like(problem));
    let (_, charge) = charges.find(|((of, _), charge)| {
        is_same(*of) && case.peers.iter().all(|p| charge.peers.contains(p))
    })?;
    // People are told of mail in clear, and nothing else.
    let is_told = case.audience == Audience::Postmaster || charge.in_clear > 0;
    (charge.mails > 0 && is_told).then_some(charge)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::peers::tests::seen;
    use crate::outcome::{Class, Direction};

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
        follow(&[case(state)], sightings, 110, 60)
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
            let moves = follow(&[case], &[clear], today, 60);
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
    fn who_will_mend_it_has_or_is_given_up_if_the_last_letter_has_gone() {
        let case = |days: &[i32]| Case {
            notices: crate::campaign::plan::tests::case("a.example", State::WillFix, days).notices,
            ..case(State::WillFix)
        };
        let tls = |day| seen("a.example").day(day).sighting();
        let clear = |day| seen("a.example").day(day).clear(Class::PlaintextNotOffered);
        assert_eq!(
            moved(&case(&[80]), &[tls(102), tls(103)]),
            Some(State::Fixed)
        );
        let over = |case: Case, seen: Sighting, today| {
            let moves = follow(&[case], &[seen], today, 60);
            moves.first().map(|m| m.state)
        };
        let all = [10, 40, 95];
        assert_eq!(over(case(&all), clear(120), 160), None, "not yet");
        assert_eq!(over(case(&all), clear(120), 161), Some(State::GivenUp));
        assert_eq!(over(case(&all), clear(99), 161), None, "nothing since");
        assert_eq!(
            over(case(&all[..2]), clear(120), 161),
            None,
            "a reminder is due"
        );
    }

    #[test]
    fn what_was_taken_out_by_hand_stays_so() {
        let tls = |day| seen("a.example").day(day).sighting();
        assert_eq!(after(State::Exempt, &[tls(102), tls(103)]), None);
    }

    /// A case about domains at `mx7.host.example`, and the letter went to this address.
    fn hosted(domains: &[&str], to: &str) -> Case {
        let at = |domain: &&str| (domain.to_string(), "mx7.host.example".to_string());
        Case {
            organisation: "host.example".into(),
            address: to.into(),
            peers: domains.iter().map(at).collect(),
            ..case(State::Sent)
        }
    }

    fn at(domain: &str, host: &str, organisation: &str, day: i32) -> Sighting {
        seen(domain).at(host, organisation).day(day).sighting()
    }

    fn here(domain: &str, day: i32) -> Sighting {
        at(domain, "mx7.host.example", "host.example", day)
    }

    fn elsewhere(domain: &str, day: i32) -> Sighting {
        at(domain, "mx.new.example", "new.example", day)
    }

    fn moved(case: &Case, sightings: &[Sighting]) -> Option<State> {
        let moves = follow(std::slice::from_ref(case), sightings, 110, 60);
        moves.first().map(|m| m.state)
    }

    #[test]
    fn who_answers_for_a_domain_has_mended_it_at_a_new_host_too() {
        let away = [elsewhere("a.example", 102), elsewhere("a.example", 103)];
        // Its own servers, its own postmaster at a hoster, and who was set as its contact.
        let own = Case {
            address: "postmaster@a.example".into(),
            ..case(State::Sent)
        };
        assert_eq!(moved(&own, &away), Some(State::Fixed));
        for to in ["postmaster@a.example", "carl@consult.example"] {
            let case = hosted(&["a.example"], to);
            assert_eq!(moved(&case, &away), Some(State::Fixed), "{to}");
        }
        // Of those left alone for comparison the same holds, though nobody was written to.
        let control = |domains: &[&str]| Case {
            state: State::Control,
            ..hosted(domains, "")
        };
        assert_eq!(moved(&control(&["a.example"]), &away), Some(State::Fixed));
        assert_eq!(moved(&control(&["a.example", "b.example"]), &away), None);
        let other = [elsewhere("b.example", 102), elsewhere("b.example", 103)];
        assert_eq!(moved(&own, &other), None);
    }

    #[test]
    fn that_customers_have_left_is_no_merit_of_their_old_host() {
        let case = hosted(&["a.example", "b.example"], "postmaster@host.example");
        let gone = |domain: &str| [elsewhere(domain, 102), elsewhere(domain, 103)];
        let all = [gone("a.example"), gone("b.example")].concat();
        assert_eq!(moved(&case, &all), Some(State::Left));
        // Not yet, or not all of them, or not for good; nor where somebody has answered, or has had the last letter.
        assert_eq!(moved(&case, &all[..3]), None);
        assert_eq!(moved(&case, &gone("a.example")), None);
        let back = here("b.example", 103);
        assert_eq!(moved(&case, &[all.clone(), vec![back]].concat()), None);
        for state in [
            State::Answered,
            State::Declined,
            State::Bounced,
            State::GivenUp,
        ] {
            let case = Case {
                state,
                ..case.clone()
            };
            assert_eq!(moved(&case, &all), None, "{state:?}");
        }
        // In clear there is gone as well.
        let clear = |day| {
            let seen = seen("a.example").at("mx.bad.example", "bad.example");
            seen.day(day).clear(Class::PlaintextNotOffered)
        };
        let bad = [clear(102), clear(103)];
        let all = [bad.to_vec(), gone("b.example").to_vec()].concat();
        assert_eq!(moved(&case, &all), Some(State::Left));
    }

    #[test]
    fn what_is_left_comes_back_with_the_next_mail_that_shows_the_same() {
        let left = Case {
            state: State::Left,
            ..hosted(&["a.example"], "postmaster@host.example")
        };
        let clear = |domain: &str, day| {
            let seen = seen(domain).at("mx7.host.example", "host.example");
            seen.day(day).clear(Class::PlaintextNotOffered)
        };
        assert_eq!(moved(&left, &[elsewhere("a.example", 104)]), None);
        assert_eq!(
            moved(&left, &[here("a.example", 102), here("a.example", 103)]),
            None
        );
        for domain in ["a.example", "c.example"] {
            assert_eq!(moved(&left, &[clear(domain, 104)]), Some(State::Sent));
        }
    }

    #[test]
    fn of_those_who_stayed_the_host_is_mended_though_others_have_left() {
        let case = hosted(&["a.example", "b.example"], "postmaster@host.example");
        let seen = [
            elsewhere("a.example", 102),
            elsewhere("a.example", 103),
            here("b.example", 102),
            here("b.example", 104),
        ];
        assert_eq!(moved(&case, &seen), Some(State::Fixed));
        // And where it is mended, what becomes of who has left is no relapse.
        let fixed = Case {
            state: State::Fixed,
            ..case
        };
        let bad = seen_in_clear_elsewhere("a.example", 106);
        assert_eq!(moved(&fixed, &[bad]), None);
    }

    fn seen_in_clear_elsewhere(domain: &str, day: i32) -> Sighting {
        let seen = seen(domain).at("mx.bad.example", "bad.example").day(day);
        seen.clear(Class::PlaintextNotOffered)
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
        let case = hosted(&["a.example"], "postmaster@host.example");
        let at =
            |domain: &str, host: &str| [102, 103].map(|day| at(domain, host, "host.example", day));
        assert_eq!(moved(&case, &at("b.example", "mx1.host.example")), None);
        // Its own host for whomever, and its own domain at whatever host of the same operator.
        for (domain, host) in [
            ("b.example", "mx7.host.example"),
            ("a.example", "mx1.host.example"),
        ] {
            assert_eq!(moved(&case, &at(domain, host)), Some(State::Fixed));
        }
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
            let moves = follow(std::slice::from_ref(&case), sightings, 110, 60);
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
            let moves = follow(std::slice::from_ref(&case), &seen, 110, 60);
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
