//! Every report in every format it has, through the binary, on one store: what an operator reads, word by word. A new report is in the table by itself;
//! `cargo insta review` (or `INSTA_UPDATE=always`) takes what has changed.
//!
//! The log is five weeks of a Postfix and a Sendmail with a few correspondents, each with a history of its own, written by the functions below.

use insta::assert_snapshot;

use crate::sandbox::Sandbox;

const FORMATS: [&str; 6] = ["text", "json", "csv", "markdown", "html", "prometheus"];

/// A line of the log, for sorting: the second of the period, and the text behind the stamp and the host.
type Line = (i64, String);

/// From this day of October 2026 on.
const FIRST_DAY: i64 = 20;
const DAYS: i64 = 35;

/// Writes the lines of one mail server after the other. Each message has a process of its own.
#[derive(Default)]
struct Log {
    lines: Vec<Line>,
    messages: i64,
}

impl Log {
    /// The next message, on a day and at a time of its own: the process, the queue id, and the second.
    fn next(&mut self, day: i64) -> (i64, String, i64) {
        self.messages += 1;
        let n = self.messages;
        let second = day * 86_400 + 28_800 + (n * 7919) % 36_000;
        (20_000 + n, format!("4G8f{n:05}z1Kx{:02}", n % 97), second)
    }

    fn add(&mut self, second: i64, text: String) {
        self.lines.push((second, text));
    }

    /// A message of Postfix to somebody, `before` being what its process says of TLS: `{peer}` stands for the MX host.
    fn postfix(&mut self, day: i64, to: &str, before: &[&str], end: &str) {
        let domain = to.split('@').nth(1).unwrap_or_default().to_string();
        self.postfix_by(day, to, &format!("mx.{domain}"), before, end);
    }

    fn postfix_by(&mut self, day: i64, to: &str, host: &str, before: &[&str], end: &str) {
        let (pid, id, at) = self.next(day);
        let relay = format!("{host}[192.0.2.{}]:25", number(host));
        self.add(at, format!("postfix/qmgr[900]: {id}: from=<anna@ours.example>, size=900, nrcpt=1 (queue active)"));
        for words in before {
            self.add(
                at + 1,
                format!("postfix/smtp[{pid}]: {}", words.replace("{peer}", &relay)),
            );
        }
        let end = end.replace("{peer}", &relay);
        self.add(at + 2, format!("postfix/smtp[{pid}]: {id}: to=<{to}>, relay={relay}, delay=1, delays=0/0/1/0, {end}"));
        self.add(at + 3, format!("postfix/qmgr[900]: {id}: removed"));
    }

    /// A session of a client with Postfix.
    fn received(&mut self, day: i64, from: &str, host: &str, over: Option<&str>) {
        let (pid, id, at) = self.next(day);
        let client = format!("{host}[198.51.100.{}]", number(host));
        self.add(at, format!("postfix/smtpd[{pid}]: connect from {client}"));
        if let Some(tls) = over {
            self.add(at + 1, format!("postfix/smtpd[{pid}]: Anonymous TLS connection established from {client}: {tls}"));
        }
        self.add(
            at + 2,
            format!("postfix/smtpd[{pid}]: {id}: client={client}"),
        );
        self.add(
            at + 2,
            format!("postfix/qmgr[900]: {id}: from=<{from}>, size=900, nrcpt=1 (queue active)"),
        );
        let commands = match over {
            Some(_) => "ehlo=2 starttls=1 mail=1 rcpt=1 data=1 quit=1 commands=7",
            None => "ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5",
        };
        self.add(
            at + 3,
            format!("postfix/smtpd[{pid}]: disconnect from {client} {commands}"),
        );
    }

    /// A client whose handshake fails, and who brings nothing.
    fn refused(&mut self, day: i64, host: &str, reason: &str) {
        let (pid, _, at) = self.next(day);
        let client = format!("{host}[198.51.100.{}]", number(host));
        for words in [
            format!("connect from {client}"),
            format!("SSL_accept error from {client}: -1"),
            format!("warning: TLS library problem: error:{reason}:"),
            format!("lost connection after STARTTLS from {client}"),
            format!("disconnect from {client} ehlo=1 starttls=0/1 commands=1/2"),
        ] {
            self.add(at, format!("postfix/smtpd[{pid}]: {words}"));
        }
    }

    /// A message of Sendmail to somebody, over TLS or not.
    fn sendmail(&mut self, day: i64, to: &str, before: &[&str], end: &str) {
        let (pid, _, at) = self.next(day);
        let id = format!("9AKNsPKv{pid:06}");
        let domain = to.split('@').nth(1).unwrap_or_default();
        let host = format!("mx.{domain}");
        self.add(at, format!("sm-mta[{pid}]: {id}: from=<ben@ours.example>, size=900, class=0, nrcpts=1, proto=ESMTP, daemon=MTA, relay=localhost [127.0.0.1]"));
        for words in before {
            self.add(
                at + 1,
                format!(
                    "sm-mta[{pid}]: STARTTLS=client, {}",
                    words.replace("{peer}", &format!("relay={host}."))
                ),
            );
        }
        self.add(at + 2, format!("sm-mta[{pid}]: {id}: to=<{to}>, delay=00:00:01, xdelay=00:00:01, mailer=esmtp, pri=30000, relay={host}. [203.0.113.{}], {end}", 1 + domain.len()));
    }

    /// The whole log, in order.
    fn text(mut self) -> String {
        self.lines.sort_by_key(|(second, _)| *second);
        let line = |(second, text): &Line| {
            let day = FIRST_DAY + second / 86_400;
            let (month, day) = if day > 31 { (11, day - 31) } else { (10, day) };
            let (hour, minute, second) = (second / 3600 % 24, second / 60 % 60, second % 60);
            format!("2026-{month}-{day:02}T{hour:02}:{minute:02}:{second:02}+00:00 mx {text}\n")
        };
        self.lines.iter().map(line).collect()
    }
}

/// The last part of an address.
fn number(host: &str) -> u32 {
    host.bytes()
        .fold(7, |sum, b| (sum * 31 + u32::from(b)) % 250)
        + 1
}

const SENT: &str = "dsn=2.0.0, status=sent (250 2.0.0 Ok: queued)";
const TLS13: &str = "Trusted TLS connection established to {peer}: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange X25519 server-signature RSA-PSS (2048 bits)";
const POST_QUANTUM: &str = "Trusted TLS connection established to {peer}: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange X25519MLKEM768 server-signature ECDSA (prime256v1)";
const VERIFIED: &str = "Verified TLS connection established to {peer}: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange X25519";
const OLD: &str = "Untrusted TLS connection established to {peer}: TLSv1 with cipher DHE-RSA-AES256-SHA (256/256 bits)";
const WEAK_DH: [&str; 2] = [
    "SSL_connect error to {peer}: -1",
    "warning: TLS library problem: error:0A00018A:SSL routines::dh key too small:../ssl/statem/statem_clnt.c:2082:",
];
const HANDSHAKE_FAILED: &str = "dsn=4.7.5, status=deferred (Cannot start TLS: handshake failure)";
const OVER_TLS: &str = "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)";
const SENDMAIL_TLS: &str =
    "{peer}, version=TLSv1.2, verify=OK, cipher=ECDHE-RSA-AES256-GCM-SHA384, bits=256/256";

/// Each day of each correspondent.
fn log() -> String {
    let mut log = Log::default();
    for day in 0..DAYS {
        for _ in 0..8 {
            log.postfix(day, "carla@good.example", &[TLS13], SENT);
        }
        for _ in 0..3 {
            log.postfix(day, "info@modern.example", &[POST_QUANTUM], SENT);
        }
        log.received(
            day,
            "carla@good.example",
            "out.good.example",
            Some(OVER_TLS),
        );
        // In clear both ways, and of these two persons each writes to the other.
        log.postfix(day, "dora@clear.example", &[], SENT);
        log.received(day, "dora@clear.example", "out.clear.example", None);
        // Much mail, and no TLS any more since the 9th of November.
        for n in 0..4 {
            let tls: &[&str] = if day < 20 { &[TLS13] } else { &[] };
            log.postfix(day, &format!("user{n}@fell.example"), tls, SENT);
        }
        // No TLS at first.
        let tls: &[&str] = if day < 9 { &[] } else { &[TLS13] };
        log.postfix(day, "erik@mended.example", tls, SENT);
        log.postfix(day, "info@dane.example", &[VERIFIED], SENT);
        // One host publishes DANE, the other has no TLS.
        let (host, tls): (_, &[&str]) = match day % 3 {
            0 => ("mx2.half.example", &[]),
            _ => ("mx1.half.example", &[VERIFIED]),
        };
        log.postfix_by(day, "info@half.example", host, tls, SENT);
        if day % 2 == 0 {
            log.postfix(day, "frieda@old.example", &[OLD], SENT);
            log.sendmail(
                day,
                "gert@tls.example",
                &[SENDMAIL_TLS],
                "dsn=2.0.0, stat=Sent (ok)",
            );
            log.sendmail(day, "hans@plain.example", &[], "dsn=2.0.0, stat=Sent (ok)");
        }
        if day % 5 == 0 {
            few(&mut log, day);
        }
    }
    log.text()
}

/// What happens once in five days.
fn few(log: &mut Log, day: i64) {
    // It falls back to clear text at the second try.
    log.postfix(day, "info@weak.example", &WEAK_DH, HANDSHAKE_FAILED);
    log.postfix(day, "info@weak.example", &WEAK_DH, SENT);
    // An entry of our own requires TLS of both.
    log.postfix(
        day,
        "info@required.example",
        &[],
        "dsn=4.7.4, status=deferred (TLS is required, but was not offered by host {peer})",
    );
    log.postfix(day, "info@held.example", &WEAK_DH, HANDSHAKE_FAILED);
    log.sendmail(
        day,
        "info@broken.example",
        &["error: connect failed=-1, reason=wrong version number, SSL_error=1, errno=0, retry=-1, {peer}"],
        "dsn=4.0.0, stat=Deferred: 454 4.7.0 TLS handshake failed.",
    );
    // A name that must stay text everywhere.
    log.postfix(
        day,
        "x@=1+1.<img src=x onerror=alert(1)>.example",
        &[],
        SENT,
    );
    log.refused(
        day,
        "out.nocipher.example",
        "0A0000C1:SSL routines::no shared cipher:../ssl/statem/statem_srvr.c:2220",
    );
    log.refused(day, "out.unknown-ca.example", "0A000418:SSL routines::tlsv1 alert unknown ca:../ssl/record/rec_layer_s3.c:1602:SSL alert number 48");
}

/// The commands, by the name of their snapshot.
fn commands(sandbox: &Sandbox) -> Vec<(String, Vec<String>)> {
    let words = |text: &str| text.split(' ').map(str::to_string).collect::<Vec<_>>();
    let list = sandbox.run(&["report", "list"]).ok().out;
    let first = |line: &str| line.split_whitespace().next().map(str::to_string);
    let reports: Vec<String> = list.lines().filter_map(first).collect();
    assert!(reports.len() > 15, "{list}");
    let mut all: Vec<(String, Vec<String>)> = reports
        .into_iter()
        .map(|name| (name.clone(), words(&format!("report {name}"))))
        .collect();
    for (name, command) in [
        ("peer", "peer fell.example"),
        ("whatif", "whatif"),
        ("whatif-tls1.2", "whatif --require tls1.2"),
        (
            "whatif-verified",
            "whatif --require verified --direction out",
        ),
        ("policy-postfix", "policy --for postfix"),
        (
            "policy-postfix-encrypt",
            "policy --for postfix --base encrypt",
        ),
        ("policy-sendmail", "policy --for sendmail --messages 3"),
        (
            "policy-sendmail-encrypt",
            "policy --for sendmail --base encrypt",
        ),
        ("policy-inbound", "policy --for postfix --inbound"),
        ("doctor", "doctor"),
    ] {
        all.push((name.into(), words(command)));
    }
    all
}

#[test]
fn each_report_in_each_format_reads_as_it_did() {
    let sandbox = Sandbox::new();
    sandbox.write("mail.log", log());
    let import = [
        "import",
        "--quiet",
        "--correspondents",
        "--own-domain",
        "ours.example",
        "mail.log",
    ];
    sandbox.run(&import).ok();
    for (name, command) in commands(&sandbox) {
        let mut said = String::new();
        for format in FORMATS {
            let asked = [&command[..], &["--format".into(), format.into()]].concat();
            let ran = sandbox.run(&asked);
            let out = if ran.status == 0 { &ran.out } else { &ran.err };
            said.push_str(&format!(
                "=== {} (status {})\n{out}\n",
                asked.join(" "),
                ran.status
            ));
        }
        assert_snapshot!(name, fixed(&said, &sandbox));
    }
}

/// Without what differs from place to place, and the style of a page, which is the same in all.
fn fixed(text: &str, sandbox: &Sandbox) -> String {
    let place = sandbox.path("");
    let place = place.to_string_lossy();
    let mut text = text.replace(place.trim_end_matches('/'), "DIRECTORY");
    while let (Some(from), Some(to)) = (text.find("<style>"), text.find("</style>")) {
        text.replace_range(from..to + "</style>".len(), "STYLE");
    }
    text
}
