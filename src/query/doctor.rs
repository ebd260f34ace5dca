//! What do the answers rest on: which logs, how whole, how far understood, and does our own side work?
//!
//! It gathers; what of it is to be looked at, `report` says.

use crate::outcome::Direction;
use crate::store::{Bookmark, Result, RunCounts, Shape, Store};

use super::Scope;
use super::limits::{Limits, find_limits, first_second};
use super::logging::{Logging, find_logging};
use super::services::{Service, find_services};
use super::silence::{Quiet, find_silences};
use super::summary::{Summary, ToDo, find_summary};

/// From so many messages on it means something that not one was encrypted ...
const MANY_MESSAGES: u64 = 20;
/// ... and from so many peers.
const SEVERAL_PEERS: usize = 3;

/// What the answers rest on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Health {
    /// Each service with mail in the scope, and what it has shown of its logging.
    pub services: Vec<(Service, Option<Logging>)>,
    /// Smart host and holes.
    pub limits: Limits,
    /// Each log host, and how long it was silent.
    pub silences: Vec<Quiet>,
    /// Where a clock stepped back: host, the first time after it, by how many seconds.
    pub clock_steps: Vec<(String, i64, i64)>,
    /// All imports so far.
    pub runs: RunCounts,
    /// Shapes of lines not recognised, the most frequent first; those there was no room for have none.
    pub shapes: Vec<Shape>,
    /// Faults of our own.
    pub own_faults: Vec<ToDo>,
    /// Directions in which not one message was encrypted, and how many were in clear.
    pub all_in_clear: Vec<(Direction, u64)>,
    /// The logs read, the one with the newest records first.
    pub sources: Vec<Bookmark>,
}

/// All of it.
pub fn find_health(store: &Store, scope: &Scope) -> Result<Health> {
    let logging = find_logging(store, scope)?;
    let services = find_services(store, scope)?.into_iter();
    let services = services
        .filter(|service| service.total() > 0)
        .map(|service| {
            let same = |l: &&Logging| {
                (l.direction, &l.host, &l.tag) == (service.direction, &service.host, &service.tag)
            };
            let shown = logging.iter().find(same).cloned();
            (service, shown)
        })
        .collect();
    let summary = find_summary(store, scope)?;
    let period = scope.period;
    Ok(Health {
        services,
        limits: find_limits(store, scope)?,
        silences: find_silences(store, scope)?,
        clock_steps: store.clock_steps(
            first_second(period.from_day, i32::MIN),
            first_second(period.to_day.map(|day| day + 1), i32::MAX),
        )?,
        runs: summary.runs,
        shapes: store.shapes()?,
        all_in_clear: all_in_clear(&summary),
        own_faults: summary
            .to_do
            .into_iter()
            .filter(|t| t.fault == "us")
            .collect(),
        sources: store.newest_bookmarks()?,
    })
}

/// One peer without TLS is one peer; where there are several, and none with TLS, the common part of them is us.
fn all_in_clear(summary: &Summary) -> Vec<(Direction, u64)> {
    let peers = |direction: Direction| {
        let in_clear = summary.to_do.iter().filter(|t| t.direction == direction);
        in_clear
            .filter(|t| t.class.name().starts_with("plaintext-"))
            .count()
    };
    let totals = summary.totals.iter();
    totals
        .filter(|t| t.encrypted == 0 && t.plaintext >= MANY_MESSAGES)
        .filter(|t| peers(t.direction) >= SEVERAL_PEERS)
        .map(|t| (t.direction, t.plaintext))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{Class, Fact};
    use crate::store::fixture::{self, outbound};
    use maillog::{Cause, Protocol};

    fn clear(n: u32) -> Vec<crate::outcome::Emission> {
        let domains = ["a.example", "b.example", "c.example"];
        let mail = domains.map(|d| {
            outbound(d)
                .host(&format!("mx.{d}"), d)
                .plaintext(Class::PlaintextNotOffered)
                .times(n)
                .build()
        });
        mail.into()
    }

    #[test]
    fn that_nothing_is_encrypted_at_all_is_ours_to_look_into() {
        let found = |emissions| find_health(&fixture::store(emissions), &Scope::ALL).unwrap();
        assert_eq!(found(clear(10)).all_in_clear, [(Direction::Outbound, 30)]);
        assert_eq!(found(clear(1)).all_in_clear, []);
        let mut with_tls = clear(10);
        with_tls.push(outbound("d.example").encrypted(Protocol::Tls13).build());
        assert_eq!(found(with_tls).all_in_clear, []);
    }

    #[test]
    fn services_come_with_what_they_have_shown_and_faults_are_ours_alone() {
        let health = find_health(
            &fixture::store([
                outbound("a.example").silent().build(),
                fixture::fact(Direction::Outbound, Fact::Logged),
                outbound("b.example")
                    .failed(Class::HandshakeFailed, Cause::DhKeyTooSmall)
                    .build(),
                outbound("c.example")
                    .plaintext(Class::PlaintextByPolicy)
                    .build(),
            ]),
            &Scope::ALL,
        )
        .unwrap();
        assert!(
            health.services[0]
                .1
                .as_ref()
                .is_some_and(|l| l.proven.is_some())
        );
        let classes: Vec<Class> = health.own_faults.iter().map(|t| t.class).collect();
        assert_eq!(classes, [Class::PlaintextByPolicy]);
    }
}
