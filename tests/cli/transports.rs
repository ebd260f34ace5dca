//! The same log in all the ways in which it can arrive: the reports must not differ in a single row.

use std::fs;
use std::io::Write;

use serde_json::Value;

use crate::sandbox::{Sandbox, sample};

/// Both mail servers, with the stamps of both ages of syslog: every log that real servers wrote, and two incidents.
const LOGS: &[&str] = &[
    "postfix/rfc3164.log",
    "postfix/rfc3339.log",
    "postfix/postlogd.log",
    "postfix/reuse.log",
    "postfix/loglevel0.log",
    "postfix/3.11.log",
    "sendmail/loglevel9.log",
    "sendmail/loglevel14.log",
    "edge/session-fallback.log",
    "edge/our-cert-refused.log",
];

/// The column that names the rows of a report.
const REPORTS: &[(&str, &str)] = &[
    ("domains", "domain"),
    ("hosts", "host"),
    ("clients", "address"),
];

fn log(name: &str) -> Vec<u8> {
    fs::read(sample(name)).expect("the sample logs are in the repository")
}

/// All rows of the three reports.
fn rows(sandbox: &Sandbox) -> Vec<(&'static str, Vec<Value>)> {
    let of = |report: &str| {
        let ran = sandbox.run(&["report", report, "--all", "--format", "json"]);
        let rows = ran.ok().json()["rows"].as_array().cloned();
        rows.unwrap_or_default()
    };
    REPORTS
        .iter()
        .map(|(report, _)| (*report, of(report)))
        .collect()
}

const IMPORT: &[&str] = &["import", "--own-domain", "ours.example", "--year", "2026"];

fn rows_of_file(name: &str, bytes: &[u8]) -> Vec<(&'static str, Vec<Value>)> {
    let sandbox = Sandbox::new();
    sandbox.write(name, bytes);
    sandbox.run(&[IMPORT, &[name]].concat()).ok();
    rows(&sandbox)
}

fn rows_of_stream(bytes: &[u8]) -> Vec<(&'static str, Vec<Value>)> {
    let sandbox = Sandbox::new();
    sandbox
        .run_with_input(&[IMPORT, &["-"]].concat(), bytes)
        .ok();
    rows(&sandbox)
}

#[track_caller]
fn assert_same(found: &[(&str, Vec<Value>)], expected: &[(&str, Vec<Value>)], what: &str) {
    for ((report, found), (_, expected)) in found.iter().zip(expected) {
        let differs = found.iter().zip(expected).find(|(a, b)| a != b);
        assert_eq!(differs, None, "{what}: {report}");
        assert_eq!(found.len(), expected.len(), "{what}: {report}");
    }
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(text).expect("memory takes all");
    out.finish().expect("memory takes all")
}

fn bzip2(text: &[u8]) -> Vec<u8> {
    let mut out = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    out.write_all(text).expect("memory takes all");
    out.finish().expect("memory takes all")
}

/// How a log can be stored: the name it then usually has, and its bytes.
fn stored(text: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let xz = |text: &[u8]| liblzma::encode_all(text, 0).expect("memory takes all");
    let zstd = |text: &[u8]| zstd::encode_all(text, 1).expect("memory takes all");
    let (front, back) = text.split_at(text.len() / 2);
    vec![
        ("mail.log", text.to_vec()),
        ("mail.log.2.gz", gzip(text)),
        (
            "mail.log.3.gz",
            [gzip(front), gzip(b""), gzip(back)].concat(),
        ),
        ("mail.log.2.bz2", bzip2(text)),
        ("mail.log.3.bz2", [bzip2(front), bzip2(back)].concat()),
        ("mail-20261124.xz", xz(text)),
        ("mail-20261125.xz", [xz(front), xz(back)].concat()),
        ("maillog.1.zst", zstd(text)),
        ("maillog.2.zst", [zstd(front), zstd(back)].concat()),
        ("a-name-that-lies.gz", text.to_vec()),
        ("maillog-20261124", gzip(text)),
    ]
}

#[test]
fn a_log_means_the_same_however_it_is_stored_and_from_a_pipe() {
    for name in LOGS {
        let text = log(name);
        let plain = rows_of_file("mail.log", &text);
        assert!(plain.iter().any(|(_, rows)| !rows.is_empty()), "{name}");
        for (stored_as, bytes) in stored(&text) {
            assert_same(
                &rows_of_file(stored_as, &bytes),
                &plain,
                &format!("{name} as {stored_as}"),
            );
            assert_same(
                &rows_of_stream(&bytes),
                &plain,
                &format!("{name} piped as {stored_as}"),
            );
        }
    }
}

/// One line, taken apart: the stamp in RFC 3339 to the second, the host, the tag, the process id, the text.
struct Parts<'a> {
    stamp: String,
    host: &'a str,
    tag: &'a str,
    pid: Option<&'a str>,
    text: &'a str,
}

const MONTHS: &[&str] = &[
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

fn parts(line: &str) -> Parts<'_> {
    let (stamp, rest) = if line.starts_with("20") {
        let (stamp, rest) = line.split_once(' ').expect("a stamp ends with a space");
        (format!("{}Z", &stamp[..19]), rest)
    } else {
        let month = MONTHS
            .iter()
            .position(|m| line.starts_with(m))
            .expect("a month")
            + 1;
        let day: u32 = line[4..6].trim().parse().expect("a day");
        (
            format!("2026-{month:02}-{day:02}T{}Z", &line[7..15]),
            &line[16..],
        )
    };
    let (host, rest) = rest.split_once(' ').expect("a host ends with a space");
    let (tag, text) = rest.split_once(": ").expect("a tag ends with a colon");
    let (tag, pid) = match tag.split_once('[') {
        Some((tag, pid)) => (tag, Some(pid.trim_end_matches(']'))),
        None => (tag, None),
    };
    Parts {
        stamp,
        host,
        tag,
        pid,
        text,
    }
}

fn tagged(p: &Parts<'_>) -> String {
    match p.pid {
        Some(pid) => format!("{}[{pid}]", p.tag),
        None => p.tag.to_owned(),
    }
}

fn rfc3164(p: &Parts<'_>) -> String {
    let month: usize = p.stamp[5..7].parse().expect("two digits");
    let day: u32 = p.stamp[8..10].parse().expect("two digits");
    let time = &p.stamp[11..19];
    format!(
        "{} {day:2} {time} {} {}: {}",
        MONTHS[month - 1],
        p.host,
        tagged(p),
        p.text
    )
}

fn rfc3339(p: &Parts<'_>) -> String {
    let zoned = p.stamp.replace('Z', ".000000+00:00");
    format!("{zoned} {} {}: {}", p.host, tagged(p), p.text)
}

/// One way of writing a line.
type Way = fn(&Parts<'_>) -> String;

/// The ways in which syslog daemons and container runtimes write one and the same line.
const WAYS: &[(&str, Way)] = &[
    ("RFC 3164", rfc3164),
    ("RFC 3164, lines end in CR LF", |p| rfc3164(p) + "\r"),
    ("RFC 3339", rfc3339),
    ("RFC 3339, lines end in CR LF", |p| rfc3339(p) + "\r"),
    ("RFC 5424", |p| {
        let pid = p.pid.unwrap_or("-");
        format!(
            "<22>1 {} {} {} {pid} - - {}",
            p.stamp, p.host, p.tag, p.text
        )
    }),
    ("Docker", |p| {
        let log = rfc3164(p) + "\n";
        serde_json::json!({"log": log, "stream": "stdout", "time": p.stamp}).to_string()
    }),
    ("Docker, with RFC 3339 inside", |p| {
        let log = rfc3339(p) + "\n";
        serde_json::json!({"log": log, "stream": "stdout", "time": p.stamp}).to_string()
    }),
    ("the journal", |p| {
        let written = chrono::DateTime::parse_from_rfc3339(&p.stamp).expect("made here");
        serde_json::json!({
            "__CURSOR": "s=1;i=1", "__REALTIME_TIMESTAMP": written.timestamp_micros().to_string(), "_HOSTNAME": p.host,
            "SYSLOG_IDENTIFIER": p.tag, "SYSLOG_PID": p.pid, "MESSAGE": p.text,
        })
        .to_string()
    }),
    ("CRI", |p| format!("{} stdout F {}", p.stamp, rfc3164(p))),
    ("CRI, in two parts", |p| {
        let line = rfc3164(p);
        let cut = (0..=line.len() / 2)
            .rev()
            .find(|at| line.is_char_boundary(*at));
        let (front, back) = line.split_at(cut.unwrap_or(0));
        format!("{0} stdout P {front}\n{0} stdout F {back}", p.stamp)
    }),
];

#[test]
fn a_log_means_the_same_whoever_framed_its_lines() {
    for name in LOGS {
        let text = String::from_utf8_lossy(&log(name)).into_owned();
        let written =
            |way: Way| -> String { text.lines().map(|line| way(&parts(line)) + "\n").collect() };
        let plain = rows_of_file("mail.log", text.as_bytes());
        for (said, way) in WAYS {
            let found = rows_of_file("mail.log", written(*way).as_bytes());
            assert_same(&found, &plain, &format!("{name} as {said}"));
        }
    }
}

/// Renumbers process ids and Postfix's queue ids from the same start, so that those of several logs collide.
fn renumber(text: &str) -> String {
    let mut names: std::collections::HashMap<String, String> = std::collections::HashMap::new();
    let mut numbered = |kind: &str, old: &str, width: usize| {
        let number = names.len() + 1000;
        let fresh = format!("{number:0width$X}");
        names.entry(format!("{kind}{old}")).or_insert(fresh).clone()
    };
    let mut out = String::new();
    let (mut pids, mut known) = (Vec::<String>::new(), Vec::<(String, String)>::new());
    for line in text.lines() {
        let mut p = parts(line);
        let pid = p.pid.unwrap_or("1").to_owned();
        let at = pids
            .iter()
            .position(|known| *known == pid)
            .unwrap_or_else(|| {
                pids.push(pid);
                pids.len() - 1
            });
        let pid = (700 + at).to_string();
        if p.pid.is_some() {
            p.pid = Some(&pid);
        }
        let id = p.text.split_once(": ").map_or("", |(id, _)| id);
        let is_id = p.tag.starts_with("postfix")
            && (10..=20).contains(&id.len())
            && id.bytes().all(|b| b.is_ascii_alphanumeric())
            && id.bytes().any(|b| b.is_ascii_digit());
        if is_id && !known.iter().any(|(old, _)| old == id) {
            known.push((id.to_owned(), numbered("queue", id, 10)));
        }
        let text = known
            .iter()
            .filter(|(old, _)| p.text.contains(old.as_str()))
            .fold(p.text.to_owned(), |text, (old, new)| text.replace(old, new));
        p.text = &text;
        out += &(rfc3339(&p) + "\n");
    }
    out
}

/// What a column that counts sums up to, per name.
fn sums(rows: &[(&str, Vec<Value>)]) -> std::collections::BTreeMap<String, u64> {
    let mut sums = std::collections::BTreeMap::new();
    for ((report, rows), (_, key)) in rows.iter().zip(REPORTS) {
        for row in rows {
            let name = row[key].as_str().unwrap_or_default();
            for (column, value) in row.as_object().into_iter().flatten() {
                if let Some(n) = value.as_u64() {
                    *sums.entry(format!("{report} {name} {column}")).or_default() += n;
                }
            }
        }
    }
    sums
}

#[test]
fn three_hosts_in_one_file_are_the_three_hosts_though_all_their_numbers_collide() {
    let logs = [
        "postfix/rfc3339.log",
        "postfix/loglevel0.log",
        "sendmail/loglevel14.log",
    ]
    .map(|name| renumber(&String::from_utf8_lossy(&log(name))));
    let mut lines: Vec<&str> = logs.iter().flat_map(|log| log.lines()).collect();
    // stable: the lines of each host stay in their order
    lines.sort_by_key(|line| &line[..19]);
    let hosts = |line: &&str| parts(line).host.to_owned();
    let turns = lines
        .windows(2)
        .filter(|w| hosts(&w[0]) != hosts(&w[1]))
        .count();
    assert!(turns > 100, "the hosts take turns only {turns} times");
    let merged = lines.join("\n") + "\n";
    let merged = rows_of_file("all.log", merged.as_bytes());

    let sandbox = Sandbox::new();
    for (at, log) in logs.iter().enumerate() {
        let name = format!("host{at}.log");
        sandbox.write(&name, log);
        sandbox.run(&[IMPORT, &[&name]].concat()).ok();
    }
    assert_same(&merged, &rows(&sandbox), "one file against three");

    let each: Vec<_> = logs
        .iter()
        .flat_map(|log| rows_of_file("mail.log", log.as_bytes()))
        .collect();
    let mut added = std::collections::BTreeMap::new();
    for one in each.chunks(REPORTS.len()) {
        for (name, n) in sums(one) {
            *added.entry(name).or_insert(0) += n;
        }
    }
    assert_eq!(sums(&merged), added);
}
