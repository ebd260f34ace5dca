//! Who "stop" is about: whom a letter reached, and for whom its reader can speak.

use std::collections::BTreeSet;

use crate::outcome::Direction;
use crate::store::outreach::{Audience, Case, Notice, State};

use super::never::is_within;

/// The addresses of the letters of a case that an answer may be about, in the order in which they went out: the one that it names; else
/// that of whoever answers; else all.
pub fn recipients<'c>(case: &'c Case, message_id: Option<&str>, from: &str) -> Vec<&'c str> {
    let mut letters: Vec<&Notice> = case.notices.iter().collect();
    letters.retain(|letter| letter.progress.may_have_left());
    letters.sort_by_key(|letter| (letter.sent, letter.id));
    let of = |is_meant: &dyn Fn(&Notice) -> bool| -> Vec<&str> {
        let meant = letters.iter().filter(|letter| is_meant(letter));
        meant.map(|letter| letter.address.as_str()).collect()
    };
    let named = of(&|letter| Some(letter.message_id.as_str()) == message_id);
    let own = of(&|letter| letter.address.eq_ignore_ascii_case(from));
    let all = of(&|_| true);
    let found = [named, own, all]
        .into_iter()
        .find(|found| !found.is_empty());
    // Letters to somebody who was forgotten are gone.
    found.unwrap_or_else(|| vec![case.address.as_str()])
}

/// The names that are not written to any more when the reader of a letter of this case, at this address, has had enough. A person speaks for
/// themselves. A postmaster speaks for the hosts where they are in that organisation's domain, and else for the domains the letter was about:
/// the customer of a provider does not silence the provider and all its other customers.
pub fn silenced(case: &Case, address: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::from([address.to_lowercase()]);
    let domain = address.rsplit_once('@').map_or("", |(_, domain)| domain);
    let domain = domain.to_lowercase();
    let about: Vec<&String> = case
        .peers
        .iter()
        .map(|(domain, _)| domain)
        .filter(|domain| !domain.is_empty())
        .collect();
    let is_operator = is_within(&domain, &case.organisation);
    if case.audience == Audience::Correspondents {
        // The letter asked them, and nobody they could speak for.
    } else if is_operator || case.direction == Direction::Inbound || about.is_empty() {
        names.insert(case.organisation.clone());
    } else {
        let own = about.iter().filter(|about| is_within(&domain, about));
        names.extend(own.map(ToString::to_string));
        if names.len() == 1 {
            // Somebody elsewhere, whom the operator has set as the contact for all of them.
            names.extend(about.into_iter().cloned());
        }
    }
    names.remove("");
    names
}

/// Whether a case was ended by somebody who could not speak for the organisation: what others there are told is another matter.
pub fn is_theirs_alone(case: &Case) -> bool {
    // Of a person who was forgotten it is not known for whom they spoke.
    let is_known = !case.address.is_empty();
    is_known
        && case.state == State::Declined
        && case.audience == Audience::Postmaster
        && !silenced(case, &case.address).contains(&case.organisation)
}

#[cfg(test)]
mod tests {
    use super::super::plan::tests::case;
    use super::*;

    fn hosted(domains: &[&str]) -> Case {
        let on = |domain: &&str| (domain.to_string(), "mx7.host.example".to_string());
        Case {
            peers: domains.iter().map(on).collect(),
            ..case("host.example", State::Sent, &[1])
        }
    }

    fn names(case: &Case, address: &str) -> Vec<String> {
        silenced(case, address).into_iter().collect()
    }

    #[test]
    fn who_runs_the_hosts_speaks_for_them_and_a_customer_for_their_domain() {
        let two = hosted(&["a.example", "b.example"]);
        assert_eq!(
            names(&two, "Postmaster@host.example"),
            ["host.example", "postmaster@host.example"]
        );
        assert_eq!(
            names(&hosted(&["a.example"]), "postmaster@a.example"),
            ["a.example", "postmaster@a.example"]
        );
        assert_eq!(names(&two, "b@b.example"), ["b.example", "b@b.example"]);
        let ended = |address: &str| Case {
            address: address.into(),
            state: State::Declined,
            ..hosted(&["a.example"])
        };
        assert!(is_theirs_alone(&ended("postmaster@a.example")));
        assert!(!is_theirs_alone(&ended("postmaster@host.example")));
        assert!(!is_theirs_alone(&ended("")), "forgotten");
        // A consultant of both.
        assert_eq!(
            names(&two, "carl@consult.example"),
            ["a.example", "b.example", "carl@consult.example"]
        );
        // Who sends to us writes any domain on it.
        let inbound = Case {
            direction: Direction::Inbound,
            ..hosted(&["a.example"])
        };
        assert_eq!(
            names(&inbound, "postmaster@host.example"),
            ["host.example", "postmaster@host.example"]
        );
    }

    #[test]
    fn a_person_speaks_for_themselves_and_nobody_is_called_nothing() {
        let person = Case {
            audience: Audience::Correspondents,
            ..hosted(&["a.example"])
        };
        assert_eq!(names(&person, "bob@a.example"), ["bob@a.example"]);
        assert_eq!(names(&hosted(&["a.example"]), ""), ["a.example"]);
    }

    #[test]
    fn an_answer_is_about_the_letter_it_names_or_the_one_to_its_writer() {
        let mut case = case("a.example", State::Sent, &[1, 40]);
        for (letter, (id, to)) in case.notices.iter_mut().zip([
            ("<1@us>", "ann@a.example"),
            ("<2@us>", "carl@consult.example"),
        ]) {
            (letter.message_id, letter.address) = (id.into(), to.into());
        }
        let of = |id, from| recipients(&case, id, from);
        assert_eq!(
            of(Some("<2@us>"), "ann@a.example"),
            ["carl@consult.example"]
        );
        assert_eq!(of(None, "Ann@a.example"), ["ann@a.example"]);
        let both = ["ann@a.example", "carl@consult.example"];
        assert_eq!(of(None, "root@a.example"), both);
        case.notices.clear();
        assert_eq!(recipients(&case, None, ""), [case.address.as_str()]);
    }
}
