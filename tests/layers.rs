//! House rules as a test: who may name whom, which package lives where, and that every file says what it is for.
//!
//! A table and a loop over `src/` and `parsers/src/`. It reads text, so it cannot be fooled by what compiles.

use std::fs;
use std::path::{Path, PathBuf};

/// Stage, and the stages it may name (`crate::NAME`). Downstream names upstream, never the reverse; siblings do not name each
/// other. Only `command` assembles.
const STAGES: &[(&str, &[&str])] = &[
    ("outcome", &[]),
    ("clock", &[]),
    ("settings", &[]),
    ("input", &[]),
    ("session", &["outcome"]),
    ("store", &["outcome"]),
    ("query", &["outcome", "store"]),
    ("report", &["outcome", "query", "store"]),
    ("campaign", &["outcome", "query", "store"]),
    ("mail", &[]),
    ("output", &[]),
    ("cli", &["command"]),
    (
        "command",
        &[
            "campaign", "cli", "clock", "input", "mail", "outcome", "output", "query", "report",
            "session", "settings", "store",
        ],
    ),
    ("main", &[]),
    ("lib", &[]),
];

/// Package, and the places it may be named in.
const HOMES: &[(&str, &[&str])] = &[
    ("rusqlite", &["src/store", "src/query"]),
    ("rusqlite_migration", &["src/store"]),
    ("indicatif", &["src/output"]),
    (
        "clap",
        &[
            "src/cli.rs",
            "src/settings.rs",
            "src/command",
            "src/main.rs",
        ],
    ),
    (
        "handlebars",
        &["src/report/format/html.rs", "src/campaign/letter.rs"],
    ),
    (
        "unicode_width",
        &["src/report/format", "src/campaign/redact.rs"],
    ),
    ("csv", &["src/report/format"]),
    ("flate2", &["src/input/compression.rs"]),
    ("bzip2", &["src/input/compression.rs"]),
    ("liblzma", &["src/input/compression.rs"]),
    ("zstd", &["src/input/compression.rs"]),
    ("glob", &["src/input/source.rs"]),
    ("self_cell", &["src/command/intake/parsed.rs"]),
    ("lettre", &["src/mail"]),
    ("mail_parser", &["src/mail/reply.rs"]),
    ("idna", &["src/store/addressees.rs"]),
    ("toml", &["src/settings.rs"]),
    ("nom", &["parsers/src"]),
    ("regex", &["parsers/src"]),
];

/// What only one place may do.
const DEEDS: &[(&str, &[&str])] = &[
    ("println!", &["src/output"]),
    ("eprintln!", &["src/output"]),
    ("std::io::stdout", &["src/output"]),
    ("Utc::now", &["src/clock.rs"]),
    ("Local::now", &["src/clock.rs"]),
    ("SystemTime::now", &["src/clock.rs"]),
    // Files are opened by those who were given their names on the command line or in the settings: a path that stands in a log is text.
    (
        "File::open",
        &[
            "src/input/source.rs",
            "src/mail/mailbox.rs",
            "src/store/open.rs",
            "src/store/copy.rs",
        ],
    ),
    ("File::options", &["src/command/intake.rs"]),
    (
        "OpenOptions::new",
        &["src/store/open.rs", "src/store/copy.rs"],
    ),
    ("fs::read", &["src/store/tests.rs", "src/command/policy.rs"]),
    (
        "fs::read_to_string",
        &["src/settings.rs", "src/command/templates.rs"],
    ),
    (
        "fs::write",
        &["src/command/report.rs", "src/mail/outbox.rs"],
    ),
    (
        "Command::new",
        &["src/input/journal.rs", "src/mail/outbox.rs"],
    ),
];

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    let entries =
        fs::read_dir(directory).unwrap_or_else(|e| panic!("{}: {e}", directory.display()));
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// Every source file: path within the repository, text without comments and without the unit tests at its end.
fn code() -> Vec<(String, String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    sources(&root.join("src"), &mut paths);
    sources(&root.join("parsers/src"), &mut paths);
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let whole = fs::read_to_string(&path).unwrap_or_default();
            let name = path
                .strip_prefix(root)
                .unwrap_or(&path)
                .display()
                .to_string();
            let own = whole
                .split("#[cfg(test)]\nmod tests")
                .next()
                .unwrap_or_default();
            let code: String = own
                .lines()
                .filter(|l| !l.trim_start().starts_with("//"))
                .map(|l| format!("{l}\n"))
                .collect();
            (name, whole, code)
        })
        .collect()
}

/// Whether `word` stands in `code` as a word of its own.
fn names(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
            && !after.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}

#[test]
fn stages_name_only_those_before_them() {
    let mut wrong = Vec::new();
    for (path, _, code) in code().iter().filter(|(path, ..)| path.starts_with("src/")) {
        let stage = path["src/".len()..]
            .split(['/', '.'])
            .next()
            .unwrap_or_default();
        let Some((_, allowed)) = STAGES.iter().find(|(name, _)| *name == stage) else {
            wrong.push(format!(
                "{path}: stage `{stage}` is not in the table of tests/layers.rs"
            ));
            continue;
        };
        for (other, _) in STAGES {
            if *other != stage
                && !allowed.contains(other)
                && code.contains(&format!("crate::{other}"))
            {
                wrong.push(format!("{path}: `{stage}` must not name `{other}`"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn packages_stay_at_home() {
    let mut wrong = Vec::new();
    for (path, _, code) in code() {
        for (package, homes) in HOMES {
            let used =
                names(&code, &format!("{package}::")) || names(&code, &format!("use {package}"));
            if used && !homes.iter().any(|home| path.starts_with(home)) {
                wrong.push(format!(
                    "{path}: `{package}` belongs in {}",
                    homes.join(", ")
                ));
            }
        }
        for (deed, homes) in DEEDS {
            if names(&code, deed) && !homes.iter().any(|home| path.starts_with(home)) {
                wrong.push(format!("{path}: `{deed}` belongs in {}", homes.join(", ")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent: Vec<String> = code()
        .into_iter()
        .filter(|(_, whole, _)| !whole.starts_with("//!"))
        .map(|(path, ..)| path)
        .collect();
    assert!(
        silent.is_empty(),
        "these files do not open with `//!`: {}",
        silent.join(", ")
    );
}

#[test]
fn sessions_are_judged_without_naming_a_mail_server() {
    for (path, _, code) in code()
        .iter()
        .filter(|(path, ..)| path.starts_with("src/session/") && !path.ends_with("cases.rs"))
    {
        for word in ["postfix", "sendmail", "Postfix", "Sendmail"] {
            assert!(
                !code.contains(word),
                "{path} names {word}: what differs between mail servers is carried by the events"
            );
        }
    }
}
