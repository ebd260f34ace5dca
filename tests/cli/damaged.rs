//! Logs as they arrive: in every envelope, with holes, torn, cut, repeated, without a year.

use serde_json::Value;

use crate::sandbox::Sandbox;

/// A line: minute and second after ten o'clock on 2 November 2026 UTC, tag, process id, text.
type Said = (u32, u32, &'static str, u32, &'static str);

/// A session with TLS, one in clear, and one of each from outside.
const LINES: &[Said] = &[
    (
        0,
        1,
        "postfix/smtp",
        101,
        "Trusted TLS connection established to mx.tls.example[198.51.100.30]:25: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)",
    ),
    (
        0,
        2,
        "postfix/smtp",
        101,
        "5E11AA4E01: to=<anna@tls.example>, relay=mx.tls.example[198.51.100.30]:25, delay=2, delays=0.1/0/1.4/0.5, dsn=2.0.0, status=sent (250 2.0.0 \"Ok\" <x@y>)",
    ),
    (
        1,
        2,
        "postfix/smtp",
        102,
        "5E11AA4E02: to=<bob@plain.example>, relay=mx.plain.example[198.51.100.31]:25, delay=2, delays=0.1/0/1.4/0.5, dsn=2.0.0, status=sent (250 2.0.0 Ok)",
    ),
    (
        2,
        1,
        "postfix/smtpd",
        103,
        "connect from out.tls.example[198.51.100.32]",
    ),
    (
        2,
        2,
        "postfix/smtpd",
        103,
        "Anonymous TLS connection established from out.tls.example[198.51.100.32]: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)",
    ),
    (
        2,
        3,
        "postfix/smtpd",
        103,
        "5E11AA4E03: client=out.tls.example[198.51.100.32]",
    ),
    (
        2,
        4,
        "postfix/smtpd",
        103,
        "disconnect from out.tls.example[198.51.100.32] ehlo=2 starttls=1 mail=1 rcpt=1 data=1 quit=1 commands=7",
    ),
    (
        3,
        1,
        "postfix/smtpd",
        104,
        "connect from out.plain.example[198.51.100.33]",
    ),
    (
        3,
        2,
        "postfix/smtpd",
        104,
        "5E11AA4E04: client=out.plain.example[198.51.100.33]",
    ),
    (
        3,
        3,
        "postfix/smtpd",
        104,
        "disconnect from out.plain.example[198.51.100.33] ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5",
    ),
    (
        4,
        1,
        "sm-mta",
        105,
        "STARTTLS=client, relay=mx.two.example., version=TLSv1.3, verify=OK, cipher=TLS_AES_256_GCM_SHA384, bits=256/256",
    ),
    (
        4,
        2,
        "sm-mta",
        105,
        "6A2A41aA000105: to=<a@two.example>, delay=00:00:02, xdelay=00:00:01, mailer=esmtp, pri=30700, relay=mx.two.example. [198.51.100.34], dsn=2.0.0, stat=Sent (ok)",
    ),
];

/// Envelopes, where `MM` and `SS` stand for minute and second, `UNIX` for seconds since 1970 (`@TAI` for a whole envelope with the same
/// as TAI64), `TAG`, `PID`, and `MSG` or, escaped, `JSON` for the text.
const ENVELOPES: &[&str] = &[
    "2026-11-02T10:MM:SS.123456+00:00 mail TAG[PID]: MSG",
    "2026-11-02T11:MM:SS+01:00 mail TAG[PID]: MSG",
    "Nov  2 10:MM:SS mail TAG[PID]: MSG",
    "Nov 02 10:MM:SS mail TAG[PID]: MSG",
    "Nov 02 10:MM:SS.123456 mail TAG[PID]: MSG",
    "Nov  2 10:MM:SS mail TAG[PID]: MSG\r",
    "2026-11-02T10:MM:SS+0000 mail TAG[PID]: MSG",
    "Mon 2026-11-02 10:MM:SS UTC mail TAG[PID]: MSG",
    "UNIX.123456 mail TAG[PID]: MSG",
    "<22>1 2026-11-02T10:MM:SS.003Z mail TAG PID - [a@1 k=\"v\\]\"] \u{feff}MSG",
    "<22>Nov  2 10:MM:SS TAG[PID]: MSG",
    "Nov  2 10:MM:SS <2.6> mail TAG[PID]: MSG",
    "Nov  2 10:MM:SS <mail.info> mail TAG[PID]: MSG",
    "Nov  2 10:MM:SS mail mail.info TAG[PID]: MSG",
    "Nov  2 10:MM:SS TAG[PID]: MSG",
    "Nov  2 10:MM:SS mail TAG[PID]: [ID 801593 mail.info] MSG",
    "Nov  2 10:MM:SS mail TAG[PID] <Notice>: MSG",
    "Mon Nov  2 10:MM:SS 2026 mail.info TAG[PID]: MSG",
    "2026-11-02T10:MM:SS.12345 mail.info: Nov  2 10:MM:SS TAG[PID]: MSG",
    "@TAIx 1dcd6500",
    "{\"log\":\"Nov 02 10:MM:SS mail TAG[PID]: JSON\\n\",\"stream\":\"stdout\",\"time\":\"2026-11-02T10:MM:SS.123456789Z\"}",
    "2026-11-02T10:MM:SS.123456789Z stdout F Nov 02 10:MM:SS mail TAG[PID]: MSG",
    "mail-1  | Nov 02 10:MM:SS mail TAG[PID]: MSG",
    "{\"__REALTIME_TIMESTAMP\":\"UNIX000000\",\"_HOSTNAME\":\"mail\",\"SYSLOG_IDENTIFIER\":\"TAG\",\"_PID\":\"PID\",\"MESSAGE\":\"JSON\"}",
    "{\"@timestamp\":\"2026-11-02T10:MM:SS.1Z\",\"host\":\"mail\",\"syslogtag\":\"TAG[PID]:\",\"message\":\" JSON\"}",
    "{\"PROGRAM\":\"TAG\",\"PID\":\"PID\",\"MESSAGE\":\"JSON\",\"HOST\":\"mail\",\"ISODATE\":\"2026-11-02T11:MM:SS+01:00\"}",
    "{\"@timestamp\":\"2026-11-02T10:MM:SS.1Z\",\"message\":\"Nov  2 10:MM:SS mail TAG[PID]: JSON\"}",
    "Nov  2 10:MM:SS src@relay/mail TAG[PID]: MSG",
    "Nov  2 10:MM:SS relay Forwarded from mail: TAG[PID]: MSG",
    "Nov  2 10:MM:SS relay Message forwarded from mail: TAG[PID]: MSG",
];

/// 2026-11-02T10:00:00Z
const TEN: u32 = 1_793_613_600;

fn in_envelope(envelope: &str, (minute, second, tag, pid, text): Said) -> String {
    let unix = TEN + minute * 60 + second;
    let tai = format!("@4{:015x}1dcd6500 mail.info: TAG[PID]: MSG", unix + 10);
    let envelope = if envelope.starts_with("@TAI") {
        &tai
    } else {
        envelope
    };
    let escaped = text
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('<', "\\u003c");
    let line = envelope
        .replace("MM", &format!("{minute:02}"))
        .replace("SS", &format!("{second:02}"))
        .replace("UNIX", &unix.to_string())
        .replace("TAG", tag)
        .replace("PID", &pid.to_string());
    // Not the letters within the texts.
    line.replace("MSG", text).replace("JSON", &escaped) + "\n"
}

fn log_in(envelope: &str) -> String {
    // Some names of JSON fields contain what is a placeholder elsewhere.
    let marked = envelope
        .replace("\"MESSAGE\"", "\"message\"")
        .replace("TIMESTAMP", "{1}")
        .replace("SYSLOG", "{2}")
        .replace("_PID\"", "_{3}\"")
        .replace("\"PID\":", "\"{3}\":");
    LINES
        .iter()
        .map(|said| {
            in_envelope(&marked, *said)
                .replace("{1}", "TIMESTAMP")
                .replace("{2}", "SYSLOG")
                .replace("{3}", "PID")
        })
        .map(|line| match line.contains("__REALTIME") {
            true => line.replace("\"message\"", "\"MESSAGE\""),
            false => line,
        })
        .collect()
}

fn imported(log: impl AsRef<[u8]>) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("mail.log", log);
    sandbox.run(&["import", "mail.log"]).ok();
    sandbox
}

fn rows(sandbox: &Sandbox, report: &str) -> Value {
    sandbox
        .run(&["report", report, "--all", "--format", "json"])
        .ok()
        .json()["rows"]
        .clone()
}

#[test]
fn the_same_log_in_every_envelope_says_the_same() {
    let expected = imported(log_in(ENVELOPES[0]));
    let (domains, clients) = (rows(&expected, "domains"), rows(&expected, "clients"));
    assert_eq!(
        (
            domains.as_array().map(Vec::len),
            clients.as_array().map(Vec::len)
        ),
        (Some(3), Some(2))
    );
    for envelope in &ENVELOPES[1..] {
        let found = imported(log_in(envelope));
        assert_eq!(rows(&found, "domains"), domains, "{envelope}");
        assert_eq!(rows(&found, "clients"), clients, "{envelope}");
    }
}

/// What a recipient domain's row says: encrypted, plaintext, unknown.
fn channel(domains: &Value, domain: &str) -> Option<[u64; 3]> {
    let row = domains
        .as_array()?
        .iter()
        .find(|row| row["domain"] == domain)?;
    Some(["encrypted", "plaintext", "unknown"].map(|c| row[c].as_u64().unwrap_or(u64::MAX)))
}

const ENCRYPTED: Option<[u64; 3]> = Some([1, 0, 0]);
const PLAINTEXT: Option<[u64; 3]> = Some([0, 1, 0]);
const UNKNOWN: Option<[u64; 3]> = Some([0, 0, 1]);

/// What syslog daemons say when they lose records, and whether that is where the loss begins.
const LOSSES: &[(&str, bool)] = &[
    (
        "rsyslogd: imuxsock lost 57 messages from pid 5121 due to rate-limiting",
        false,
    ),
    (
        "rsyslogd-2177: imuxsock lost 57 messages from pid 5121 due to rate-limiting",
        false,
    ),
    (
        "rsyslogd-2177: imuxsock begins to drop messages from pid 5121 due to rate-limiting",
        true,
    ),
    (
        "rsyslogd[300]: imuxsock[pid: 5121, name: /usr/lib/postfix/sbin/smtp]: begin to drop messages due to rate-limiting",
        true,
    ),
    (
        "rsyslogd: imuxsock[pid: 5121, name: smtp]: 57 messages lost due to rate-limiting (500 allowed within 5 seconds)",
        false,
    ),
    (
        "rsyslogd: imjournal: begin to drop messages due to rate-limiting",
        true,
    ),
    (
        "rsyslogd: imjournal: 1200 messages lost due to rate-limiting (20000 allowed within 600 seconds)",
        false,
    ),
    (
        "rsyslogd: action 'action-0-builtin:omfile' suspended (module 'builtin:omfile'), next retry is Mon Nov  2 10:30:00 2026",
        false,
    ),
    (
        "rsyslogd: action 'action-0-builtin:omfwd' resumed (module 'builtin:omfwd')",
        false,
    ),
    ("rsyslogd: main Q: queue is full, discarding message", true),
    (
        "systemd-journald[211]: Suppressed 1530 messages from postfix.service",
        false,
    ),
    (
        "systemd-journald[211]: Forwarding to syslog missed 12 messages.",
        false,
    ),
    (
        "syslog-ng[211]: Destination queue full, dropping messages; queue_len='10000'",
        true,
    ),
];

#[test]
fn every_mark_of_lost_records_turns_silence_into_unknown() {
    let mut log = String::new();
    for (round, (mark, _)) in LOSSES.iter().enumerate() {
        let hour = 1 + round;
        let delivery = |minute: u32, name: &str| {
            format!(
                "Nov  2 {hour:02}:{minute:02}:41 mx1 postfix/smtp[{}]: 4E{round:02}{minute:02}A: to=<b@{name}{round}.example>, relay=mx.{name}{round}.example[198.51.100.31]:25, delay=5, delays=0/0/4/1, dsn=2.0.0, status=sent (250 Ok)\n",
                5000 + minute
            )
        };
        log += &format!(
            "Nov  2 {hour:02}:00:01 mx1 postfix/smtp[50]: Trusted TLS connection established to mx.tls.example[198.51.100.30]:25: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\n"
        );
        log += &delivery(5, "whole");
        log += &format!("Nov  2 {hour:02}:10:40 mx1 {mark}\n");
        log += &delivery(10, "lossy");
        log += &delivery(15, "later");
        log += &delivery(45, "after");
    }
    let domains = rows(&imported(log), "domains");
    for (round, (mark, goes_on)) in LOSSES.iter().enumerate() {
        let of = |name: &str| channel(&domains, &format!("{name}{round}.example"));
        let later = if *goes_on { UNKNOWN } else { PLAINTEXT };
        assert_eq!(
            [of("whole"), of("lossy"), of("later"), of("after")],
            [PLAINTEXT, UNKNOWN, later, PLAINTEXT],
            "{mark}"
        );
    }
}

/// The lines as a plain log.
fn plain() -> String {
    log_in("Nov  2 10:MM:SS mail TAG[PID]: MSG")
}

#[test]
fn nul_bytes_of_a_crash_tear_one_line_and_the_next_is_whole() {
    let log = plain();
    let torn =
        "Nov  2 09:59:01 mail postfix/smtp[90]: 5E11AA4E09: to=<a@torn.example>, relay=mx.to";
    for at in [0, log.find("Nov  2 10:01").unwrap_or_default()] {
        let (before, after) = log.split_at(at);
        let damaged = [before, torn, &"\0".repeat(5000), after].concat();
        let domains = rows(&imported(damaged), "domains");
        assert_eq!(channel(&domains, "tls.example"), ENCRYPTED);
        assert_eq!(channel(&domains, "plain.example"), PLAINTEXT);
        assert_eq!(channel(&domains, "torn.example"), None);
    }
}

#[test]
fn a_log_truncated_under_its_writer_begins_with_a_hole() {
    let log = plain();
    let whole = imported(&log);
    let domains = rows(&imported("\0".repeat(300_000) + &log), "domains");
    assert_eq!(domains, rows(&whole, "domains"));
    let sandbox = Sandbox::new();
    sandbox.write("zeros", "\0".repeat(300_000) + "no log\n");
    sandbox
        .run(&["import", "zeros"])
        .fails_with(&["zeros", "not a mail log"]);
}

#[test]
fn a_line_cut_short_counts_for_no_more_than_it_says() {
    for (cut, expected) in [
        (" status=sent", None),
        (", dsn=2.0.0", None),
        ("(250 2.0.0 Ok)", PLAINTEXT),
    ] {
        let cut_line = |line: &str| match line.contains("plain.example") && line.contains(" to=") {
            true => line.split(cut).next().unwrap_or_default().to_owned() + "\n",
            false => line.to_owned() + "\n",
        };
        let log: String = plain().lines().map(cut_line).collect();
        let domains = rows(&imported(log), "domains");
        assert_eq!(channel(&domains, "plain.example"), expected, "{cut}");
        assert_eq!(channel(&domains, "tls.example"), ENCRYPTED);
    }
}

#[test]
fn a_tag_cut_at_32_bytes_has_no_process_id_and_accuses_nobody() {
    let log: String = plain()
        .replace("postfix/smtp[102]:", "postfix-out-mx1-example/smtp[123")
        .replace("postfix/smtp[101]:", "postfix-out-mx1-example/smtp[123");
    let domains = rows(&imported(log), "domains");
    for domain in ["plain.example", "tls.example"] {
        assert_ne!(channel(&domains, domain), PLAINTEXT, "{domain}");
    }
}

#[test]
fn repeats_are_no_new_sessions() {
    let mut log = "Nov  2 09:00:00 mail last message repeated 2 times\n".to_owned();
    for line in plain().lines() {
        let (head, text) = line.split_at(line.find("]: ").map_or(0, |at| at + 3));
        log += &format!("{line}\n{head}message repeated 3 times: [ {text}]\n");
    }
    log += "Nov  2 10:05:00 mail last message repeated 4 times\nNov  2 10:05:00 --- last message repeated 4 times ---\n";
    let (once, repeated) = (imported(plain()), imported(log));
    for report in ["domains", "clients", "hosts"] {
        assert_eq!(rows(&repeated, report), rows(&once, report), "{report}");
    }
}

#[test]
fn an_escaped_line_feed_in_a_reply_changes_nothing() {
    let failed = |reply: &str| {
        let line = format!(
            "Nov  2 10:06:00 mail postfix/smtp[106]: 5E11AA4E06: to=<a@busy.example>, relay=mx.busy.example[198.51.100.36]:25, delay=2, delays=0.1/0/1.4/0.5, dsn=4.7.0, status=deferred (host mx.busy.example[198.51.100.36] refused to start TLS: {reply})\n"
        );
        let rows = rows(&imported(plain() + &line), "failures");
        (rows.as_array().map_or(0, Vec::len), rows)
    };
    let plain = failed("454 4.7.0 TLS not available due to local problem");
    assert_eq!(plain.0, 1);
    for reply in [
        "454-4.7.0 TLS not available#012454 4.7.0 due to local problem",
        "454 4.7.0 TLS not available#015#012status=sent (250 ok)#011",
    ] {
        assert_eq!(failed(reply), plain, "{reply}");
    }
}

#[test]
fn months_in_another_language_are_said_not_to_be_understood() {
    let sandbox = Sandbox::new();
    let foreign = ["Okt", "Mär", "Dez", "11月"].map(|month| plain().replace("Nov", month));
    sandbox.write("mail.log", plain() + &foreign.concat());
    let said = sandbox.run(&["import", "mail.log"]).ok().err;
    let expected = format!("{} not recognised", 4 * LINES.len());
    assert!(
        said.contains(&expected) && said.contains("Okt  2"),
        "{said}"
    );
    let once = imported(plain());
    assert_eq!(rows(&sandbox, "domains"), rows(&once, "domains"));
}

#[test]
fn a_year_that_only_the_age_of_the_file_tells_is_said() {
    let told = |name: &str, log: String, args: &[&str]| {
        let sandbox = Sandbox::new();
        sandbox.write(name, log);
        let said = sandbox.run(&[&["import", name], args].concat()).ok().err;
        assert!(
            !sandbox
                .run(&["import", name])
                .ok()
                .err
                .contains("writes no year")
        );
        said.lines()
            .find(|line| line.contains("writes no year"))
            .map(str::to_owned)
    };
    // Without Sendmail's queue ids, which tell the year.
    let log: String = plain()
        .lines()
        .filter(|l| !l.contains("sm-mta"))
        .map(|l| format!("{l}\n"))
        .collect();
    let said = told("mail.log-20260101", log.clone(), &[]).unwrap_or_default();
    assert!(
        said.contains("mail.log-20260101 writes no year") && said.contains("begins in 2025"),
        "{said}"
    );
    assert_eq!(told("mail.log", log.clone(), &["--year", "2025"]), None);
    assert_eq!(told("mail.log", log.clone(), &["--quiet"]), None);
    assert_eq!(told("mail.log", plain(), &[]), None);
    assert_eq!(told("mail.log", log_in(ENVELOPES[0]), &[]), None);
}
