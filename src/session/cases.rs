//! Runs the two files of judged log lines (`parsers/tests/data/*-cases.txt`, format in their first line) through framing, parser and
//! session, and compares each result with the stated one. Tests only.

use std::collections::BTreeMap;

use maillog::{Framed, Line, Stamp};

use crate::outcome::{Class, Direction, Emission, Fact, Outcome, Tls};

use super::{Own, Place, Tracker};

const POSTFIX: &str = include_str!("../../parsers/tests/data/postfix-cases.txt");
const SENDMAIL: &str = include_str!("../../parsers/tests/data/sendmail-cases.txt");

/// One judged line: case, kind of line, result, raw line.
struct Case {
    name: &'static str,
    result: &'static str,
    line: &'static str,
}

fn cases(text: &'static str) -> Vec<Case> {
    let parse = |line: &'static str| {
        let mut parts = line.splitn(4, " | ");
        let (name, _, result, line) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        (name != "case" && !name.starts_with('#')).then_some(Case { name, result, line })
    };
    text.lines().filter_map(parse).collect()
}

/// What came of some lines: for each outcome the case of the last line it rests on, and the facts.
#[derive(Default)]
struct Run {
    tracker: Tracker,
    found: Vec<(&'static str, Outcome)>,
    facts: Vec<(Direction, Fact)>,
}

impl Run {
    fn feed(&mut self, cases: &[Case]) {
        let mut out = Vec::new();
        for (number, case) in cases.iter().enumerate() {
            let Framed::Record(record) = maillog::framing::parse_line(case.line.as_bytes()) else {
                panic!("{}: {}", case.name, case.line)
            };
            let (_, line) = maillog::mta::parse_text(&record);
            let at = match record.stamp {
                Stamp::Zoned(at) => at,
                stamp => stamp.in_year(2026).map_or(0, |t| t.and_utc().timestamp()),
            };
            if let Line::Event(event) = line {
                let place = Place {
                    source: 1,
                    offset: number as u64,
                };
                self.tracker.see(record.host, at, &mut out);
                self.tracker
                    .take(&record, &event, at, place, case.line.as_bytes(), &mut out);
            }
            self.collect(&mut out, cases, number);
        }
        self.tracker.finish(&mut out);
        self.collect(&mut out, cases, usize::MAX);
    }

    fn collect(&mut self, out: &mut Vec<Emission>, cases: &[Case], number: usize) {
        for emission in out.drain(..) {
            match emission {
                Emission::Outcome(outcome) => {
                    let line = outcome.proof.last().map_or(number, |p| p.offset as usize);
                    self.found
                        .push((cases.get(line).map_or("(end)", |c| c.name), outcome));
                }
                Emission::Fact {
                    direction, fact, ..
                } => self.facts.push((direction, fact)),
                Emission::Gap { .. } | Emission::ClockStep { .. } | Emission::Heard { .. } => {}
            }
        }
    }
}

/// The class once silence is resolved.
fn resolved(outcome: &Outcome, logged: bool, offers: bool) -> Class {
    match outcome.tls {
        Tls::Silent | Tls::SilentEarly if logged && offers => Class::PlaintextNotOffered,
        Tls::Silent | Tls::SilentEarly if logged => Class::PlaintextCauseUnknown,
        Tls::Silent | Tls::SilentEarly => Class::Unknown,
        _ => outcome.class,
    }
}

/// Results that mean "not a correspondent, or no attempt": nothing may be given out but what is marked as internal.
const NOT_COUNTED: &[&str] = &[
    "internal-hop",
    "local-delivery",
    "local-submission",
    "suspended-echo",
    "in-authenticated-tls",
    "in-authenticated-plain",
];

/// Whether an outcome is what a result states; `None` if the result states no outcome.
fn agrees(result: &str, outcome: &Outcome, class: Class) -> bool {
    let (word, peer) = result
        .split_once('(')
        .map_or((result, ""), |(w, p)| (w, p.trim_end_matches(')')));
    let word_agrees = match word {
        "in-tls" => outcome.tls == Tls::Encrypted,
        "in-plaintext" => class == Class::PlaintextCauseUnknown,
        word => class.name() == word,
    };
    let peer_agrees = match peer {
        "" | "tls" => true,
        "fault=us,cert-rejected" => outcome.fault() == maillog::Fault::Us,
        peer => peer.split(['[', ':']).next() == Some(outcome.peer.host.as_str()),
    };
    word_agrees && peer_agrees
}

/// Compares what was found for each case with what was stated; gives the differences as text.
fn differences(
    cases: &[Case],
    run: &Run,
    logged: impl Fn(&str, &Outcome) -> (bool, bool),
) -> Vec<String> {
    let mut stated: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for case in cases.iter().filter(|c| c.result != "-") {
        stated.entry(case.name).or_default().push(case.result);
    }
    let mut wrong = Vec::new();
    for (name, results) in &stated {
        let mut found: Vec<(&Outcome, Class)> = run
            .found
            .iter()
            .filter(|(case, _)| case == name)
            .map(|(_, o)| {
                let (logged, offers) = logged(name, o);
                (o, resolved(o, logged, offers))
            })
            .collect();
        let mut matched: Vec<&Outcome> = Vec::new();
        for result in results {
            // A fault of our own is remembered for what it causes; a message that is only queued is no attempt.
            let no_outcome = name.starts_with("s36") || name.starts_with("s29-queued");
            if NOT_COUNTED.contains(result) || no_outcome {
                continue;
            }
            match found
                .iter()
                .position(|(o, class)| agrees(result, o, *class))
            {
                Some(at) => matched.push(found.remove(at).0),
                // The server states the same attempt twice, once more with each delivery line; it is given out once.
                None if results.iter().any(|r| {
                    r.split('(').next() == result.split('(').next() && r.contains('(')
                }) => {}
                // A probe may leave no trace at all.
                None if result.starts_with("in-probe") => {}
                None => wrong.push(format!(
                    "{name}: stated {result}, found {:?}",
                    names(&found)
                )),
            }
        }
        // What is ours is given out and marked; the failed attempt before a fallback is an attempt of its own.
        let fallback = results.iter().any(|r| r.starts_with("plaintext-fallback"));
        found.retain(|(o, _)| !(o.internal || fallback && o.delivery.is_none()));
        // One line may speak of several recipients.
        found.retain(|(o, _)| {
            !matched
                .iter()
                .any(|m| (m.at, m.class, &m.peer.host) == (o.at, o.class, &o.peer.host))
        });
        if !found.is_empty() {
            wrong.push(format!(
                "{name}: found beyond what is stated {:?}",
                names(&found)
            ));
        }
    }
    wrong
}

fn names(found: &[(&Outcome, Class)]) -> Vec<String> {
    found
        .iter()
        .map(|(o, class)| format!("{}({}) cause {}", class.name(), o.peer.host, o.cause.name()))
        .collect()
}

#[test]
fn each_judged_postfix_line_gets_its_class() {
    let cases = cases(POSTFIX);
    let mut run = Run::default();
    run.feed(&cases);
    let wrong = differences(&cases, &run, |name, _| (!name.contains("-L0"), false));
    assert!(
        cases.len() >= 130 && wrong.is_empty(),
        "{} cases\n{}",
        cases.len(),
        wrong.join("\n")
    );
}

#[test]
fn each_judged_sendmail_line_gets_its_class() {
    let all = cases(SENDMAIL);
    let mut wrong = Vec::new();
    let group_of = |case: &Case| case.name.split('/').next();
    for group in all.chunk_by(|a, b| group_of(a) == group_of(b)) {
        let mut run = Run {
            tracker: Tracker::new(Own::default(), false),
            ..Run::default()
        };
        run.feed(group);
        let fact = |o: &Outcome, fact| run.facts.contains(&(o.direction, fact));
        wrong.extend(differences(group, &run, |_, o| {
            (fact(o, Fact::Logged), fact(o, Fact::OffersLogged))
        }));
    }
    assert!(
        all.len() >= 110 && wrong.is_empty(),
        "{} cases\n{}",
        all.len(),
        wrong.join("\n")
    );
}

mod any_order {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

        /// Lines of real forms in any order, from few processes, with any bytes put in: no state can be brought about in which the
        /// rules panic, and saved state comes back as it was.
        #[test]
        fn any_order_of_lines_is_survived(
            picks in prop::collection::vec((0usize..255, 1u32..4, any::<u16>(), any::<u8>()), 1..120)
        ) {
            let all: Vec<Case> = cases(POSTFIX).into_iter().chain(cases(SENDMAIL)).collect();
            let mut tracker = Tracker::default();
            let mut out = Vec::new();
            for (number, (pick, pid, at, byte)) in picks.into_iter().enumerate() {
                let mut line = all[pick % all.len()].line.as_bytes().to_vec();
                if byte > 200 {
                    let at = usize::from(at) % line.len();
                    line[at] = byte;
                }
                let Framed::Record(mut record) = maillog::framing::parse_line(&line) else { continue };
                record.pid = Some(pid);
                if let (_, Line::Event(event)) = maillog::mta::parse_text(&record) {
                    let place = Place { source: 1, offset: number as u64 };
                    let at = i64::from(at) * 60;
                    tracker.see(record.host, at, &mut out);
                    tracker.take(&record, &event, at, place, &line, &mut out);
                }
            }
            let saved = tracker.save().expect("there is memory");
            let mut restored = Tracker::default();
            restored.restore(&saved).expect("what was saved can be restored");
            prop_assert_eq!(restored.save().expect("there is memory"), saved);
            tracker.finish(&mut out);
        }
    }
}
