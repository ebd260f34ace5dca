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

#[test]
fn a_client_that_falls_back_before_its_failed_session_has_ended_is_not_blamed() {
    // As a real Postfix logged it: the client does not know who issued our certificate, and its mail is through in clear 30 ms before the
    // session whose handshake failed has ended.
    let log = "\
2026-11-20T15:45:58.000000+00:00 relay postfix/smtpd[550]: connect from out.good.example[198.19.0.2]
2026-11-20T15:45:58.100000+00:00 relay postfix/smtpd[550]: Anonymous TLS connection established from out.good.example[198.19.0.2]: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)
2026-11-20T15:45:58.200000+00:00 relay postfix/smtpd[550]: 7733F511: client=out.good.example[198.19.0.2]
2026-11-20T15:45:58.300000+00:00 relay postfix/smtpd[550]: disconnect from out.good.example[198.19.0.2] ehlo=2 starttls=1 mail=1 rcpt=1 data=1 quit=1 commands=7
2026-11-20T15:46:07.496736+00:00 relay postfix/smtpd[557]: connect from out.falls.example[198.19.0.9]
2026-11-20T15:46:07.562643+00:00 relay postfix/smtpd[562]: connect from out.falls.example[198.19.0.9]
2026-11-20T15:46:07.565212+00:00 relay postfix/smtpd[557]: SSL_accept error from out.falls.example[198.19.0.9]: -1
2026-11-20T15:46:07.565225+00:00 relay postfix/smtpd[557]: warning: TLS library problem: error:0A000418:SSL routines::tlsv1 alert unknown ca:../ssl/record/rec_layer_s3.c:1602:SSL alert number 48:
2026-11-20T15:46:07.605010+00:00 relay postfix/smtpd[562]: 93B02513: client=out.falls.example[198.19.0.9]
2026-11-20T15:46:07.606917+00:00 relay postfix/smtpd[562]: disconnect from out.falls.example[198.19.0.9] ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5
2026-11-20T15:46:07.637159+00:00 relay postfix/smtpd[557]: lost connection after STARTTLS from out.falls.example[198.19.0.9]
2026-11-20T15:46:07.637168+00:00 relay postfix/smtpd[557]: disconnect from out.falls.example[198.19.0.9] ehlo=1 starttls=0/1 commands=1/2
";
    let sandbox = Sandbox::new();
    sandbox.write("mail.log", log);
    sandbox.run(&["import", "mail.log"]).ok();
    let json = sandbox
        .run(&["report", "clients", "--all", "--format", "json"])
        .ok()
        .json();
    let rows = json["rows"].as_array().cloned().unwrap_or_default();
    let row = rows.iter().find(|row| row["address"] == "198.19.0.9");
    let row = row.unwrap_or_else(|| panic!("{json}"));
    assert_eq!(row["messages_plaintext"], 1, "{row}");
    assert_eq!(row["fault"], "us", "{row}");
}

#[test]
fn a_client_that_never_sends_mail_is_named_and_its_lines_are_not_kept() {
    let log = "\
2026-11-20T15:45:58.000000+00:00 relay postfix/smtpd[550]: connect from unknown[198.19.0.77]
2026-11-20T15:45:58.100000+00:00 relay postfix/smtpd[550]: lost connection after EHLO from unknown[198.19.0.77]
2026-11-20T15:45:58.200000+00:00 relay postfix/smtpd[550]: disconnect from unknown[198.19.0.77] ehlo=1 commands=1
";
    let sandbox = Sandbox::new();
    sandbox.write("mail.log", log);
    sandbox.run(&["import", "mail.log"]).ok();
    let said = sandbox.run(&["peer", "198.19.0.77"]).ok().out;
    assert!(said.contains("a session that never sent mail"), "{said}");
    assert!(
        said.contains("No lines are kept of sessions that never sent mail"),
        "{said}"
    );
    let store = std::fs::read(sandbox.path("store.db")).expect("the store can be read");
    let line = b"lost connection after EHLO";
    assert!(!store.windows(line.len()).any(|w| w == line));
}
