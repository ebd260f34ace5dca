//! What is forgotten is gone: from the answers and from the file.

use std::fs;

use crate::sandbox::{Sandbox, sample};

fn with_rivals() -> Sandbox {
    let sandbox = Sandbox::new();
    let log = sample("edge/rivals.log");
    sandbox
        .run(&[
            "import",
            "--correspondents",
            log.to_str().unwrap_or_default(),
        ])
        .ok();
    sandbox
}

fn file_holds(sandbox: &Sandbox, text: &str) -> bool {
    let bytes = fs::read(sandbox.path("store.db")).expect("the store exists");
    bytes.windows(text.len()).any(|w| w == text.as_bytes())
}

#[test]
fn a_peer_that_was_forgotten_is_neither_in_the_reports_nor_in_the_file() {
    let sandbox = with_rivals();
    assert!(file_holds(&sandbox, "broken.example"));
    let said = sandbox.run(&["forget", "broken.example"]).ok().out;
    assert!(
        said.contains("broken.example") && said.contains("peers 1"),
        "{said}"
    );
    assert!(
        !sandbox
            .run(&["report", "domains", "--all"])
            .ok()
            .out
            .contains("broken.example")
    );
    assert!(
        !file_holds(&sandbox, "x@broken.example"),
        "deleted rows are overwritten"
    );
}

#[test]
fn a_person_who_was_forgotten_is_not_in_the_file() {
    let sandbox = with_rivals();
    assert!(file_holds(&sandbox, "p1@plain.example"));
    sandbox.run(&["forget", "p1@plain.example"]).ok();
    assert!(!file_holds(&sandbox, "p1@plain.example"));
    assert!(
        sandbox
            .run(&["report", "domains", "--all"])
            .ok()
            .out
            .contains("plain.example"),
        "the domain's counts stay"
    );
}

#[test]
fn forgetting_a_stranger_is_an_error() {
    with_rivals()
        .run(&["forget", "stranger.example"])
        .fails_with(&["nothing", "stranger.example"]);
}

#[test]
fn what_is_older_than_a_day_goes() {
    let sandbox = with_rivals();
    sandbox.run(&["forget", "--older-than", "2027-01-01"]).ok();
    let rows = sandbox
        .run(&["report", "domains", "--all", "--format", "json"])
        .ok()
        .json();
    assert_eq!(rows["rows"].as_array().map(Vec::len), Some(0));
}

#[test]
fn addresses_are_kept_only_where_it_was_asked_for() {
    let sandbox = Sandbox::new();
    sandbox
        .run(&[
            "import",
            sample("edge/rivals.log").to_str().unwrap_or_default(),
        ])
        .ok();
    assert!(
        !file_holds(&sandbox, "u1@big.example"),
        "a plain success leaves no address"
    );
}

/// A process that has a TLS connection open when the log ends, and delivers over it later.
const OPEN: [&str; 2] = [
    "Nov 20 08:00:00 mx1 postfix/smtp[7]: Trusted TLS connection established to mx.shared.example[192.0.2.7]:25: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)
Nov 20 08:00:01 mx1 postfix/smtp[7]: 4A1B01: to=<a@secret.example>, relay=mx.shared.example[192.0.2.7]:25, delay=0.9, delays=0.1/0/0.4/0.4, dsn=2.0.0, status=sent (250 ok)
Nov 20 08:00:02 mx1 postfix/smtpd[8]: connect from out.secret.example[192.0.2.8]
Nov 20 08:00:02 mx1 postfix/smtpd[8]: Anonymous TLS connection established from out.secret.example[192.0.2.8]: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)
Nov 20 08:00:02 mx1 postfix/smtpd[8]: 4A1B09: client=out.secret.example[192.0.2.8]
",
    "Nov 20 08:00:03 mx1 postfix/smtp[7]: 4A1B02: to=<b@other.example>, relay=mx.shared.example[192.0.2.7]:25, conn_use=2, delay=0.9, delays=0.1/0/0.4/0.4, dsn=2.0.0, status=sent (250 ok)
",
];

#[test]
fn what_is_still_open_is_forgotten_too_and_nobody_is_blamed_for_it() {
    let sandbox = Sandbox::new();
    sandbox.write("mail.log", OPEN[0]);
    sandbox.run(&["import", "mail.log"]).ok();
    assert!(file_holds(&sandbox, "out.secret.example"));
    let said = sandbox.run(&["forget", "secret.example"]).ok().out;
    assert!(said.contains("open sessions"), "{said}");
    sandbox.run(&["forget", "out.secret.example"]);
    assert!(!file_holds(&sandbox, "secret.example"));
    sandbox.append("mail.log", OPEN[1]);
    sandbox.run(&["import", "mail.log"]).ok();
    let rows = sandbox
        .run(&["report", "domains", "--all", "--format", "json"])
        .ok()
        .json();
    let other = &rows["rows"][0];
    assert_eq!(
        (other["domain"].as_str(), other["verdict"].as_str()),
        (Some("other.example"), Some("unknown")),
        "its TLS session was forgotten with the process: {rows}"
    );
}

#[test]
fn what_is_old_is_forgotten_from_the_open_sessions_and_the_history_of_the_log() {
    let sandbox = Sandbox::new();
    sandbox.write("mail.log", OPEN.concat());
    sandbox.run(&["import", "mail.log"]).ok();
    sandbox.run(&["forget", "--older-than", "2026-11-21"]).ok();
    assert!(!file_holds(&sandbox, "secret.example"));
    let json = sandbox
        .run(&["store", "info", "--format", "json"])
        .ok()
        .json();
    let rows = json["rows"].as_array().cloned().unwrap_or_default();
    for table in ["span", "daily", "logging"] {
        let row = rows.iter().find(|r| r["name"] == table);
        assert_eq!(row.and_then(|r| r["count"].as_u64()), Some(0), "{table}");
    }
}
