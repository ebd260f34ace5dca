//! Who of the people we exchange mail with is written to, so that they ask their own administrators, in place of the postmaster.
//!
//! What accuses a server is the same as for a letter to its postmaster, and is judged in `plan`. Here it is decided whom it may be told: a
//! person our users have written to often, in clear, and who writes to us. Few of them in each organisation, and never an office, a
//! program or a list. Each is approved by name before anything is sent: that is `store`'s and `command`'s business.

use crate::outcome::Direction;
use crate::query::people::Person;
use crate::query::sightings::Sighting;
use crate::store::outreach::{Audience, Case, State};

use super::contact::{Source, is_address};
use super::desk::{Desk, Judged};
use super::never;
use super::peers::{Charge, Who};
use super::plan::Planned;
use super::problem::Problem;
use super::reason::Reason;
use super::turn::Turn;

impl Desk<'_> {
    /// The letters to people of an organisation; or why there are none.
    pub(super) fn judge_people(&self, who: &Who, problem: Problem, charge: &Charge) -> Vec<Judged> {
        if let Err(reason) = self.may_ask_people(who, problem, charge) {
            return vec![Err(reason)];
        }
        if self.is_control(&who.1) {
            return vec![Ok(self.control(who, problem, charge))];
        }
        let people = self.standing.people.iter();
        let mut met: Vec<(&Person, Charge)> = people
            .filter_map(|person| Some((person, self.met(person, problem, charge)?)))
            .collect();
        if met.is_empty() {
            return vec![Err((Reason::NoCorrespondent, String::new()))];
        }
        met.sort_by(|(a, of_a), (b, of_b)| {
            of_b.mails.cmp(&of_a.mails).then(a.address.cmp(&b.address))
        });
        self.judge_each(who, problem, charge, met)
    }

    /// Whether there is something to ask people for, and nobody there has dealt with it already.
    fn may_ask_people(
        &self,
        who: &Who,
        problem: Problem,
        charge: &Charge,
    ) -> Result<(), (Reason, String)> {
        self.stands(who, problem, charge)?;
        let is_in_clear = who.0 == Direction::Outbound && problem.is_like(Problem::Unclear);
        if !is_in_clear || charge.in_clear == 0 {
            return Err((Reason::NotInClear, String::new()));
        }
        self.is_enough(who, problem, charge)?;
        // Whoever answered knows of it; whoever will not change it is not to be worn down by others; and one "stop" is enough.
        let ended = |case: &&Case| match case.audience {
            Audience::Postmaster => matches!(
                case.state,
                State::Answered | State::WillFix | State::Declined | State::Exempt
            ),
            Audience::Correspondents => case.state == State::Declined || self.is_waited_for(case),
        };
        match self.open_cases(who, problem).find(ended) {
            Some(case) => Err((Reason::Closed, case.state.name().to_string())),
            None => Ok(()),
        }
    }

    /// What a person has to do with a charge; `None` if they are not one to be told of it.
    fn met(&self, person: &Person, problem: Problem, charge: &Charge) -> Option<Charge> {
        let (_, domain) = person.address.rsplit_once('@')?;
        let is_own = |own: &String| never::is_within(domain, own);
        let is_person = person.writes_to_us
            && !person.is_robot
            && !never::is_office(&person.address)
            && is_address(&person.address)
            && !never::is_giant(domain)
            && !self.rules.own_domains.iter().any(is_own);
        if !is_person {
            return None;
        }
        let fact = |class, cause: &str| problem.fact(class, cause);
        let (class, cause) = charge.main();
        let same = fact(class, cause);
        let concerns = |mail: &&Sighting| {
            Problem::of(mail) == Some(problem)
                && fact(mail.class, &mail.cause) == same
                && charge
                    .peers
                    .contains(&(mail.domain.clone(), mail.host.clone()))
        };
        let mut own = Charge::default();
        for mail in person.mails.iter().filter(concerns) {
            own.add(mail);
        }
        for (host, places) in &mut own.hosts {
            places.clone_from(charge.hosts.get(host)?);
        }
        let often = own.mails >= self.rules.min_written && own.days.len() >= self.rules.min_days;
        often.then_some(own)
    }

    /// Those written to before first, then the others as far as there is room.
    fn judge_each(
        &self,
        who: &Who,
        problem: Problem,
        charge: &Charge,
        met: Vec<(&Person, Charge)>,
    ) -> Vec<Judged> {
        // A letter that came back has reached nobody.
        let has_one = |case: &&Case| {
            case.audience == Audience::Correspondents
                && case.was_written()
                && case.state != State::Bounced
        };
        let reached = self.open_cases(who, problem).filter(has_one).count();
        let mut room = self.rules.people_each.saturating_sub(reached);
        let mut left_out = 0;
        let mut judged = Vec::new();
        for (person, own) in met {
            let case = self
                .open_cases(who, problem)
                .filter(|case| case.audience == Audience::Correspondents)
                .rfind(|case| case.address.eq_ignore_ascii_case(&person.address));
            if self.is_suppressed(&person.address) {
                judged.push(Err((Reason::Suppressed, person.address.clone())));
                continue;
            }
            if case.is_none_or(|case| !case.was_written()) {
                if room == 0 {
                    left_out += 1;
                    continue;
                }
                room -= 1;
            }
            judged.push(self.judge_person(who, problem, charge, person, own, case));
        }
        if left_out > 0 {
            judged.push(Err((Reason::EnoughPeople, format!("{left_out} more"))));
        }
        judged
    }

    fn judge_person(
        &self,
        who: &Who,
        problem: Problem,
        charge: &Charge,
        person: &Person,
        own: Charge,
        case: Option<&Case>,
    ) -> Judged {
        let address = person.address.as_str();
        let turn = Turn {
            who,
            problem,
            charge: &own,
            to: address,
            person: address,
        };
        let letter = self
            .next_letter(case, &turn)
            .map_err(|(reason, detail)| (reason, format!("{address}: {detail}")))?;
        let contact = (person.address.clone(), Source::Correspondent);
        let all = self.planned(who, problem, charge, letter, contact);
        let (class, cause) = own.main();
        Ok(Planned {
            audience: Audience::Correspondents,
            main: (class, cause.to_string()),
            charge: own,
            ..all
        })
    }

    /// An organisation that is left alone, whoever would be written to there.
    fn control(&self, who: &Who, problem: Problem, charge: &Charge) -> Planned {
        let case = self.case(who, problem);
        let token = case.map_or_else(
            || self.new_token(who, problem, ""),
            |case| case.token.clone(),
        );
        let letter = (super::Kind::Notice, token);
        Planned {
            is_control: true,
            ..self.planned(
                who,
                problem,
                charge,
                letter,
                (String::new(), Source::Operator),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::mended::Mended;
    use super::super::peers::tests::seen;
    use super::super::plan::tests::{TODAY, accused, case, planned};
    use super::super::{Kind, Plan, Rules, Standing};
    use super::*;
    use crate::outcome::Class;
    use crate::store::addressees::Suppression;
    use std::collections::{BTreeMap, BTreeSet};

    /// Somebody our users wrote to in clear on the two days on which their server was seen in clear.
    fn person(address: &str, mails: u64) -> Person {
        let domain = address.rsplit_once('@').unwrap().1;
        let on = |day, mails| {
            let seen = seen(domain).day(day).mails(mails);
            seen.clear(Class::PlaintextNotOffered)
        };
        Person {
            address: address.into(),
            writes_to_us: true,
            is_robot: false,
            mails: vec![on(118, mails - 1), on(119, 1)],
        }
    }

    fn rules() -> Rules {
        Rules {
            audience: Audience::Correspondents,
            ..Rules::default()
        }
    }

    fn with(people: Vec<Person>, cases: Vec<Case>) -> Standing {
        Standing {
            people,
            cases,
            ..Standing::default()
        }
    }

    fn asked(standing: &Standing) -> Plan {
        planned(&accused("a.example"), standing, &rules())
    }

    fn addresses(plan: &Plan) -> Vec<&str> {
        plan.letters.iter().map(|l| l.contact.0.as_str()).collect()
    }

    fn reasons(plan: &Plan) -> Vec<Reason> {
        plan.skipped.iter().map(|s| s.reason).collect()
    }

    /// A letter to a person that went out on these days.
    fn letter_to(address: &str, state: State, sent: &[i32]) -> Case {
        let domain = address.rsplit_once('@').unwrap().1;
        Case {
            token: address.to_uppercase(),
            audience: Audience::Correspondents,
            address: address.into(),
            ..case(domain, state, sent)
        }
    }

    #[test]
    fn who_is_written_to_often_and_writes_to_us_is_asked_in_place_of_the_postmaster() {
        let plan = asked(&with(vec![person("bob@a.example", 4)], vec![]));
        let letter = &plan.letters[0];
        assert_eq!(
            (
                letter.contact.clone(),
                letter.audience,
                letter.kind,
                letter.charge.mails
            ),
            (
                ("bob@a.example".to_string(), Source::Correspondent),
                Audience::Correspondents,
                Kind::Notice,
                4
            )
        );
        let at_their_host = &letter.charge.hosts["mx.a.example"];
        assert!(
            at_their_host.contains(&("192.0.2.1".to_string(), 25)),
            "their server can be asked"
        );
    }

    #[test]
    fn offices_programs_lists_and_strangers_are_never_asked() {
        let robot = Person {
            is_robot: true,
            ..person("list-owner@a.example", 9)
        };
        let stranger = Person {
            writes_to_us: false,
            ..person("eve@a.example", 9)
        };
        let one_day = Person {
            mails: vec![
                seen("a.example")
                    .day(119)
                    .mails(9)
                    .clear(Class::PlaintextNotOffered),
            ],
            ..person("dan@a.example", 9)
        };
        for nobody in [
            robot,
            stranger,
            one_day,
            person("postmaster@a.example", 9),
            person("info@a.example", 9),
            person("bob@a.example", 2),
            person("bob@b.example", 9),
            person("bob@us.example", 9),
            person("b ob@a.example", 9),
        ] {
            let plan = asked(&with(vec![nobody.clone()], vec![]));
            assert_eq!(reasons(&plan), [Reason::NoCorrespondent], "{nobody:?}");
            assert!(plan.letters.is_empty());
        }
    }

    #[test]
    fn nothing_is_asked_that_a_postmaster_would_not_be_told() {
        let people = || with(vec![person("bob@a.example", 9)], vec![]);
        let mut mended = accused("a.example");
        mended.push(seen("a.example").day(120).sighting());
        let reason = |sightings: &[Sighting], standing: &Standing, rules: &Rules| {
            let plan = planned(sightings, standing, rules);
            assert!(plan.letters.is_empty(), "{:?}", plan.letters);
            plan.skipped[0].reason
        };
        assert_eq!(reason(&mended, &people(), &rules()), Reason::TlsSeen);
        assert_eq!(
            reason(&accused("a.example")[..1], &people(), &rules()),
            Reason::TooFewDays
        );
        let own = Rules {
            own_domains: vec!["a.example".into()],
            ..rules()
        };
        assert_eq!(reason(&accused("a.example"), &people(), &own), Reason::Own);
        let relay = Standing {
            smart_host: Some("relay.example".into()),
            ..people()
        };
        assert_eq!(
            reason(&accused("a.example"), &relay, &rules()),
            Reason::SmartHost
        );
        for name in ["a.example", "mx.a.example", "bob@a.example"] {
            let unwanted = Standing {
                suppressions: vec![Suppression {
                    name: name.into(),
                    reason: "opt-out".into(),
                    at: 1,
                }],
                ..people()
            };
            assert_eq!(
                reason(&accused("a.example"), &unwanted, &rules()),
                Reason::Suppressed,
                "{name}"
            );
        }
        let held_back: Vec<Sighting> = accused("a.example")
            .into_iter()
            .map(|s| Sighting {
                class: Class::TlsRequiredNotOffered,
                tls: "none".into(),
                delivery: "deferred".into(),
                ..s
            })
            .collect();
        assert_eq!(reason(&held_back, &people(), &rules()), Reason::NotInClear);
    }

    #[test]
    fn few_in_an_organisation_are_asked_those_with_most_mail_first() {
        let all = ["ann", "bob", "cid", "dan"];
        let people = |mails: [u64; 4]| {
            let of = |(name, n): (&&str, u64)| person(&format!("{name}@a.example"), n);
            all.iter().zip(mails).map(of).collect::<Vec<_>>()
        };
        let plan = asked(&with(people([3, 9, 4, 5]), vec![]));
        assert_eq!(addresses(&plan), ["bob@a.example", "dan@a.example"]);
        assert_eq!(reasons(&plan), [Reason::EnoughPeople]);
        // Two were asked long ago: nobody else is, until a letter comes back.
        let asked_before = |state| {
            vec![
                letter_to("bob@a.example", state, &[TODAY - 31]),
                letter_to("dan@a.example", State::Sent, &[TODAY - 31]),
            ]
        };
        let plan = asked(&with(people([3, 9, 4, 5]), asked_before(State::Sent)));
        assert_eq!(addresses(&plan), ["bob@a.example", "dan@a.example"]);
        assert!(plan.letters.iter().all(|l| l.kind == Kind::Reminder));
        let plan = asked(&with(people([3, 9, 4, 5]), asked_before(State::Bounced)));
        assert_eq!(addresses(&plan), ["dan@a.example", "cid@a.example"]);
    }

    #[test]
    fn an_organisation_gets_letters_once_a_month_whoever_they_are_to() {
        let people = || vec![person("bob@a.example", 9)];
        let postmaster = |state, day: i32| vec![case("a.example", state, &[day])];
        let soon = asked(&with(people(), postmaster(State::Sent, TODAY - 29)));
        assert_eq!(reasons(&soon), [Reason::TooRecent]);
        let later = asked(&with(people(), postmaster(State::Bounced, TODAY - 30)));
        assert_eq!(addresses(&later), ["bob@a.example"]);
        // And the other way round, for a reminder too.
        let mut cases = postmaster(State::Sent, TODAY - 60);
        cases.push(letter_to("bob@a.example", State::Sent, &[TODAY - 29]));
        let standing = with(people(), cases);
        let plan = planned(&accused("a.example"), &standing, &Rules::default());
        assert_eq!(
            (addresses(&plan), reasons(&plan)),
            (vec![], vec![Reason::TooRecent])
        );
    }

    #[test]
    fn who_answered_or_declined_is_not_worn_down_by_others() {
        let people = || vec![person("bob@a.example", 9)];
        for state in [State::Answered, State::Declined, State::Exempt] {
            let before = vec![case("a.example", state, &[1])];
            assert_eq!(
                reasons(&asked(&with(people(), before))),
                [Reason::Closed],
                "{state:?}"
            );
        }
        let stopped = vec![letter_to("ann@a.example", State::Declined, &[1])];
        assert_eq!(
            reasons(&asked(&with(people(), stopped.clone()))),
            [Reason::Closed]
        );
        // What one person answered does not speak for the postmaster.
        let plan = planned(
            &accused("a.example"),
            &with(people(), stopped),
            &Rules::default(),
        );
        assert_eq!(addresses(&plan), ["postmaster@a.example"]);
    }

    #[test]
    fn a_person_gets_one_letter_about_their_own_domain_alone() {
        let at_hoster = |domain: &str| {
            [118, 119].map(|day| {
                let seen = seen(domain).at("mx.host.example", "host.example").day(day);
                seen.mails(4).clear(Class::PlaintextNotOffered)
            })
        };
        let sightings = [at_hoster("a.example"), at_hoster("b.example")].concat();
        let bob = Person {
            mails: at_hoster("a.example").to_vec(),
            ..person("bob@a.example", 9)
        };
        let plan = planned(&sightings, &with(vec![bob], vec![]), &rules());
        assert_eq!(addresses(&plan), ["bob@a.example"]);
        assert_eq!(plan.letters[0].domains(), ["a.example"]);
    }

    #[test]
    fn the_same_are_left_alone_for_comparison_whoever_would_be_written_to() {
        let some = |rules: Rules| {
            let sightings: Vec<Sighting> = (0..15)
                .flat_map(|i| accused(&format!("a{i}.example")))
                .collect();
            let people = (0..15).map(|i| person(&format!("bob@a{i}.example"), 9));
            let rules = Rules {
                control: 30,
                ..rules
            };
            let plan = planned(&sightings, &with(people.collect(), vec![]), &rules);
            let alone: BTreeSet<String> =
                plan.controls.into_iter().map(|c| c.organisation).collect();
            alone
        };
        let alone = some(rules());
        assert!(!alone.is_empty());
        assert_eq!(alone, some(Rules::default()));
    }

    #[test]
    fn who_was_asked_is_thanked() {
        let fixed = letter_to("bob@a.example", State::Fixed, &[60]);
        let mut standing = with(vec![], vec![fixed]);
        let seen = Mended {
            domains: BTreeMap::from([("a.example".to_string(), 1)]),
            ..Mended::default()
        };
        let token = standing.cases[0].token.clone();
        standing.mended.insert(token, seen);
        let plan = planned(&[], &standing, &Rules::default());
        let letter = &plan.letters[0];
        assert_eq!(
            (letter.kind, letter.audience, letter.contact.0.as_str()),
            (Kind::ThankYou, Audience::Correspondents, "bob@a.example")
        );
    }
}
