//! Where it is decided of one organisation whether it is written to: by what was seen of it, by who it is, and by what the mirror says.
//! Which letter comes next, and when, is `turn`'s business; in which order, and that nobody gets two, is `plan`'s.

use std::collections::BTreeSet;

use crate::outcome::Direction;
use crate::query::certainty::Certainty;
use crate::store::outreach::Audience;

use super::contact::{self, Source};
use super::mirror::Local;
use super::never;
use super::peers::{Charge, Record, Who};
use super::plan::{Plan, Planned, Rules, Skipped, Standing};
use super::problem::{Kind, Problem};
use super::reason::Reason;
use super::turn::Turn;

/// The letter, or why there is none.
pub(super) type Judged = Result<Planned, (Reason, String)>;

/// Where it is decided.
pub(super) struct Desk<'a> {
    pub(super) standing: &'a Standing,
    pub(super) rules: &'a Rules,
    pub(super) today: i32,
    pub(super) days: i32,
    pub(super) written_to: BTreeSet<&'a str>,
    pub(super) local: Local,
    pub(super) smart_host: Option<String>,
}

impl Desk<'_> {
    /// One organisation in one direction.
    pub(super) fn file(&self, who: &Who, record: &Record, plan: &mut Plan) {
        let skipped = |problem, domains: BTreeSet<&String>, reason, detail| Skipped {
            direction: who.0,
            name: who.1.clone(),
            domains: domains
                .into_iter()
                .filter(|d| !d.is_empty())
                .cloned()
                .collect(),
            problem,
            reason,
            detail,
        };
        let mut charged = BTreeSet::new();
        for ((problem, _), charge) in &record.charges {
            if *problem == Problem::OldProtocol && !self.rules.old_protocols {
                continue;
            }
            charged.extend(charge.domains.keys().cloned());
            let judged = match self.rules.audience {
                Audience::Postmaster => vec![self.judge(who, *problem, charge)],
                Audience::Correspondents => self.judge_people(who, *problem, charge),
            };
            for one in judged {
                match one {
                    Ok(planned) => plan.letters.push(planned),
                    Err((reason, detail)) => {
                        let domains = charge.domains.keys().chain(&charge.cleared_domains);
                        plan.skip(skipped(Some(*problem), domains.collect(), reason, detail));
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
            let left: BTreeSet<&String> = domains.difference(&charged).collect();
            if !left.is_empty() {
                plan.skip(skipped(None, left, reason, String::new()));
            }
        }
    }

    /// The letter to the postmaster.
    fn judge(&self, who: &Who, problem: Problem, charge: &Charge) -> Judged {
        self.stands(who, problem, charge)?;
        let names = charge.by_mails();
        let contact = contact::find(&self.standing.contacts, who.0, &who.1, &names);
        let to = contact.as_ref().map_or("", |(address, _)| address.as_str());
        let turn = Turn {
            who,
            problem,
            charge,
            to,
            person: "",
        };
        let letter = self.next_letter(self.case_for(&turn), &turn)?;
        self.is_enough(who, problem, charge)?;
        let contact = contact.ok_or((Reason::NoContact, String::new()))?;
        self.may_write_to(&contact)?;
        Ok(Planned {
            is_control: self.is_control(&who.1),
            ..self.planned(who, problem, charge, letter, contact)
        })
    }

    /// Whether an address is one that somebody reads who can do something, and wants to.
    fn may_write_to(&self, (address, source): &(String, Source)) -> Result<(), (Reason, String)> {
        let domain = address.rsplit_once('@').map_or("", |(_, domain)| domain);
        // Somebody may have set a person's mailbox at a giant, which is fine; but not the giant's own office.
        let is_giants = *source != Source::Own || never::is_office(address);
        if never::is_unread(address) {
            return Err((Reason::NoContact, address.clone()));
        }
        if is_giants && never::is_giant(&domain.to_lowercase()) {
            return Err((Reason::Giant, address.clone()));
        }
        match self.is_suppressed(address) {
            true => Err((Reason::Suppressed, address.clone())),
            false => Ok(()),
        }
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
            is_control: false,
            asked: None,
        }
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
            (0, Some((host, _))) if charge.is_unsure => Err((Reason::Unknown, host.clone())),
            (0, Some((host, _))) => Err((Reason::TlsSeen, host.clone())),
            _ => Ok(()),
        }
    }

    /// Whether there is enough of it, and it is not rather our own fault.
    pub(super) fn is_enough(
        &self,
        who: &Who,
        problem: Problem,
        charge: &Charge,
    ) -> Result<(), (Reason, String)> {
        let of = |have: u64, least: u64| format!("{have} of {least}");
        let (days, least) = (charge.days.len(), self.rules.min_days);
        if charge.mails < self.rules.min_messages {
            return Err((Reason::TooFew, of(charge.mails, self.rules.min_messages)));
        }
        if days < least {
            return Err((Reason::TooFewDays, of(days as u64, least as u64)));
        }
        if who.0 == Direction::Inbound && !self.written_to.contains(who.1.as_str()) {
            return Err((Reason::OneWay, String::new()));
        }
        let (class, cause) = charge.main();
        let fault = (who.0, problem, problem.fact(class, cause));
        match self.local.get(&fault) {
            Some(words) => Err((Reason::LooksLocal, words.clone())),
            None => Ok(()),
        }
    }

    /// Who is not written to whatever they do.
    fn never(
        &self,
        direction: Direction,
        organisation: &str,
        charge: &Charge,
    ) -> Result<(), (Reason, String)> {
        let is_outbound = direction == Direction::Outbound;
        let domains = || charge.domains.keys().map(String::as_str);
        // Who sends to us may write any domain on it.
        let names = || {
            let domains = domains().filter(|_| is_outbound);
            [organisation].into_iter().chain(domains)
        };
        if let (true, Some(relay)) = (is_outbound, &self.smart_host) {
            return Err((Reason::SmartHost, relay.clone()));
        }
        let is_own = |name: &str| {
            let mut own = self.rules.own_domains.iter();
            own.any(|own| never::is_within(name, own))
        };
        // Of an organisation that is not ours as a whole, hosts may be.
        let hosts = || charge.hosts.keys().map(String::as_str);
        if names().chain(hosts()).any(is_own) {
            return Err((Reason::Own, String::new()));
        }
        if !never::is_public(organisation) {
            return Err((Reason::NoName, String::new()));
        }
        if let Some(name) = names().find(|name| never::is_giant(name)) {
            return Err((Reason::Giant, name.to_string()));
        }
        let mut addresses = charge.hosts.values().flatten().map(|(address, _)| address);
        if let Some(address) = addresses.find(|address| never::is_private(address)) {
            return Err((Reason::Private, address.clone()));
        }
        let all = [organisation].into_iter().chain(domains()).chain(hosts());
        let unwanted = all.into_iter().find(|name| self.is_suppressed(name));
        unwanted.map_or(Ok(()), |name| Err((Reason::Suppressed, name.to_string())))
    }

    pub(super) fn is_suppressed(&self, name: &str) -> bool {
        let mut unwanted = self.standing.suppressions.iter();
        unwanted.any(|unwanted| unwanted.covers(name))
    }
}
