//! The systemd journal as a source, through a `journalctl` that serves canned entries: the same as a log file, each entry once, and
//! no belief in silence where entries are missing.

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::Duration;

use maillog::{Framed, Record, Stamp};
use serde_json::{Value, json};

use crate::history::{Dice, content};
use crate::import::difference;
use crate::sandbox::{Ran, Sandbox, sample};

/// Understands what tlsnag asks for. Entries are in `journal.json`, their cursors sort as text. `words` goes to standard error,
/// `status` is how it ends, `cut` after how many bytes it is killed, or with
/// `calm` ends as if nothing were wrong. What it was asked is left in `asked`.
const JOURNALCTL: &str = r#"#!/bin/sh
cd "$(dirname "$0")" || exit 9
last='' from=''
for arg in "$@"; do
  case "$arg" in
    --lines=1) last=1 ;;
    --cursor=*) from=${arg#--cursor=} ;;
  esac
done
echo "LC_ALL=$LC_ALL $*" >> asked
if [ -f words ]; then cat words >&2; fi
if [ -n "$last" ]; then tail -n 1 journal.json; exit 0; fi
awk -v from="$from" '{ match($0, /"__CURSOR":"[^"]*"/); if (substr($0, RSTART + 12, RLENGTH - 13) >= from) print }' journal.json > out
if [ -f cut ]; then head -c "$(cat cut)" out; [ -f calm ] || kill -9 $$; exit 0; fi
cat out
if [ -f status ]; then exit "$(cat status)"; fi
"#;

const IMPORT: &[&str] = &["import", "--journal", "--own-domain", "ours.example"];

/// A sandbox with this journal.
fn with_journal(entries: &[String]) -> Sandbox {
    let sandbox = Sandbox::new();
    let program = sandbox.write("journalctl", JOURNALCTL);
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).expect("our own file");
    serve(&sandbox, entries);
    sandbox
}

fn serve(sandbox: &Sandbox, entries: &[String]) {
    sandbox.write("journal.json", entries.concat());
}

fn run(sandbox: &Sandbox, args: &[&str]) -> Ran {
    let path = format!("{}:/usr/bin:/bin", sandbox.path("").display());
    sandbox.run_with(args, &[("PATH", &path)])
}

fn import(sandbox: &Sandbox) -> Ran {
    run(sandbox, IMPORT)
}

/// A log of `sample-logs/` as the journal has it.
fn journal_of(name: &str) -> Vec<String> {
    let log = fs::read(sample(name)).expect("the sample logs are in the repository");
    let lines = log.split(|b| *b == b'\n');
    lines
        .enumerate()
        .filter_map(|(at, line)| match maillog::framing::parse_line(line) {
            Framed::Record(record) => Some(entry(at, &record)),
            Framed::Repeated { .. } | Framed::Noise | Framed::Unframed => None,
        })
        .collect()
}

fn entry(at: usize, record: &Record<'_>) -> String {
    let seconds = match record.stamp {
        Stamp::Zoned(instant) => instant,
        stamp => stamp
            .in_year(2026)
            .expect("the samples are of this year")
            .and_utc()
            .timestamp(),
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let fields = json!({
        "__CURSOR": format!("s=a1;i={at:06};b=b1"),
        "__REALTIME_TIMESTAMP": format!("{seconds}{:06}", at % 1_000_000),
        "_BOOT_ID": "b1",
        "_HOSTNAME": text(record.host),
        "SYSLOG_FACILITY": "2",
        "PRIORITY": "6",
        "_TRANSPORT": "syslog",
        "SYSLOG_IDENTIFIER": text(record.program),
        "_PID": record.pid.map(|pid| pid.to_string()),
        "MESSAGE": text(record.text),
    });
    format!("{fields}\n")
}

/// Changes one entry.
fn change(entry: &mut String, change: impl Fn(&mut Value)) {
    let mut fields: Value = serde_json::from_str(entry).expect("made above");
    change(&mut fields);
    *entry = format!("{fields}\n");
}

/// What histories of a journal are compared with.
pub struct Journal {
    entries: Vec<String>,
    /// The store of one clean import.
    whole: String,
    /// The reports of the log file with the same records.
    reports: String,
}

impl Journal {
    /// Imports it once, cleanly.
    pub fn read_once() -> Journal {
        let entries = journal_of("postfix/rfc3339.log");
        let clean = with_journal(&entries);
        import(&clean).ok();
        Journal {
            whole: content(&clean),
            reports: reports_of_file("postfix/rfc3339.log"),
            entries,
        }
    }

    /// It grows and is read, and the program is killed now and then.
    pub fn live_through(&self, seed: u64) {
        let mut dice = Dice::of(seed);
        let sandbox = with_journal(&[]);
        let mut written = 0;
        while written < self.entries.len() {
            written = (written + 1 + dice.below(400) as usize).min(self.entries.len());
            serve(&sandbox, &self.entries[..written]);
            if dice.one_in(2) {
                import_and_kill(&sandbox, Duration::from_micros(dice.below(60_000)));
            } else {
                import(&sandbox).ok();
            }
        }
        import(&sandbox).ok();
        import(&sandbox).ok();
        assert_eq!(reports(&sandbox), self.reports, "seed {seed}");
        let difference = difference(&content(&sandbox), &self.whole);
        assert_eq!(difference, None, "seed {seed}");
    }
}

fn import_and_kill(sandbox: &Sandbox, delay: Duration) {
    let path = format!("{}:/usr/bin:/bin", sandbox.path("").display());
    let mut child = sandbox
        .command(IMPORT)
        .env("PATH", &path)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program can be run");
    std::thread::sleep(delay);
    child.kill().expect("it is ours");
    child.wait().expect("it is ours");
}

/// The rows of all reports by name.
fn reports(sandbox: &Sandbox) -> String {
    let mut out = String::new();
    for report in [
        "domains",
        "hosts",
        "clients",
        "failures",
        "plaintext",
        "protocols",
    ] {
        let json = sandbox
            .run(&["report", report, "--all", "--format", "json"])
            .ok()
            .json();
        writeln!(out, "{report} {:#}", json["rows"]).expect("memory");
    }
    out
}

fn reports_of_file(name: &str) -> String {
    let sandbox = Sandbox::new();
    let log = sample(name);
    let log = log.to_str().expect("the repository has plain names");
    sandbox
        .run(&[
            "import",
            "--own-domain",
            "ours.example",
            "--year",
            "2026",
            log,
        ])
        .ok();
    reports(&sandbox)
}

fn holes(sandbox: &Sandbox) -> String {
    run(sandbox, &["report", "summary", "--all"]).ok().out
}

#[test]
fn the_journal_says_the_same_as_the_log_file() {
    for name in ["postfix/rfc3339.log", "sendmail/loglevel9.log"] {
        let sandbox = with_journal(&journal_of(name));
        let ran = import(&sandbox).ok();
        assert!(ran.err.contains("none unrecognised"), "{}", ran.err);
        assert_eq!(reports(&sandbox), reports_of_file(name), "{name}");
        let asked = fs::read_to_string(sandbox.path("asked")).expect("it was asked");
        assert!(
            asked.contains("LC_ALL=C --output=json --all --no-pager"),
            "{asked}"
        );
        assert!(asked.contains("SYSLOG_FACILITY=2 + MESSAGE_ID="), "{asked}");
    }
}

#[test]
fn the_journal_written_to_a_file_says_the_same_too() {
    let sandbox = with_journal(&journal_of("postfix/rfc3339.log"));
    run(
        &sandbox,
        &["import", "--own-domain", "ours.example", "journal.json"],
    )
    .ok();
    assert_eq!(reports(&sandbox), reports_of_file("postfix/rfc3339.log"));
}

#[test]
fn a_journal_read_twice_changes_nothing() {
    let sandbox = with_journal(&journal_of("postfix/rfc3339.log"));
    import(&sandbox).ok();
    let once = reports(&sandbox);
    let again = import(&sandbox).ok();
    assert!(again.err.contains("Nothing new"), "{}", again.err);
    assert_eq!(reports(&sandbox), once);
    let asked = fs::read_to_string(sandbox.path("asked")).expect("it was asked");
    assert!(asked.contains("--cursor=s=a1;i="), "{asked}");
}

#[test]
fn a_journal_cut_into_pieces_gives_the_same() {
    let entries = journal_of("sendmail/loglevel9.log");
    let sandbox = with_journal(&[]);
    for end in [1, 2, 250, 251, 700, entries.len()] {
        serve(&sandbox, &entries[..end]);
        import(&sandbox).ok();
    }
    let whole = with_journal(&entries);
    import(&whole).ok();
    assert_eq!(digest(&sandbox), digest(&whole));
}

fn digest(sandbox: &Sandbox) -> String {
    let store =
        tlsnag::store::Store::open_existing(&sandbox.path("store.db")).expect("the store exists");
    store.digest().expect("the store can be read")
}

#[test]
fn what_came_before_journalctl_was_killed_counts_and_the_next_run_goes_on() {
    let entries = journal_of("postfix/rfc3339.log");
    let sandbox = with_journal(&entries);
    // in the middle of an entry
    sandbox.write("cut", (entries[..400].concat().len() + 77).to_string());
    let ran = import(&sandbox).ok();
    assert!(ran.err.contains("signal: 9"), "{}", ran.err);
    assert!(
        ran.err.contains("what came before it counts"),
        "{}",
        ran.err
    );
    assert!(ran.err.contains("400 lines"), "{}", ran.err);
    fs::remove_file(sandbox.path("cut")).expect("just written");
    import(&sandbox).ok();
    assert_eq!(reports(&sandbox), reports_of_file("postfix/rfc3339.log"));
    assert!(!holes(&sandbox).contains("hole"));
}

#[test]
fn a_journal_that_ends_in_the_middle_of_an_entry_is_told() {
    let entries = journal_of("postfix/rfc3339.log");
    let sandbox = with_journal(&entries);
    sandbox.write("cut", (entries[..100].concat().len() - 40).to_string());
    sandbox.write("calm", "");
    let ran = import(&sandbox).ok();
    assert!(ran.err.contains("in the middle of an entry"), "{}", ran.err);
    assert!(ran.err.contains("99 lines"), "{}", ran.err);
}

#[test]
fn a_cursor_that_is_gone_is_a_hole() {
    let entries = journal_of("postfix/rfc3339.log");
    let sandbox = with_journal(&entries[..300]);
    import(&sandbox).ok();
    assert!(!holes(&sandbox).contains("hole"));
    serve(&sandbox, &entries[500..]);
    let ran = import(&sandbox).ok();
    assert!(ran.err.contains("gone from the journal"), "{}", ran.err);
    assert!(
        holes(&sandbox).contains("The log has 1 hole"),
        "{}",
        holes(&sandbox)
    );
    let again = import(&sandbox).ok();
    assert!(again.err.contains("Nothing new"), "{}", again.err);
}

/// One delivery in clear, of a process that logs its TLS sessions.
fn silence(at: usize, pid: u32, text: &str) -> String {
    let stamp = Stamp::Zoned(1_795_000_000 + at as i64 * 10);
    entry(
        at,
        &Record {
            stamp,
            host: b"mx",
            program: b"postfix/smtp",
            pid: Some(pid),
            text: text.as_bytes(),
            times: 1,
        },
    )
}

const TLS: &str = "Untrusted TLS connection established to mx.good.example[192.0.2.1]:25: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)";

fn delivery(domain: &str) -> String {
    format!(
        "4F1A2B3C4D: to=<a@{domain}>, relay=mx.{domain}[192.0.2.9]:25, delay=30, delays=0.1/0/29/0.5, dsn=2.0.0, status=sent (250 ok)"
    )
}

fn plaintext_of(sandbox: &Sandbox, domain: &str) -> Option<u64> {
    let rows = sandbox
        .run(&["report", "domains", "--all", "--format", "json"])
        .ok()
        .json();
    let rows = rows["rows"].as_array().expect("rows").clone();
    rows.iter()
        .find(|r| r["domain"] == domain)
        .and_then(|r| r["plaintext"].as_u64())
}

#[test]
fn silence_after_a_hole_is_not_believed() {
    let good = [
        silence(1, 7, TLS),
        silence(1, 7, &delivery("good.example")),
        silence(2, 7, TLS),
    ];
    let silent = silence(20, 8, &delivery("silent.example"));
    let whole = with_journal(&[good.concat(), silent.clone()]);
    import(&whole).ok();
    assert_eq!(plaintext_of(&whole, "silent.example"), Some(1));
    // the session began before the first entry that is still there
    let holed = with_journal(&good);
    import(&holed).ok();
    serve(&holed, &[silent]);
    import(&holed).ok();
    assert_eq!(plaintext_of(&holed, "silent.example"), Some(0));
    // an entry that cannot be read lies in the session
    let broken = with_journal(&[
        good.concat(),
        "{\"__CURSOR\":\"s=a1;i=000019\",\"__REALTIME_TIMESTAMP\":\"17\n".into(),
        silence(20, 8, &delivery("silent.example")),
    ]);
    let ran = import(&broken).ok();
    assert!(ran.err.contains("1 not recognised"), "{}", ran.err);
    assert_eq!(plaintext_of(&broken, "silent.example"), Some(0));
}

#[test]
fn records_that_the_journal_dropped_are_a_hole() {
    let mut dropped = silence(19, 1, "Suppressed 1530 messages from postfix.service");
    change(&mut dropped, |e| {
        e["SYSLOG_IDENTIFIER"] = "systemd-journald".into()
    });
    let sandbox = with_journal(&[
        silence(1, 7, TLS),
        dropped,
        silence(20, 8, &delivery("silent.example")),
    ]);
    import(&sandbox).ok();
    assert_eq!(plaintext_of(&sandbox, "silent.example"), Some(0));
    assert!(holes(&sandbox).contains("1530 records"));
}

#[test]
fn after_a_restart_of_the_machine_a_process_number_is_another_process() {
    let delivery = delivery("good.example").replace("192.0.2.9", "192.0.2.1");
    let mut entries = [silence(1, 7, TLS), silence(2, 7, &delivery)];
    let encrypted = |sandbox: &Sandbox| {
        import(sandbox).ok();
        let rows = sandbox
            .run(&["report", "domains", "--all", "--format", "json"])
            .ok()
            .json();
        rows["rows"][0]["encrypted"].as_u64()
    };
    assert_eq!(encrypted(&with_journal(&entries)), Some(1));
    change(&mut entries[1], |e| e["_BOOT_ID"] = "b2".into());
    assert_eq!(encrypted(&with_journal(&entries)), Some(0));
}

#[test]
fn a_message_as_bytes_twice_or_missing() {
    let entries = journal_of("postfix/rfc3339.log");
    let mut odd = entries.clone();
    for (at, entry) in odd.iter_mut().enumerate() {
        change(entry, |e| {
            let text = e["MESSAGE"].as_str().unwrap_or_default().to_owned();
            match at % 3 {
                0 => e["MESSAGE"] = text.as_bytes().into(),
                1 => e["MESSAGE"] = json!([text, "another"]),
                _ => {}
            }
        });
    }
    let sandbox = with_journal(&odd);
    import(&sandbox).ok();
    assert_eq!(reports(&sandbox), reports_of_file("postfix/rfc3339.log"));
    let mut left_out = entries[0].clone();
    change(&mut left_out, |e| e["MESSAGE"] = Value::Null);
    let ran = import(&with_journal(&[left_out, entries[1].clone()])).ok();
    assert!(ran.err.contains("1 not recognised"), "{}", ran.err);
}

#[test]
fn the_proof_is_shown_as_a_line() {
    let sandbox = with_journal(&journal_of("postfix/rfc3339.log"));
    import(&sandbox).ok();
    let domain = "not-offered.example";
    let shown = run(&sandbox, &["peer", domain, "--all"]).ok().out;
    assert!(shown.contains("+00:00 mx2 postfix/"), "{shown}");
    assert!(!shown.contains("__CURSOR"), "{shown}");
}

#[test]
fn log_files_that_told_of_the_host_before_are_not_told_again() {
    let text = fs::read_to_string(sample("postfix/rfc3339.log")).expect("plain text");
    let sandbox = with_journal(&journal_of("postfix/rfc3339.log"));
    sandbox.write("mail.log", &text);
    sandbox
        .run(&["import", "--own-domain", "ours.example", "mail.log"])
        .ok();
    let before = reports(&sandbox);
    let ran = import(&sandbox).ok();
    assert!(ran.err.contains("Nothing new"), "{}", ran.err);
    assert_eq!(reports(&sandbox), before);
    let mut more = journal_of("postfix/rfc3339.log");
    more.push(
        silence(40_000, 8, &delivery("later.example")).replace("\"mx\"", "\"mx2.ours.example\""),
    );
    serve(&sandbox, &more);
    let ran = import(&sandbox).ok();
    assert!(ran.err.contains("1 lines"), "{}", ran.err);
}

#[test]
fn what_journalctl_fails_with_is_shown() {
    let entries = journal_of("postfix/rfc3339.log");
    let sandbox = with_journal(&entries);
    sandbox.write("status", "1");
    sandbox.write(
        "words",
        "Failed to seek to cursor: \x1b[31mInvalid argument\nsecond line\n",
    );
    let ran = import(&sandbox).ok();
    assert!(
        ran.err
            .contains("exit status: 1: Failed to seek to cursor: \\u{1b}[31mInvalid"),
        "{}",
        ran.err
    );
    assert!(!ran.err.contains("second line"), "{}", ran.err);
    // and when nothing new came
    import(&sandbox).fails_with(&["exit status: 1", "nothing new was read"]);
}

#[test]
fn a_user_who_may_not_read_the_journal_is_told_and_nothing_is_read() {
    let sandbox = with_journal(&journal_of("postfix/rfc3339.log"));
    sandbox.write(
        "words",
        "Hint: You are currently not seeing messages from other users and the system.\n      Users in groups 'adm', 'systemd-journal' can see all messages.\n",
    );
    import(&sandbox).fails_with(&[
        "not seeing messages from other users",
        "root",
        "systemd-journal",
    ]);
    assert!(!sandbox.path("store.db").exists());
}

#[test]
fn no_journalctl() {
    let sandbox = Sandbox::new();
    sandbox
        .run_with(&["import", "--journal"], &[("PATH", "/nowhere")])
        .fails_with(&["no journalctl in PATH", "name a log file"]);
}

#[test]
fn the_journal_and_log_files_are_not_read_together() {
    let sandbox = with_journal(&journal_of("postfix/rfc3339.log"));
    sandbox.write("mail.log", "");
    run(&sandbox, &["import", "--journal", "mail.log"]).fails_with(&["counted twice", "--journal"]);
    sandbox.write("both.toml", "journal = true\nlogs = [\"mail.log\"]\n");
    run(&sandbox, &["--config", "both.toml", "import"])
        .fails_with(&["counted twice", "journal = true"]);
}

#[test]
fn the_settings_can_say_that_the_journal_is_read() {
    let sandbox = with_journal(&journal_of("postfix/rfc3339.log"));
    sandbox.write(
        "tlsnag.toml",
        "journal = true\nown_domains = [\"ours.example\"]\n",
    );
    let args = ["--config", "tlsnag.toml", "audit", "--format", "json"];
    run(&sandbox, &args).ok();
    assert_eq!(reports(&sandbox), reports_of_file("postfix/rfc3339.log"));
    // once the journal was read it is read again, although nothing says so
    let ran = run(&sandbox, &["import"]).ok();
    assert!(ran.err.contains("Nothing new"), "{}", ran.err);
}

#[test]
fn an_empty_journal_is_no_error() {
    let sandbox = with_journal(&["-- No entries --\n".to_owned()]);
    let ran = import(&sandbox).ok();
    assert!(ran.err.contains("Nothing new"), "{}", ran.err);
}

#[test]
fn a_journal_in_the_export_format_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "export",
        "__CURSOR=s=1\n__REALTIME_TIMESTAMP=1762074001123456\nMESSAGE=x\n\n",
    );
    sandbox
        .run(&["import", "export"])
        .fails_with(&["export", "-o json"]);
}

#[test]
fn months_in_another_language_are_reported_and_never_guessed() {
    let sandbox = Sandbox::new();
    let line = |month: &str| format!("{month} 02 10:00:01 host postfix/smtp[1]: {TLS}\n");
    sandbox.write("german.log", line("Okt") + &line("Mär") + &line("Dez"));
    sandbox
        .run(&["import", "german.log"])
        .fails_with(&["german.log", "not a mail log"]);
    sandbox.write("mixed.log", line("Nov") + &line("Dez"));
    let ran = sandbox.run(&["import", "mixed.log"]).ok();
    assert!(ran.err.contains("1 not recognised"), "{}", ran.err);
    assert!(ran.err.contains("Dez 02 10:00:01"), "{}", ran.err);
}

#[test]
fn what_journalctl_remarks_does_not_stop_it() {
    let sandbox = with_journal(&journal_of("postfix/rfc3339.log"));
    sandbox.write(
        "words",
        "File system@1.journal~ is truncated, ignoring file.\n",
    );
    let ran = import(&sandbox).ok();
    assert!(
        ran.err.contains("journalctl says: File system@1"),
        "{}",
        ran.err
    );
    assert_eq!(reports(&sandbox), reports_of_file("postfix/rfc3339.log"));
}
