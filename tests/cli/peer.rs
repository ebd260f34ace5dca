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

#[test]
fn where_the_lines_are_too_old_it_says_so() {
    let sandbox = with("edge/rivals.log");
    let later = "Nov 23 08:00:00 mx1 postfix/smtp[7]: 4A1B02: to=<b@other.example>, relay=mx.other.example[192.0.2.7]:25, delay=0.9, delays=0.1/0/0.4/0.4, dsn=2.0.0, status=sent (250 ok)\n";
    sandbox.write("later.log", later);
    sandbox.write("short.toml", "evidence_days = 1\n");
    sandbox.write("none.toml", "evidence_days = 0\n");
    for (settings, words) in [
        (
            "short.toml",
            "the lines are older than 1 day and no longer kept",
        ),
        ("none.toml", "the lines are not kept: evidence_days is 0"),
    ] {
        sandbox
            .run(&["--config", settings, "import", "later.log"])
            .ok();
        let said = sandbox
            .run(&["--config", settings, "peer", "broken.example"])
            .ok()
            .out;
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn where_the_line_that_proves_the_logging_was_forgotten_it_says_so() {
    let sandbox = with("edge/rivals.log");
    let shown = || sandbox.run(&["peer", "plain.example"]).ok().out;
    assert!(shown().contains("as this one proves"), "{}", shown());
    sandbox.run(&["forget", "big.example"]).ok();
    let said = shown().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        !said.contains("big.example")
            && said.contains("the line that proves this is no longer kept"),
        "{said}"
    );
}
