//! Reports: what is printed by default, the shape of the interface for programs, and the answer to a log that cannot tell.

use crate::sandbox::{Ran, Sandbox, sample};

fn with(log: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox
        .run(&[
            "import",
            "--own-domain",
            "ours.example",
            sample(log).to_str().unwrap_or_default(),
        ])
        .ok();
    sandbox
}

fn report(sandbox: &Sandbox, args: &[&str]) -> Ran {
    sandbox.run(&[&["report"], args].concat()).ok()
}

#[test]
fn json_is_flat_and_versioned() {
    let json = report(
        &with("edge/rivals.log"),
        &["domains", "--all", "--format", "json"],
    )
    .json();
    assert_eq!(json["schema"], "tlsnag.report/1");
    assert_eq!(json["report"], "domains");
    assert_eq!(
        (
            json["period"]["from"].as_str(),
            json["period"]["to"].as_str()
        ),
        (Some(""), Some(""))
    );
    let row = json["rows"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|r| r["domain"] == "plain.example")
        .cloned()
        .unwrap_or_default();
    let expected = [
        "domain",
        "encrypted",
        "plaintext",
        "unknown",
        "failed_tls",
        "failed_other",
        "verdict",
        "class",
        "cause",
        "fault",
        "first_seen",
        "last_seen",
    ];
    for column in expected {
        assert!(row.get(column).is_some(), "{column} is missing: {row}");
    }
    let seen = row["first_seen"].as_str().unwrap_or_default();
    assert!(seen.ends_with("-11-20T08:01:02Z"), "{seen}");
}

#[test]
fn the_default_is_what_to_act_on() {
    let sandbox = with("edge/rivals.log");
    let said = report(&sandbox, &["domains"]).out;
    assert!(
        said.contains("plain.example") && said.contains("broken.example"),
        "{said}"
    );
    assert!(
        !said.contains("big.example"),
        "an encrypted peer is nothing to act on: {said}"
    );
    assert!(
        report(&sandbox, &["domains", "--all"])
            .out
            .contains("big.example")
    );
}

#[test]
fn text_fits_a_mail_and_the_order_is_stable() {
    let sandbox = with("postfix/rfc3339.log");
    for name in [
        "summary",
        "domains",
        "hosts",
        "clients",
        "failures",
        "plaintext",
        "trend",
        "changes",
        "protocols",
    ] {
        let said = report(&sandbox, &[name, "--all"]).out;
        let longest = said.lines().map(|l| l.chars().count()).max().unwrap_or(0);
        assert!(longest <= 100, "{name} is {longest} columns wide:\n{said}");
        assert_eq!(said, report(&sandbox, &[name, "--all"]).out);
    }
}

#[test]
fn a_log_without_tls_lines_accuses_nobody_and_says_how_to_mend_it() {
    // That no peer is called plaintext wrongly is held by `samples`; this is about what the operator is told.
    let said = report(&with("postfix/loglevel0.log"), &["summary"]).out;
    assert!(said.contains("postconf -e smtp_tls_loglevel=1"), "{said}");
    assert!(said.contains("the log cannot tell"), "{said}");
}

#[test]
fn a_smart_host_is_named_and_the_domains_behind_it_are_not_judged() {
    let said = report(&with("edge/smart-host.log"), &["summary", "--all"]).out;
    assert!(
        said.contains("smart host") && said.contains("smtp.provider.example"),
        "{said}"
    );
    assert!(!said.contains("Recipient domains"), "{said}");
}

#[test]
fn exit_status_one_only_where_it_was_asked_for() {
    let sandbox = with("edge/rivals.log");
    assert_eq!(sandbox.run(&["report"]).status, 0);
    assert_eq!(sandbox.run(&["report", "--exit-code"]).status, 1);
    assert_eq!(
        sandbox
            .run(&["report", "--exit-code", "--since", "2026-11-23"])
            .status,
        0
    );
}

#[test]
fn audit_reads_and_then_answers() {
    let sandbox = Sandbox::new();
    let log = sample("edge/rivals.log");
    let ran = sandbox
        .run(&["audit", log.to_str().unwrap_or_default()])
        .ok();
    assert!(ran.out.contains("plain.example"), "{}", ran.out);
    assert!(ran.err.contains("70 lines"), "{}", ran.err);
    let again = sandbox
        .run(&["audit", log.to_str().unwrap_or_default()])
        .ok();
    assert_eq!(again.out, ran.out);
    assert!(again.err.contains("Nothing new"), "{}", again.err);
}

/// One mail sent to `address` over TLS or in clear, and one received from it over TLS.
fn exchange(minute: u32, address: &str, tls: bool) -> String {
    let (_, domain) = address.split_once('@').unwrap_or_default();
    let at = |second: u32| format!("2026-11-20T10:{minute:02}:{second:02}+00:00 mx postfix");
    let pid = 100 + minute;
    let established = match tls {
        true => format!(
            "{}/smtp[{pid}]: Trusted TLS connection established to mx.{domain}[192.0.2.1]:25: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\n",
            at(1)
        ),
        false => String::new(),
    };
    format!(
        "{established}\
         {}/smtp[{pid}]: 4B{minute:02}: to=<{address}>, relay=mx.{domain}[192.0.2.1]:25, delay=1, delays=0/0/0.5/0.5, dsn=2.0.0, status=sent (250 ok)\n\
         {}/smtpd[{pid}]: connect from out.{domain}[192.0.2.2]\n\
         {}/smtpd[{pid}]: Anonymous TLS connection established from out.{domain}[192.0.2.2]: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\n\
         {}/smtpd[{pid}]: 4C{minute:02}: client=out.{domain}[192.0.2.2]\n\
         {}/qmgr[9]: 4C{minute:02}: from=<{address}>, size=500, nrcpt=1 (queue active)\n\
         {}/smtpd[{pid}]: disconnect from out.{domain}[192.0.2.2] ehlo=2 starttls=1 mail=1 rcpt=1 data=1 quit=1 commands=7\n",
        at(2),
        at(10),
        at(11),
        at(12),
        at(13),
        at(14)
    )
}

#[test]
fn correspondents_are_those_who_write_both_ways_and_who_is_in_clear_is_counted() {
    let sandbox = Sandbox::new();
    let log: String = (0..4)
        .map(|n| exchange(n, "bob@good.example", true))
        .chain((4..6).map(|n| exchange(n, "ann@clear.example", false)))
        .chain((6..8).map(|n| exchange(n, "noreply@shop.example", false)))
        .collect();
    sandbox.write("mail.log", log);
    sandbox
        .run(&["import", "--quiet", "--correspondents", "mail.log"])
        .ok();
    let out = report(&sandbox, &["correspondents"]).out;
    assert!(
        out.starts_with("1 of 2 correspondents exchange mail with us in clear."),
        "{out}"
    );
    assert!(out.contains("Left out: 1 address of programs"), "{out}");
    let rows = report(&sandbox, &["correspondents", "--format", "json"]).json();
    let row = &rows["rows"][0];
    assert_eq!(
        (
            &row["correspondent"],
            &row["sent_plaintext"],
            &row["received_encrypted"]
        ),
        (&"ann@clear.example".into(), &2.into(), &2.into())
    );
    // Without addresses, domains stand for the people.
    let domains = Sandbox::new();
    domains.write(
        "mail.log",
        std::fs::read(sandbox.path("mail.log")).expect("just written"),
    );
    domains.run(&["import", "--quiet", "mail.log"]).ok();
    let out = report(&domains, &["correspondents"]).out;
    assert!(
        out.starts_with("2 of 3 domains we correspond with"),
        "{out}"
    );
}

/// A day's mail to a hundred recipients: fifty good ones, a large peer, and others in clear.
fn day(day: u32, large_has_tls: bool) -> String {
    let mail = |n: u32, domain: &str, tls: bool| {
        let at = |second: u32| {
            format!(
                "2026-11-{day:02}T{:02}:{:02}:{second:02}+00:00 mx",
                n / 60,
                n % 60
            )
        };
        let pid = 1000 + n;
        let established = format!(
            "{} postfix/smtp[{pid}]: Trusted TLS connection established to mx.{domain}[192.0.2.1]:25: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\n",
            at(1)
        );
        format!(
            "{}{} postfix/smtp[{pid}]: 4D{day:02}{n:03}: to=<u@{domain}>, relay=mx.{domain}[192.0.2.1]:25, delay=1, delays=0/0/0.5/0.5, dsn=2.0.0, status=sent (250 ok)\n",
            if tls { established.as_str() } else { "" },
            at(2)
        )
    };
    (0..25)
        .map(|n| {
            [
                mail(4 * n, &format!("good{n}.example"), true),
                mail(4 * n + 1, "large.example", large_has_tls),
                mail(4 * n + 2, &format!("clear{}.example", n % 5), false),
                mail(4 * n + 3, &format!("good{n}.example"), true),
            ]
            .concat()
        })
        .collect()
}

#[test]
fn a_fall_from_75_to_50_per_cent_is_carried_by_the_peer_that_lost_tls() {
    let sandbox = Sandbox::new();
    let log: String = (6..20).map(|d| day(d, d < 13)).collect();
    sandbox.write("mail.log", log);
    sandbox.run(&["import", "--quiet", "mail.log"]).ok();
    let week = ["changes", "--since", "2026-11-13", "--until", "2026-11-19"];
    let out = report(&sandbox, &week).out;
    assert!(
        out.contains("sent mail went from 75.0 % to 50.0 % over TLS"),
        "{out}"
    );
    assert!(
        out.contains("large.example carries most of it, and has no TLS any more"),
        "{out}"
    );
    let json = report(&sandbox, &[&week[..], &["--format", "json"]].concat()).json();
    let row = &json["rows"][1];
    assert_eq!(
        (&row["peer"], &row["points"], &row["rate"]),
        (&"large.example".into(), &(-25.0).into(), &(-25.0).into())
    );
    let steady = ["changes", "--since", "2026-11-17", "--until", "2026-11-19"];
    let out = report(&sandbox, &steady).out;
    assert!(out.contains("steady at 50.0 %"), "{out}");
    let open = report(&sandbox, &["changes", "--all"]).out;
    assert!(open.starts_with("A change needs two periods"), "{open}");
}

#[test]
fn metrics_are_of_the_summary_only() {
    let sandbox = with("edge/rivals.log");
    let out = report(&sandbox, &["--format", "prometheus"]).out;
    for sample in [
        "tlsnag_mail{direction=\"outbound\",channel=\"encrypted\"} 4\n",
        "tlsnag_mail{direction=\"outbound\",channel=\"plaintext\"} 4\n",
        "tlsnag_lines_total{kind=\"unrecognised\"} 0\n",
    ] {
        assert!(out.contains(sample), "{sample}{out}");
    }
    // A file is replaced whole, and a failure leaves nothing behind.
    sandbox.write("tlsnag.prom", "old");
    report(&sandbox, &["--format", "prometheus", "-o", "tlsnag.prom"]);
    let file = std::fs::read_to_string(sandbox.path("tlsnag.prom")).expect("it was written");
    assert_eq!(
        (file.as_str(), sandbox.path("tlsnag.prom.part").exists()),
        (out.as_str(), false)
    );
    sandbox
        .run(&["report", "-o", "nowhere/tlsnag.prom"])
        .fails_with(&["cannot write nowhere/tlsnag.prom"]);
    // The store is no report.
    sandbox
        .run(&["report", "summary", "-o", "store.db"])
        .fails_with(&[
            "cannot write store.db",
            "found a store; choose another name",
        ]);
    // A link stays one, and a pipe is written to.
    std::os::unix::fs::symlink("tlsnag.prom", sandbox.path("link")).expect("writable");
    sandbox.write("tlsnag.prom", "old");
    report(&sandbox, &["--format", "prometheus", "-o", "link"]);
    let linked = std::fs::read_to_string(sandbox.path("tlsnag.prom")).expect("it was written");
    assert_eq!(
        (linked.as_str(), sandbox.path("link").is_symlink()),
        (out.as_str(), true)
    );
    let pipe = sandbox.path("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(
        made.is_ok_and(|status| status.success()),
        "mkfifo is in coreutils"
    );
    let reader = std::thread::spawn(move || std::fs::read_to_string(pipe));
    report(&sandbox, &["--format", "prometheus", "-o", "pipe"]);
    assert_eq!(reader.join().expect("it reads").expect("a pipe"), out);
    sandbox
        .run(&["report", "domains", "--format", "prometheus"])
        .fails_with(&["for the summary only", "domains"]);
}

#[test]
fn a_report_is_mailed_with_its_page_and_only_if_there_is_something_to_do() {
    use std::os::unix::fs::PermissionsExt;
    let sandbox = Sandbox::new();
    let program = sandbox.write("sendmail", "#!/bin/sh\necho \"$@\" > taken; cat >> taken\n");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    sandbox.write(
        "c.toml",
        format!(
            "mail_from = \"mx@us.example\"\n[campaign]\nsendmail = \"{}\"\n",
            program.display()
        ),
    );
    let taken = || std::fs::read_to_string(sandbox.path("taken")).unwrap_or_default();
    let audit = |log: &str, more: &[&str]| {
        let log = sample(log).to_string_lossy().into_owned();
        let args = [
            &[
                "--config",
                "c.toml",
                "--quiet",
                "audit",
                &log,
                "--all",
                "--mail-to",
                "root",
            ],
            more,
        ]
        .concat();
        sandbox.run(&args).ok()
    };
    assert_eq!(audit("postfix/rfc3339.log", &["--only-if-action"]).out, "");
    let mail = taken();
    assert!(
        mail.starts_with("-i -f mx@us.example -- root@localhost\n"),
        "{mail}"
    );
    for words in [
        "Subject: tlsnag: ",
        "Auto-Submitted: auto-generated",
        "Content-Disposition: attachment; filename=\"tlsnag.html\"",
        "multipart/mixed",
    ] {
        assert!(
            mail.contains(words),
            "{words}\n{}",
            &mail[..1500.min(mail.len())]
        );
    }
    // What is mailed has a form of its own.
    let json = ["report", "--format", "json", "--mail-to", "root"];
    sandbox.run(&json).fails_with(&["--format", "--mail-to"]);
    // Nothing to act on: no mail.
    std::fs::remove_file(sandbox.path("taken")).unwrap();
    let day = [
        "--config",
        "c.toml",
        "report",
        "plaintext",
        "--since",
        "2001-01-01",
        "--until",
        "2001-01-02",
        "--mail-to",
        "root",
    ];
    sandbox
        .run(&[&day[..], &["--only-if-action"]].concat())
        .ok();
    assert_eq!(taken(), "");
    sandbox.run(&day).ok();
    assert!(taken().contains("Subject: tlsnag: "), "{}", taken());
    sandbox.write("sendmail", "#!/bin/sh\ncat >/dev/null; exit 75\n");
    sandbox
        .run(&day)
        .fails_with(&["the report to root was not taken"]);
}
