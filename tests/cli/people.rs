//! Who is counted as a person we exchange mail with: those whose messages we took, each with their own, however the log came in.

use std::fmt::Write;

use crate::sandbox::{Sandbox, sample};

/// Reads a log in pieces that end after these lines.
fn read(log: &str, cuts: &[usize]) -> Sandbox {
    let sandbox = Sandbox::new();
    let lines: Vec<&str> = log.split_inclusive('\n').collect();
    let mut from = 0;
    for to in cuts.iter().copied().chain([lines.len()]) {
        sandbox.append("mail.log", lines[from..to].concat());
        from = to;
        let args = ["import", "--quiet", "--correspondents", "mail.log"];
        sandbox.run(&args).ok();
    }
    sandbox
}

/// What Sendmail logs of mail to carol over TLS, twice; of mail from somebody else over TLS; and of mail in her name that it refused.
const FORGED: &str = "\
2026-11-20T09:00:00+00:00 mail sm-mta[4001]: STARTTLS=client, relay=mx.friend.example., version=TLSv1.3, verify=OK, cipher=TLS_AES_256_GCM_SHA384, bits=256/256
2026-11-20T09:00:01+00:00 mail sm-mta[4001]: 5AK9001234567: to=<carol@friend.example>, delay=00:00:01, xdelay=00:00:01, mailer=esmtp, pri=30000, relay=mx.friend.example. [192.0.2.9], dsn=2.0.0, stat=Sent (ok)
2026-11-20T09:10:00+00:00 mail sm-mta[4002]: STARTTLS=client, relay=mx.friend.example., version=TLSv1.3, verify=OK, cipher=TLS_AES_256_GCM_SHA384, bits=256/256
2026-11-20T09:10:01+00:00 mail sm-mta[4002]: 5AK9011234568: to=<carol@friend.example>, delay=00:00:01, xdelay=00:00:01, mailer=esmtp, pri=30000, relay=mx.friend.example. [192.0.2.9], dsn=2.0.0, stat=Sent (ok)
2026-11-20T09:20:00+00:00 mail sm-mta[4003]: STARTTLS=server, relay=out.other.example [192.0.2.77], version=TLSv1.3, verify=NO, cipher=TLS_AES_256_GCM_SHA384, bits=256/256
2026-11-20T09:20:01+00:00 mail sm-mta[4003]: 5AK9021234569: from=<x@other.example>, size=1000, class=0, nrcpts=1, msgid=<1@other.example>, proto=ESMTPS, daemon=MTA-v4, relay=out.other.example [192.0.2.77]
2026-11-20T10:00:00+00:00 mail sm-mta[4010]: 5AKA001234570: ruleset=check_rcpt, arg1=<someone@elsewhere.example>, relay=spam.evil.example [198.51.100.7], reject=550 5.7.1 <someone@elsewhere.example>... Relaying denied. Proper authentication required.
2026-11-20T10:00:01+00:00 mail sm-mta[4010]: 5AKA001234570: from=<carol@friend.example>, size=0, class=0, nrcpts=0, proto=ESMTP, daemon=MTA-v4, relay=spam.evil.example [198.51.100.7]
";

#[test]
fn whose_address_was_forged_in_mail_we_refused_is_not_accused() {
    let sandbox = read(FORGED, &[]);
    let said = sandbox.run(&["report", "correspondents"]).ok().out;
    assert!(!said.contains("carol"), "{said}");
    let said = sandbox.run(&["whatif", "--direction", "both"]).ok().out;
    assert!(!said.contains("carol"), "{said}");
    // Nor anybody in the sample log of a real server, which refuses a lot.
    let log = sample("sendmail/loglevel9.log");
    let args = ["import", "--quiet", "--correspondents"];
    let sandbox = Sandbox::new();
    sandbox
        .run(&[&args[..], &[log.to_str().unwrap_or_default()]].concat())
        .ok();
    let rows = sandbox.run(&["whatif", "--all", "--format", "json"]).ok();
    let rows = rows.json()["rows"].clone();
    for row in rows.as_array().into_iter().flatten() {
        assert_ne!(
            (&row["item"], &row["lost"]),
            (&"person".into(), &0.into()),
            "{row}"
        );
    }
}

/// A Postfix session over TLS, or in clear, that brings a message from each of these.
fn session(pid: u32, has_tls: bool, senders: &[&str]) -> String {
    let at = "2026-11-20T10:00:00+00:00 mx postfix";
    let client = "out.a.example[192.0.2.7]";
    let mut log = format!("{at}/smtpd[{pid}]: connect from {client}\n");
    if has_tls {
        log.push_str(&format!("{at}/smtpd[{pid}]: Anonymous TLS connection established from {client}: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\n"));
    }
    for (n, sender) in senders.iter().enumerate() {
        let id = format!("4C{pid:02}{n:02}");
        let _ = write!(
            log,
            "{at}/smtpd[{pid}]: {id}: client={client}\n{at}/qmgr[9]: {id}: from=<{sender}>, size=500, nrcpt=1 (queue active)\n"
        );
    }
    let (n, starttls) = (senders.len(), if has_tls { " starttls=1" } else { "" });
    let _ = writeln!(
        log,
        "{at}/smtpd[{pid}]: disconnect from {client} ehlo=2{starttls} mail={n} rcpt={n} data={n} quit=1 commands=9"
    );
    log
}

/// Address and messages lost, by `whatif`.
fn lost(sandbox: &Sandbox) -> Vec<String> {
    let args = ["whatif", "--direction", "in", "--all", "--format", "csv"];
    let csv = sandbox.run(&args).ok().out;
    let mut rows: Vec<String> = csv
        .lines()
        .filter(|line| line.starts_with("person,"))
        .map(str::to_owned)
        .collect();
    rows.sort();
    rows
}

#[test]
fn each_person_of_a_session_has_their_own_messages_wherever_the_log_was_cut() {
    let tls = session(70, true, &["x@other.example"]);
    let clear = session(
        71,
        false,
        &["ann@a.example", "bob@a.example", "ann@a.example"],
    );
    // As Sendmail has it: one process, refused at first, then with mail.
    let sendmail = |n: u32, nrcpts: u32| {
        format!(
            "2026-11-20T11:00:0{n}+00:00 mail sm-mta[4010]: 5AKB0{n}1234571: from=<cid@a.example>, size=100, class=0, nrcpts={nrcpts}, msgid=<{n}@a>, proto=ESMTP, daemon=MTA-v4, relay=out.a.example [192.0.2.7]\n"
        )
    };
    let handshake = "2026-11-20T11:00:00+00:00 mail sm-mta[4003]: STARTTLS=server, relay=out.other.example [192.0.2.77], version=TLSv1.3, verify=NO, cipher=TLS_AES_256_GCM_SHA384, bits=256/256\n2026-11-20T11:00:00+00:00 mail sm-mta[4003]: 5AK9021234569: from=<x@other.example>, size=1000, class=0, nrcpts=1, msgid=<1@other.example>, proto=ESMTPS, daemon=MTA-v4, relay=out.other.example [192.0.2.77]\n";
    let log = format!(
        "{tls}{clear}{handshake}{}{}{}{}",
        sendmail(1, 0),
        sendmail(2, 1),
        sendmail(3, 0),
        sendmail(4, 1)
    );
    let whole = lost(&read(&log, &[]));
    for (address, n) in [
        ("ann@a.example", 2),
        ("bob@a.example", 1),
        ("cid@a.example", 2),
    ] {
        let row = whole.iter().find(|row| row.contains(address));
        let row = row.unwrap_or_else(|| panic!("{address}: {whole:#?}"));
        assert!(row.contains(&format!(",{n},")), "{address} {n}: {row}");
    }
    let lines = log.lines().count();
    for cut in 1..lines {
        assert_eq!(lost(&read(&log, &[cut])), whole, "cut after line {cut}");
    }
    assert_eq!(lost(&read(&log, &(1..lines).collect::<Vec<_>>())), whole);
}

#[test]
fn correspondents_as_people_see_them_and_what_is_regular_is_a_matter_of_the_settings() {
    let delivery = |n: u32, address: &str, has_tls: bool| {
        let (at, relay) = (
            "2026-11-20T12:00:00+00:00 mx",
            "mx.friend.example[192.0.2.9]:25",
        );
        let pid = 200 + n;
        let established = match has_tls {
            true => format!(
                "{at} postfix/smtp[{pid}]: Trusted TLS connection established to {relay}: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\n"
            ),
            false => String::new(),
        };
        format!(
            "{established}{at} postfix/smtp[{pid}]: 4D{n:02}: to=<{address}>, relay={relay}, delay=1, delays=0/0/0.5/0.5, dsn=2.0.0, status=sent (250 ok)\n"
        )
    };
    let log = [
        session(70, true, &["x@other.example", "ann@friend.example"]),
        session(
            71,
            false,
            &["bob@friend.example", "list-bounces@friend.example"],
        ),
        delivery(1, "ann@friend.example", true),
        delivery(2, "ann@friend.example", true),
        delivery(3, "bob@friend.example", false),
        delivery(4, "bob@friend.example", false),
        delivery(5, "list-bounces@friend.example", true),
        delivery(6, "list-bounces@friend.example", true),
        delivery(7, "dan@friend.example", false),
    ];
    let sandbox = read(&log.concat(), &[]);
    insta::assert_snapshot!(sandbox.run(&["report", "correspondents"]).ok().out, @"
    1 of 2 correspondents exchange mail with us in clear.
    Period: 2026-10-22 to 2026-11-20 (days in UTC)

    correspondent       sent TLS  clear  ?  received TLS  clear  ?  last
    ------------------  --------  -----  -  ------------  -----  -  ----------
    bob@friend.example         0      2  0             0      1  0  2026-11-20

    Left out: 1 address of programs and mailing lists.
    ");
    sandbox.write("c.toml", "regular_messages = 4\n");
    let strict = sandbox
        .run(&["--config", "c.toml", "report", "correspondents"])
        .ok()
        .out;
    assert!(strict.starts_with("Nobody is known"), "{strict}");
}
