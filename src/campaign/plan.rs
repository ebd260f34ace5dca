//! Decides who is written to, and says of everybody else why not. A function of what was seen, what was written before, and the
//! day: the same plan twice is the same, and a plan that was sent leaves nothing to plan.

use std::collections::{BTreeMap, BTreeSet};

use crate::outcome::{Class, Direction};
use crate::query::certainty::Certainty;
use crate::query::people::Person;
use crate::query::sightings::Sighting;
use crate::store::addressees::{Contact, Suppression};
use crate::store::outreach::{Audience, Case, Draft};

use super::contact::Source;
use super::desk::Desk;
use super::mended::Mended;
use super::peers::{Charge, records};
use super::problem::{Kind, Problem};
use super::reason::Reason;
use super::{mirror, never};

/// Thresholds, as set by the operator.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// Who is to be written to.
    pub audience: Audience,
    /// Of people: only those our users wrote to so many times, in clear.
    pub min_written: u64,
    /// Of people: at most so many in one organisation.
    pub people_each: usize,
    /// So many mails at least.
    pub min_messages: u64,
    /// On so many different days.
    pub min_days: usize,
    /// No two letters to one organisation, address or domain within so many days.
    pub pause_days: i32,
    /// Who has said that they will mend it is waited for so many days.
    pub will_fix_days: i32,
    /// A reminder so many days after the first letter, and the last one so many after that; in between as many as lie between these.
    pub reminder_days: [i32; 2],
    /// A fault that more organisations than this have in common ...
    pub local_peers: usize,
    /// ... is rather our own if they are more than this share (0 to 1) of all we exchange mail with that way ...
    pub local_share: f64,
    /// ... or than this one, if it is one that many have: not to offer STARTTLS, and old TLS.
    pub local_habit_share: f64,
    /// Of a hundred organisations, so many are left alone for comparison.
    pub control: u64,
    /// Write about TLS older than 1.2 too.
    pub old_protocols: bool,
    /// The servers will be asked before a letter is drafted.
    pub probing: bool,
    /// Thank who has mended it.
    pub thanks: bool,
    /// A day from which we require TLS, as the letters name it.
    pub deadline: Option<String>,
    /// Our own domains.
    pub own_domains: Vec<String>,
}

impl Default for Rules {
    fn default() -> Rules {
        Rules {
            audience: Audience::Postmaster,
            min_written: 3,
            people_each: 2,
            min_messages: 2,
            min_days: 2,
            pause_days: 30,
            will_fix_days: 60,
            reminder_days: [30, 90],
            local_peers: 5,
            local_share: 0.2,
            local_habit_share: 0.5,
            control: 0,
            old_protocols: false,
            probing: false,
            thanks: true,
            deadline: None,
            own_domains: Vec::new(),
        }
    }
}

/// What is known from before.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Standing {
    /// The operator's own contacts.
    pub contacts: Vec<Contact>,
    /// Who is not to be written to.
    pub suppressions: Vec<Suppression>,
    /// All cases.
    pub cases: Vec<Case>,
    /// The relay that takes all our mail, if there is one.
    pub smart_host: Option<String>,
    /// Who our users write to in clear, where people are to be written to.
    pub people: Vec<Person>,
    /// Of cases that are mended, by their tokens, what was seen to work. Nobody is thanked for anything else.
    pub mended: BTreeMap<String, Mended>,
    /// The tokens of cases in which a human's answer was not read yet, or nobody has said so.
    pub unread: BTreeSet<String>,
    /// What makes the tokens of this store differ from those of any other.
    pub secret: String,
}

/// What a look at the servers of a letter has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// When, in seconds since 1970 UTC.
    pub at: i64,
    /// What one of them said, with its address.
    pub heard: String,
}

/// A letter that is to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// Stands in the subject.
    pub token: String,
    /// What sort of letter.
    pub kind: Kind,
    /// About what.
    pub problem: Problem,
    /// Which way the mail goes.
    pub direction: Direction,
    /// Who runs the hosts.
    pub organisation: String,
    /// For whom the letter is.
    pub audience: Audience,
    /// The evidence.
    pub charge: Charge,
    /// What happened most, and what the TLS library said.
    pub main: (Class, String),
    /// How sure that is.
    pub certainty: Certainty,
    /// Mails a day in the time looked at, of the organisation's hosts with this problem.
    pub daily: f64,
    /// The recipient, and where the address comes from.
    pub contact: (String, Source),
    /// It is not to be sent, but compared with those that are.
    pub is_control: bool,
    /// Its servers were asked, and have shown the same; `None` if they were not.
    pub asked: Option<Asked>,
}

impl Planned {
    /// What is the matter, to follow "mail to X": mail that had to wait has not gone in clear.
    pub fn words(&self) -> String {
        let words = self.problem.row().words;
        match words.strip_prefix("goes in clear") {
            Some(why) if self.charge.in_clear == 0 => format!("is held back{why}"),
            _ => words.to_string(),
        }
    }

    /// The domains, most mail first. Who sends to us may write any on it: there only those count that are the client's own.
    pub fn domains(&self) -> Vec<&str> {
        let all = self.charge.by_mails().into_iter();
        let own: Vec<&str> = match self.direction {
            Direction::Outbound => all.collect(),
            Direction::Inbound => all
                .filter(|domain| never::is_within(domain, &self.organisation))
                .collect(),
        };
        match own.is_empty() {
            true => vec![&self.organisation],
            false => own,
        }
    }
}

impl Planned {
    /// The same as one that is not written, and why.
    pub fn skipped(&self, reason: Reason, detail: String) -> Skipped {
        Skipped {
            direction: self.direction,
            name: self.organisation.clone(),
            domains: self.charge.domains.keys().cloned().collect(),
            problem: Some(self.problem),
            reason,
            detail,
        }
    }
}

/// Somebody who is not written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Which way the mail goes.
    pub direction: Direction,
    /// Organisation, domain, host or address.
    pub name: String,
    /// The domains.
    pub domains: Vec<String>,
    /// About what one would have written.
    pub problem: Option<Problem>,
    /// Why not.
    pub reason: Reason,
    /// What there is to add, or empty.
    pub detail: String,
}

/// Who is written to, and who is not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// In order of mail, most first.
    pub letters: Vec<Planned>,
    /// Left alone for comparison, as if they were written to.
    pub controls: Vec<Planned>,
    /// The others.
    pub skipped: Vec<Skipped>,
}

impl Plan {
    /// Names a plan by all that would be sent, to the letter: another one has another name.
    pub fn hash(&self, drafts: &[Draft]) -> String {
        let mut text = String::new();
        for letter in self.letters.iter().chain(&self.controls) {
            text.push_str(&format!(
                "{} {} {} {} {:?} {}\n",
                letter.token,
                letter.kind.name(),
                letter.problem.name(),
                letter.contact.0,
                letter.charge.peers,
                letter.charge.last
            ));
        }
        for letter in drafts.iter().filter_map(|draft| draft.letter.as_ref()) {
            let parts = [&letter.address, &letter.subject, &letter.body];
            text.extend(parts.map(|part| format!("{part}\n")));
        }
        format!("{:012x}", super::number_of(&text) & 0xffff_ffff_ffff)
    }

    /// Says of somebody that they are not written to. Nobody is told of twice for the same.
    pub fn skip(&mut self, skipped: Skipped) {
        let same = |other: &&mut Skipped| {
            (other.direction, other.problem, other.reason)
                == (skipped.direction, skipped.problem, skipped.reason)
                && (&other.name, &other.detail) == (&skipped.name, &skipped.detail)
        };
        match self.skipped.iter_mut().find(same) {
            None => self.skipped.push(skipped),
            Some(other) => {
                other.domains.extend(skipped.domains);
                other.domains.sort();
                other.domains.dedup();
            }
        }
    }

    /// Leaves so many letters, those about most mail; the others wait for another plan. Thank-yous wait for nobody. Who is left alone for
    /// comparison takes the room that a letter would, or both groups would not be alike.
    pub fn limit(&mut self, most: usize) {
        let mut room = most;
        for letter in std::mem::take(&mut self.letters) {
            let is_thanks = letter.kind == Kind::ThankYou;
            if is_thanks || room > 0 {
                room -= usize::from(!is_thanks);
                self.letters.push(letter);
            } else {
                self.skip(letter.skipped(Reason::PlanFull, String::new()));
            }
        }
    }

    /// Takes out those that are left alone for comparison: the last step, after all that may take a letter out of the plan.
    pub fn set_apart(&mut self) {
        let letters = std::mem::take(&mut self.letters);
        let (controls, letters) = letters.into_iter().partition(|letter| letter.is_control);
        (self.controls, self.letters) = (controls, letters);
        for control in self.controls.clone() {
            self.skip(control.skipped(Reason::Control, String::new()));
        }
    }

    /// One letter about most mail to each organisation, address and domain, besides thank-yous; to people of one organisation one each,
    /// about the same problem. The letters are in order of mail.
    fn once(&mut self) {
        let mut taken = Taken::default();
        for letter in std::mem::take(&mut self.letters) {
            match letter.kind == Kind::ThankYou || taken.take(&letter) {
                true => self.letters.push(letter),
                false => {
                    let detail = format!("{}: another letter is planned", letter.contact.0);
                    self.skip(letter.skipped(Reason::TooRecent, detail));
                }
            }
        }
    }
}

/// To whom there is a letter in the plan.
#[derive(Default)]
struct Taken {
    addresses: BTreeSet<String>,
    /// With the organisation that was written to about them.
    domains: BTreeMap<String, String>,
    organisations: BTreeMap<String, (Audience, Problem)>,
}

impl Taken {
    /// Whether this is another letter to nobody; if so it is noted.
    fn take(&mut self, letter: &Planned) -> bool {
        let address = letter.contact.0.to_lowercase();
        let organisation = &letter.organisation;
        let domains = || {
            let all = letter.charge.domains.keys();
            all.filter(|_| letter.direction == Direction::Outbound)
        };
        let about = (letter.audience, letter.problem);
        let is_round = |before: &(Audience, Problem)| {
            letter.audience == Audience::Correspondents && *before == about
        };
        let is_free = !self.addresses.contains(&address)
            && self.organisations.get(organisation).is_none_or(is_round)
            && domains().all(|d| self.domains.get(d).is_none_or(|of| of == organisation));
        if is_free {
            // Who is left alone in place of people has no address.
            self.addresses
                .extend((!address.is_empty()).then_some(address));
            self.organisations.insert(organisation.clone(), about);
            self.domains
                .extend(domains().map(|domain| (domain.clone(), organisation.clone())));
        }
        is_free
    }
}

/// Decides. `sightings` are those of the days looked at, of which the last is `today`.
pub fn plan(
    sightings: &[Sighting],
    standing: &Standing,
    rules: &Rules,
    today: i32,
    days: i32,
) -> Plan {
    let all = records(sightings);
    let written_to: BTreeSet<&str> = all
        .keys()
        .filter(|(direction, _)| *direction == Direction::Outbound)
        .map(|(_, name)| name.as_str())
        .collect();
    let relay = standing.smart_host.clone();
    let desk = Desk {
        standing,
        rules,
        today,
        days,
        written_to,
        local: mirror::looks_local(sightings, &all, rules),
        smart_host: relay.or_else(|| mirror::smart_host(sightings)),
    };
    let mut plan = Plan::default();
    for (who, record) in &all {
        desk.file(who, record, &mut plan);
    }
    if rules.thanks {
        plan.letters.extend(desk.thanks());
    }
    plan.letters.sort_by(|a, b| {
        b.charge
            .mails
            .cmp(&a.charge.mails)
            .then_with(|| a.organisation.cmp(&b.organisation))
            .then(a.problem.cmp(&b.problem))
            .then_with(|| a.contact.0.cmp(&b.contact.0))
    });
    plan.once();
    plan
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::campaign::peers::tests::seen;
    use crate::store::outreach::{Notice, Progress, State};

    pub(in super::super) const TODAY: i32 = 120;

    /// In clear on two days, two mails each.
    pub(in super::super) fn accused(domain: &str) -> Vec<Sighting> {
        let on = |day| {
            seen(domain)
                .day(day)
                .mails(2)
                .clear(Class::PlaintextNotOffered)
        };
        vec![on(118), on(119)]
    }

    /// Enough others with whom all is well.
    fn others() -> Vec<Sighting> {
        (0..20)
            .map(|i| seen(&format!("good{i}.example")).day(119).sighting())
            .collect()
    }

    pub(in super::super) fn planned(
        sightings: &[Sighting],
        standing: &Standing,
        rules: &Rules,
    ) -> Plan {
        let all = [sightings.to_vec(), others()].concat();
        let mut plan = plan(&all, standing, rules, TODAY, 14);
        plan.set_apart();
        plan
    }

    pub(in super::super) fn default(sightings: &[Sighting]) -> Plan {
        planned(sightings, &Standing::default(), &Rules::default())
    }

    /// Why there is no letter.
    pub(in super::super) fn reason(plan: &Plan) -> Reason {
        assert_eq!(plan.letters.len(), 0, "{:?}", plan.letters);
        plan.skipped[0].reason
    }

    pub(in super::super) fn case(domain: &str, state: State, sent: &[i32]) -> Case {
        let notice = |(at, day): (usize, &i32)| Notice {
            id: at as i64,
            case: 1,
            kind: "notice".into(),
            plan: String::new(),
            progress: Progress::Sent,
            address: format!("postmaster@{domain}"),
            subject: String::new(),
            body: String::new(),
            message_id: String::new(),
            planned: 0,
            sent: i64::from(*day) * 86_400,
            answer: String::new(),
            audience: Audience::Postmaster,
            approved: 0,
        };
        Case {
            id: 1,
            token: "AA".into(),
            direction: Direction::Outbound,
            organisation: domain.into(),
            problem: "not-offered".into(),
            audience: Audience::Postmaster,
            state,
            address: format!("postmaster@{domain}"),
            daily: 1.0,
            opened: i64::from(*sent.first().unwrap_or(&0)) * 86_400,
            changed: i64::from(TODAY - 5) * 86_400,
            peers: vec![(domain.into(), format!("mx.{domain}"))],
            notices: sent.iter().enumerate().map(notice).collect(),
        }
    }

    #[test]
    fn two_mails_in_clear_on_two_days_are_a_letter() {
        let plan = default(&accused("a.example"));
        let letter = &plan.letters[0];
        assert_eq!(
            (
                letter.organisation.as_str(),
                letter.kind,
                letter.problem,
                letter.contact.0.as_str(),
                letter.charge.mails
            ),
            (
                "a.example",
                Kind::Notice,
                Problem::NotOffered,
                "postmaster@a.example",
                4
            )
        );
        assert!(plan.skipped.is_empty(), "{:?}", plan.skipped);
    }

    #[test]
    fn too_little_is_no_letter() {
        let once = [seen("a.example").day(119).clear(Class::PlaintextNotOffered)];
        assert_eq!(reason(&default(&once)), Reason::TooFew);
        let one_day = [seen("a.example")
            .day(119)
            .mails(9)
            .clear(Class::PlaintextNotOffered)];
        assert_eq!(reason(&default(&one_day)), Reason::TooFewDays);
    }

    #[test]
    fn what_is_not_proven_to_be_theirs_is_no_letter_and_is_said() {
        for (fault, tls, expected) in [
            ("us", "plaintext", Reason::Ours),
            ("either", "plaintext", Reason::Undecided),
            ("nobody", "unknown", Reason::Unknown),
        ] {
            let doubtful: Vec<Sighting> = accused("a.example")
                .into_iter()
                .map(|s| Sighting {
                    fault: fault.into(),
                    tls: tls.into(),
                    ..s
                })
                .collect();
            assert_eq!(reason(&default(&doubtful)), expected);
        }
    }

    #[test]
    fn clear_text_nobody_explains_waits_for_a_look_at_the_server() {
        let unclear: Vec<Sighting> = accused("a.example")
            .into_iter()
            .map(|s| Sighting {
                fault: "either".into(),
                class: Class::PlaintextCauseUnknown,
                ..s
            })
            .collect();
        assert_eq!(reason(&default(&unclear)), Reason::Undecided);
        let asked = planned(
            &unclear,
            &Standing::default(),
            &Rules {
                probing: true,
                ..Rules::default()
            },
        );
        assert_eq!(asked.letters[0].problem, Problem::Unclear);
    }

    #[test]
    fn who_has_done_tls_since_gets_none() {
        let mut mended = accused("a.example");
        mended.push(seen("a.example").day(120).sighting());
        assert_eq!(reason(&default(&mended)), Reason::TlsSeen);
    }

    #[test]
    fn some_are_never_written_to() {
        for (domain, expected) in [
            ("gmail.com", Reason::Giant),
            ("localhost", Reason::NoName),
            ("x.onion", Reason::NoName),
            ("192.0.2.7", Reason::NoName),
        ] {
            assert_eq!(reason(&default(&accused(domain))), expected, "{domain}");
        }
        let own = Rules {
            own_domains: vec!["us.example".into()],
            ..Rules::default()
        };
        assert_eq!(
            reason(&planned(
                &accused("mail.us.example"),
                &Standing::default(),
                &own
            )),
            Reason::Own
        );
        let relay = Standing {
            smart_host: Some("relay.example".into()),
            ..Standing::default()
        };
        assert_eq!(
            reason(&planned(&accused("a.example"), &relay, &Rules::default())),
            Reason::SmartHost
        );
    }

    #[test]
    fn a_suppression_of_any_name_ends_it() {
        for name in ["a.example", "mx.a.example", "postmaster@a.example"] {
            let standing = Standing {
                suppressions: vec![Suppression {
                    name: name.into(),
                    reason: "opt-out".into(),
                    at: 1,
                }],
                ..Standing::default()
            };
            assert_eq!(
                reason(&planned(
                    &accused("a.example"),
                    &standing,
                    &Rules::default()
                )),
                Reason::Suppressed,
                "{name}"
            );
        }
    }

    #[test]
    fn many_with_the_same_failure_are_rather_ourselves() {
        let failing: Vec<Sighting> = (0..8)
            .flat_map(|i| accused(&format!("a{i}.example")))
            .map(|s| Sighting {
                class: Class::PlaintextAfterFailedHandshake,
                cause: "no-shared-cipher".into(),
                ..s
            })
            .collect();
        assert_eq!(reason(&default(&failing)), Reason::LooksLocal);
        // As many without STARTTLS are no wonder.
        let plain: Vec<Sighting> = (0..8)
            .flat_map(|i| accused(&format!("a{i}.example")))
            .collect();
        assert_eq!(default(&plain).letters.len(), 8);
    }

    #[test]
    fn all_domains_of_one_operator_are_one_letter() {
        let sightings: Vec<Sighting> = ["a.example", "b.example"]
            .iter()
            .flat_map(|domain| {
                [118, 119].map(|day| {
                    seen(domain)
                        .at("mx.host.example", "host.example")
                        .day(day)
                        .clear(Class::PlaintextNotOffered)
                })
            })
            .collect();
        let plan = default(&sightings);
        assert_eq!(plan.letters.len(), 1);
        assert_eq!(plan.letters[0].contact.0, "postmaster@host.example");
        assert_eq!(plan.letters[0].charge.domains.len(), 2);
    }

    #[test]
    fn who_only_writes_to_us_is_left_alone() {
        let from = |domain: &str| -> Vec<Sighting> {
            [118, 119]
                .map(|day| {
                    seen(domain)
                        .inbound()
                        .day(day)
                        .mails(3)
                        .clear(Class::PlaintextCauseUnknown)
                })
                .to_vec()
        };
        assert_eq!(reason(&default(&from("a.example"))), Reason::OneWay);
        // good1 gets mail from us, and somebody else uses the TLS we offer.
        let from = |domain: &str| {
            let fine = seen("good2.example").inbound().day(119).sighting();
            [from(domain), vec![fine]].concat()
        };
        let plan = default(&from("good1.example"));
        assert_eq!(plan.letters[0].problem, Problem::InboundClear);
        // The sender's domain can be forged: it is not named.
        let forged: Vec<Sighting> = from("good1.example")
            .into_iter()
            .map(|s| Sighting {
                domain: "victim.example".into(),
                ..s
            })
            .collect();
        assert_eq!(default(&forged).letters[0].domains(), ["good1.example"]);
    }

    #[test]
    fn mail_that_had_to_wait_has_not_gone_in_clear() {
        let words = |in_clear: bool| {
            let mut seen = accused("a.example");
            for one in &mut seen {
                if !in_clear {
                    one.class = Class::TlsRequiredNotOffered;
                    (one.tls, one.delivery) = ("none".into(), "deferred".into());
                }
            }
            default(&seen).letters[0].words()
        };
        let why = "the server does not offer STARTTLS";
        assert_eq!(words(true), format!("goes in clear: {why}"));
        assert_eq!(words(false), format!("is held back: {why}"));
    }

    #[test]
    fn a_plan_has_so_many_letters_and_those_about_most_mail() {
        let mut seen = accused("a.example");
        let busy = accused("b.example");
        seen.extend([busy.clone(), busy].concat());
        let mended = Standing {
            cases: vec![case("c.example", State::Fixed, &[TODAY - 40])],
            mended: BTreeMap::from([(
                "AA".into(),
                Mended {
                    domains: BTreeMap::from([("c.example".into(), 1)]),
                    ..Mended::default()
                },
            )]),
            ..Standing::default()
        };
        let mut plan = planned(&seen, &mended, &Rules::default());
        plan.limit(1);
        let left: Vec<_> = plan
            .letters
            .iter()
            .map(|l| (l.kind, l.organisation.as_str()))
            .collect();
        assert_eq!(
            left,
            [(Kind::Notice, "b.example"), (Kind::ThankYou, "c.example")]
        );
        assert_eq!(
            (plan.skipped[0].reason, plan.skipped[0].name.as_str()),
            (Reason::PlanFull, "a.example")
        );
    }

    #[test]
    fn two_problems_of_one_organisation_are_one_letter_about_that_with_most_mail() {
        let clear = |day, mails| {
            let seen = seen("a.example").day(day).mails(mails);
            seen.clear(Class::PlaintextNotOffered)
        };
        let refused = |day| {
            let seen = seen("a.example").at("mx2.a.example", "a.example");
            let seen = seen.day(day).mails(9);
            seen.clear(Class::PlaintextStarttlsRefused)
        };
        let seen = [
            clear(TODAY - 2, 2),
            clear(TODAY - 1, 2),
            refused(TODAY - 2),
            refused(TODAY - 1),
        ];
        let plan = default(&seen);
        let about: Vec<Problem> = plan.letters.iter().map(|l| l.problem).collect();
        assert_eq!(about, [Problem::Refused]);
        assert!(
            plan.skipped
                .iter()
                .any(|s| s.problem == Some(Problem::NotOffered)
                    && s.reason == Reason::TooRecent
                    && s.detail.contains("another letter is planned"))
        );
    }

    #[test]
    fn another_plan_has_another_hash() {
        let one = default(&accused("a.example"));
        let other = default(&accused("b.example"));
        assert_eq!(one.hash(&[]), default(&accused("a.example")).hash(&[]));
        assert_ne!(one.hash(&[]), other.hash(&[]));
    }
}
