//! What must hold of the store as a whole.

use std::sync::Arc;

use maillog::{Cause, Protocol};
use proptest::prelude::*;

use super::fixture::{self, DAY, MIDNIGHT, inbound, outbound};
use super::{Batch, Bookmark, Error, Forgotten, RunCounts, Store};
use crate::outcome::{Class, Direction, Emission, Fact};

fn facts(store: &Store) -> Vec<String> {
    let sql = "SELECT direction || ' ' || domain || host || ' ' || tls || ' ' || class || ' ' || fault || ' ' || n
               FROM facts ORDER BY 1";
    let mut statement = store.connection.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

fn mixture(i: u32) -> Emission {
    let at = i64::from(i) * 7_000;
    let domain = format!("d{}.example", i % 3);
    match i % 6 {
        0 => outbound(&domain).at(at).encrypted(Protocol::Tls13).build(),
        1 => outbound(&domain)
            .at(at)
            .plaintext(Class::PlaintextNotOffered)
            .proof(i.into())
            .correspondent("a@b.example")
            .build(),
        2 => outbound(&domain)
            .at(at)
            .failed(Class::HandshakeFailed, Cause::Eof)
            .proof(i.into())
            .build(),
        3 => inbound("c.example", "192.0.2.9")
            .at(at)
            .silent()
            .proof(i.into())
            .build(),
        4 => fixture::fact(
            Direction::Inbound,
            if i.is_multiple_of(4) {
                Fact::Logged
            } else {
                Fact::LoggedEarly
            },
        ),
        _ => Emission::Gap {
            host: "mx".into(),
            at,
            records: 3,
        },
    }
}

fn digest_of(pieces: &[Vec<Emission>]) -> String {
    let mut store = Store::in_memory().unwrap();
    let mut batch = Batch::new(true);
    for piece in pieces {
        piece.iter().for_each(|e| batch.add(e));
        store.commit(&mut batch, &[], "[]", None).unwrap();
        store.expire_evidence(MIDNIGHT + 100_000).unwrap();
    }
    store.digest().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn the_cuts_between_batches_leave_no_trace(
        picks in prop::collection::vec(0u32..60, 1..80),
        cuts in prop::collection::vec(0usize..80, 0..6),
    ) {
        let all: Vec<Emission> = picks.into_iter().map(mixture).collect();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c.min(all.len())).collect();
        cuts.push(all.len());
        cuts.sort_unstable();
        let mut begin = 0;
        let pieces: Vec<Vec<Emission>> = cuts.into_iter().map(|end| {
            let piece = all[begin..end].to_vec();
            begin = end;
            piece
        }).collect();
        prop_assert_eq!(digest_of(&[all]), digest_of(&pieces));
    }
}

#[test]
fn silence_is_clear_text_only_where_tls_is_proven_to_be_logged() {
    let silence = || {
        [
            outbound("o.example").silent().build(),
            inbound("i.example", "192.0.2.9").silent().build(),
        ]
    };
    let with = |more: &[(Direction, Fact)]| {
        let known = more
            .iter()
            .map(|(direction, fact)| fixture::fact(*direction, *fact));
        facts(&fixture::store(silence().into_iter().chain(known)))
    };
    let (i, o) = (Direction::Inbound, Direction::Outbound);
    let unknown = [
        "inbound i.example unknown unknown nobody 1",
        "outbound o.examplemx.o.example unknown unknown nobody 1",
    ];
    assert_eq!(with(&[]), unknown);
    assert_eq!(
        with(&[(o, Fact::LoggedEarly), (i, Fact::OffersLogged)]),
        unknown
    );
    assert_eq!(
        with(&[
            (o, Fact::Logged),
            (o, Fact::Unlogged),
            (i, Fact::Unlogged),
            (i, Fact::Logged)
        ]),
        unknown
    );
    assert_eq!(
        with(&[(o, Fact::Logged), (i, Fact::Logged)]),
        [
            "inbound i.example plaintext plaintext-cause-unknown either 1",
            "outbound o.examplemx.o.example plaintext plaintext-cause-unknown either 1"
        ]
    );
    assert_eq!(
        with(&[
            (o, Fact::Logged),
            (o, Fact::OffersLogged),
            (i, Fact::Logged)
        ]),
        [
            "inbound i.example plaintext plaintext-cause-unknown either 1",
            "outbound o.examplemx.o.example plaintext plaintext-not-offered peer 1"
        ]
    );
}

#[test]
fn a_fact_of_another_day_proves_nothing() {
    let late = outbound("o.example").silent().at(86_400).build();
    let store = fixture::store([late, fixture::fact(Direction::Outbound, Fact::Logged)]);
    assert_eq!(
        facts(&store),
        ["outbound o.examplemx.o.example unknown unknown nobody 1"]
    );
}

#[test]
fn clear_text_is_the_peers_fault_only_if_our_side_had_just_shown_tls() {
    let stated = || outbound("o.example").plaintext(Class::PlaintextOpportunistic);
    assert!(
        facts(&fixture::store([stated().build()]))[0].contains("plaintext-opportunistic either")
    );
    assert!(
        facts(&fixture::store([stated().shown().build()]))[0]
            .contains("plaintext-opportunistic peer")
    );
    let logged = || fixture::fact(Direction::Inbound, Fact::Logged);
    let silent = || inbound("i.example", "192.0.2.9").silent();
    assert!(
        facts(&fixture::store([silent().build(), logged()]))[0]
            .contains("plaintext-cause-unknown either")
    );
    assert!(
        facts(&fixture::store([silent().shown().build(), logged()]))[0]
            .contains("plaintext-cause-unknown peer")
    );
}

#[test]
fn the_domain_a_sender_claims_makes_no_organisation() {
    let mut emission = inbound("", "192.0.2.9")
        .plaintext(Class::PlaintextCauseUnknown)
        .build();
    if let Emission::Outcome(outcome) = &mut emission {
        Arc::make_mut(&mut outcome.peer).domain = "claimed.example".into();
    }
    let store = fixture::store([emission]);
    let organisation: String = store
        .connection()
        .query_row("SELECT organisation FROM peer", [], |row| row.get(0))
        .unwrap();
    assert_eq!(organisation, "");
}

#[test]
fn the_first_and_the_latest_four_occurrences_are_kept() {
    let failures = (0..20).map(|i| {
        outbound("a.example")
            .at(i)
            .failed(Class::HandshakeFailed, Cause::Eof)
            .proof(i as u64)
            .build()
    });
    let mut store = fixture::store(failures);
    let kept: Vec<i64> = store
        .claims("a.example")
        .unwrap()
        .iter()
        .map(|c| c.at - MIDNIGHT)
        .collect();
    assert_eq!(kept, [0, 16, 17, 18, 19]);
    assert_eq!(store.expire_evidence(MIDNIGHT + 18).unwrap(), 3);
    let lines: Vec<usize> = store
        .claims("mx.a.example")
        .unwrap()
        .iter()
        .map(|c| c.lines.len())
        .collect();
    assert_eq!(lines, [0, 0, 0, 1, 1]);
}

#[test]
fn clear_text_proven_by_silence_shows_the_line_that_proves_the_logging() {
    let store = fixture::store([
        outbound("a.example").silent().build(),
        fixture::fact(Direction::Outbound, Fact::Logged),
    ]);
    let claims = store.claims("a.example").unwrap();
    assert_eq!(claims[0].logging_proof.as_ref().map(|p| p.offset), Some(7));
    assert_eq!(claims[0].class, Class::PlaintextCauseUnknown);
}

#[test]
fn correspondents_only_if_asked_for() {
    for (keep, expected) in [(true, 1), (false, 0)] {
        let mut store = Store::in_memory().unwrap();
        let mut batch = Batch::new(keep);
        batch.add(
            &outbound("a.example")
                .plaintext(Class::PlaintextNotOffered)
                .correspondent("u@a.example")
                .build(),
        );
        store.commit(&mut batch, &[], "", None).unwrap();
        let count: i64 = store
            .connection
            .query_row("SELECT COUNT(*) FROM correspondent", [], |r| r.get(0))
            .unwrap();
        assert_eq!(count, expected);
    }
}

#[test]
fn open_sessions_come_back_however_long_they_are() {
    let mut store = Store::in_memory().unwrap();
    // Two bytes each: no piece may end within a letter.
    for letters in [0, 1, 400_001, 3] {
        let text = format!("a{}", "ü".repeat(letters));
        store
            .commit(&mut Batch::new(false), &[], &text, None)
            .unwrap();
        assert!(store.open_sessions().unwrap() == text, "{letters}");
    }
}

#[test]
fn bookmarks_sessions_and_runs_come_back() {
    let mut store = Store::in_memory().unwrap();
    let id = store.first_free_source().unwrap();
    assert_eq!(id, 1);
    let bookmark = Bookmark {
        id,
        path: "/var/log/mail.log".into(),
        head_hash: u64::MAX,
        tail_hash: 1,
        offset: 9,
        ..Bookmark::default()
    };
    let run = RunCounts {
        at: 5,
        lines: 10,
        understood: 7,
        ..RunCounts::default()
    };
    store
        .commit(
            &mut Batch::new(false),
            std::slice::from_ref(&bookmark),
            "{}",
            Some(run),
        )
        .unwrap();
    assert_eq!(store.bookmarks().unwrap(), std::slice::from_ref(&bookmark));
    assert_eq!(store.open_sessions().unwrap(), "{}");
    assert_eq!(store.first_free_source().unwrap(), 2);
    store
        .commit(
            &mut Batch::new(false),
            &[Bookmark {
                offset: 12,
                ..bookmark
            }],
            "",
            Some(run),
        )
        .unwrap();
    assert_eq!(store.bookmarks().unwrap()[0].offset, 12);
    assert_eq!(
        store.runs().unwrap(),
        RunCounts {
            lines: 20,
            understood: 14,
            ..run
        }
    );
}

#[test]
fn err_two_imports_at_once_do_not_count_twice() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tlsnag.db");
    let (mut one, mut two) = (Store::open(&path).unwrap(), Store::open(&path).unwrap());
    let batch = || {
        let mut batch = Batch::new(false);
        batch.add(&outbound("a.example").encrypted(Protocol::Tls13).build());
        batch
    };
    one.commit(&mut batch(), &[], "", None).unwrap();
    assert!(matches!(
        two.commit(&mut batch(), &[], "", None),
        Err(Error::Changed)
    ));
    assert_eq!(facts(&two).len(), 1);
    one.commit(&mut batch(), &[], "", None).unwrap();
    Store::open(&path)
        .unwrap()
        .commit(&mut batch(), &[], "", None)
        .unwrap();
    assert!(facts(&one)[0].ends_with(" 3"));
}

#[test]
fn what_is_forgotten_is_gone_from_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tlsnag.db");
    let mut store = Store::open(&path).unwrap();
    let mut batch = Batch::new(true);
    for domain in ["secret.example", "other.example"] {
        batch.add(
            &outbound(domain)
                .plaintext(Class::PlaintextNotOffered)
                .correspondent(&format!("u@{domain}"))
                .build(),
        );
    }
    store.commit(&mut batch, &[], "", None).unwrap();
    assert_eq!(
        store.forget_peer(" ", no_sessions).unwrap(),
        Forgotten::default()
    );
    let forgotten = store.forget_peer("Secret.Example.", no_sessions).unwrap();
    assert_eq!(
        (
            forgotten.peers,
            forgotten.daily,
            forgotten.evidence,
            forgotten.correspondents
        ),
        (1, 1, 1, 1)
    );
    assert_eq!(
        store
            .forget_address("U@other.example", no_sessions)
            .unwrap()
            .correspondents,
        1
    );
    store.integrity().unwrap();
    drop(store);
    let holds = |text: &str| {
        let bytes = std::fs::read(&path).unwrap();
        memchr_like(&bytes, text.as_bytes())
    };
    assert!(!holds("secret.example") && !holds("u@other.example") && holds("other.example"));
}

/// A store without open sessions has nothing to take out of them.
fn no_sessions(_: &str, _: &[String]) -> super::Redacted {
    Ok((String::new(), 0))
}

fn memchr_like(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}

#[test]
fn the_old_is_forgotten_by_day() {
    let old = outbound("old.example")
        .plaintext(Class::PlaintextNotOffered)
        .build();
    let new = outbound("new.example")
        .at(86_400)
        .plaintext(Class::PlaintextNotOffered)
        .build();
    let mut store = fixture::store([old, new]);
    let forgotten = store
        .forget_older_than(DAY + 1, |_, _| Ok((String::new(), 0)))
        .unwrap();
    assert_eq!(
        (forgotten.peers, forgotten.daily, forgotten.evidence),
        (1, 1, 1)
    );
    assert_eq!(facts(&store).len(), 1);
    assert!(store.newest().unwrap() > MIDNIGHT);
}

#[test]
fn open_sessions_are_redacted_with_the_rest() {
    let mut store = fixture::store([inbound("c.example", "192.0.2.9")
        .plaintext(Class::PlaintextCauseUnknown)
        .build()]);
    store
        .commit(&mut Batch::new(false), &[], "open: c.example", None)
        .unwrap();
    let redact = |open: &str, names: &[String]| {
        assert_eq!(
            (open, names),
            (
                "open: c.example",
                &["c.example".to_owned(), "192.0.2.9".to_owned()][..]
            )
        );
        Ok(("open:".to_owned(), 1))
    };
    assert_eq!(store.forget_peer("c.example", redact).unwrap().sessions, 1);
    assert_eq!(store.open_sessions().unwrap(), "open:");
}
