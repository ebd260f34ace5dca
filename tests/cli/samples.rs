//! Every sample log means what the file beside it says (`sample-logs/README.md` has the grammar of `.outcomes`).

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::sandbox::{Sandbox, sample};

/// Rows of a report by their key column.
type Rows = HashMap<String, Value>;

fn sample_logs() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for directory in ["postfix", "sendmail", "edge"] {
        let entries =
            fs::read_dir(sample(directory)).expect("the sample logs are in the repository");
        found.extend(
            entries
                .flatten()
                .map(|e| e.path())
                .filter(|p| p.extension().is_some_and(|e| e == "outcomes")),
        );
    }
    found.sort();
    found
}

fn rows(sandbox: &Sandbox, report: &str, key: &str) -> Rows {
    let json = sandbox
        .run(&["report", report, "--all", "--format", "json"])
        .ok()
        .json();
    let rows = json["rows"].as_array().expect("rows is a list").clone();
    rows.into_iter()
        .map(|row| (row[key].as_str().unwrap_or_default().to_owned(), row))
        .collect()
}

/// A count of a row; a row that is missing counts nothing.
fn count(row: Option<&Value>, column: &str) -> u64 {
    row.and_then(|r| r[column].as_u64()).unwrap_or(0)
}

/// One line of an `.outcomes` file against the reports; the difference in words, if there is one.
fn difference(line: &str, domains: &Rows, hosts: &Rows, clients: &Rows) -> Option<String> {
    let line = line.split('#').next().unwrap_or_default().trim();
    let mut words = line.split_whitespace();
    let (kind, name) = (words.next()?, words.next()?);
    let (row, columns) = match kind {
        "domain" => (domains.get(name), ["encrypted", "plaintext", "unknown"]),
        "host" => (hosts.get(name), ["encrypted", "plaintext", "unknown"]),
        "client" => (
            clients.get(name),
            [
                "messages_encrypted",
                "messages_plaintext",
                "messages_unknown",
            ],
        ),
        other => return Some(format!("`{other}` is not a kind of fact")),
    };
    let counts = columns.map(|column| count(row, column));
    let wrong: Vec<&str> = words.filter(|word| !holds(word, counts, row)).collect();
    (!wrong.is_empty()).then(|| {
        format!(
            "{line}: found encrypted, plaintext, unknown = {counts:?} in {row:?}; wrong: {wrong:?}"
        )
    })
}

fn holds(fact: &str, [encrypted, plaintext, unknown]: [u64; 3], row: Option<&Value>) -> bool {
    let number = |text: &str| text.parse::<u64>().unwrap_or(u64::MAX);
    match fact
        .split_once("<=")
        .map(|(k, v)| (k, "<=", v))
        .or_else(|| fact.split_once('=').map(|(k, v)| (k, "=", v)))
    {
        Some(("encrypted", "=", n)) => encrypted == number(n),
        Some(("plaintext", "=", n)) => plaintext == number(n),
        Some(("unknown", "=", n)) => unknown == number(n),
        Some(("encrypted", "<=", n)) => encrypted <= number(n),
        Some(("plaintext", "<=", n)) => plaintext <= number(n),
        Some(("total", "=", n)) => encrypted + plaintext + unknown == number(n),
        Some(("failed", "=", "tls")) => count(row, "failed_tls") > 0,
        Some(("failed", "=", "other")) => count(row, "failed_tls") == 0,
        Some((column, "=", n)) if column.starts_with("sessions_") => {
            count(row, column) == number(n)
        }
        Some((column, "=", word)) => row.is_some_and(|r| r[column].as_str() == Some(word)),
        _ => false,
    }
}

fn differences(outcomes: &Path) -> Vec<String> {
    let sandbox = Sandbox::new();
    let log = outcomes.with_extension("log");
    let log = log.to_str().expect("the repository has plain names");
    sandbox
        .run(&["import", "--own-domain", "ours.example", log])
        .ok();
    let domains = rows(&sandbox, "domains", "domain");
    let hosts = rows(&sandbox, "hosts", "host");
    let clients = rows(&sandbox, "clients", "address");
    let facts = fs::read_to_string(outcomes).expect("the file was listed");
    let found = facts
        .lines()
        .filter_map(|line| difference(line, &domains, &hosts, &clients));
    found
        .map(|text| format!("{}: {text}", outcomes.display()))
        .collect()
}

#[test]
fn every_sample_log_means_what_is_written_beside_it() {
    let samples = sample_logs();
    assert!(
        samples.len() >= 10,
        "only {} sample logs found",
        samples.len()
    );
    let wrong: Vec<String> = samples.iter().flat_map(|s| differences(s)).collect();
    assert!(
        wrong.is_empty(),
        "{} differences\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn no_line_of_the_sample_logs_is_unrecognised() {
    for outcomes in sample_logs() {
        let log = outcomes.with_extension("log");
        if log.to_string_lossy().contains("edge/") {
            continue;
        }
        let text = fs::read(&log).expect("the log stands beside its outcomes");
        for line in text.split(|b| *b == b'\n') {
            let framed = maillog::framing::parse_line(line);
            if let maillog::Framed::Record(record) = framed {
                let (_, read) = maillog::mta::parse_text(&record);
                assert_ne!(
                    read,
                    maillog::Line::Unrecognised,
                    "{}: {}",
                    log.display(),
                    String::from_utf8_lossy(line)
                );
            }
        }
    }
}
