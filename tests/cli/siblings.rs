//! Who names only the log that is being written gets what was rotated away since, and nothing else.

use std::fs;

use crate::history::{content, read_once};
use crate::import::{difference, mixed_log};
use crate::sandbox::Sandbox;

const IMPORT: &[&str] = &[
    "import",
    "--quiet",
    "--correspondents",
    "--own-domain",
    "ours.example",
];

/// Reads the named log.
#[track_caller]
fn import(sandbox: &Sandbox, log: &str) {
    sandbox.run(&[IMPORT, &[log]].concat()).ok();
}

fn rename(sandbox: &Sandbox, from: &str, to: &str) {
    fs::rename(sandbox.path(from), sandbox.path(to)).expect("same directory");
}

/// The log in pieces that end with a line.
fn pieces(log: &[u8], number: usize) -> Vec<&[u8]> {
    let mut rest = log;
    let mut pieces = Vec::new();
    for _ in 1..number {
        let end = log.len() / number;
        let end = end
            + rest[end..]
                .iter()
                .position(|b| *b == b'\n')
                .expect("many lines")
            + 1;
        let (piece, after) = rest.split_at(end);
        pieces.push(piece);
        rest = after;
    }
    pieces.push(rest);
    pieces
}

#[test]
fn whoever_names_only_the_live_log_gets_what_was_rotated_away_too() {
    let log = mixed_log();
    let expected = read_once(&log);
    let sandbox = Sandbox::new();
    let parts = pieces(&log, 5);
    sandbox.append("mail.log", parts[0]);
    import(&sandbox, "mail.log");
    // More is written, then rotated twice before the next run, so that one file was never seen.
    sandbox.append("mail.log", parts[1]);
    rename(&sandbox, "mail.log", "mail.log.1");
    sandbox.append("mail.log", parts[2]);
    rename(&sandbox, "mail.log.1", "mail.log.2");
    rename(&sandbox, "mail.log", "mail.log.1");
    sandbox.append("mail.log", parts[3]);
    import(&sandbox, "mail.log");
    sandbox.append("mail.log", parts[4]);
    import(&sandbox, "mail.log");
    assert_eq!(difference(&content(&sandbox), &expected), None);
}

#[test]
fn old_logs_beside_the_one_that_is_named_are_left_alone() {
    let log = mixed_log();
    let parts = pieces(&log, 3);
    let sandbox = Sandbox::new();
    sandbox.write("mail.log.2", parts[0]);
    sandbox.write("mail.log.1", parts[1]);
    sandbox.write("mail.log", parts[2]);
    import(&sandbox, "mail.log");
    import(&sandbox, "mail.log");
    assert_eq!(
        difference(&content(&sandbox), &read_once(parts[2])),
        None,
        "what was never read and is older was not asked for"
    );
}
