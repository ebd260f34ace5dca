//! Logs that move, grow, shrink and come again, by file or by pipe: each record counts once.

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

/// Reads the named log, or standard input.
#[track_caller]
fn import(sandbox: &Sandbox, log: &str) {
    sandbox.run(&[IMPORT, &[log]].concat()).ok();
}

#[track_caller]
fn pipe(sandbox: &Sandbox, text: &[u8]) {
    sandbox
        .run_with_input(&[IMPORT, &["-"]].concat(), text)
        .ok();
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

#[test]
fn the_same_stream_again_or_longer_is_read_on_from_where_it_was() {
    let log = mixed_log();
    let expected = read_once(&log);
    let sandbox = Sandbox::new();
    for end in [
        log.len() / 3,
        log.len() / 3,
        log.len() / 2 + 7,
        log.len(),
        log.len(),
    ] {
        pipe(&sandbox, &log[..end]);
    }
    assert_eq!(difference(&content(&sandbox), &expected), None);
}

#[test]
fn a_stream_that_is_a_file_read_before_is_that_file() {
    let log = mixed_log();
    let expected = read_once(&log);
    let sandbox = Sandbox::new();
    sandbox.write("mail.log", &log[..log.len() / 2]);
    import(&sandbox, "mail.log");
    pipe(&sandbox, &log[..log.len() / 2]);
    pipe(&sandbox, &log);
    sandbox.write("mail.log", &log);
    import(&sandbox, "mail.log");
    assert_eq!(difference(&content(&sandbox), &expected), None);
}

#[test]
fn an_older_copy_of_a_log_brings_nothing_twice() {
    let log = mixed_log();
    let expected = read_once(&log);
    let sandbox = Sandbox::new();
    sandbox.write("mail.log", &log);
    import(&sandbox, "mail.log");
    sandbox.write("copy-from-yesterday", pieces(&log, 2)[0]);
    import(&sandbox, "copy-from-yesterday");
    pipe(&sandbox, pieces(&log, 3)[0]);
    assert_eq!(difference(&content(&sandbox), &expected), None);
}

#[test]
fn a_pattern_that_no_shell_expanded_is_expanded() {
    let log = mixed_log();
    let expected = read_once(&log);
    let sandbox = Sandbox::new();
    let parts = pieces(&log, 2);
    sandbox.write("mail.log.1", parts[0]);
    sandbox.write("mail.log", parts[1]);
    import(&sandbox, "mail.log*");
    assert_eq!(difference(&content(&sandbox), &expected), None);
    sandbox
        .run(&["import", "nothing.*"])
        .fails_with(&["nothing.*"]);
    sandbox.write("odd[1].log", parts[0]);
    import(&sandbox, "odd[1].log");
}

#[test]
fn a_log_named_twice_or_beside_a_part_of_it_counts_once() {
    let log = mixed_log();
    let expected = read_once(&log);
    let sandbox = Sandbox::new();
    sandbox.write("mail.log", &log);
    sandbox.write("mail.info", pieces(&log, 2)[0]);
    sandbox
        .run(&[IMPORT, &["mail.log", "mail.info", "mail.log"]].concat())
        .ok();
    assert_eq!(difference(&content(&sandbox), &expected), None);
}
