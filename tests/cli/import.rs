//! Reading logs: what is counted, and that nothing is counted twice or lost.

use std::fs;

use proptest::prelude::*;

use crate::sandbox::{Sandbox, sample};

/// The digest of the store: all that it says, without row numbers and paths.
fn digest(sandbox: &Sandbox) -> String {
    let store =
        tlsnag::store::Store::open_existing(&sandbox.path("store.db")).expect("the store exists");
    store.digest().expect("the store can be read")
}

fn import(sandbox: &Sandbox, log: &str) {
    sandbox
        .run(&[
            "import",
            "--correspondents",
            "--own-domain",
            "ours.example",
            log,
        ])
        .ok();
}

/// A log that has everything, in the order of time: fallback, several MX, reuse, both directions, both mail servers.
pub fn mixed_log() -> Vec<u8> {
    let mut log = Vec::new();
    let whole = [
        "edge/session-fallback.log",
        "edge/our-cert-refused.log",
        "edge/rivals.log",
    ];
    for (name, lines) in whole.map(|n| (n, usize::MAX)).into_iter().chain([
        ("postfix/rfc3339.log", 250),
        ("sendmail/loglevel14.log", 250),
    ]) {
        let text = fs::read(sample(name)).expect("the sample logs are in the repository");
        let lines = text.split_inclusive(|b| *b == b'\n').take(lines);
        for (at, line) in lines.enumerate() {
            log.extend(line);
            if name.starts_with("postfix") && at % 5 == 0 {
                log.extend(one_of_many_persons(at / 5, line).bytes());
            }
        }
        if name == "edge/rivals.log" {
            log.extend(lines_nobody_reads().bytes());
        }
    }
    log
}

/// A line of a server on which persons come and go, now refused and now with mail, all in the same processes: at the time of another line.
fn one_of_many_persons(number: usize, other: &[u8]) -> String {
    let stamp = String::from_utf8_lossy(&other[..other.len().min(32)]);
    let person = ["ann", "bob", "cid"][number % 3];
    let (process, accepted) = (number % 4, number / 4 % 2);
    format!(
        "{stamp} gw9 sm-mta[40{process}]: 5AKP{number:02}1234571: from=<{person}@persons.example>, size=100, class=0, nrcpts={accepted}, msgid=<{number}@a>, proto=ESMTP, daemon=MTA-v4, relay=out{process}.persons.example [192.0.2.{process}]\n"
    )
}

/// Lines that are not recognised, and one of another program, hours later, by which open sessions have ended.
fn lines_nobody_reads() -> String {
    let strange = (10..50).map(|n| {
        let word = ["one", "two", "three"][n % 3];
        format!("2026-11-20T08:40:{n}+00:00 mx1 postfix/smtpd[{n}]: frobnicated {word} of <u{n}@x.example>\n")
    });
    let later = "2026-11-20T13:00:00+00:00 mx1 CRON[1]: (root) CMD (true)\n";
    strange.chain([later.to_owned()]).collect()
}

#[test]
fn a_host_that_takes_our_mail_and_sends_us_some_is_counted_each_way() {
    let sandbox = Sandbox::new();
    // Sendmail logs no port, so that host and client have the same name.
    let log = "\
2026-11-20T10:00:00+00:00 mail sendmail[100]: STARTTLS=client, relay=mx.a.example., version=TLSv1.3, verify=OK, cipher=TLS_AES_256_GCM_SHA384, bits=256/256
2026-11-20T10:00:01+00:00 mail sendmail[100]: 6AKA00M0000100: to=<ann@a.example>, delay=00:00:01, xdelay=00:00:01, mailer=esmtp, pri=30000, relay=mx.a.example. [192.0.2.1], dsn=2.0.0, stat=Sent (ok)
2026-11-20T10:05:00+00:00 mail sendmail[200]: STARTTLS=server, relay=mx.a.example [192.0.2.1], version=TLSv1.3, verify=NO, cipher=TLS_AES_256_GCM_SHA384, bits=256/256
2026-11-20T10:05:01+00:00 mail sendmail[200]: 6AKA05M0000200: from=<bob@a.example>, size=100, class=0, nrcpts=1, msgid=<1@a.example>, proto=ESMTPS, daemon=MTA-v4, relay=mx.a.example [192.0.2.1]
";
    sandbox.write("mail.log", log);
    import(&sandbox, "mail.log");
    for (report, row) in [
        ("hosts", "mx.a.example,192.0.2.1,1,0,"),
        ("clients", "192.0.2.1,mx.a.example,a.example,1,0,0,0,1,0,0,"),
    ] {
        let rows = sandbox.run(&["report", report, "--all", "--format", "csv"]);
        let rows = rows.ok().out;
        assert!(rows.contains(row), "{report}: {rows}");
    }
}

#[test]
fn what_a_line_of_no_interest_brings_to_an_end_is_counted_though_it_is_the_last() {
    let sandbox = Sandbox::new();
    let log = "2026-11-20T08:00:00+00:00 mx1 postfix/smtpd[8]: connect from out.a.example[192.0.2.8]
2026-11-20T08:00:01+00:00 mx1 postfix/smtpd[8]: Anonymous TLS connection established from out.a.example[192.0.2.8]: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)
2026-11-20T08:00:02+00:00 mx1 postfix/smtpd[8]: 4A1B09: client=out.a.example[192.0.2.8]
2026-11-20T13:00:00+00:00 mx1 CRON[1]: (root) CMD (true)
";
    sandbox.write("mail.log", log);
    let said = sandbox.run(&["import", "mail.log"]).ok().err;
    assert!(said.contains("Found 1 deliveries"), "{said}");
    let rows = sandbox
        .run(&["report", "clients", "--all", "--format", "json"])
        .ok()
        .json();
    assert_eq!(
        rows["rows"][0]["sessions_encrypted"].as_u64(),
        Some(1),
        "{rows}"
    );
}

/// The first line in which two digests differ.
pub fn difference(a: &str, b: &str) -> Option<String> {
    let at = |text: &str, n: usize| {
        text.lines()
            .nth(n)
            .unwrap_or("(end)")
            .chars()
            .take(3000)
            .collect::<String>()
    };
    let number = a.lines().zip(b.lines()).take_while(|(a, b)| a == b).count();
    (a != b).then(|| format!("line {number}:\n{}\n{}", at(a, number), at(b, number)))
}

#[test]
fn the_comparison_log_gives_what_really_happened() {
    let sandbox = Sandbox::new();
    sandbox
        .run(&[
            "import",
            sample("edge/rivals.log").to_str().unwrap_or_default(),
        ])
        .ok();
    let rows = |report: &str| {
        sandbox
            .run(&["report", report, "--all", "--format", "json"])
            .ok()
            .json()["rows"]
            .clone()
    };
    let domains = rows("domains");
    let sum = |column: &str| {
        domains
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|r| r[column].as_u64())
            .sum::<u64>()
    };
    assert_eq!(
        (sum("encrypted"), sum("plaintext"), sum("unknown")),
        (4, 4, 0)
    );
    let class = |domain: &str| {
        let row = domains
            .as_array()
            .into_iter()
            .flatten()
            .find(|r| r["domain"] == domain);
        row.map(|r| {
            (
                r["verdict"].as_str().unwrap_or_default().to_owned(),
                r["class"].as_str().unwrap_or_default().to_owned(),
            )
        })
    };
    let pair = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));
    assert_eq!(
        class("broken.example"),
        pair("plaintext", "plaintext-fallback-after-failed-handshake")
    );
    assert_eq!(
        class("enforced.example"),
        pair("undeliverable", "tls-required-not-offered")
    );
    assert_eq!(class("slow.example"), pair("undeliverable", "no-session"));
    let clients = rows("clients");
    let total = |column: &str| {
        clients
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|r| r[column].as_u64())
            .sum::<u64>()
    };
    assert_eq!(
        (
            total("sessions_encrypted"),
            total("sessions_plaintext"),
            total("sessions_failed")
        ),
        (1, 1, 1)
    );
}

#[test]
fn a_log_read_twice_changes_nothing() {
    let sandbox = Sandbox::new();
    let log = sandbox.write("mail.log", mixed_log());
    import(&sandbox, "mail.log");
    let once = digest(&sandbox);
    import(&sandbox, "mail.log");
    assert_eq!(difference(&digest(&sandbox), &once), None);
    fs::rename(log, sandbox.path("mail.log.1")).expect("same directory");
    import(&sandbox, "mail.log.1");
    assert_eq!(
        difference(&digest(&sandbox), &once),
        None,
        "a log keeps its identity under another name"
    );
}

#[test]
fn what_was_appended_is_read_and_a_torn_line_is_finished_by_the_next_run() {
    let whole = Sandbox::new();
    let log = mixed_log();
    whole.write("mail.log", &log);
    import(&whole, "mail.log");
    let sandbox = Sandbox::new();
    let middle = log.len() / 2;
    sandbox.append("mail.log", &log[..middle]);
    import(&sandbox, "mail.log");
    sandbox.append("mail.log", &log[middle..]);
    import(&sandbox, "mail.log");
    assert_eq!(difference(&digest(&sandbox), &digest(&whole)), None);
}

#[test]
fn a_compressed_log_is_the_same_log() {
    use std::io::Write;
    let plain = Sandbox::new();
    plain.write("mail.log", mixed_log());
    import(&plain, "mail.log");
    let packed = Sandbox::new();
    let mut gzip = std::process::Command::new("gzip")
        .arg("-c")
        .stdin(std::process::Stdio::piped())
        .stdout(fs::File::create(packed.path("mail.log.2.gz")).expect("writable"))
        .spawn()
        .expect("gzip is on every system that rotates logs");
    gzip.stdin
        .take()
        .expect("piped")
        .write_all(&mixed_log())
        .expect("gzip reads it");
    gzip.wait().expect("gzip ends");
    import(&packed, "mail.log.2.gz");
    assert_eq!(difference(&digest(&packed), &digest(&plain)), None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_log_cut_anywhere_into_any_number_of_runs_gives_the_same_store(mut cuts in prop::collection::vec(0usize..90_000, 1..5)) {
        let log = mixed_log();
        let whole = Sandbox::new();
        whole.write("mail.log", &log);
        import(&whole, "mail.log");
        let pieces = Sandbox::new();
        cuts.iter_mut().for_each(|cut| *cut = (*cut).min(log.len()));
        cuts.sort_unstable();
        cuts.push(log.len());
        let mut at = 0;
        for cut in cuts {
            pieces.append("mail.log", &log[at..cut]);
            at = cut;
            import(&pieces, "mail.log");
        }
        prop_assert_eq!(difference(&digest(&pieces), &digest(&whole)), None);
    }
}
