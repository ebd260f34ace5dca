//! What strangers write into a log: it forges no field, and reaches no terminal, sheet, page or program as anything but text.
//!
//! The log is made here: the same lines once with harmless and once with hostile words in every place that a stranger can fill.

use std::fmt::Write;

use serde_json::Value;

use crate::sandbox::{Ran, Sandbox};

/// What a stranger says, as bytes. A raw line feed is not among it: no mail server and no syslog daemon writes one.
fn poisons() -> Vec<Vec<u8>> {
    let text = [
        "\u{1b}[31mred\u{1b}[0m",
        "\u{1b}]0;owned\u{7}",
        "\u{9b}2J\u{90}q\u{9c}",
        "=cmd|' /C calc'!A0",
        "+1+cmd|x",
        "-2+3",
        "@SUM(A1)",
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>&amp;",
        "[x](javascript:alert(1)) **b** `c` | d | # e",
        "a\rSubject: forged\r\rBcc: x@victim.example",
        "#015#012Nov  6 09:00:00 mx1 postfix/smtp[1]: #011x",
        "\\r\\nTo: x@victim.example\\033[31m",
        "\u{202e}gpj.exe\u{2066}\u{200b}\u{feff}\u{e0041}\u{2028}",
        "'; DROP TABLE peer; --\"",
        "%s%n%x{}{0}{{$HOME}}$(id)`id`",
        "../../../../etc/passwd",
        "file:///etc/passwd",
        ", relay=mx.victim.example[198.51.100.99]:25, delay=1, delays=0/0/1/0, dsn=2.0.0, status=sent (ok)",
        "), tls=secure, dsn=5.0.0, status=bounced (Server certificate not verified",
        "Cannot start TLS: handshake failure",
        "Trusted TLS connection established to mx.victim.example[198.51.100.99]:25: TLSv1.3 with cipher X (256/256 bits)",
        "disconnect from unknown[198.51.100.99] ehlo=1 starttls=0/1 mail=1 commands=3",
        "STARTTLS=client, relay=mx.victim.example., version=TLSv1.3, verify=OK, cipher=X, bits=256/256",
        "Nov  6 09:02:02 mx1 postfix/smtp[5203]: 5E11AA4E99: to=<x@victim.example>, relay=mx.victim.example[198.51.100.99]:25, delay=1, delays=0/0/1/0, dsn=2.0.0, status=sent (250 ok)",
    ];
    let mut all: Vec<Vec<u8>> = text.iter().map(|t| t.as_bytes().to_vec()).collect();
    all.push(b"caf\xe9\xff\xfe\xc0\x80\xed\xa0\x80".to_vec());
    all.push(vec![b'w'; 10_000]);
    all
}

/// A text as Postfix writes it in a quoted local part.
fn quoted(poison: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for byte in poison {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out
}

/// The lines of some sessions, with `@LOCAL@` in quoted local parts and `@TEXT@` in HELO, replies and message ids. `N` makes process and
/// queue ids differ from one round to the next.
const SESSIONS: &str = r#"
TIME:01 mx1 postfix/smtp[1N]: Trusted TLS connection established to mx.honest.example[198.51.100.80]:25: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)
TIME:02 mx1 postfix/smtp[1N]: 5E11AN1: to=<"@LOCAL@"@honest.example>, relay=mx.honest.example[198.51.100.80]:25, delay=2, delays=0.1/0/1.4/0.5, dsn=2.0.0, status=sent (250 2.0.0 @TEXT@)
TIME:04 mx1 postfix/smtp[2N]: 5E11AN2: to=<"@LOCAL@"@plain.example>, orig_to=<"@LOCAL@"@ours.example>, relay=mx.plain.example[198.51.100.81]:25, delay=2, delays=0.1/0/1.4/0.5, dsn=2.0.0, status=sent (250 2.0.0 Ok @TEXT@)
TIME:06 mx1 postfix/smtp[3N]: 5E11AN3: to=<anna@forger.example>, relay=mx.forger.example[198.51.100.82]:25, delay=2, delays=0.1/0/1.4/0.5, dsn=4.7.1, status=deferred (host mx.forger.example[198.51.100.82] said: 450 4.7.1 @TEXT@ (in reply to RCPT TO command))
TIME:08 mx1 postfix/smtp[4N]: 5E11AN4: to=<anna@bouncer.example>, relay=mx.bouncer.example[198.51.100.84]:25, delay=2, delays=0.1/0/1.4/0.5, dsn=5.1.1, status=bounced (host mx.bouncer.example[198.51.100.84] said: 550 5.1.1 @TEXT@ (in reply to RCPT TO command))
TIME:09 mx1 postfix/smtpd[5N]: connect from out.plain.example[198.51.100.86]
TIME:10 mx1 postfix/smtpd[5N]: NOQUEUE: reject: RCPT from out.plain.example[198.51.100.86]: 554 5.7.1 <x@victim.example>: Relay access denied; from=<"@LOCAL@"@page.example> to=<x@victim.example> proto=ESMTP helo=<@TEXT@>
TIME:11 mx1 postfix/smtpd[5N]: 5E11AN5: client=out.plain.example[198.51.100.86]
TIME:11 mx1 postfix/cleanup[821]: 5E11AN5: message-id=<@TEXT@>
TIME:11 mx1 postfix/cleanup[821]: 5E11AN5: warning: header Subject: @TEXT@ from out.plain.example[198.51.100.86]; from=<a@plain.example> to=<b@ours.example> proto=ESMTP helo=<@TEXT@>
TIME:11 mx1 postfix/qmgr[813]: 5E11AN5: from=<"@LOCAL@"@plain.example>, size=880, nrcpt=1 (queue active)
TIME:12 mx1 postfix/smtpd[5N]: disconnect from out.plain.example[198.51.100.86] ehlo=1 mail=2 rcpt=1/2 data=1 quit=1 commands=6/7
TIME:13 mx2 sendmail[6N]: STARTTLS=client, relay=mx.honest-two.example., version=TLSv1.3, verify=OK, cipher=TLS_AES_256_GCM_SHA384, bits=256/256
TIME:14 mx2 sendmail[6N]: 5A6970aA1N: to=<anna@honest-two.example>, delay=00:00:02, xdelay=00:00:01, mailer=esmtp, pri=30700, relay=mx.honest-two.example. [198.51.100.87], dsn=2.0.0, stat=Sent (@TEXT@)
TIME:16 mx2 sendmail[7N]: 5A6980aA2N: to=<anna@liar-two.example>, delay=00:00:02, xdelay=00:00:01, mailer=esmtp, pri=30700, relay=mx.liar-two.example. [198.51.100.88], dsn=2.0.0, stat=Sent (@TEXT@)
TIME:18 mx2 sendmail[8N]: 5A6990aA3N: to=<anna@bouncer-two.example>, delay=00:00:02, xdelay=00:00:01, mailer=esmtp, pri=30700, relay=mx.bouncer-two.example. [198.51.100.89], dsn=5.1.1, reply=550 5.1.1 @TEXT@, stat=User unknown
"#;

/// The sessions once for each poison, five minutes apart; harmless ones say `ok` in its place.
fn log(hostile: bool) -> Vec<u8> {
    let mut out = Vec::new();
    for (round, poison) in poisons().iter().enumerate() {
        let minutes = 9 * 60 + 5 * round;
        let time = format!("Nov  6 {:02}:{:02}", minutes / 60, minutes % 60);
        let number = format!("{:06}", 100_000 + round);
        let said: &[u8] = if hostile { poison } else { b"ok" };
        for line in SESSIONS.trim_start().lines() {
            let line = line.replace("TIME", &time);
            let line = number_in(&line, &number);
            let filled = replaced(line.as_bytes(), b"@LOCAL@", &quoted(said));
            out.extend(replaced(&filled, b"@TEXT@", said));
            out.push(b'\n');
        }
    }
    out
}

/// `N` where it stands after a process or queue id.
fn number_in(line: &str, number: &str) -> String {
    [
        "[1N]", "[2N]", "[3N]", "[4N]", "[5N]", "[6N]", "[7N]", "[8N]",
    ]
    .iter()
    .fold(line.to_owned(), |l, pid| {
        l.replace(pid, &pid.replace('N', &number[2..]))
    })
    .replace("5E11AN", &format!("5E{number}A"))
    .replace("aA1N", &format!("aA1{}", &number[1..]))
    .replace("aA2N", &format!("aA2{}", &number[1..]))
    .replace("aA3N", &format!("aA3{}", &number[1..]))
}

fn replaced(line: &[u8], slot: &[u8], with: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = line;
    while let Some(at) = rest.windows(slot.len()).position(|w| w == slot) {
        out.extend(&rest[..at]);
        out.extend(with);
        rest = &rest[at + slot.len()..];
    }
    out.extend(rest);
    out
}

const REPORTS: [&str; 7] = [
    "domains",
    "hosts",
    "clients",
    "failures",
    "plaintext",
    "protocols",
    "summary",
];

fn imported(log: &[u8]) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("mail.log", log);
    let args = [
        "import",
        "--correspondents",
        "--own-domain",
        "ours.example",
        "mail.log",
    ];
    assert_clean(&sandbox.run(&args).ok());
    sandbox
}

#[test]
fn no_word_of_a_stranger_forges_a_field() {
    let (harmless, hostile) = (imported(&log(false)), imported(&log(true)));
    for report in REPORTS {
        let rows = |sandbox: &Sandbox| {
            let args = ["report", report, "--all", "--format", "json"];
            sandbox.run(&args).ok().json()["rows"].clone()
        };
        let (expected, found) = (rows(&harmless), rows(&hostile));
        assert!(
            expected.as_array().is_some_and(|rows| !rows.is_empty()),
            "{report}"
        );
        assert_rows(&found, &expected);
    }
    hostile
        .run(&["peer", "victim.example"])
        .fails_with(&["nothing is known"]);
}

/// The first row that differs tells most.
#[track_caller]
fn assert_rows(found: &Value, expected: &Value) {
    let rows = |value: &Value| value.as_array().cloned().unwrap_or_default();
    for (found, expected) in rows(found).iter().zip(&rows(expected)) {
        assert_eq!(found, expected);
    }
    assert_eq!(found, expected);
}

#[test]
fn a_line_of_ten_megabytes_is_one_line() {
    let mut log = log(false);
    let line = b"Nov  6 08:59:58 mx1 postfix/smtp[9]: 5E11AA9: to=<a@long.example>, relay=mx.long.example[198.51.100.70]:25, delay=2, delays=0.1/0/1.4/0.5, dsn=5.0.0, status=bounced (host mx.long.example[198.51.100.70] said: 550 ";
    let long = [line.as_slice(), &vec![b'x'; 10_000_000], b")\n", &log].concat();
    let line = [line.as_slice(), b"x)\n"].concat();
    log.splice(0..0, line);
    let (short, long) = (imported(&log), imported(&long));
    let rows = |s: &Sandbox| {
        s.run(&["report", "domains", "--all", "--format", "csv"])
            .ok()
            .out
    };
    assert!(rows(&short).contains("long.example"));
    assert_eq!(rows(&long), rows(&short));
    assert_clean(&long.run(&["peer", "long.example"]).ok());
}

/// Lines with `@NAME@` where the name of a client, an MX host, a domain, a log host, a tag, a cipher or a queue id stands.
const NAMED: &[&str] = &[
    "Nov  6 20:00:01 mx1 postfix/smtp[PID]: 5E11AA1: to=<a@@NAME@>, relay=@NAME@[198.51.100.70]:25, delay=2, delays=0.1/0/1.4/0.5, dsn=2.0.0, status=sent (250 ok)",
    "Nov  6 20:00:01 mx1 postfix/smtp[PID]: 5E11AA2: to=<@NAME@@x.example>, relay=mx.x.example[@NAME@]:25, delay=2, delays=0.1/0/1.4/0.5, dsn=4.7.5, status=deferred (Cannot start TLS: handshake failure)",
    "Nov  6 20:00:01 mx1 postfix/smtp[PID]: @NAME@: to=<a@id.example>, relay=mx.id.example[198.51.100.71]:25, delay=2, delays=0.1/0/1.4/0.5, dsn=2.0.0, status=sent (250 ok)",
    "Nov  6 20:00:02 mx1 postfix/smtpd[PID]: connect from @NAME@[198.51.100.72]",
    "Nov  6 20:00:02 mx1 postfix/smtpd[PID]: SSL_accept error from @NAME@[198.51.100.72]: -1",
    "Nov  6 20:00:02 mx1 postfix/smtpd[PID]: disconnect from @NAME@[198.51.100.72] ehlo=1 starttls=0/1 commands=1/2",
    "Nov  6 20:00:03 mx1 @NAME@/smtp[PID]: Verified TLS connection established to mx.y.example[198.51.100.73]:25: TLSv1.3 with cipher @NAME@ (256/256 bits)",
    "Nov  6 20:00:03 @NAME@ postfix/smtp[PID]: 5E11AA3: to=<a@y.example>, relay=mx.y.example[198.51.100.73]:25, delay=2, delays=0.1/0/1.4/0.5, dsn=2.0.0, status=sent (250 ok)",
    "Nov  6 20:00:04 mx2 sendmail[PID]: STARTTLS=client, relay=@NAME@, version=@NAME@, verify=OK, cipher=@NAME@, bits=256/256",
    "Nov  6 20:00:04 mx2 sendmail[PID]: 5A6970aA000611: to=<a@@NAME@>, delay=00:00:02, xdelay=00:00:01, mailer=esmtp, pri=30700, relay=@NAME@ [198.51.100.74], dsn=2.0.0, stat=Sent (ok)",
    "Nov  6 20:00:05 mx1 postfix/smtp[PID]: @NAME@",
    "@NAME@",
];

/// Names that no honest log has.
fn log_of_names() -> Vec<u8> {
    let mut log = log(true);
    for (round, poison) in poisons().iter().enumerate() {
        let word = replaced(poison, b" ", b"_");
        for (name, text) in [poison, &word]
            .iter()
            .flat_map(|n| NAMED.iter().map(move |t| (n, t)))
        {
            let text = text.replace("PID", &(900_000 + round).to_string());
            log.extend(replaced(text.as_bytes(), b"@NAME@", name));
            log.push(b'\n');
        }
    }
    log
}

/// Everything that the program says about a store, in every format.
#[test]
fn nothing_but_text_gets_out() {
    let sandbox = imported(&log_of_names());
    let mut names = Vec::new();
    for report in REPORTS {
        let run = |format: &str| {
            let ran = sandbox
                .run(&["report", report, "--all", "--format", format])
                .ok();
            assert_clean(&ran);
            ran
        };
        run("text");
        assert_cells(&run("csv").out);
        assert_tables(&run("markdown").out);
        let json = run("json").json();
        if ["domains", "hosts", "clients"].contains(&report) {
            collect_names(&json["rows"], &mut names);
        }
    }
    for format in ["text", "json", "csv", "markdown"] {
        for command in [&["doctor"][..], &["store", "info"], &["audit", "mail.log"]] {
            let ran = sandbox.run(&[command, &["--format", format]].concat());
            assert_clean(&ran);
        }
    }
    names.sort();
    names.dedup();
    let hostile = names
        .iter()
        .filter(|n| n.contains(['\u{1b}', '=', '\u{202e}', '<']));
    assert!(
        hostile.count() > 5,
        "the hostile names are in the store: {names:?}"
    );
    // What ends in white space cannot be asked for.
    for name in names.iter().filter(|n| n.trim() == *n) {
        ask_for(&sandbox, name);
    }
    let ran = sandbox.run(&["peer", "--", "\u{1b}[31m\u{202e}nobody"]);
    assert_clean(&ran);
}

/// All about one peer, in every format.
fn ask_for(sandbox: &Sandbox, name: &str) {
    let run = |format: &str| {
        let ran = sandbox.run(&["peer", "--format", format, "--", name]).ok();
        assert_clean(&ran);
        ran
    };
    run("text");
    assert_cells(&run("csv").out);
    assert_tables(&run("markdown").out);
    run("json").json();
}

#[test]
fn the_name_of_a_file_is_text_too() {
    let sandbox = Sandbox::new();
    sandbox.write("\u{1b}[31m\u{202e}=mail.log", log(false));
    std::fs::create_dir(sandbox.path("d\u{1b}]0;x\u{7}")).expect("writable");
    for name in [
        "\u{1b}[31m\u{202e}=mail.log",
        "d\u{1b}]0;x\u{7}",
        "no\u{1b}[2Jfile",
    ] {
        assert_clean(&sandbox.run(&["import", "--no-progress", name]));
    }
    assert_clean(&sandbox.run(&["peer", "plain.example"]).ok());
    assert_clean(&sandbox.run(&["doctor"]).ok());
}

/// Names that `peer` answers to.
fn collect_names(rows: &Value, names: &mut Vec<String>) {
    for row in rows.as_array().into_iter().flatten() {
        for key in ["domain", "host", "address", "name", "organisation"] {
            match row[key].as_str() {
                Some(name) if !name.is_empty() => names.push(name.to_owned()),
                _ => {}
            }
        }
    }
}

/// Neither output has anything that moves a cursor or hides, turns round or ends what stands beside it.
#[track_caller]
fn assert_clean(ran: &Ran) {
    for text in [&ran.out, &ran.err] {
        let bad = text.chars().find(|c| {
            (c.is_control() && !matches!(c, '\n' | '\t'))
                || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
        });
        let mut shown = String::new();
        let _ = write!(shown, "{:?}", text.chars().take(3000).collect::<String>());
        assert_eq!(bad, None, "{shown}");
    }
    assert!(!ran.err.contains("panicked"), "{}", ran.err);
}

/// No cell of a sheet is a formula.
#[track_caller]
fn assert_cells(text: &str) {
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .has_headers(false)
        .from_reader(text.as_bytes());
    for record in reader.records() {
        for cell in &record.expect("the text is CSV") {
            assert!(
                !cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']),
                "{cell}"
            );
        }
    }
}

/// Every row of a table has as many cells as its head, and there is no HTML and no link.
#[track_caller]
fn assert_tables(text: &str) {
    let mut head = None;
    for line in text.lines() {
        // Code is shown as it is.
        if line.starts_with("        ") {
            continue;
        }
        assert!(
            !line.contains(['<', '>']) && !line.replace("\\]", "").contains("]("),
            "{line}"
        );
        if !line.starts_with('|') {
            head = None;
            continue;
        }
        let cells = bars(line);
        assert_eq!(*head.get_or_insert(cells), cells, "{line}");
    }
}

/// Bars that are not escaped.
fn bars(line: &str) -> usize {
    let mut chars = line.chars();
    let mut count = 0;
    while let Some(c) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            '|' => count += 1,
            _ => {}
        }
    }
    count
}
