//! Logs that move, grow, shrink and come again, by file or by pipe: each record counts once, and none is lost.

use std::fs;
use std::io::Write;

use crate::sandbox::{Ran, Sandbox, sample};

const IMPORT: &[&str] = &["import", "--own-domain", "ours.example"];

fn import(sandbox: &Sandbox, logs: &[&str]) -> Ran {
    sandbox.run(&[IMPORT, logs].concat()).ok()
}

fn pipe(sandbox: &Sandbox, text: &[u8]) -> Ran {
    sandbox.run_with_input(&[IMPORT, &["-"]].concat(), text)
}

/// All that the store counts, and how often it has proof: without the offsets, which depend on the files.
fn digest(sandbox: &Sandbox) -> Vec<String> {
    let store =
        tlsnag::store::Store::open_existing(&sandbox.path("store.db")).expect("the store exists");
    let whole = store.digest().expect("the store can be read");
    let counted = |line: &&str| {
        ["daily", "total", "gap"]
            .iter()
            .any(|table| line.starts_with(table))
    };
    let proofs = whole
        .lines()
        .filter(|line| line.starts_with("evidence"))
        .count();
    let counts = whole.lines().filter(counted).map(str::to_owned);
    counts.chain([format!("{proofs} proofs")]).collect()
}

fn log() -> Vec<u8> {
    fs::read(sample("postfix/rfc3339.log")).expect("the sample logs are in the repository")
}

/// A log in so many pieces of whole lines.
fn pieces(n: usize) -> Vec<Vec<u8>> {
    let text = log();
    let lines: Vec<&[u8]> = text.split_inclusive(|b| *b == b'\n').collect();
    lines
        .chunks(lines.len().div_ceil(n))
        .map(<[&[u8]]>::concat)
        .collect()
}

fn digest_of(text: &[u8]) -> Vec<String> {
    let sandbox = Sandbox::new();
    sandbox.write("mail.log", text);
    import(&sandbox, &["mail.log"]);
    digest(&sandbox)
}

#[track_caller]
fn assert_is(sandbox: &Sandbox, text: &[u8], what: &str) {
    let (found, expected) = (digest(sandbox), digest_of(text));
    let differs = found.iter().zip(&expected).find(|(a, b)| a != b);
    assert_eq!(differs, None, "{what}");
    assert_eq!(found.len(), expected.len(), "{what}");
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(text).expect("memory takes all");
    out.finish().expect("memory takes all")
}

#[test]
fn a_pipe_that_comes_again_is_known_and_read_on_where_it_has_grown() {
    let (sandbox, text) = (Sandbox::new(), log());
    // cut anywhere, also within a line; the last but one is past what is kept of a pipe
    for end in [
        30_000,
        30_000,
        30_001,
        70_000,
        200_000,
        200_000,
        text.len(),
        text.len(),
    ] {
        pipe(&sandbox, &text[..end]).ok();
    }
    assert_is(&sandbox, &text, "one pipe in several lengths");
    let ran = pipe(&sandbox, &gzip(&text)).ok();
    assert!(ran.err.contains("Nothing new"), "{}", ran.err);
    let ran = pipe(&sandbox, &text[..50_000]).ok();
    assert!(ran.err.contains("Nothing new"), "{}", ran.err);
    assert_is(
        &sandbox,
        &text,
        "the same pipe compressed, and an older state of it",
    );
}

#[test]
fn a_log_is_the_same_log_from_a_file_and_from_a_pipe() {
    let (sandbox, text) = (Sandbox::new(), log());
    sandbox.write("mail.log", &text[..100_000]);
    import(&sandbox, &["mail.log"]);
    pipe(&sandbox, &text[..100_000]).ok();
    pipe(&sandbox, &text[..200_000]).ok();
    sandbox.write("mail.log", &text);
    import(&sandbox, &["mail.log"]);
    import(&sandbox, &["mail.log"]);
    assert_is(&sandbox, &text, "file, pipe, file");
}

#[test]
fn another_pipe_is_new() {
    let (sandbox, pieces) = (Sandbox::new(), pieces(3));
    for piece in &pieces {
        pipe(&sandbox, piece).ok();
    }
    assert_is(&sandbox, &log(), "three pipes");
}

#[test]
fn a_pipe_with_a_name_is_a_pipe() {
    let (sandbox, text) = (Sandbox::new(), log());
    for _ in 0..2 {
        let args = [IMPORT, &["/dev/stdin"]].concat();
        sandbox.run_with_input(&args, &gzip(&text)).ok();
    }
    assert_is(&sandbox, &text, "/dev/stdin");
}

#[test]
fn a_pipe_that_cannot_be_told_from_what_was_read_is_refused() {
    let (sandbox, pieces) = (Sandbox::new(), pieces(4));
    pipe(&sandbox, &[&pieces[0][..], &pieces[2]].concat()).ok();
    let before = digest(&sandbox);
    let glued = [&pieces[0][..], &pieces[1], &pieces[2]].concat();
    pipe(&sandbox, &glued).fails_with(&["standard input begins like a log", "write it to a file"]);
    sandbox.write("mail.log", &pieces[0]);
    let both = sandbox.run_with_input(&[IMPORT, &["-", "mail.log"]].concat(), &glued);
    both.fails_with(&["standard input begins like mail.log", "give one of them"]);
    assert!(digest(&sandbox) == before, "a refused pipe writes nothing");
}

#[test]
fn pipes_that_hold_no_log() {
    let sandbox = Sandbox::new();
    pipe(&sandbox, b"Dear all,\n").fails_with(&["standard input is not a mail log"]);
    pipe(&sandbox, &gzip(&log())[..10]).fails_with(&["standard input", "ends too early"]);
    pipe(&sandbox, b"").ok();
}

#[test]
fn an_edited_log_counts_only_what_came_later() {
    let (sandbox, pieces) = (Sandbox::new(), pieces(8));
    let old = pieces[..6].concat();
    sandbox.write("mail.log", &old);
    import(&sandbox, &["mail.log"]);
    // lines taken out of the middle, for somebody's privacy
    let edited = [
        &pieces[0][..],
        &pieces[1],
        &pieces[3],
        &pieces[4],
        &pieces[5],
    ]
    .concat();
    sandbox.write("mail.log", &edited);
    import(&sandbox, &["mail.log"]);
    assert_is(&sandbox, &old, "edited");
    sandbox.append("mail.log", &pieces[6]);
    import(&sandbox, &["mail.log"]);
    sandbox.append("mail.log", &pieces[7]);
    import(&sandbox, &["mail.log"]);
    assert_is(&sandbox, &log(), "edited and grown");
    sandbox.write("backup.log", &old);
    import(&sandbox, &["backup.log"]);
    assert_is(&sandbox, &log(), "an older copy");

    // the same under another name, beside the log it was made of
    let sandbox = Sandbox::new();
    sandbox.write("mail.log", &old);
    import(&sandbox, &["mail.log"]);
    sandbox.write("copy.log", [&edited[..], &pieces[6], &pieces[7]].concat());
    let ran = import(&sandbox, &["copy.log"]);
    assert!(!ran.err.contains("warning"), "nothing is lost: {}", ran.err);
    assert_is(&sandbox, &log(), "edited, grown and named otherwise");
}

#[test]
fn rotated_twice_between_two_runs() {
    for named in [
        &["mail.log", "mail.log.1", "mail.log.2.gz"][..],
        &["."],
        &["mail.log*"],
    ] {
        let (sandbox, pieces) = (Sandbox::new(), pieces(3));
        let half = pieces[0].len() / 2;
        sandbox.write("mail.log", &pieces[0][..half]);
        import(&sandbox, &["mail.log"]);
        sandbox.write("mail.log.2.gz", gzip(&pieces[0]));
        sandbox.write("mail.log.1", &pieces[1]);
        sandbox.write("mail.log", &pieces[2]);
        import(&sandbox, named);
        assert_is(&sandbox, &log(), "two rotations");
    }
}

#[test]
fn a_rotated_file_beside_its_half_written_compressed_one() {
    let text = log();
    let packed = gzip(&text);
    for known in [true, false] {
        for end in [
            0,
            12,
            2000,
            packed.len() / 2,
            packed.len() - 3,
            packed.len(),
        ] {
            let sandbox = Sandbox::new();
            sandbox.write("mail.log.1", &text);
            if known {
                import(&sandbox, &["mail.log.1"]);
            }
            sandbox.write("mail.log.1.gz", &packed[..end]);
            import(&sandbox, &["mail.log.1.gz", "mail.log.1"]);
            assert_is(&sandbox, &text, &format!("{known} {end}"));
            fs::remove_file(sandbox.path("mail.log.1")).expect("just written");
            sandbox.write("mail.log.1.gz", &packed);
            import(&sandbox, &["mail.log.1.gz"]);
            assert_is(&sandbox, &text, &format!("{known} {end} afterwards"));
        }
    }
}

#[test]
fn a_half_written_compressed_file_alone_is_finished_by_the_next_run() {
    let text = log();
    for (name, packed) in [
        ("mail.log.1.gz", gzip(&text)),
        (
            "mail.log.1.xz",
            liblzma::encode_all(&text[..], 0).expect("memory takes all"),
        ),
        (
            "mail.log.1.zst",
            zstd::encode_all(&text[..], 1).expect("memory takes all"),
        ),
    ] {
        for known in [0, text.len() / 4, text.len()] {
            let sandbox = Sandbox::new();
            sandbox.write("mail.log", &text[..known]);
            import(&sandbox, &["mail.log"]);
            sandbox.write(name, &packed[..packed.len() / 2]);
            let args = [IMPORT, &[name]].concat();
            sandbox.run(&args);
            sandbox.write(name, &packed);
            import(&sandbox, &[name]);
            assert_is(&sandbox, &text, &format!("{name}, {known} bytes known"));
        }
    }
}

#[test]
fn copied_and_truncated_with_a_run_before_between_and_after() {
    for runs in 0..8 {
        let (sandbox, pieces) = (Sandbox::new(), pieces(2));
        let run_if = |bit: usize, logs: &[&str]| {
            if runs & (1 << bit) != 0 {
                import(&sandbox, logs);
            }
        };
        sandbox.write("mail.log", &pieces[0]);
        run_if(0, &["mail.log"]);
        sandbox.write("mail.log.1", &pieces[0]);
        run_if(1, &["mail.log", "mail.log.1"]);
        sandbox.write("mail.log", "");
        run_if(2, &["mail.log", "mail.log.1"]);
        // regrown past where it was read to
        sandbox.write("mail.log", &pieces[1]);
        import(&sandbox, &["mail.log", "mail.log.1"]);
        assert_is(&sandbox, &log(), &format!("runs {runs:03b}"));
    }
}

#[test]
fn truncated_and_grown_past_the_old_place_is_another_log() {
    let (sandbox, pieces) = (Sandbox::new(), pieces(4));
    sandbox.write("mail.log", &pieces[0]);
    import(&sandbox, &["mail.log"]);
    sandbox.write("mail.log", pieces[1..].concat());
    import(&sandbox, &["mail.log"]);
    assert_is(&sandbox, &log(), "regrown");
}

#[test]
fn rotated_files_in_another_directory_and_with_dates_in_their_names() {
    for (old, older) in [
        ("old/mail.log-20261122", "old/mail.log-20261121.gz"),
        ("old/mail-20261122.log", "old/mail-20261121.log.gz"),
        (
            "old/mail.log.20261122-000000",
            "old/mail.log.20261121T000000.gz",
        ),
    ] {
        let (sandbox, pieces) = (Sandbox::new(), pieces(3));
        fs::create_dir(sandbox.path("old")).expect("writable");
        sandbox.write("mail.log", &pieces[0]);
        import(&sandbox, &["mail.log"]);
        sandbox.write(older, gzip(&pieces[0]));
        sandbox.write(old, &pieces[1]);
        sandbox.write("mail.log", &pieces[2]);
        import(&sandbox, &["mail.log", "old"]);
        import(&sandbox, &["old/mail*", "mail.log"]);
        assert_is(&sandbox, &log(), old);
    }
}

#[test]
fn the_same_file_twice_and_an_archive_under_another_name() {
    let (sandbox, text) = (Sandbox::new(), log());
    sandbox.write("mail.log", &text);
    sandbox.write("copy.gz", gzip(&text));
    import(
        &sandbox,
        &["mail.log", "./mail.log", "mail.log", "copy.gz", "."],
    );
    import(&sandbox, &["copy.gz"]);
    assert_is(&sandbox, &text, "once");
}

#[test]
fn logs_of_one_server_that_hold_the_same_records_count_once() {
    let text = String::from_utf8_lossy(&log()).into_owned();
    let some = |wanted: &dyn Fn(usize, &str) -> bool| -> String {
        let lines = text
            .lines()
            .enumerate()
            .filter(|(n, line)| wanted(*n, line));
        lines.map(|(_, line)| format!("{line}\n")).collect()
    };
    let sandbox = Sandbox::new();
    sandbox.write("mail.log", &text);
    sandbox.write("mail.info", some(&|n, _| n != 700));
    sandbox.write("mail.warn", some(&|_, line| line.contains("warning:")));
    sandbox.write("mail.err.1", some(&|n, _| n % 100 == 50));
    let ran = import(&sandbox, &["mail.*"]);
    assert!(!ran.err.contains("warning"), "nothing is lost: {}", ran.err);
    assert_is(
        &sandbox,
        text.as_bytes(),
        "mail.log and what is taken from it",
    );

    // nor in a later run, alone or beside the log that has nothing new
    for args in [&["mail.info"][..], &["mail.log", "mail.warn"]] {
        let ran = import(&sandbox, args);
        assert!(!ran.err.contains("warning"), "nothing is lost: {}", ran.err);
        assert_is(&sandbox, text.as_bytes(), "mail.log, read before");
    }

    // the part first: of the whole nobody can tell what is new
    let sandbox = Sandbox::new();
    sandbox.write("mail.info", some(&|n, _| (500..900).contains(&n)));
    import(&sandbox, &["mail.info"]);
    sandbox.write("mail.log", &text);
    let args = [IMPORT, &["mail.log"]].concat();
    sandbox
        .run(&args)
        .fails_with(&["are in", "mail.info", "only one log of each server"]);
    // what is gone cannot be compared with, and what is another file by now is none of what was read
    sandbox.write("mail.info", some(&|n, _| n < 3));
    import(&sandbox, &["mail.log"]);

    // neither holds the other
    let sandbox = Sandbox::new();
    sandbox.write("mail.log", some(&|n, _| n < 1000));
    sandbox.write("syslog", some(&|n, _| n >= 800));
    let args = [IMPORT, &["mail.log", "syslog"]].concat();
    sandbox
        .run(&args)
        .fails_with(&["are in", "only one log of each server"]);
    assert!(import(&sandbox, &["."]).err.contains("is left out"));
}

#[test]
fn a_pattern_that_no_shell_expanded_and_one_in_the_settings() {
    let (sandbox, pieces) = (Sandbox::new(), pieces(2));
    sandbox.write("mail.log.1", &pieces[0]);
    sandbox.write("mail.log", &pieces[1]);
    sandbox.write(
        "tlsnag.toml",
        "logs = [\"mail.log*\"]\nown_domains = [\"ours.example\"]\n",
    );
    sandbox.run(&["import", "--config", "tlsnag.toml"]).ok();
    assert_is(&sandbox, &log(), "the pattern in the settings");
    let none = sandbox.run(&["import", "maillog*"]);
    none.fails_with(&["no log files fit maillog*"]);
    let one_of_two = sandbox.run(&["import", "mail.log", "maillog*"]);
    one_of_two.fails_with(&["no log files fit maillog*"]);
}
