//! The summary as metrics, in the text format that Prometheus reads from a file.
//!
//! Labels are closed lists: no name from a log is a label, so that their number stays bounded whatever strangers send.

use std::fmt::Write;

use crate::query::Scope;
use crate::query::summary::{Summary, find_summary};
use crate::query::tally::Verdict;
use crate::store::{Result, Store};

const VERDICTS: [Verdict; 5] = [
    Verdict::Encrypted,
    Verdict::Plaintext,
    Verdict::Mixed,
    Verdict::Undeliverable,
    Verdict::Unknown,
];

/// One value: labels as they are written, and the number.
type Sample = (String, i64);

/// The summary of a period as metrics.
pub fn build(store: &Store, scope: &Scope) -> Result<String> {
    let summary = find_summary(store, scope)?;
    let mut out = String::new();
    let mut metric = |name: &str, kind: &str, help: &str, samples: Vec<Sample>| {
        // Writing to a text does not fail.
        let _ = writeln!(
            out,
            "# HELP tlsnag_{name} {help}\n# TYPE tlsnag_{name} {kind}"
        );
        for (labels, value) in samples {
            let _ = writeln!(out, "tlsnag_{name}{labels} {value}");
        }
    };
    metric(
        "mail",
        "gauge",
        "Mail of the period by channel: recipients outbound, messages inbound.",
        mail(&summary),
    );
    metric(
        "failed_tls",
        "gauge",
        "Attempts and sessions of the period that failed because of TLS.",
        summary
            .totals
            .iter()
            .map(|t| (label("direction", t.direction.name()), number(t.failed_tls)))
            .collect(),
    );
    metric(
        "domains",
        "gauge",
        "Recipient domains of the period by how mail reaches them.",
        domains(&summary),
    );
    metric(
        "to_do",
        "gauge",
        "Things to act on, by whose fault they are.",
        to_do(&summary),
    );
    metric(
        "newest_record_timestamp_seconds",
        "gauge",
        "When the newest record that was read was written.",
        vec![(String::new(), store.newest()?)],
    );
    let runs = &summary.runs;
    metric(
        "lines_total",
        "counter",
        "Lines read so far, by what became of them.",
        [
            ("understood", runs.understood),
            ("irrelevant", runs.irrelevant),
            ("unrecognised", runs.unrecognised),
        ]
        .map(|(kind, n)| (label("kind", kind), number(n)))
        .into(),
    );
    Ok(out)
}

fn mail(summary: &Summary) -> Vec<Sample> {
    let by_channel = |t: &crate::query::summary::Totals| {
        let direction = t.direction.name();
        [
            ("encrypted", t.encrypted),
            ("plaintext", t.plaintext),
            ("unknown", t.unknown),
        ]
        .map(|(channel, n)| {
            let labels = format!("{{direction=\"{direction}\",channel=\"{channel}\"}}");
            (labels, number(n))
        })
    };
    summary.totals.iter().flat_map(by_channel).collect()
}

/// All verdicts, as with faults.
fn domains(summary: &Summary) -> Vec<Sample> {
    let of = |verdict: Verdict| {
        let found = summary.domains.iter().find(|(v, _)| *v == verdict);
        found.map_or(0, |(_, n)| *n)
    };
    VERDICTS
        .map(|verdict| (label("verdict", verdict.name()), number(of(verdict))))
        .into()
}

/// All faults, those of which there is nothing too: a metric that vanishes cannot be watched.
fn to_do(summary: &Summary) -> Vec<Sample> {
    let with = |fault: &str| summary.to_do.iter().filter(|t| t.fault == fault).count() as u64;
    ["us", "peer", "either"]
        .map(|fault| (label("fault", fault), number(with(fault))))
        .into()
}

fn label(name: &str, value: &str) -> String {
    format!("{{{name}=\"{value}\"}}")
}

fn number(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Class;
    use crate::store::fixture::{self, outbound};
    use maillog::Protocol;

    #[test]
    fn every_line_is_a_comment_or_a_sample() {
        let store = fixture::store([
            outbound("a.example")
                .encrypted(Protocol::Tls13)
                .times(3)
                .build(),
            outbound("evil\"} 1\n.example")
                .plaintext(Class::PlaintextNotOffered)
                .build(),
        ]);
        let text = build(&store, &Scope::ALL).unwrap();
        for line in text.lines() {
            let is_sample = line.starts_with("tlsnag_")
                && line
                    .rsplit_once(' ')
                    .is_some_and(|(_, n)| n.parse::<i64>().is_ok());
            assert!(line.starts_with("# ") || is_sample, "{line}");
        }
        for sample in [
            "tlsnag_mail{direction=\"outbound\",channel=\"encrypted\"} 3",
            "tlsnag_mail{direction=\"outbound\",channel=\"plaintext\"} 1",
            "tlsnag_to_do{fault=\"peer\"} 1",
            "tlsnag_to_do{fault=\"us\"} 0",
            "tlsnag_domains{verdict=\"plaintext\"} 1",
            "tlsnag_domains{verdict=\"unknown\"} 0",
            "tlsnag_mail{direction=\"inbound\",channel=\"plaintext\"} 0",
        ] {
            assert!(text.lines().any(|line| line == sample), "{sample}\n{text}");
        }
        assert!(!text.contains("evil"));
    }
}
