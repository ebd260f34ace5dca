//! What would be lost if TLS were required: the same mail as the reports say crossed in clear, on logs whose truth is known.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::sandbox::{Sandbox, sample};

/// A run of each server, as `samples.rs` compares them with what the other side recorded.
const RUNS: &[&str] = &[
    "postfix/rfc3339.log",
    "postfix/loglevel0.log",
    "sendmail/loglevel9.log",
    "edge/rivals.log",
];

fn with(log: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let log = sample(log);
    let log = log.to_string_lossy();
    let args = [
        "import",
        "--quiet",
        "--correspondents",
        "--own-domain",
        "ours.example",
        &log,
    ];
    sandbox.run(&args).ok();
    sandbox
}

fn rows(sandbox: &Sandbox, args: &[&str]) -> Vec<Value> {
    let json = sandbox
        .run(&[args, &["--all", "--format", "json"]].concat())
        .ok()
        .json();
    json["rows"].as_array().cloned().unwrap_or_default()
}

fn number(row: &Value, column: &str) -> u64 {
    row[column].as_u64().unwrap_or_default()
}

#[test]
fn requiring_tls_loses_exactly_what_went_in_clear() {
    for log in RUNS {
        let sandbox = with(log);
        let whatif = rows(&sandbox, &["whatif", "--direction", "out"]);
        let peers = whatif.iter().filter(|r| r["item"] == "peer");
        let named: BTreeMap<&str, (u64, u64)> = peers
            .map(|r| {
                let name = r["name"].as_str().unwrap_or_default();
                (name, (number(r, "lost"), number(r, "unknown")))
            })
            .collect();
        let domains = rows(&sandbox, &["report", "domains"]);
        for row in &domains {
            let name = row["domain"].as_str().unwrap_or_default();
            let expected = (number(row, "plaintext"), number(row, "unknown"));
            assert_eq!(
                named.get(name).copied().unwrap_or_default(),
                expected,
                "{log}: {name}"
            );
        }
        let mail = whatif.iter().find(|r| r["item"] == "mail");
        let mail = mail.unwrap_or_else(|| panic!("{log} has no totals"));
        for (columns, counter) in [
            (&["lost", "spared"][..], "plaintext"),
            (&["kept"], "encrypted"),
            (&["unknown"], "unknown"),
        ] {
            let sum: u64 = domains.iter().map(|row| number(row, counter)).sum();
            let found: u64 = columns.iter().map(|column| number(mail, column)).sum();
            assert_eq!(found, sum, "{log}: {columns:?}");
        }
        let persons: u64 = whatif
            .iter()
            .filter(|r| r["item"] == "person")
            .map(|r| number(r, "lost"))
            .sum();
        assert_eq!(persons, number(mail, "lost"), "{log}: each person is named");
    }
}

#[test]
fn a_newer_version_never_keeps_more() {
    let sandbox = with("postfix/rfc3339.log");
    let kept = |require: &str| {
        let rows = rows(
            &sandbox,
            &["whatif", "--require", require, "--direction", "out"],
        );
        let mail = rows.iter().find(|r| r["item"] == "mail");
        mail.map_or(0, |r| number(r, "kept"))
    };
    let (any, newer, newest) = (kept("tls"), kept("tls1.2"), kept("tls1.3"));
    assert!(
        any >= newer && newer >= newest && newest > 0,
        "{any} {newer} {newest}"
    );
    assert_eq!(kept("dane"), 0, "the log alone tells nothing of DANE");
}

#[test]
fn the_answer_is_one_sentence_with_the_setting_and_its_exceptions() {
    let sandbox = with("edge/rivals.log");
    let out = sandbox.run(&["whatif"]).ok().out;
    let headline = out.lines().next().unwrap_or_default();
    assert!(
        headline.starts_with("Requiring TLS would have cost 4 of 8 messages sent, with "),
        "{headline}"
    );
    for words in [
        "postconf -e 'smtp_tls_security_level=encrypt'",
        "plain.example may",
        "maximal_queue_lifetime",
        "530 5.7.0 Must issue a STARTTLS command first",
    ] {
        assert!(out.contains(words), "{words}: {out}");
    }
}

#[test]
fn what_cannot_be_asked_or_answered_is_said() {
    let sandbox = with("edge/rivals.log");
    sandbox
        .run(&["whatif", "--require", "tls1.4"])
        .fails_with(&["tls1.4", "tls1.2"]);
    let out = sandbox.run(&["whatif", "--require", "verified"]).ok().out;
    assert!(out.contains("Received mail is not judged"), "{out}");
    let early = ["whatif", "--since", "2001-01-01", "--until", "2001-01-02"];
    assert!(
        sandbox
            .run(&early)
            .ok()
            .out
            .starts_with("No mail is known of in this period")
    );
    Sandbox::new()
        .run(&["whatif"])
        .fails_with(&["tlsnag import"]);
}
