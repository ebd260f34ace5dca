//! The outreach, from the log to the thank-you; and what must never happen on the way.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::sandbox::{Ran, Sandbox};

pub const SETTINGS: &str = "[campaign]\nname = \"Ann Example\"\naddress = \"ann@us.example\"\norganisation = \"the Example Institute\"\nhost = \"mail.us.example\"\npace = 0\n";

/// What a peer does on a day.
#[derive(Clone, Copy)]
pub enum Does {
    /// It takes mail over TLS.
    Tls,
    /// It does not offer STARTTLS, which we require.
    NotOffered,
    /// The handshake fails, and the mail goes in clear.
    Breaks,
}

/// A day counted from the first of November 2026.
pub fn date(day: u32) -> String {
    let first = chrono::NaiveDate::from_ymd_opt(2026, 11, 1).unwrap();
    (first + chrono::Days::new(u64::from(day) - 1)).to_string()
}

/// The log lines of one delivery on a day, counted from the first of November 2026.
pub fn delivery(day: u32, domain: &str, does: Does) -> String {
    let host = format!("mx.{domain}[192.0.2.{}]:25", 1 + domain.len() % 200);
    let line = |second: u32, text: &str| {
        format!(
            "{}T10:00:{second:02}+00:00 mail postfix/smtp[{}]: {text}\n",
            date(day),
            100 + domain.len()
        )
    };
    let to = |status: &str| {
        line(
            2,
            &format!(
                "4F{day:02}: to=<bob@{domain}>, relay={host}, delay=1, delays=0/0/1/0, dsn=2.0.0, status={status}"
            ),
        )
    };
    let taken = to("sent (250 2.0.0 Ok: queued as AA)");
    match does {
        Does::Tls => {
            let up = format!(
                "Trusted TLS connection established to {host}: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)"
            );
            line(1, &up) + &taken
        }
        Does::NotOffered => to(&format!(
            "deferred (TLS is required, but was not offered by host mx.{domain}[192.0.2.9])"
        ))
        .replace("dsn=2.0.0", "dsn=4.7.4"),
        Does::Breaks => {
            let failed = format!("SSL_connect error to {host}: -1\n");
            let why = "warning: TLS library problem: error:0A00018A:SSL routines::dh key too small:../ssl/statem/statem_clnt.c:2088:\n";
            line(1, failed.trim_end()) + &line(1, why.trim_end()) + &taken
        }
    }
}

/// A log of some days: `others` take mail over TLS, and each of `peers` does the same every day.
pub fn log(days: std::ops::RangeInclusive<u32>, peers: &[(&str, Does)]) -> String {
    let mut text = String::new();
    for day in days {
        for other in 0..12 {
            text.push_str(&delivery(day, &format!("good{other}.example"), Does::Tls));
        }
        for (domain, does) in peers {
            text.push_str(&delivery(day, domain, *does));
        }
    }
    text
}

/// A day at seven in the morning.
pub fn on(day: u32) -> String {
    format!("{}T07:00:00Z", date(day))
}

pub fn campaign(sandbox: &Sandbox, day: u32, args: &[&str]) -> Ran {
    let settings = sandbox.path("c.toml");
    let settings = settings.to_string_lossy().into_owned();
    let all = [&["--config", &settings, "campaign"], args].concat();
    sandbox.run_with(&all, &[("TLSNAG_NOW", &on(day))])
}

pub fn import(sandbox: &Sandbox, day: u32, name: &str, text: &str) {
    sandbox.write(name, text);
    sandbox
        .run_with(&["import", "--quiet", name], &[("TLSNAG_NOW", &on(day))])
        .ok();
}

/// A sandbox with settings, and a week of log in which these peers do this.
pub fn with(peers: &[(&str, Does)]) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("c.toml", SETTINGS);
    import(&sandbox, 9, "week1.log", &log(2..=8, peers));
    sandbox
}

pub fn plan(sandbox: &Sandbox, day: u32) -> Value {
    campaign(sandbox, day, &["plan", "--no-probe", "--format", "json"])
        .ok()
        .json()
}

pub fn strings(rows: &Value, field: &str) -> Vec<String> {
    let rows = rows.as_array().cloned().unwrap_or_default();
    rows.iter()
        .map(|row| row[field].as_str().unwrap_or_default().to_string())
        .collect()
}

/// A program in the place of sendmail, which does `script` with the mail on its standard input and its arguments.
pub fn sendmail(sandbox: &Sandbox, script: &str) -> PathBuf {
    let path = sandbox.write("sendmail", format!("#!/bin/sh\n{script}\n"));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// Takes each mail into a file of its own, named by its recipient and a number.
pub fn taking(sandbox: &Sandbox) -> PathBuf {
    let out = sandbox.path("taken");
    std::fs::create_dir_all(&out).unwrap();
    // The recipient is the last argument; two mails to one make two files.
    sendmail(
        sandbox,
        &format!(
            "for to; do :; done\ncat > \"$(mktemp {}/\"$to\".XXXXXX)\"",
            out.display()
        ),
    )
}

pub fn taken(sandbox: &Sandbox) -> Vec<String> {
    let entries = std::fs::read_dir(sandbox.path("taken")).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .map(|name| name.rsplit_once('.').unwrap().0.to_string())
        .collect();
    names.sort();
    names
}

pub fn send(sandbox: &Sandbox, day: u32, plan: &str, program: &Path) -> Ran {
    let program = program.to_string_lossy().into_owned();
    campaign(
        sandbox,
        day,
        &["send", "--plan", plan, "--yes", "--sendmail", &program],
    )
}

pub fn status_of(sandbox: &Sandbox, day: u32, organisation: &str) -> String {
    let rows = campaign(sandbox, day, &["status", "--format", "json"])
        .ok()
        .json();
    let rows = rows["rows"].as_array().cloned().unwrap_or_default();
    let row = rows
        .into_iter()
        .rev()
        .find(|row| row["organisation"] == organisation);
    row.map_or_else(String::new, |row| {
        row["state"].as_str().unwrap_or_default().to_string()
    })
}

/// An answer to a letter.
pub fn answer(sandbox: &Sandbox, name: &str, headers: &str, body: &str) {
    let directory = sandbox.path("mail/new");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join(name), format!("{headers}\r\n\r\n{body}\r\n")).unwrap();
}

#[test]
fn the_whole_story() {
    let names = ["a.example", "b.example", "c.example", "d.example"];
    let sandbox = with(&names.map(|name| (name, Does::NotOffered)));
    let plan = plan(&sandbox, 9);
    let mut domains = strings(&plan["rows"], "domain");
    domains.sort();
    assert_eq!(domains, names);
    assert_eq!(strings(&plan["rows"], "reason"), ["not-offered"; 4]);
    let hash = plan["plan"].as_str().unwrap().to_string();

    // Read before it is sent.
    let shown = campaign(&sandbox, 9, &["preview"]).ok().out;
    for words in [
        "To: postmaster@a.example",
        "TLS-Required: No",
        "List-Unsubscribe: <mailto:",
        "had to wait",
        "postfix tls enable-server",
    ] {
        assert!(shown.contains(words), "{words}\n{shown}");
    }
    assert!(!shown.contains("bob"), "no persons:\n{shown}");

    let program = taking(&sandbox);
    let said = send(&sandbox, 9, &hash, &program).ok();
    assert!(said.out.contains("Sent: 4."), "{}", said.out);
    let all = names.map(|name| format!("postmaster@{name}"));
    assert_eq!(taken(&sandbox), all);
    // Again: there is nothing left of it, and nothing new to plan.
    send(&sandbox, 9, &hash, &program).fails_with(&["nothing to send"]);
    let again = self::plan(&sandbox, 10);
    assert_eq!(
        (
            again["rows"].as_array().unwrap().len(),
            taken(&sandbox).len()
        ),
        (0, 4)
    );
    assert_eq!(strings(&again["skipped"], "reason"), ["too-recent"; 4]);

    // b wants no more, c came back, d answers.
    let rows = campaign(&sandbox, 10, &["status", "--format", "json"])
        .ok()
        .json();
    let token = |name: &str| {
        let rows = rows["rows"].as_array().unwrap();
        rows.iter().find(|r| r["organisation"] == name).unwrap()["token"]
            .as_str()
            .unwrap()
            .to_string()
    };
    let to = |name: &str| format!("To: ann+tlsnag-{}@us.example", token(name).to_lowercase());
    answer(
        &sandbox,
        "1",
        &format!(
            "From: root@b.example\r\nTo: ann@us.example\r\nSubject: stop {}",
            token("b.example")
        ),
        "",
    );
    answer(
        &sandbox,
        "2",
        &format!(
            "From: MAILER-DAEMON@us.example\r\n{}\r\nMIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b",
            to("c.example")
        ),
        "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; us.example\r\n\r\nFinal-Recipient: rfc822; postmaster@c.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--b--",
    );
    answer(
        &sandbox,
        "3",
        &format!(
            "From: dora@d.example\r\n{}\r\nSubject: Re: TLS",
            to("d.example")
        ),
        "Thanks, we look into it.\r\n\r\n> answer \"stop\".",
    );
    let said = campaign(&sandbox, 10, &["replies", "mail"]).ok().out;
    assert!(
        said.contains("| Thanks, we look into it.") && said.lines().count() == 5,
        "{said}"
    );
    assert_eq!(
        campaign(&sandbox, 10, &["replies", "mail"]).ok().out,
        "Nothing new.\n"
    );
    let states = names.map(|name| status_of(&sandbox, 10, name));
    assert_eq!(states, ["sent", "declined", "bounced", "answered"]);
    campaign(
        &sandbox,
        10,
        &[
            "label",
            &token("d.example"),
            "will-fix",
            "--note",
            "next week",
        ],
    )
    .ok();

    // The second week: a and b do TLS, the others do not.
    let week = log(
        9..=15,
        &[
            ("a.example", Does::Tls),
            ("b.example", Does::Tls),
            ("c.example", Does::NotOffered),
            ("d.example", Does::NotOffered),
        ],
    );
    import(&sandbox, 16, "week2.log", &week);
    let states = names.map(|name| status_of(&sandbox, 16, name));
    assert_eq!(states, ["fixed", "fixed", "bounced", "will-fix"]);

    // One thank-you: to a, for b wants no mail, not even that.
    let thanks = self::plan(&sandbox, 16);
    assert_eq!(
        (
            strings(&thanks["rows"], "template"),
            strings(&thanks["rows"], "contact")
        ),
        (
            vec!["thank-you".into()],
            vec!["postmaster@a.example".into()]
        )
    );
    send(&sandbox, 16, thanks["plan"].as_str().unwrap(), &program).ok();
    assert_eq!(taken(&sandbox).len(), 5);
    assert_eq!(
        self::plan(&sandbox, 17)["rows"].as_array().unwrap().len(),
        0
    );
    let status = campaign(&sandbox, 17, &["status"]).ok().out;
    for words in [
        "2 of 4 who were written to have mended it.",
        "thanked",
        "Came back: 1",
        "Answered: 1",
        "From the first letter to TLS on two days: 1 day (median)",
    ] {
        assert!(status.contains(words), "{words}\n{status}");
    }

    let board = sandbox.run(&["report", "scoreboard"]).ok().out;
    assert!(
        board.contains("2 of 4 organisations who were written to encrypt mail with us now.")
            && !board.contains("c.example"),
        "{board}"
    );

    // It comes back: a case of its own, and not at once.
    import(
        &sandbox,
        24,
        "week3.log",
        &log(16..=23, &[("a.example", Does::NotOffered)]),
    );
    assert_eq!(
        strings(&self::plan(&sandbox, 24)["skipped"], "reason")
            .first()
            .map(String::as_str),
        Some("too-recent")
    );
    assert_eq!(status_of(&sandbox, 24, "a.example"), "relapsed");
}

#[test]
fn nobody_is_written_to_after_one_day_of_log() {
    let sandbox = Sandbox::new();
    sandbox.write("c.toml", SETTINGS);
    import(
        &sandbox,
        9,
        "day.log",
        &log(
            8..=8,
            &[("a.example", Does::NotOffered), ("b.example", Does::Breaks)],
        ),
    );
    let plan = plan(&sandbox, 9);
    assert_eq!(plan["rows"].as_array().unwrap().len(), 0);
    assert!(!strings(&plan["skipped"], "reason").contains(&String::new()));
}

#[test]
fn nothing_is_sent_without_the_plan_that_was_read() {
    let sandbox = with(&[("a.example", Does::NotOffered)]);
    let hash = plan(&sandbox, 9)["plan"].as_str().unwrap().to_string();
    let program = taking(&sandbox);
    let path = program.to_string_lossy().into_owned();
    campaign(&sandbox, 9, &["send", "--yes", "--sendmail", &path])
        .fails_with(&["expected --plan HASH"]);
    campaign(
        &sandbox,
        9,
        &[
            "send",
            "--plan",
            "000000000000",
            "--yes",
            "--sendmail",
            &path,
        ],
    )
    .fails_with(&["read it again", &hash]);
    let dry = campaign(&sandbox, 9, &["send", "--plan", &hash, "--sendmail", &path])
        .ok()
        .out;
    assert!(
        dry.contains("Nothing was sent") && dry.contains("postmaster@a.example"),
        "{dry}"
    );
    // A log that ended long ago is no reason to write.
    campaign(
        &sandbox,
        20,
        &["send", "--plan", &hash, "--yes", "--sendmail", &path],
    )
    .fails_with(&["the log ends on 2026-11-08"]);
    assert!(taken(&sandbox).is_empty());
}

#[test]
fn who_is_suppressed_after_the_plan_gets_nothing() {
    let sandbox = with(&[
        ("a.example", Does::NotOffered),
        ("b.example", Does::NotOffered),
    ]);
    let hash = plan(&sandbox, 9)["plan"].as_str().unwrap().to_string();
    campaign(&sandbox, 9, &["suppress", "A.Example"]).ok();
    // To read the logs again does not bring it back.
    import(
        &sandbox,
        9,
        "week1.log",
        &log(
            2..=8,
            &[
                ("a.example", Does::NotOffered),
                ("b.example", Does::NotOffered),
            ],
        ),
    );
    let program = taking(&sandbox);
    let said = send(&sandbox, 9, &hash, &program).ok().out;
    assert!(said.contains("not wanted any more: 1"), "{said}");
    assert_eq!(taken(&sandbox), ["postmaster@b.example"]);
    assert_eq!(
        strings(&plan(&sandbox, 9)["skipped"], "reason"),
        ["suppressed", "too-recent"]
    );
}

#[test]
fn only_so_many_a_day() {
    let names: Vec<String> = (0..7).map(|i| format!("a{i}.example")).collect();
    let peers: Vec<(&str, Does)> = names
        .iter()
        .map(|name| (name.as_str(), Does::NotOffered))
        .collect();
    let sandbox = with(&peers);
    let hash = plan(&sandbox, 9)["plan"].as_str().unwrap().to_string();
    sandbox.write("c.toml", format!("{SETTINGS}per_day = 3\n"));
    let program = taking(&sandbox);
    for (day, all) in [(9, 3), (9, 3), (10, 6), (11, 7)] {
        send(&sandbox, day, &hash, &program);
        assert_eq!(taken(&sandbox).len(), all, "on day {day}");
    }
}

#[test]
fn a_refusal_for_now_is_tried_again_and_one_for_good_ends_the_case() {
    let sandbox = with(&[("a.example", Does::NotOffered)]);
    let hash = plan(&sandbox, 9)["plan"].as_str().unwrap().to_string();
    let later = sendmail(&sandbox, "cat >/dev/null; echo busy >&2; exit 75");
    assert!(
        send(&sandbox, 9, &hash, &later)
            .ok()
            .out
            .contains("refused for now, to be sent by the next run: 1")
    );
    let never = sendmail(&sandbox, "cat >/dev/null; echo no such user >&2; exit 67");
    assert!(
        send(&sandbox, 9, &hash, &never)
            .ok()
            .out
            .contains("refused for good: 1")
    );
    assert_eq!(status_of(&sandbox, 9, "a.example"), "bounced");
    assert_eq!(
        strings(&plan(&sandbox, 10)["skipped"], "reason"),
        ["closed"]
    );
}

#[test]
fn whoever_dies_while_sending_sends_nothing_twice_and_loses_nothing() {
    let sandbox = with_many();
    let program = taking(&sandbox).to_string_lossy().into_owned();
    killed_again_and_again(&sandbox, &["--sendmail", &program], || taken(&sandbox));
}

#[test]
fn whoever_dies_while_sending_by_smtp_sends_nothing_twice_and_loses_nothing() {
    let sandbox = with_many();
    sandbox.append("c.toml", "smtp_security = \"none\"\n");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let server = listener.local_addr().unwrap().to_string();
    let taken = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&taken);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let into = Arc::clone(&into);
            // Where the other side has died, there is nobody to tell.
            std::thread::spawn(move || take_mail(stream.unwrap(), b"220 hi\r\n", &into).ok());
        }
    });
    killed_again_and_again(&sandbox, &["--smtp", &server], || {
        taken.lock().unwrap().clone()
    });
}

#[test]
fn whoever_dies_while_writing_files_writes_nothing_twice_and_loses_nothing() {
    let sandbox = with_many();
    let directory = sandbox.path("out");
    let name = directory.to_string_lossy().into_owned();
    killed_again_and_again(&sandbox, &["--directory", &name], || {
        let files = std::fs::read_dir(&directory).unwrap();
        let paths = files.map(|file| file.unwrap().path());
        paths
            // What was begun has a name that begins with a dot, and is no mail.
            .filter(|path| path.extension().is_some_and(|end| end == "eml"))
            .map(|path| {
                let mail = std::fs::read_to_string(path).unwrap();
                assert!(
                    mail.trim_end()
                        .ends_with("Ann Example, the Example Institute"),
                    "it is whole: {mail}"
                );
                let to = mail.lines().find_map(|line| line.strip_prefix("To: "));
                to.unwrap().to_string()
            })
            .collect()
    });
}

#[test]
fn a_run_that_died_is_not_made_good_by_planning_anew() {
    let names = ["a.example", "bb.example", "ccc.example"];
    let sandbox = with(&names.map(|name| (name, Does::NotOffered)));
    let whole = taking(&sandbox);
    let script = std::fs::read_to_string(&whole).unwrap();
    let hash = |day| {
        plan(&sandbox, day)["plan"]
            .as_str()
            .unwrap_or_default()
            .to_string()
    };
    // It takes each mail, and the run dies before it can note that.
    let mut read = hash(9);
    sandbox.write("sendmail", format!("{script}\nkill -9 $PPID\n"));
    for _ in 0..2 {
        send(&sandbox, 9, &read, &whole);
        // Letters that did not leave are planned anew, and those that did are not, however often.
        read = hash(9);
    }
    sandbox.write("sendmail", script);
    send(&sandbox, 9, &read, &whole);
    send(&sandbox, 10, &hash(10), &whole);
    assert_eq!(
        taken(&sandbox),
        names.map(|name| format!("postmaster@{name}"))
    );
    for name in names {
        assert_eq!(status_of(&sandbox, 10, name), "sent", "{name}");
    }
}

/// An SMTP server that takes all mail, and notes each recipient of a mail that it has whole, before it says so.
fn take_mail(
    mut stream: std::net::TcpStream,
    greeting: &[u8],
    into: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    use std::io::{BufRead, BufReader, Write};
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let mut recipient = String::new();
    stream.write_all(greeting)?;
    while let Some(line) = lines.next().transpose()? {
        if let Some(to) = line.strip_prefix("RCPT TO:") {
            recipient = to.trim_matches(['<', '>']).to_string();
        }
        if line == "DATA" {
            stream.write_all(b"354 go\r\n")?;
            if !lines
                .by_ref()
                .any(|line| line.is_ok_and(|line| line == "."))
            {
                return Ok(());
            }
            into.lock().unwrap().push(recipient.clone());
        }
        stream.write_all(b"250 ok\r\n")?;
    }
    Ok(())
}

/// Sixty who deserve a letter, and as many whose TLS is fine.
fn with_many() -> Sandbox {
    let names: Vec<String> = (0..60).map(|i| format!("a{i}.example")).collect();
    let fine: Vec<String> = (0..60).map(|i| format!("fine{i}.example")).collect();
    let bad = names.iter().map(|name| (name.as_str(), Does::NotOffered));
    let good = fine.iter().map(|name| (name.as_str(), Does::Tls));
    let sandbox = with(&bad.chain(good).collect::<Vec<_>>());
    sandbox.append("c.toml", "per_plan = 60\n");
    sandbox
}

/// Kills `send` a hundred times, lets it end once, and compares what was taken with what `status` believes.
fn killed_again_and_again(sandbox: &Sandbox, outbox: &[&str], taken: impl Fn() -> Vec<String>) {
    let hash = plan(sandbox, 9)["plan"].as_str().unwrap().to_string();
    let settings = sandbox.path("c.toml").to_string_lossy().into_owned();
    let args = ["--config", &settings, "campaign", "send", "--plan", &hash];
    let args = [&args, &["--yes", "--per-day", "99"][..], outbox].concat();
    for round in 0..100_u64 {
        let mut child = sandbox.command(&args);
        child
            .env("TLSNAG_NOW", on(9))
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null());
        let mut child = child.spawn().unwrap();
        // From before anything is opened to well into the third letter.
        std::thread::sleep(std::time::Duration::from_micros(500 + round * 611 % 48_000));
        child.kill().ok();
        child.wait().unwrap();
    }
    let last = sandbox.run_with(&args, &[("TLSNAG_NOW", &on(9))]);
    assert!(
        last.status == 0 || last.err.contains("nothing to send"),
        "{}",
        last.err
    );
    // What a killed run had started may still be writing.
    std::thread::sleep(std::time::Duration::from_millis(300));
    let taken = taken();
    let different: BTreeSet<&String> = taken.iter().collect();
    assert_eq!(different.len(), taken.len(), "nobody gets two: {taken:?}");
    let rows = campaign(sandbox, 9, &["status", "--format", "json"])
        .ok()
        .json();
    assert_eq!(rows["rows"].as_array().unwrap().len(), 60);
    assert!(
        taken.len() >= 3,
        "the run was killed before it could send: {taken:?}"
    );
    for row in rows["rows"].as_array().unwrap() {
        let address = row["contact"].as_str().unwrap().to_string();
        // Marked as being sent when the run died: said, and never sent again.
        let is_in_doubt = row["remark"].as_str().unwrap().contains("may or may not");
        if row["state"] == "sent" && !is_in_doubt {
            assert!(different.contains(&address), "{address} is said to be sent");
        } else {
            assert!(is_in_doubt, "{row}");
        }
    }
}

#[test]
fn a_server_that_does_tls_today_is_not_accused() {
    let sandbox = Sandbox::new();
    sandbox.write("c.toml", SETTINGS);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        use std::io::{BufRead, BufReader, Write};
        // First it does not offer STARTTLS, then it does.
        for answers in [
            &["220 hi", "250 mx", "221 bye"][..],
            &["220 hi", "250-mx\r\n250 STARTTLS", "454 not now", "221 bye"],
        ] {
            let (mut stream, _) = listener.accept().unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            for answer in answers {
                stream.write_all(format!("{answer}\r\n").as_bytes()).ok();
                lines.next();
            }
        }
    });
    let text = log(2..=8, &[("z.example", Does::NotOffered)]).replace(
        "mx.z.example[192.0.2.10]:25",
        &format!("mx.z.example[127.0.0.1]:{port}"),
    );
    assert!(text.contains("127.0.0.1"), "the address was replaced");
    sandbox.write("z.log", text);
    sandbox
        .run_with(
            &[
                "import",
                "--quiet",
                "--own-network",
                "198.51.100.0/24",
                "z.log",
            ],
            &[("TLSNAG_NOW", &on(9))],
        )
        .ok();
    let probed = || {
        campaign(&sandbox, 9, &["plan", "--format", "json"])
            .ok()
            .json()
    };
    let first = probed();
    assert_eq!(strings(&first["rows"], "domain"), ["z.example"]);
    assert!(
        campaign(&sandbox, 9, &["preview"])
            .ok()
            .out
            .contains("We checked again on 2026-11-09")
    );
    let second = probed();
    assert_eq!(strings(&second["rows"], "domain"), Vec::<String>::new());
    assert_eq!(strings(&second["skipped"], "reason"), ["contradicted"]);
    server.join().unwrap();
}

#[test]
fn wrong_commands_say_what_was_expected() {
    let sandbox = with(&[("a.example", Does::NotOffered)]);
    campaign(&sandbox, 9, &["preview"]).fails_with(&["no such draft", "campaign plan"]);
    campaign(&sandbox, 9, &["send", "--plan", "x", "--yes"]).fails_with(&["nothing to send"]);
    campaign(&sandbox, 9, &["label", "NOSUCH", "grateful"])
        .fails_with(&["there is no case `NOSUCH`"]);
    campaign(&sandbox, 9, &["contact", "a.example", "not an address"])
        .fails_with(&["expected a mail address"]);
    campaign(&sandbox, 9, &["answer", "nothing"])
        .fails_with(&["there is no answer to `nothing`", "port-465"]);
    assert!(
        campaign(&sandbox, 9, &["answer", "port-465", "--language", "de"])
            .ok()
            .out
            .contains("RFC 3207")
    );
    campaign(&sandbox, 9, &["replies", "nowhere"]).fails_with(&["cannot read nowhere"]);
    campaign(&sandbox, 9, &["unsuppress", "a.example"]).fails_with(&["is not suppressed"]);
    campaign(&sandbox, 9, &["plan", "--control", "200%"])
        .fails_with(&["expected a share such as 20%"]);
    // Nobody is set who writes: the plan is shown, and no letter made.
    sandbox.write("c.toml", "");
    let shown = campaign(&sandbox, 9, &["plan", "--no-probe"]).ok().out;
    assert!(
        shown.contains("Set name, address, organisation, host"),
        "{shown}"
    );
    campaign(&sandbox, 9, &["preview"]).fails_with(&["letters must say who writes"]);
}

#[test]
fn the_operators_own_contact_and_language_are_used() {
    let sandbox = with(&[("a.example", Does::Breaks)]);
    sandbox.write("c.toml", format!("{SETTINGS}language = \"de\"\n"));
    sandbox.write(
        "contacts.csv",
        "name,address\na.example,hostmaster@hoster.example\n",
    );
    campaign(&sandbox, 9, &["contact", "--import", "contacts.csv"]).ok();
    plan(&sandbox, 9);
    let shown = campaign(&sandbox, 9, &["preview"]).ok().out;
    for words in [
        "To: hostmaster@hoster.example",
        "Guten Tag,",
        "Diffie-Hellman",
        "Mails vom 2026-11-02 bis",
    ] {
        assert!(shown.contains(words), "{words}\n{shown}");
    }
}

#[test]
fn what_is_forgotten_is_forgotten_in_the_outreach_too() {
    let sandbox = with(&[
        ("a.example", Does::NotOffered),
        ("b.example", Does::NotOffered),
    ]);
    campaign(&sandbox, 9, &["contact", "b.example", "bob@b.example"]).ok();
    let hash = plan(&sandbox, 9)["plan"].as_str().unwrap().to_string();
    send(&sandbox, 9, &hash, &taking(&sandbox)).ok();
    let said = sandbox.run(&["forget", "a.example"]).ok().out;
    assert!(said.contains("of the outreach 1"), "{said}");
    sandbox.run(&["forget", "bob@b.example"]).ok();
    let bytes = std::fs::read(sandbox.path("store.db")).unwrap();
    for name in ["a.example", "bob@b.example"] {
        assert!(
            !bytes.windows(name.len()).any(|w| w == name.as_bytes()),
            "{name} is still in the file"
        );
    }
    // Written to once is written to once, even so.
    assert_eq!(
        strings(&plan(&sandbox, 10)["skipped"], "reason"),
        ["too-recent"]
    );
    sandbox.run(&["store", "check"]).ok();
}

#[test]
fn the_way_to_requiring_tls_names_whom_it_hits_and_who_knows() {
    let sandbox = with(&[("a.example", Does::Breaks), ("b.example", Does::Breaks)]);
    let hash = plan(&sandbox, 9)["plan"].as_str().unwrap().to_string();
    campaign(&sandbox, 9, &["suppress", "b.example"]).ok();
    send(&sandbox, 9, &hash, &taking(&sandbox)).ok();
    let said = campaign(&sandbox, 9, &["enforce", "--on", "2027-03-01"])
        .ok()
        .out;
    for words in [
        "mail sent: 2 peers would lose 14 mails",
        "told of 2027-03-01: 0 of 2 peers; written to, but not of that day: 1; will not change it: 0",
        "not told: a.example, b.example",
        "the day is 2027-03-01, in 112 days",
        "tlsnag policy --for postfix --base encrypt",
        "postqueue -p",
    ] {
        assert!(said.contains(words), "{words}\n{said}");
    }
    assert!(
        campaign(&sandbox, 9, &["enforce", "--on", "2026-11-20"])
            .ok()
            .out
            .contains("less than the 28")
    );
    campaign(&sandbox, 9, &["enforce", "--on", "soon"]).fails_with(&["expected a day such as"]);
    let said = campaign(&sandbox, 9, &["enforce"]).ok().out;
    assert!(
        said.contains("written to so far: 1 of 2 peers; will"),
        "{said}"
    );
}

#[test]
fn who_was_told_the_day_is_counted_and_no_letter_that_did_not_arrive() {
    let names = ["a.example", "b.example", "c.example"];
    let sandbox = with(&names.map(|name| (name, Does::Breaks)));
    sandbox.append("c.toml", "enforce_on = \"2027-03-01\"\n");
    let hash = plan(&sandbox, 9)["plan"].as_str().unwrap().to_string();
    campaign(&sandbox, 9, &["suppress", "c.example"]).ok();
    send(&sandbox, 9, &hash, &taking(&sandbox)).ok();
    let enforce = |day: &str| {
        let args = ["enforce", "--on", day];
        campaign(&sandbox, 9, &args).ok().out
    };
    let said = enforce("2027-03-01");
    assert!(
        said.contains("told of 2027-03-01: 2 of 3 peers; written to, but not of that day: 0"),
        "{said}"
    );
    // Of another day nobody was told.
    let said = enforce("2027-04-01");
    assert!(
        said.contains("told of 2027-04-01: 0 of 3 peers; written to, but not of that day: 2"),
        "{said}"
    );
    let rows = campaign(&sandbox, 9, &["status", "--format", "json"])
        .ok()
        .json();
    let mut rows = rows["rows"].as_array().unwrap().iter();
    let row = rows.find(|row| row["organisation"] == "b.example").unwrap();
    let to = format!("ann+tlsnag-{}@us.example", row["token"].as_str().unwrap());
    answer(
        &sandbox,
        "1",
        &format!("From: MAILER-DAEMON@us.example\r\nTo: {to}\r\nReturn-Path: <>\r\nSubject: x"),
        "It could not be delivered: user unknown. 5.1.1",
    );
    campaign(&sandbox, 9, &["replies", "mail"]).ok();
    let said = enforce("2027-03-01");
    assert!(said.contains("told of 2027-03-01: 1 of 3 peers"), "{said}");
    assert!(said.contains("not told: b.example, c.example"), "{said}");
}

#[test]
fn what_was_mended_between_plan_and_sending_is_not_accused() {
    let sandbox = with(&[
        ("a.example", Does::NotOffered),
        ("b.example", Does::NotOffered),
    ]);
    let hash = plan(&sandbox, 9)["plan"].as_str().unwrap().to_string();
    let next = log(
        9..=9,
        &[("a.example", Does::Tls), ("b.example", Does::NotOffered)],
    );
    import(&sandbox, 10, "next.log", &next);
    let said = send(&sandbox, 10, &hash, &taking(&sandbox)).ok().out;
    assert!(
        said.contains("not true any more, by the latest log, or not of all they name: 1"),
        "{said}"
    );
    assert_eq!(taken(&sandbox), ["postmaster@b.example"]);
}

#[test]
fn who_offers_starttls_since_the_plan_is_not_told_that_they_do_not() {
    let names = ["a.example", "b.example", "c.example"];
    let sandbox = with(&names.map(|name| (name, Does::NotOffered)));
    let hash = plan(&sandbox, 9)["plan"].as_str().unwrap().to_string();
    // The one's handshake fails by now; the other's TLS comes up, and the mail has to wait for another reason.
    let late = delivery(9, "b.example", Does::Tls).replace("status=sent", "status=deferred");
    let next = log(
        9..=9,
        &[("a.example", Does::Breaks), ("c.example", Does::NotOffered)],
    );
    import(&sandbox, 10, "next.log", &(next + &late));
    let said = send(&sandbox, 10, &hash, &taking(&sandbox)).ok().out;
    assert!(said.contains("not of all they name: 2"), "{said}");
    assert_eq!(taken(&sandbox), ["postmaster@c.example"]);
    let again = plan(&sandbox, 10);
    let mut reasons = strings(&again["skipped"], "reason");
    reasons.sort();
    assert_eq!(reasons, ["tls-seen", "tls-seen", "too-few", "too-recent"]);
    // Of that a letter is planned when it is enough; and it goes out as long as it is so.
    import(
        &sandbox,
        12,
        "more.log",
        &log(10..=11, &[("a.example", Does::Breaks)]),
    );
    let later = plan(&sandbox, 12);
    assert_eq!(strings(&later["rows"], "reason"), ["handshake"]);
    let hash = later["plan"].as_str().unwrap();
    send(&sandbox, 12, hash, &taking(&sandbox)).ok();
    assert_eq!(taken(&sandbox).len(), 2);
}

#[test]
fn a_letter_that_came_back_silences_its_address_and_no_other() {
    let sandbox = with(&[("a.example", Does::NotOffered)]);
    let hash = plan(&sandbox, 9)["plan"].as_str().unwrap().to_string();
    send(&sandbox, 9, &hash, &taking(&sandbox)).ok();
    let mut mails = std::fs::read_dir(sandbox.path("taken")).unwrap();
    let mail = std::fs::read_to_string(mails.next().unwrap().unwrap().path()).unwrap();
    let id = mail.lines().find(|line| line.starts_with("Message-ID: "));
    // Somebody else is to be written to by the time the letter comes back.
    campaign(&sandbox, 10, &["contact", "a.example", "eve@a.example"]).ok();
    answer(
        &sandbox,
        "1",
        "From: MAILER-DAEMON@us.example\r\nTo: ann@us.example\r\nMIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b",
        &format!(
            "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; us.example\r\n\r\nFinal-Recipient: rfc822; postmaster@a.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--b\r\nContent-Type: text/rfc822-headers\r\n\r\n{}\r\n\r\n--b--",
            id.unwrap()
        ),
    );
    let said = campaign(&sandbox, 10, &["replies", "mail"]).ok().out;
    assert!(said.contains("a.example bounce"), "{said}");
    let silenced = campaign(&sandbox, 10, &["suppress"]).ok().out;
    assert!(
        silenced.contains("postmaster@a.example") && !silenced.contains("eve@"),
        "{silenced}"
    );
    // A month later: the new contact gets a first letter, and the old one none if it is set again.
    import(
        &sandbox,
        41,
        "later.log",
        &log(9..=40, &[("a.example", Does::NotOffered)]),
    );
    let rows = |sandbox: &Sandbox| {
        let plan = plan(sandbox, 41);
        (
            strings(&plan["rows"], "contact"),
            strings(&plan["skipped"], "reason"),
        )
    };
    assert_eq!(rows(&sandbox), (vec!["eve@a.example".into()], vec![]));
    campaign(
        &sandbox,
        41,
        &["contact", "a.example", "postmaster@a.example"],
    )
    .ok();
    assert_eq!(rows(&sandbox).0, Vec::<String>::new());
}

#[test]
fn an_answer_that_is_not_utf_8_is_no_failure_of_tls_and_loses_no_letter() {
    let sandbox = with(&[("a.example", Does::NotOffered)]);
    sandbox.append("c.toml", "smtp_security = \"none\"\n");
    let hash = plan(&sandbox, 9)["plan"].as_str().unwrap().to_string();
    let send_to = |greeting: &'static [u8]| {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap().to_string();
        let taken = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&taken);
        std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            take_mail(stream, greeting, &into).ok();
        });
        let args = ["send", "--plan", &hash, "--yes", "--smtp", &server];
        let ran = campaign(&sandbox, 9, &args);
        let taken = taken.lock().unwrap().len();
        (ran, taken)
    };
    let (ran, taken) = send_to(b"220 gr\xfc\xdf Gott\r\n");
    let said = ran.out + &ran.err;
    assert!(
        !said.contains("no TLS") && said.contains("to be sent by the next run: 1"),
        "{said}"
    );
    assert_eq!(
        (taken, status_of(&sandbox, 9, "a.example")),
        (0, "planned".into())
    );
    let (ran, taken) = send_to(b"220 hi\r\n");
    assert!(ran.ok().out.contains("Sent: 1."));
    assert_eq!(
        (taken, status_of(&sandbox, 9, "a.example")),
        (1, "sent".into())
    );
}

#[test]
fn no_password_goes_over_the_net_in_clear() {
    let sandbox = with(&[("a.example", Does::NotOffered)]);
    sandbox.write("login", "us:secret\n");
    let way = "[campaign]\nsmtp = \"mail.b.example:25\"\nsmtp_security = \"none\"\nsmtp_login = \"login\"";
    sandbox.write("c.toml", SETTINGS.replace("[campaign]", way));
    let hash = plan(&sandbox, 9)["plan"].as_str().unwrap().to_string();
    let ran = campaign(&sandbox, 9, &["send", "--plan", &hash, "--yes"]);
    assert_ne!(ran.status, 0);
    assert!(
        ran.err.contains("would go to mail.b.example in clear"),
        "{}",
        ran.err
    );
}

#[test]
fn a_thank_you_that_cannot_go_out_waits_and_the_audit_goes_on() {
    let sandbox = with(&[("a.example", Does::NotOffered)]);
    let hash = plan(&sandbox, 9)["plan"].as_str().unwrap().to_string();
    send(&sandbox, 9, &hash, &taking(&sandbox)).ok();
    let program = sandbox.path("sendmail");
    let thanking = format!("{SETTINGS}auto_thank = true\nsendmail = {program:?}\n");
    sandbox.write("c.toml", thanking);
    sandbox.write("week2.log", log(10..=15, &[("a.example", Does::Tls)]));
    let audit = |day| {
        let settings = sandbox.path("c.toml");
        let settings = settings.to_string_lossy().into_owned();
        let args = ["--config", &settings, "audit", "week2.log"];
        sandbox.run_with(&args, &[("TLSNAG_NOW", &on(day))]).ok()
    };
    sendmail(&sandbox, "cat > /dev/null; exit 78");
    let down = audit(16);
    assert!(
        down.err.contains("Thank-yous wait for the next run"),
        "{}",
        down.err
    );
    assert!(!down.out.is_empty(), "the audit has told what it had to");
    taking(&sandbox);
    let up = audit(17);
    assert!(up.err.contains("Thank-yous sent: 1."), "{}", up.err);
    assert_eq!(taken(&sandbox), ["postmaster@a.example"; 2]);
}
