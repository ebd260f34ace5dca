//! Which letter comes next in a case, and whether it is time: pauses, reminders, the end of it, thank-yous; and who is left alone.

use std::collections::BTreeSet;

use crate::outcome::{Class, Direction};
use crate::query::certainty::Certainty;
use crate::store::outreach::{Audience, Case, Notice, Progress, State};

use super::contact::{self, Source};
use super::desk::Desk;
use super::mended::Mended;
use super::optout;
use super::peers::{Charge, Who};
use super::plan::Planned;
use super::problem::{Kind, Problem};
use super::reason::Reason;
use super::token::token;

/// To whom something would be said, and about what.
pub(super) struct Turn<'a> {
    /// Which way, and which organisation.
    pub(super) who: &'a Who,
    /// What is the matter.
    pub(super) problem: Problem,
    /// The evidence.
    pub(super) charge: &'a Charge,
    /// The address; empty if there is none.
    pub(super) to: &'a str,
    /// The address again if it is a person's, else empty: each person is a case.
    pub(super) person: &'a str,
}

impl Desk<'_> {
    /// Whether an organisation is among those left alone for comparison. On which side it is, it stays for good: what is set later, or what
    /// another plan is told, changes nothing for those who were written to, nor for those who were not.
    pub(super) fn is_control(&self, organisation: &str) -> bool {
        let theirs = || {
            let cases = self.standing.cases.iter();
            cases.filter(|case| case.organisation == organisation)
        };
        let is_left_alone = theirs().any(|case| case.state == State::Control);
        let is_chosen =
            super::number_of(&format!("control {organisation}")) % 100 < self.rules.control;
        is_left_alone || (is_chosen && !theirs().any(Case::was_written))
    }

    /// The case that a letter to the postmaster would go on with. One whose letter came back, or went to somebody whose server it is not, has reached
    /// nobody; and who declined for their own domain has not for others: whoever else is the contact gets a first one.
    pub(super) fn case_for(&self, turn: &Turn<'_>) -> Option<&Case> {
        let is_elsewhere = |case: &&Case| {
            let is_other = !turn.to.is_empty() && !case.address.eq_ignore_ascii_case(turn.to);
            let has_missed = matches!(case.state, State::Bounced | State::NotTheirs);
            (has_missed || optout::is_theirs_alone(case)) && is_other
        };
        let case = self.case(turn.who, turn.problem);
        case.filter(|case| !is_elsewhere(case))
    }

    /// The case of this with the postmaster, if there is one that goes on.
    pub(super) fn case(&self, who: &Who, problem: Problem) -> Option<&Case> {
        let mut open = self.open_cases(who, problem).rev();
        open.find(|case| case.audience == Audience::Postmaster)
    }

    /// All cases of this that go on, oldest first.
    pub(super) fn open_cases(
        &self,
        who: &Who,
        problem: Problem,
    ) -> impl DoubleEndedIterator<Item = &Case> {
        self.standing.cases.iter().filter(move |case| {
            case.state.is_open()
                && case.direction == who.0
                && case.organisation == who.1
                && Problem::from_name(&case.problem).is_some_and(|of| of.is_like(problem))
        })
    }

    /// Which letter comes next, and the token of its case.
    pub(super) fn next_letter(
        &self,
        case: Option<&Case>,
        turn: &Turn<'_>,
    ) -> Result<(Kind, String), (Reason, String)> {
        match case.filter(|case| !matches!(case.state, State::Planned | State::Control)) {
            None => self.first_letter(case, turn),
            Some(case) => match case.state {
                State::Sent => self.another_letter(case, turn),
                State::WillFix => self.letter_after_wait(case, turn),
                State::GivenUp => Err((Reason::GivenUp, case.token.clone())),
                state => Err((Reason::Closed, state.name().to_string())),
            },
        }
    }

    fn first_letter(
        &self,
        case: Option<&Case>,
        turn: &Turn<'_>,
    ) -> Result<(Kind, String), (Reason, String)> {
        if let Some(case) = self.ended_elsewhere(turn) {
            return Err((Reason::Closed, case.state.name().to_string()));
        }
        if let Some(case) = self.answer_waits(&turn.who.1, turn.to) {
            return Err((
                Reason::Closed,
                format!("{}: an answer is to be read", case.token),
            ));
        }
        let last = self.last_letter(turn, |_| true);
        self.has_paused(last)?;
        // Their own mail since, not ours: the letter may have shown them to be right, and letters do not count as mail.
        if turn.charge.last <= last {
            return recent("nothing has happened since");
        }
        let kind = match self.rules.deadline {
            Some(_) => Kind::Deadline,
            None => Kind::Notice,
        };
        let token = case.map_or_else(
            || self.new_token(turn.who, turn.problem, turn.person),
            |case| case.token.clone(),
        );
        Ok((kind, token))
    }

    /// A reminder, or the last one, each so many days after the letter before it.
    fn another_letter(
        &self,
        case: &Case,
        turn: &Turn<'_>,
    ) -> Result<(Kind, String), (Reason, String)> {
        let last = self.letter_before(case, turn)?;
        let days = self.days_since(last).unwrap_or(0);
        let [first, second] = self.rules.reminder_days;
        let (kind, wait) = match letters_of(case).len() {
            _ if had_last_letter(case) => return Err((Reason::GivenUp, case.token.clone())),
            0 | 1 => (Kind::Reminder, first),
            _ => (Kind::LastReminder, (second - first).max(0)),
        };
        match days >= wait {
            true => Ok((kind, case.token.clone())),
            false => recent(&format!("{days} days ago")),
        }
    }

    /// Who has said that they will mend it gets one letter more, after a while, and no other.
    fn letter_after_wait(
        &self,
        case: &Case,
        turn: &Turn<'_>,
    ) -> Result<(Kind, String), (Reason, String)> {
        if self.is_waited_for(case) {
            let day = crate::outcome::day_of(case.changed);
            let detail = format!("they will mend it, as of {} days ago", self.today - day);
            return Err((Reason::TooRecent, detail));
        }
        self.letter_before(case, turn)?;
        match had_last_letter(case) {
            true => Err((Reason::GivenUp, case.token.clone())),
            false => Ok((Kind::LastReminder, case.token.clone())),
        }
    }

    /// Whether somebody has said not long ago that they will mend it.
    pub(super) fn is_waited_for(&self, case: &Case) -> bool {
        case.state == State::WillFix
            && self
                .days_since(case.changed)
                .is_some_and(|days| days < self.rules.will_fix_days)
    }

    /// When the last letter of a case went out; or why none may follow it: something else was written about lately, or nothing has happened
    /// since, or it is not known of any.
    fn letter_before(&self, case: &Case, turn: &Turn<'_>) -> Result<i64, (Reason, String)> {
        let is_other = |of: &Case| {
            let about = Problem::from_name(&of.problem);
            of.organisation != case.organisation
                || of.audience != case.audience
                || !about.is_some_and(|of| of.is_like(turn.problem))
        };
        self.has_paused(self.last_letter(turn, is_other))?;
        match letters_of(case).into_iter().max() {
            Some(last) if turn.charge.last <= last => recent("nothing has happened since"),
            Some(last) => Ok(last),
            // Who was written to is forgotten, and when with it.
            None => recent("a letter of which nothing is kept"),
        }
    }

    /// A case with this organisation, or with whoever has this address, in which an answer waits to be read: it may say that they want no more,
    /// whatever the log has shown since.
    fn answer_waits(&self, organisation: &str, address: &str) -> Option<&Case> {
        let is_theirs = |case: &&Case| {
            case.organisation == organisation
                || (!address.is_empty() && case.address.eq_ignore_ascii_case(address))
        };
        let mut cases = self.standing.cases.iter().filter(is_theirs);
        cases.find(|case| self.standing.unread.contains(&case.token))
    }

    /// A case in which whoever would read this has dealt with it: the domain is the same, and so is the address, but who runs the hosts is
    /// another by now.
    fn ended_elsewhere(&self, turn: &Turn<'_>) -> Option<&Case> {
        let is_same = |case: &&Case| {
            let mut domains = case.peers.iter().map(|(domain, _)| domain);
            case.direction == turn.who.0
                && case.organisation != turn.who.1
                && !turn.to.is_empty()
                && case.address.eq_ignore_ascii_case(turn.to)
                && Problem::from_name(&case.problem).is_some_and(|of| of.is_like(turn.problem))
                && domains.any(|domain| turn.charge.domains.contains_key(domain))
        };
        let is_over = |case: &&Case| {
            matches!(
                case.state,
                State::Answered
                    | State::NotTheirs
                    | State::WillFix
                    | State::Declined
                    | State::Exempt
                    | State::GivenUp
            )
        };
        let mut cases = self.standing.cases.iter();
        cases.find(|case| is_same(case) && is_over(case))
    }

    /// When a letter last went to an organisation, to this address about whomever, or to anybody about one of these domains; of the
    /// cases that `counts`.
    fn last_letter(&self, turn: &Turn<'_>, counts: impl Fn(&Case) -> bool) -> i64 {
        let (way, organisation) = turn.who;
        let is_address =
            |address: &str| !turn.to.is_empty() && address.eq_ignore_ascii_case(turn.to);
        // Who sends to us may write any domain on it.
        let is_domain = |domain: &String| {
            *way == Direction::Outbound && turn.charge.domains.contains_key(domain)
        };
        let is_theirs = |case: &&Case| {
            let is_way = case.direction == Direction::Outbound;
            let is_told = case.organisation == *organisation
                || is_address(&case.address)
                || case
                    .notices
                    .iter()
                    .any(|notice| is_address(&notice.address))
                || (is_way && case.peers.iter().any(|(domain, _)| is_domain(domain)));
            is_told && counts(case)
        };
        let cases = self.standing.cases.iter().filter(is_theirs);
        cases.flat_map(letters_of).max().unwrap_or(i64::MIN)
    }

    /// Whether the last letter is long enough ago for another.
    fn has_paused(&self, last: i64) -> Result<(), (Reason, String)> {
        match self.days_since(last) {
            Some(days) if days < self.rules.pause_days => {
                recent("about something else, or to somebody else there")
            }
            _ => Ok(()),
        }
    }

    fn days_since(&self, at: i64) -> Option<i32> {
        (at > 0).then(|| self.today - crate::outcome::day_of(at))
    }

    /// A token that no case has.
    pub(super) fn new_token(&self, who: &Who, problem: Problem, address: &str) -> String {
        let taken: BTreeSet<&str> = self
            .standing
            .cases
            .iter()
            .map(|c| c.token.as_str())
            .collect();
        let of = |n: u32| {
            let of = format!("{} {} {}", who.0.name(), who.1, problem.name());
            let text = match address {
                "" => format!("{of} {n}"),
                address => format!("{of} {address} {n}"),
            };
            token(self.standing.secret.as_bytes(), &text)
        };
        (0..)
            .map(of)
            .find(|token| !taken.contains(token.as_str()))
            .unwrap_or_default()
    }

    /// Those who have mended it, were written to, and were not thanked.
    pub(super) fn thanks(&self) -> Vec<Planned> {
        let fixed = self.standing.cases.iter().filter(|case| {
            case.state == State::Fixed
                // A person who was forgotten has none.
                && contact::is_address(&case.address)
                && !self.is_suppressed(&case.address)
                && !self.is_suppressed(&case.organisation)
                && self.answer_waits(&case.organisation, &case.address).is_none()
                && case.was_written()
                && !case.notices.iter().any(was_thanks)
        });
        fixed
            .filter_map(|case| {
                let mended = self.standing.mended.get(&case.token)?;
                let charge = thanked_for(case, mended)?;
                Some(Planned {
                    token: case.token.clone(),
                    kind: Kind::ThankYou,
                    problem: Problem::from_name(&case.problem)?,
                    direction: case.direction,
                    organisation: case.organisation.clone(),
                    audience: case.audience,
                    charge,
                    main: (Class::Unknown, String::new()),
                    certainty: Certainty::Certain,
                    daily: case.daily,
                    contact: (
                        case.address.clone(),
                        match case.audience {
                            Audience::Postmaster => Source::Own,
                            Audience::Correspondents => Source::Correspondent,
                        },
                    ),
                    is_control: false,
                    asked: None,
                })
            })
            .collect()
    }
}

fn recent<T>(detail: &str) -> Result<T, (Reason, String)> {
    Err((Reason::TooRecent, detail.to_string()))
}

/// What somebody is thanked for: the domains to which mail was seen to go as it should, and no other. `None` as long as there is none.
fn thanked_for(case: &Case, mended: &Mended) -> Option<Charge> {
    let at = i64::from(mended.since) * 86_400;
    let mut charge = Charge {
        // What a case is about stays known, whatever is named.
        peers: case.peers.iter().cloned().collect(),
        last: at,
        ..Charge::default()
    };
    for host in &mended.hosts {
        charge.hosts.entry(host.clone()).or_default();
    }
    let domains = mended.domains.iter();
    charge.domains = domains.map(|(d, n)| (d.clone(), (*n, at))).collect();
    let is_seen = case.direction == Direction::Inbound || !charge.domains.is_empty();
    is_seen.then_some(charge)
}

/// A thank-you that was handed over: there is one, whatever was answered to it, and whatever brought the case back to where it was.
fn was_thanks(notice: &Notice) -> bool {
    notice.kind == Kind::ThankYou.name() && notice.progress != Progress::Draft
}

/// So many letters about one matter, and no more.
const LETTERS: usize = 3;

/// Whether the last letter there can be of a case has gone out.
pub(super) fn had_last_letter(case: &Case) -> bool {
    let mut left = case.notices.iter().filter(|n| n.progress.may_have_left());
    letters_of(case).len() >= LETTERS || left.any(|n| n.kind == Kind::LastReminder.name())
}

/// When letters of a case went out.
fn letters_of(case: &Case) -> Vec<i64> {
    let sent = case.notices.iter().filter(|n| n.progress.may_have_left());
    sent.map(|n| n.sent).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::peers::tests::seen;
    use super::super::plan::tests::{TODAY, accused, case, planned, reason};
    use super::super::{Rules, Standing};
    use super::*;
    use crate::query::sightings::Sighting;
    use crate::store::addressees::Contact;

    #[test]
    fn a_reminder_waits_if_another_matter_was_written_about_lately() {
        let mut seen = accused("a.example");
        seen.iter_mut().for_each(|one| one.last += 3600);
        let with = |other: Option<&str>| {
            let mut cases = vec![case("a.example", State::Sent, &[80])];
            cases.extend(other.map(|problem| Case {
                id: 2,
                token: "BB".into(),
                problem: problem.into(),
                ..case("a.example", State::Sent, &[110])
            }));
            let standing = Standing {
                cases,
                ..Standing::default()
            };
            planned(&seen, &standing, &Rules::default())
        };
        assert_eq!(with(None).letters[0].kind, Kind::Reminder);
        assert_eq!(reason(&with(Some("dane"))), Reason::TooRecent);
    }

    #[test]
    fn reminders_come_twice_then_it_is_over() {
        let plan_with = |case: Case| {
            let standing = Standing {
                cases: vec![case],
                ..Standing::default()
            };
            planned(&accused("a.example"), &standing, &Rules::default())
        };
        let kind = |sent: &[i32]| {
            plan_with(case("a.example", State::Sent, sent))
                .letters
                .first()
                .map(|l| l.kind)
        };
        assert_eq!(kind(&[TODAY - 10]), None);
        assert_eq!(kind(&[TODAY - 30]), Some(Kind::Reminder));
        assert_eq!(kind(&[TODAY - 60, TODAY - 30]), None);
        assert_eq!(kind(&[TODAY - 90, TODAY - 60]), Some(Kind::LastReminder));
        assert_eq!(kind(&[1, 31, 91]), None);
        // Nothing new since the last letter: nothing to remind of.
        assert_eq!(
            reason(&plan_with(case("a.example", State::Sent, &[TODAY]))),
            Reason::TooRecent
        );
        for state in [
            State::Bounced,
            State::Answered,
            State::Declined,
            State::Exempt,
        ] {
            assert_eq!(
                reason(&plan_with(case("a.example", state, &[1]))),
                Reason::Closed,
                "{state:?}"
            );
        }
        assert_eq!(
            reason(&plan_with(case("a.example", State::GivenUp, &[1, 31, 91]))),
            Reason::GivenUp
        );
        // Fixed, and in clear again: a case of its own.
        let again = plan_with(case("a.example", State::Relapsed, &[1]));
        assert_eq!(again.letters[0].kind, Kind::Notice);
        assert_ne!(again.letters[0].token, "AA");
    }

    #[test]
    fn who_will_mend_it_is_waited_for_and_reminded_once() {
        let with = |said: i32, sent: &[i32], kinds: &[Kind]| {
            let mut case = case("a.example", State::WillFix, sent);
            case.changed = i64::from(said) * 86_400;
            for (letter, kind) in case.notices.iter_mut().zip(kinds) {
                letter.kind = kind.name().into();
            }
            let standing = Standing {
                cases: vec![case],
                ..Standing::default()
            };
            let plan = planned(&accused("a.example"), &standing, &Rules::default());
            match plan.letters.first() {
                Some(letter) => Ok((letter.kind, letter.token.clone())),
                None => Err(reason(&plan)),
            }
        };
        let one = [Kind::Notice];
        let last = Ok((Kind::LastReminder, "AA".to_string()));
        assert_eq!(with(TODAY - 59, &[1], &one), Err(Reason::TooRecent));
        assert_eq!(with(TODAY - 60, &[1], &one), last);
        assert_eq!(with(TODAY - 60, &[1, 31], &one), last);
        // Whatever they said after the last one, there is none after it.
        let three = [Kind::Notice, Kind::Reminder, Kind::LastReminder];
        assert_eq!(with(TODAY - 60, &[1, 31, 58], &three), Err(Reason::GivenUp));
        let two = [Kind::Notice, Kind::LastReminder];
        assert_eq!(with(TODAY - 60, &[1, 31], &two), Err(Reason::GivenUp));
    }

    #[test]
    fn one_organisation_is_not_written_to_twice_a_month() {
        let mut other = case("a.example", State::Sent, &[TODAY - 10]);
        other.problem = "dane".into();
        let standing = Standing {
            cases: vec![other],
            ..Standing::default()
        };
        assert_eq!(
            reason(&planned(
                &accused("a.example"),
                &standing,
                &Rules::default()
            )),
            Reason::TooRecent
        );
    }

    #[test]
    fn after_a_letter_came_back_another_contact_gets_a_first_one_a_month_later() {
        let with = |address: &str, sent| {
            let contact = Contact {
                name: "a.example".into(),
                address: address.into(),
                note: String::new(),
            };
            let standing = Standing {
                contacts: vec![contact],
                cases: vec![case("a.example", State::Bounced, &[sent])],
                ..Standing::default()
            };
            planned(&accused("a.example"), &standing, &Rules::default())
        };
        let plan = with("ann@a.example", TODAY - 30);
        assert_eq!(
            (plan.letters[0].kind, plan.letters[0].contact.0.as_str()),
            (Kind::Notice, "ann@a.example")
        );
        assert_ne!(plan.letters[0].token, "AA");
        assert_eq!(
            reason(&with("ann@a.example", TODAY - 29)),
            Reason::TooRecent
        );
        assert_eq!(
            reason(&with("Postmaster@a.example", TODAY - 30)),
            Reason::Closed
        );
    }

    /// That a letter went over TLS is left out of the numbers, so that what is older than it may be mended for all we know.
    #[test]
    fn evidence_older_than_the_last_letter_is_no_reason_for_another() {
        let mut other = case("a.example", State::Bounced, &[TODAY - 40]);
        other.problem = "dane".into();
        let standing = Standing {
            cases: vec![other],
            ..Standing::default()
        };
        let clear = |day| seen("a.example").day(day).clear(Class::PlaintextNotOffered);
        let of = |days: [i32; 2]| {
            let plan = planned(&days.map(clear), &standing, &Rules::default());
            plan.letters.len()
        };
        assert_eq!(of([TODAY - 42, TODAY - 41]), 0);
        assert_eq!(of([TODAY - 41, TODAY - 39]), 1);
    }

    /// What was seen to work, of the case that `case` makes.
    fn seen_to_work(domains: &[&str]) -> BTreeMap<String, Mended> {
        let mended = Mended {
            days: 2,
            since: 77,
            by: 78,
            domains: domains.iter().map(|d| (d.to_string(), 1)).collect(),
            hosts: BTreeSet::new(),
        };
        BTreeMap::from([("AA".to_string(), mended)])
    }

    #[test]
    fn who_has_mended_it_is_thanked_once() {
        let thanked = |state, mended| {
            let standing = Standing {
                cases: vec![case("a.example", state, &[60])],
                mended,
                ..Standing::default()
            };
            let plan = planned(&[], &standing, &Rules::default());
            plan.letters.first().map(|l| (l.kind, l.charge.last))
        };
        let seen = || seen_to_work(&["a.example"]);
        // Since the first day on which it was seen.
        let thanks = Some((Kind::ThankYou, 77 * 86_400));
        assert_eq!(thanked(State::Fixed, seen()), thanks);
        assert_eq!(thanked(State::Thanked, seen()), None);
        assert_eq!(thanked(State::Left, seen()), None);
        // By mail to others the host was seen to work; to those the letter was about none has gone.
        assert_eq!(thanked(State::Fixed, seen_to_work(&[])), None);
        assert_eq!(thanked(State::Fixed, BTreeMap::new()), None);
    }

    #[test]
    fn some_are_left_alone_for_comparison_and_always_the_same() {
        let sightings: Vec<Sighting> = (0..40)
            .flat_map(|i| accused(&format!("a{i}.example")))
            .collect();
        let all = [
            sightings,
            (0..60)
                .map(|i| seen(&format!("fine{i}.example")).sighting())
                .collect(),
        ]
        .concat();
        let rules = Rules {
            control: 20,
            ..Rules::default()
        };
        let first = planned(&all, &Standing::default(), &rules);
        assert_eq!(first.letters.len() + first.controls.len(), 40);
        assert!(
            (3..=15).contains(&first.controls.len()),
            "{}",
            first.controls.len()
        );
        assert_eq!(first, planned(&all, &Standing::default(), &rules));
    }

    #[test]
    fn who_has_dealt_with_it_is_not_asked_again_since_the_domain_has_moved() {
        let moved = |state| {
            let mut old = case("a.example", state, &[TODAY - 60]);
            old.organisation = "hostera.example".into();
            let standing = Standing {
                cases: vec![old],
                ..Standing::default()
            };
            planned(&accused("a.example"), &standing, &Rules::default())
        };
        for state in [State::Declined, State::Exempt, State::GivenUp] {
            assert_eq!(reason(&moved(state)), Reason::Closed, "{state:?}");
        }
        assert_eq!(moved(State::Sent).letters.len(), 1);
    }

    #[test]
    fn an_answer_to_a_thank_you_brings_no_other() {
        let mut thanked = case("a.example", State::Fixed, &[60, 70]);
        thanked.notices[1].kind = Kind::ThankYou.name().into();
        let standing = Standing {
            cases: vec![thanked],
            mended: seen_to_work(&["a.example"]),
            ..Standing::default()
        };
        let plan = planned(&[], &standing, &Rules::default());
        assert!(plan.letters.is_empty());
    }
}
