//! Decides who is written to, and says of everybody else why not. A function of what was seen, what was written before, and the
//! day: the same plan twice is the same, and a plan that was sent leaves nothing to plan.

use std::collections::{BTreeMap, BTreeSet};

use crate::outcome::{Class, Direction};
use crate::query::certainty::Certainty;
use crate::query::people::Person;
use crate::query::sightings::Sighting;
use crate::store::addressees::{Contact, Suppression};
use crate::store::outreach::{Audience, Case, Progress, State};

use super::contact::{self, Source};
use super::peers::{Charge, Record, Who, records};
use super::problem::{Kind, Problem};
use super::reason::Reason;
use super::token::token;
use super::{never, optout, people};

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
    /// No two letters to one organisation within so many days.
    pub pause_days: i32,
    /// A reminder so many days after the first letter, and the last one so many after it.
    pub reminder_days: [i32; 2],
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
            reminder_days: [30, 90],
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
    /// What makes the tokens of this store differ from those of any other.
    pub secret: String,
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
    /// Names this plan: another one has another hash.
    pub fn hash(&self) -> String {
        let mut text = String::new();
        for letter in self.letters.iter().chain(&self.controls) {
            text.push_str(&format!(
                "{} {} {} {:?} {}\n",
                letter.token,
                letter.kind.name(),
                letter.contact.0,
                letter.charge.domains,
                letter.charge.last
            ));
        }
        format!("{:012x}", super::number_of(&text) & 0xffff_ffff_ffff)
    }

    /// Leaves so many letters, those about most mail; the others wait for another plan. Thank-yous wait for nobody.
    pub fn limit(&mut self, most: usize) {
        let mut room = most;
        let letters = std::mem::take(&mut self.letters);
        for letter in letters {
            let is_thanks = letter.kind == Kind::ThankYou;
            if is_thanks || room > 0 {
                room -= usize::from(!is_thanks);
                self.letters.push(letter);
            } else {
                self.skipped
                    .push(letter.skipped(Reason::PlanFull, String::new()));
            }
        }
    }
}

/// More unrelated organisations than this with one and the same fault ...
const MANY: usize = 5;
/// ... are rather our own fault if they are more than this share of all we send to: not offering STARTTLS is a habit, a handshake that
/// fails is an accident.
const SHARE_NOT_OFFERED: f64 = 0.5;
const SHARE_FAILING: f64 = 0.2;

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
    let local = looks_local(&all);
    let desk = Desk {
        standing,
        rules,
        today,
        days,
        written_to,
        local,
    };
    let mut plan = Plan::default();
    for (who, record) in &all {
        desk.file(who, record, &mut plan);
    }
    if rules.thanks {
        plan.letters.extend(desk.thanks());
    }
    let by_mail = |a: &Planned, b: &Planned| {
        b.charge
            .mails
            .cmp(&a.charge.mails)
            .then_with(|| a.organisation.cmp(&b.organisation))
            .then(a.problem.cmp(&b.problem))
            .then_with(|| a.contact.0.cmp(&b.contact.0))
    };
    plan.letters.sort_by(by_mail);
    people::once(&mut plan);
    plan.controls.sort_by(by_mail);
    plan
}

/// The faults that so many share that they are rather ours.
fn looks_local(all: &BTreeMap<Who, Record>) -> BTreeSet<(Class, String)> {
    let mut sharing: BTreeMap<(Class, String), usize> = BTreeMap::new();
    let outbound = all
        .iter()
        .filter(|((way, _), _)| *way == Direction::Outbound);
    let mut seen = 0;
    for (_, record) in outbound {
        seen += usize::from(record.mails > 0);
        let mut faults = BTreeSet::new();
        for (problem, charge) in &record.charges {
            if !matches!(problem, Problem::OldProtocol | Problem::Unclear) && charge.mails > 0 {
                let (class, cause) = charge.main();
                faults.insert((class, cause.to_string()));
            }
        }
        for fault in faults {
            *sharing.entry(fault).or_default() += 1;
        }
    }
    let share = |class| match class {
        Class::PlaintextNotOffered
        | Class::PlaintextOpportunistic
        | Class::TlsRequiredNotOffered => SHARE_NOT_OFFERED,
        _ => SHARE_FAILING,
    };
    sharing
        .into_iter()
        .filter(|((class, _), n)| *n > MANY && *n as f64 > share(*class) * seen as f64)
        .map(|(fault, _)| fault)
        .collect()
}

/// The letter, and whether it is to be sent or only to be compared with; or why there is none.
pub(super) type Judged = Result<(bool, Planned), (Reason, String)>;

/// Where it is decided.
pub(super) struct Desk<'a> {
    pub(super) standing: &'a Standing,
    pub(super) rules: &'a Rules,
    today: i32,
    days: i32,
    written_to: BTreeSet<&'a str>,
    local: BTreeSet<(Class, String)>,
}

impl Desk<'_> {
    /// One organisation in one direction.
    fn file(&self, who: &Who, record: &Record, plan: &mut Plan) {
        let skipped = |problem, reason, detail: String| Skipped {
            direction: who.0,
            name: who.1.clone(),
            domains: Vec::new(),
            problem,
            reason,
            detail,
        };
        let mut charged = BTreeSet::new();
        for (problem, charge) in &record.charges {
            if *problem == Problem::OldProtocol && !self.rules.old_protocols {
                continue;
            }
            charged.extend(charge.domains.keys().cloned());
            let skipped = |problem, reason, detail| Skipped {
                domains: charge
                    .domains
                    .keys()
                    .chain(&charge.cleared_domains)
                    .filter(|d| !d.is_empty())
                    .cloned()
                    .collect(),
                ..skipped(problem, reason, detail)
            };
            let judged = match self.rules.audience {
                Audience::Postmaster => vec![self.judge(who, *problem, charge)],
                Audience::Correspondents => self.judge_people(who, *problem, charge),
            };
            for one in judged {
                match one {
                    Ok((true, planned)) => plan.letters.push(planned),
                    Ok((false, planned)) => {
                        plan.skipped
                            .push(skipped(Some(*problem), Reason::Control, String::new()));
                        plan.controls.push(planned);
                    }
                    Err((reason, detail)) => {
                        plan.skipped.push(skipped(Some(*problem), reason, detail))
                    }
                }
            }
        }
        let other = [
            (&record.ours, Reason::Ours),
            (&record.undecided, Reason::Undecided),
            (&record.unknown, Reason::Unknown),
        ];
        for (domains, reason) in other {
            let left: Vec<String> = domains.difference(&charged).cloned().collect();
            if !left.is_empty() {
                plan.skipped.push(Skipped {
                    domains: left.into_iter().filter(|d| !d.is_empty()).collect(),
                    ..skipped(None, reason, String::new())
                });
            }
        }
    }

    /// The letter to the postmaster.
    fn judge(&self, who: &Who, problem: Problem, charge: &Charge) -> Judged {
        let (direction, organisation) = (who.0, who.1.as_str());
        self.stands(who, problem, charge)?;
        let names = charge.by_mails();
        let contact = contact::find(&self.standing.contacts, direction, organisation, &names);
        let case = self.case(who, problem);
        // A letter that came back has reached nobody, and who declined for their own domain has not for others: whoever else is the contact
        // gets a first one.
        let is_elsewhere = |case: &&Case| {
            let to = contact.as_ref().map(|(address, _)| address);
            (case.state == State::Bounced || optout::is_theirs_alone(case))
                && to.is_some_and(|to| !case.address.eq_ignore_ascii_case(to))
        };
        let case = case.filter(|case| !is_elsewhere(case));
        let (kind, token) = self.next_letter(case, charge, who, problem, "")?;
        self.is_enough(who, charge)?;
        let contact = contact.ok_or((Reason::NoContact, String::new()))?;
        if self.is_suppressed(&contact.0) {
            return Err((Reason::Suppressed, contact.0));
        }
        let send = case.is_some_and(|c| c.state != State::Control && c.state != State::Planned)
            || !self.is_compared(organisation);
        let planned = self.planned(who, problem, charge, (kind, token), contact);
        Ok((send, planned))
    }

    /// A letter about this.
    pub(super) fn planned(
        &self,
        who: &Who,
        problem: Problem,
        charge: &Charge,
        (kind, token): (Kind, String),
        contact: (String, Source),
    ) -> Planned {
        let (class, cause) = charge.main();
        Planned {
            token,
            kind,
            problem,
            direction: who.0,
            organisation: who.1.clone(),
            audience: Audience::Postmaster,
            main: (class, cause.to_string()),
            certainty: Certainty::of(class, charge.mails),
            daily: charge.mails as f64 / f64::from(self.days.max(1)),
            charge: charge.clone(),
            contact,
        }
    }

    /// Whether an organisation is among those left alone for comparison.
    pub(super) fn is_compared(&self, organisation: &str) -> bool {
        super::number_of(&format!("control {organisation}")) % 100 < self.rules.control
    }

    /// Whether there is an accusation at all, against somebody who may be written to.
    pub(super) fn stands(
        &self,
        who: &Who,
        problem: Problem,
        charge: &Charge,
    ) -> Result<(), (Reason, String)> {
        if problem == Problem::Unclear && !self.rules.probing {
            return Err((Reason::Undecided, "their server was not asked".into()));
        }
        self.never(who.0, &who.1, charge)?;
        match (charge.mails, &charge.cleared) {
            (0, Some((host, _))) => Err((Reason::TlsSeen, host.clone())),
            _ => Ok(()),
        }
    }

    /// Whether there is enough of it, and it is not rather our own fault.
    pub(super) fn is_enough(&self, who: &Who, charge: &Charge) -> Result<(), (Reason, String)> {
        if charge.mails < self.rules.min_messages {
            return Err((
                Reason::TooFew,
                format!("{} of {}", charge.mails, self.rules.min_messages),
            ));
        }
        if charge.days.len() < self.rules.min_days {
            return Err((
                Reason::TooFewDays,
                format!("{} of {}", charge.days.len(), self.rules.min_days),
            ));
        }
        if who.0 == Direction::Inbound && !self.written_to.contains(who.1.as_str()) {
            return Err((Reason::OneWay, String::new()));
        }
        let (class, cause) = charge.main();
        if who.0 == Direction::Outbound && self.local.contains(&(class, cause.to_string())) {
            return Err((Reason::LooksLocal, String::new()));
        }
        Ok(())
    }

    /// Who is not written to whatever they do.
    fn never(
        &self,
        direction: Direction,
        organisation: &str,
        charge: &Charge,
    ) -> Result<(), (Reason, String)> {
        let names = || {
            [organisation]
                .into_iter()
                .chain(charge.domains.keys().map(String::as_str))
        };
        if let (Direction::Outbound, Some(relay)) = (direction, &self.standing.smart_host) {
            return Err((Reason::SmartHost, relay.clone()));
        }
        let is_own = |name: &str| {
            self.rules
                .own_domains
                .iter()
                .any(|own| never::is_within(name, own))
        };
        if is_own(organisation) || (direction == Direction::Outbound && names().any(is_own)) {
            return Err((Reason::Own, String::new()));
        }
        if !never::is_public(organisation) {
            return Err((Reason::NoName, String::new()));
        }
        if never::is_giant(organisation) {
            return Err((Reason::Giant, String::new()));
        }
        let hosts = charge.hosts.keys().map(String::as_str);
        let unwanted = names().chain(hosts).find(|name| self.is_suppressed(name));
        unwanted.map_or(Ok(()), |name| Err((Reason::Suppressed, name.to_string())))
    }

    pub(super) fn is_suppressed(&self, name: &str) -> bool {
        let mut unwanted = self.standing.suppressions.iter();
        unwanted.any(|unwanted| unwanted.covers(name))
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

    /// Which letter comes next, and the token of its case. `address` is that of a person, or empty.
    pub(super) fn next_letter(
        &self,
        case: Option<&Case>,
        charge: &Charge,
        who: &Who,
        problem: Problem,
        address: &str,
    ) -> Result<(Kind, String), (Reason, String)> {
        let recent = |detail: &str| Err((Reason::TooRecent, detail.to_string()));
        let first = match self.rules.deadline {
            Some(_) => Kind::Deadline,
            None => Kind::Notice,
        };
        let Some(case) = case.filter(|case| !matches!(case.state, State::Planned | State::Control))
        else {
            let last = self.last_letter(who, address, |_| true);
            if self.is_lately(last) {
                return recent("about something else, or to somebody else there");
            }
            // Their own mail since, not ours: the letter may have shown them to be right, and letters do not count as mail.
            if charge.last <= last {
                return recent("nothing has happened since");
            }
            let token = case.map_or_else(
                || self.new_token(who, problem, address),
                |case| case.token.clone(),
            );
            return Ok((first, token));
        };
        match case.state {
            State::GivenUp => return Err((Reason::GivenUp, case.token.clone())),
            State::Sent => {}
            _ => return Err((Reason::Closed, case.state.name().to_string())),
        }
        let is_other = |of: &Case| {
            let about = Problem::from_name(&of.problem);
            of.audience != case.audience || !about.is_some_and(|of| of.is_like(problem))
        };
        if self.is_lately(self.last_letter(who, address, is_other)) {
            return recent("about something else, or to somebody else there");
        }
        let sent = letters_of(case);
        let (begun, last) = (sent.iter().min().copied(), sent.iter().max().copied());
        if last.is_some_and(|at| charge.last <= at) {
            return recent("nothing has happened since");
        }
        let days = begun.and_then(|at| self.days_since(at)).unwrap_or(0);
        match (sent.len(), days) {
            (1, days) if days >= self.rules.reminder_days[0] => {
                Ok((Kind::Reminder, case.token.clone()))
            }
            (2, days) if days >= self.rules.reminder_days[1] => {
                Ok((Kind::LastReminder, case.token.clone()))
            }
            (0..=2, days) => recent(&format!("{days} days ago")),
            _ => Err((Reason::GivenUp, case.token.clone())),
        }
    }

    /// When a letter last went to an organisation, or to this address about another one, of the cases that `counts`.
    fn last_letter(&self, who: &Who, address: &str, counts: impl Fn(&Case) -> bool) -> i64 {
        let is_theirs = |case: &&Case| {
            let is_address = !address.is_empty() && case.address.eq_ignore_ascii_case(address);
            (case.organisation == who.1 || is_address) && counts(case)
        };
        let cases = self.standing.cases.iter().filter(is_theirs);
        cases.flat_map(letters_of).max().unwrap_or(i64::MIN)
    }

    /// Whether this is so short ago that the next letter has to wait.
    fn is_lately(&self, at: i64) -> bool {
        self.days_since(at)
            .is_some_and(|days| days < self.rules.pause_days)
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
    fn thanks(&self) -> Vec<Planned> {
        let fixed = self.standing.cases.iter().filter(|case| {
            case.state == State::Fixed
                // A person who was forgotten has none.
                && contact::is_address(&case.address)
                && !self.is_suppressed(&case.address)
                && !self.is_suppressed(&case.organisation)
                && case.notices.iter().any(|n| n.progress.may_have_left())
                // Once, whatever brought the case back to where it was.
                && !case.notices.iter().any(|n| n.kind == Kind::ThankYou.name() && n.progress != Progress::Draft)
        });
        fixed
            .filter_map(|case| {
                let mut charge = Charge::default();
                for (domain, host) in &case.peers {
                    charge.domains.insert(domain.clone(), (0, case.changed));
                    charge.hosts.entry(host.clone()).or_default();
                    charge.peers.insert((domain.clone(), host.clone()));
                }
                Some(Planned {
                    token: case.token.clone(),
                    kind: Kind::ThankYou,
                    problem: Problem::from_name(&case.problem)?,
                    direction: case.direction,
                    organisation: case.organisation.clone(),
                    audience: case.audience,
                    charge: Charge {
                        last: case.changed,
                        ..charge
                    },
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
                })
            })
            .collect()
    }
}

/// When letters of a case went out.
fn letters_of(case: &Case) -> Vec<i64> {
    let sent = case.notices.iter().filter(|n| n.progress.may_have_left());
    sent.map(|n| n.sent).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::campaign::peers::tests::seen;
    use crate::store::outreach::Notice;

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
        plan(
            &[sightings.to_vec(), others()].concat(),
            standing,
            rules,
            TODAY,
            14,
        )
    }

    fn default(sightings: &[Sighting]) -> Plan {
        planned(sightings, &Standing::default(), &Rules::default())
    }

    /// Why there is no letter.
    fn reason(plan: &Plan) -> Reason {
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
        // good1 gets mail from us.
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
    fn a_plan_has_so_many_letters_and_those_about_most_mail() {
        let mut seen = accused("a.example");
        let busy = accused("b.example");
        seen.extend([busy.clone(), busy].concat());
        let mended = Standing {
            cases: vec![case("c.example", State::Fixed, &[TODAY - 40])],
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
    fn who_has_mended_it_is_thanked_once() {
        let thanked = |state| {
            let standing = Standing {
                cases: vec![case("a.example", state, &[60])],
                ..Standing::default()
            };
            planned(&[], &standing, &Rules::default())
                .letters
                .first()
                .map(|l| l.kind)
        };
        assert_eq!(thanked(State::Fixed), Some(Kind::ThankYou));
        assert_eq!(thanked(State::Thanked), None);
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
    fn another_plan_has_another_hash() {
        let one = default(&accused("a.example"));
        assert_eq!(one.hash(), default(&accused("a.example")).hash());
        assert_ne!(one.hash(), default(&accused("b.example")).hash());
    }
}
