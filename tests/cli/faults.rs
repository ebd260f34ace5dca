//! Disks that are full, stores that cannot be written, logs that vanish while they are read, two runs at once: nothing is lost or
//! counted twice, and what went wrong is said.

use std::fs;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use crate::history::{content, read_once};
use crate::import::{difference, mixed_log};
use crate::sandbox::{Sandbox, sample};

const IMPORT: [&str; 6] = [
    "import",
    "--quiet",
    "--correspondents",
    "--own-domain",
    "ours.example",
    "mail.log",
];

/// The day of both mail servers: half a megabyte.
fn long_log() -> Vec<u8> {
    let read = |name: &str| fs::read(sample(name)).expect("in the repository");
    [read("postfix/rfc3339.log"), read("sendmail/loglevel14.log")].concat()
}

/// Runs a shell script in the sandbox with the program and its arguments as `$@`.
fn script(sandbox: &Sandbox, shell: &[&str], text: &str) -> Output {
    let program = sandbox.command(&IMPORT);
    Command::new(shell[0])
        .args(&shell[1..])
        .args(["sh", "-c", text, "sh"])
        .arg(program.get_program())
        .args(program.get_args())
        .current_dir(sandbox.path(""))
        .envs(program.get_envs().filter_map(|(k, v)| Some((k, v?))))
        .stdin(Stdio::null())
        .output()
        .expect("there is a shell")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_write_that_fails_anywhere_loses_nothing_and_is_said() {
    let log = mixed_log();
    let expected = read_once(&log);
    let sandbox = Sandbox::new();
    sandbox.write("mail.log", &log);
    let mut failed = 0;
    for blocks in (0..900).step_by(23) {
        // Writes past so many blocks of 512 bytes fail, as on a full disk, instead of killing the process.
        let limited = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
        let output = script(&sandbox, &["env"], &limited);
        if !output.status.success() {
            failed += 1;
            assert_eq!(output.status.code(), Some(2), "{}", said(&output));
            assert!(said(&output).contains("store.db"), "{}", said(&output));
        }
    }
    assert!(failed > 3, "only {failed} runs failed");
    sandbox.run(&IMPORT).ok();
    assert_eq!(difference(&content(&sandbox), &expected), None);
}

#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
#[test]
fn on_a_full_disk_the_run_says_so_and_the_next_one_goes_on() {
    const SHELL: [&str; 3] = ["unshare", "--mount", "--map-root-user"];
    let possible = Command::new(SHELL[0])
        .args(&SHELL[1..])
        .args(["sh", "-c", "mount -t tmpfs none /mnt"])
        .output();
    if !possible.is_ok_and(|o| o.status.success()) {
        eprintln!("skipped: needs the right to mount (unshare --mount --map-root-user)");
        return;
    }
    let log = mixed_log();
    let expected = read_once(&log);
    for kilobytes in [60, 150, 300, 600] {
        let sandbox = Sandbox::new();
        sandbox.write("mail.log", &log);
        fs::create_dir(sandbox.path("disk")).expect("writable");
        // The store lies on a small disk, then the disk grows; what the second run leaves is carried out of the mount.
        let text = format!(
            "export TLSNAG_STORE=$PWD/disk/store.db; mount -t tmpfs -o size={kilobytes}k none disk || exit 9
             \"$@\"; echo first $?; mount -o remount,size=20m disk
             \"$@\"; echo second $?; mount -o remount,ro disk
             \"$@\"; echo third $?; \"$1\" report domains > /dev/null; echo report $?
             cp disk/store.db* ."
        );
        let output = script(&sandbox, &SHELL, &text);
        let out = String::from_utf8_lossy(&output.stdout);
        assert!(
            out.ends_with("second 0\nthird 2\nreport 0\n"),
            "{out}{}",
            said(&output)
        );
        let first_failed = out.starts_with("first 2");
        assert_eq!(
            first_failed,
            said(&output).contains("no room is left on the disk"),
            "{}",
            said(&output)
        );
        assert!(
            first_failed || kilobytes > 300,
            "{kilobytes} kB were enough"
        );
        assert!(said(&output).contains("Read-only file system"));
        assert_eq!(difference(&content(&sandbox), &expected), None);
    }
}

#[test]
fn a_log_truncated_or_deleted_while_it_is_read_is_read_on_from_its_copy() {
    let log = long_log();
    let expected = read_once(&log);
    for (trial, delay) in [2, 9, 17, 30, 45, 70].into_iter().enumerate() {
        let sandbox = Sandbox::new();
        let live = sandbox.write("mail.log", &log);
        let mut child = sandbox.start(&IMPORT);
        std::thread::sleep(Duration::from_millis(delay));
        fs::copy(&live, sandbox.path("mail.log.1")).expect("same directory");
        match trial % 2 {
            0 => fs::write(&live, b"").expect("writable"),
            _ => fs::remove_file(&live).expect("ours"),
        }
        let status = child.wait().expect("ours");
        assert!(status.success() || status.code() == Some(2));
        let copy = [&IMPORT[..5], &["mail.log.1"]].concat();
        sandbox.run(&copy).ok();
        assert_eq!(
            difference(&content(&sandbox), &expected),
            None,
            "after {delay} ms"
        );
    }
}

#[test]
fn of_two_runs_at_once_the_second_waits_and_finds_nothing_new() {
    let log = long_log();
    let expected = read_once(&log);
    let sandbox = Sandbox::new();
    sandbox.write("mail.log", &log);
    let mut children: Vec<_> = (0..3).map(|_| sandbox.start(&IMPORT)).collect();
    for child in &mut children {
        assert!(child.wait().expect("ours").success());
    }
    assert_eq!(difference(&content(&sandbox), &expected), None);
}

#[test]
fn a_run_killed_again_and_again_gets_to_the_end() {
    let log = long_log();
    let expected = read_once(&log);
    let sandbox = Sandbox::new();
    for (number, piece) in log.chunks(30_000).enumerate() {
        sandbox.append("mail.log", piece);
        let mut child = sandbox.start(&IMPORT);
        std::thread::sleep(Duration::from_micros(number as u64 * 900));
        child.kill().expect("ours");
        child.wait().expect("ours");
    }
    sandbox.run(&IMPORT).ok();
    assert_eq!(difference(&content(&sandbox), &expected), None);
}
