//! Outbound: how does mail reach each recipient domain?

use crate::outcome::Direction;
use crate::store::{Result, Store};

use super::Scope;
use super::sums::{Entry, Sums};
use super::tally::{Counters, Group, Problem, Verdict, span};

/// One recipient domain.
#[derive(Clone, Debug, PartialEq)]
pub struct Domain {
    /// The domain, in lower case.
    pub domain: String,
    /// How often what.
    pub counters: Counters,
    /// In one word.
    pub verdict: Verdict,
    /// What is wrong, if anything.
    pub problem: Problem,
    /// Seconds since 1970 UTC.
    pub first_seen: i64,
    /// Seconds since 1970 UTC.
    pub last_seen: i64,
}

/// All of them, by name. Attempts whose recipient the log does not name are in no row.
pub fn find_domains(store: &Store, scope: &Scope) -> Result<Vec<Domain>> {
    let sums = Sums::load(store, scope)?;
    let by_domain = sums.by_name(domain_of);
    let is_one = |domain: &Domain| !domain.counters.is_empty();
    Ok(by_domain.make_in_order(|name, named| Some(domain(name, &named.groups())).filter(is_one)))
}

/// The verdicts alone.
pub(super) fn verdicts(sums: &Sums) -> Vec<Verdict> {
    let by_domain = sums.by_name(domain_of);
    let counters = by_domain.iter().map(|(_, named)| {
        let groups: Vec<Group> = named.entries().map(|entry| entry.group()).collect();
        Counters::of(&groups)
    });
    let counted = counters.filter(|counters| !counters.is_empty());
    counted.map(|counters| counters.verdict()).collect()
}

/// The domain mail was addressed to.
fn domain_of<'s>(entry: &Entry<'s>) -> Option<&'s str> {
    let is_one = entry.peer.direction() == Direction::Outbound;
    Some(entry.peer.domain()).filter(|name| is_one && !name.is_empty())
}

fn domain(name: &str, groups: &[Group]) -> Domain {
    let counters = Counters::of(groups);
    let verdict = counters.verdict();
    let (first_seen, last_seen) = span(groups);
    Domain {
        domain: name.to_owned(),
        counters,
        verdict,
        problem: Problem::outbound(verdict, groups),
        first_seen,
        last_seen,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{Class, Emission};
    use crate::store::fixture::{self, outbound};
    use maillog::{Cause, Protocol};

    fn ask(
        emissions: impl IntoIterator<Item = Emission>,
    ) -> Vec<(String, Verdict, &'static str, String, String)> {
        let found = find_domains(&fixture::store(emissions), &Scope::ALL).unwrap();
        found
            .into_iter()
            .map(|d| {
                (
                    d.domain,
                    d.verdict,
                    d.problem.class_name(),
                    d.problem.cause,
                    d.problem.fault,
                )
            })
            .collect()
    }

    fn only(
        emissions: impl IntoIterator<Item = Emission>,
    ) -> (Verdict, &'static str, String, String) {
        let mut found = ask(emissions);
        assert_eq!(found.len(), 1);
        let (_, verdict, class, cause, fault) = found.remove(0);
        (verdict, class, cause, fault)
    }

    #[test]
    fn a_healthy_domain_has_no_problem() {
        let found = only([outbound("a.example").encrypted(Protocol::Tls13).build()]);
        assert_eq!(
            found,
            (Verdict::Encrypted, "", String::new(), String::new())
        );
    }

    #[test]
    fn a_class_that_says_why_comes_before_one_that_does_not() {
        let unknown = (0..5).map(|i| {
            outbound("a.example")
                .at(i)
                .plaintext(Class::PlaintextCauseUnknown)
                .build()
        });
        let why = outbound("a.example")
            .plaintext(Class::PlaintextStarttlsRefused)
            .build();
        let (verdict, class, _, fault) = only(unknown.chain([why]));
        assert_eq!(
            (verdict, class, fault.as_str()),
            (Verdict::Plaintext, "plaintext-starttls-refused", "peer")
        );
    }

    #[test]
    fn of_equally_frequent_classes_the_latest_is_named() {
        let old = outbound("a.example")
            .at(1)
            .plaintext(Class::PlaintextNotOffered)
            .build();
        let new = outbound("a.example")
            .at(2)
            .plaintext(Class::PlaintextByPolicy)
            .build();
        let fine = outbound("a.example")
            .at(3)
            .encrypted(Protocol::Tls12)
            .build();
        let (verdict, class, _, fault) = only([new, old, fine]);
        assert_eq!(
            (verdict, class, fault.as_str()),
            (Verdict::Mixed, "plaintext-by-policy", "us")
        );
    }

    #[test]
    fn what_could_not_be_delivered_is_told_apart_by_the_reason() {
        let tls = || outbound("a.example").failed(Class::HandshakeFailed, Cause::DhKeyTooSmall);
        let other = || outbound("a.example").failed(Class::NoSession, Cause::Unknown);
        let (verdict, class, cause, _) = only([other().build(), other().build(), tls().build()]);
        assert_eq!(
            (verdict, class, cause.as_str()),
            (
                Verdict::Undeliverable,
                "handshake-failed",
                "dh-key-too-small"
            )
        );
        let (verdict, class, ..) = only([other().build()]);
        assert_eq!((verdict, class), (Verdict::Undeliverable, "no-session"));
        let (verdict, class, ..) = only([
            tls().build(),
            outbound("a.example").encrypted(Protocol::Tls13).build(),
        ]);
        assert_eq!((verdict, class), (Verdict::Encrypted, "handshake-failed"));
    }

    #[test]
    fn the_counters_count_recipients_by_channel() {
        let store = fixture::store([
            outbound("a.example")
                .encrypted(Protocol::Tls13)
                .times(3)
                .build(),
            outbound("a.example").silent().times(2).build(),
            outbound("a.example")
                .failed(Class::Unknown, Cause::Unknown)
                .build(),
            outbound("a.example")
                .failed(Class::CertVerifyFailed, Cause::SelfSigned)
                .build(),
        ]);
        let found = find_domains(&store, &Scope::ALL).unwrap();
        let expected = Counters {
            encrypted: 3,
            plaintext: 0,
            unknown: 2,
            failed_tls: 1,
            failed_other: 1,
        };
        assert_eq!(found[0].counters, expected);
    }

    #[test]
    fn days_outside_the_period_do_not_count() {
        let store = fixture::store([outbound("a.example").encrypted(Protocol::Tls13).build()]);
        let mut scope = Scope::ALL;
        scope.period.from_day = Some(fixture::DAY + 1);
        assert_eq!(find_domains(&store, &scope).unwrap(), []);
    }
}
