//! `tlsnag peer`: every claim with the lines that prove it.

use crate::sandbox::{Sandbox, sample};

fn with(log: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox
        .run(&["import", sample(log).to_str().unwrap_or_default()])
        .ok();
    sandbox
}

#[test]
fn a_fallback_is_shown_with_the_handshake_that_failed() {
    let sandbox = with("edge/rivals.log");
    for name in [
        "broken.example",
        "mx.broken.example",
        "192.0.2.40",
        "BROKEN.example.",
    ] {
        let said = sandbox.run(&["peer", name]).ok().out;
        assert!(
            said.contains("SSL_connect error to mx.broken.example[192.0.2.40]:25: -1"),
            "{name}: {said}"
        );
        assert!(said.contains("dh key too small"), "{name}: {said}");
        assert!(said.contains("status=sent (250 ok)"), "{name}: {said}");
        assert!(
            said.contains("rivals.log"),
            "{name}: the file is named: {said}"
        );
    }
}

#[test]
fn a_plaintext_peer_is_shown_with_what_makes_silence_proof() {
    let said = with("edge/rivals.log")
        .run(&["peer", "plain.example"])
        .ok()
        .out;
    assert!(said.contains("to=<p1@plain.example>"), "{said}");
}

#[test]
fn the_seed_incident_is_one_incident_and_our_own_fault() {
    let sandbox = with("sendmail/seed-incident.log");
    let rows = sandbox
        .run(&["report", "clients", "--all", "--format", "json"])
        .ok()
        .json();
    let rows = rows["rows"].as_array().cloned().unwrap_or_default();
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(
        (
            rows[0]["sessions_failed"].as_u64(),
            rows[0]["cause"].as_str()
        ),
        (Some(1), Some("no-shared-cipher"))
    );
    assert_eq!(
        (rows[0]["class"].as_str(), rows[0]["fault"].as_str()),
        (Some("in-handshake-failed"), Some("us"))
    );
    let said = sandbox
        .run(&["peer", rows[0]["address"].as_str().unwrap_or_default()])
        .ok()
        .out;
    for line in [
        "accept failed=-1",
        "no shared cipher",
        "did not issue MAIL/EXPN/VRFY/ETRN",
    ] {
        assert!(said.contains(line), "{line} is missing: {said}");
    }
}

#[test]
fn a_stranger_is_an_error_that_says_what_to_do() {
    with("edge/rivals.log")
        .run(&["peer", "nobody.example"])
        .fails_with(&["nobody.example", "report domains --all"]);
}

#[test]
fn what_a_stranger_wrote_reaches_no_terminal() {
    let sandbox = with("edge/hostile.log");
    for report in ["summary", "domains", "clients", "plaintext", "failures"] {
        for format in ["text", "markdown", "csv", "json"] {
            let said = sandbox
                .run(&["report", report, "--all", "--format", format])
                .ok()
                .out;
            let unsafe_byte = said
                .chars()
                .find(|c| c.is_control() && !matches!(c, '\n' | '\r'));
            assert_eq!(unsafe_byte, None, "{report} as {format}");
            if format == "csv" {
                let formula = said
                    .lines()
                    .flat_map(|l| l.split(','))
                    .find(|cell| cell.trim_start_matches('"').starts_with(['=', '+', '@']));
                assert_eq!(formula, None, "{report} as csv");
            }
            if format == "markdown" {
                assert!(!said.contains("<script"), "{report} as markdown");
            }
        }
    }
}
