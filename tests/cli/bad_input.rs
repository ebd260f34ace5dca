//! Wrong commands and wrong files: an error that says what was expected, what was found and what to do; nothing half written.

use std::fs;

use crate::sandbox::{Sandbox, sample};

#[test]
fn a_log_that_does_not_exist() {
    let sandbox = Sandbox::new();
    sandbox
        .run(&["import", "no-such.log"])
        .fails_with(&["no-such.log", "No such file"]);
    assert!(
        !sandbox.path("store.db").exists(),
        "no store is made for nothing"
    );
}

#[test]
fn a_directory_without_logs() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("empty")).expect("writable");
    sandbox
        .run(&["import", "empty"])
        .fails_with(&["empty", "no log"]);
}

#[test]
fn a_binary_file() {
    let sandbox = Sandbox::new();
    let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
    bytes.extend((0..5000u32).map(|n| (n * 7 % 251) as u8));
    sandbox.write("program", bytes);
    sandbox
        .run(&["import", "program"])
        .fails_with(&["program", "not a mail log"]);
}

#[test]
fn an_empty_log_is_no_error() {
    let sandbox = Sandbox::new();
    sandbox.write("mail.log", "");
    sandbox.run(&["import", "mail.log"]).ok();
    let rows = sandbox
        .run(&["report", "domains", "--all", "--format", "json"])
        .ok()
        .json();
    assert_eq!(rows["rows"].as_array().map(Vec::len), Some(0));
}

#[test]
fn no_store_yet() {
    Sandbox::new()
        .run(&["report"])
        .fails_with(&["store.db", "tlsnag import"]);
}

#[test]
fn a_file_that_is_no_store() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "store.db",
        "this is a shopping list, and long enough to have a first page of its own\n".repeat(100),
    );
    let before = fs::read(sandbox.path("store.db")).expect("just written");
    sandbox.run(&["report"]).fails_with(&["not a tlsnag store"]);
    let log = sample("edge/rivals.log");
    sandbox
        .run(&["import", log.to_str().unwrap_or_default()])
        .fails_with(&["not a tlsnag store"]);
    assert_eq!(
        fs::read(sandbox.path("store.db")).expect("still there"),
        before,
        "the file is left as it was"
    );
}

#[test]
fn a_wrong_date_and_a_period_that_ends_before_it_begins() {
    let sandbox = Sandbox::new();
    sandbox.write("mail.log", "");
    sandbox.run(&["import", "mail.log"]).ok();
    sandbox
        .run(&["report", "--since", "yesterdayish"])
        .fails_with(&["yesterdayish", "2026-11-01"]);
    sandbox
        .run(&["report", "--since", "2026-02-30"])
        .fails_with(&["2026-02-30"]);
    sandbox
        .run(&["report", "--since", "2026-11-10", "--until", "2026-11-01"])
        .fails_with(&["2026-11-10", "after"]);
}

#[test]
fn a_report_and_a_network_that_do_not_exist() {
    let sandbox = Sandbox::new();
    sandbox.write("mail.log", "");
    sandbox.run(&["import", "mail.log"]).ok();
    sandbox
        .run(&["report", "domans"])
        .fails_with(&["domans", "domains"]);
    sandbox
        .run(&["import", "--own-network", "10.0.0.0/99", "mail.log"])
        .fails_with(&["10.0.0.0/99"]);
}

#[test]
fn a_misspelt_setting_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.write("tlsnag.toml", "own_domian = [\"ours.example\"]\n");
    sandbox.write("mail.log", "");
    sandbox
        .run(&["--config", "tlsnag.toml", "import", "mail.log"])
        .fails_with(&["tlsnag.toml", "own_domian"]);
}

#[test]
fn an_unwritable_place_for_the_store() {
    let sandbox = Sandbox::new();
    sandbox.write("mail.log", "");
    sandbox
        .run(&["--store", "/proc/nowhere/store.db", "import", "mail.log"])
        .fails_with(&["/proc/nowhere"]);
}

#[test]
fn a_store_of_a_newer_version() {
    let sandbox = Sandbox::new();
    sandbox.write("mail.log", "");
    sandbox.run(&["import", "mail.log"]).ok();
    let mut bytes = fs::read(sandbox.path("store.db")).expect("just made");
    // The user version stands at offset 60 of the file, four bytes, big end first (SQLite file format, section 1.3).
    bytes[60..64].copy_from_slice(&999u32.to_be_bytes());
    fs::write(sandbox.path("store.db"), bytes).expect("writable");
    for command in [&["report"][..], &["import", "mail.log"]] {
        sandbox.run(command).fails_with(&["store.db", "999"]);
    }
}

#[test]
fn a_store_and_its_lock_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let sandbox = Sandbox::new();
    sandbox.write("mail.log", "");
    let mode = |name: &str| {
        let metadata = fs::metadata(sandbox.path(name)).expect("just made");
        metadata.permissions().mode() & 0o777
    };
    sandbox.run(&["import", "mail.log"]).ok();
    assert_eq!((mode("store.db"), mode("store.db.lock")), (0o600, 0o600));
    fs::set_permissions(sandbox.path("store.db"), fs::Permissions::from_mode(0o644)).expect("ours");
    sandbox.run(&["import", "mail.log"]).ok();
    assert_eq!(mode("store.db"), 0o600, "one made wider is made narrow");
}

#[test]
fn text_that_is_no_log() {
    let sandbox = Sandbox::new();
    sandbox.write("notes.txt", "Dear all,\nplease find the minutes below.\n");
    sandbox
        .run(&["import", "notes.txt"])
        .fails_with(&["notes.txt", "not a mail log"]);
    assert!(!sandbox.path("store.db").exists());
}

#[test]
fn a_year_that_no_log_can_be_of() {
    let sandbox = Sandbox::new();
    sandbox.write("mail.log", "");
    for year in ["99999", "1970", "2027"] {
        sandbox
            .run(&["import", "--year", year, "mail.log"])
            .fails_with(&["--year", "1998", "2026", year]);
    }
}

#[test]
fn a_gzip_file_that_ends_too_early_gives_what_it_has_and_says_so() {
    let sandbox = Sandbox::new();
    let log = fs::read(sample("edge/rivals.log")).expect("in the repository");
    sandbox.write("mail.log", log);
    let packed = std::process::Command::new("gzip")
        .args(["-c", "mail.log"])
        .current_dir(sandbox.path(""))
        .output();
    let packed = packed
        .expect("gzip is on every system that rotates logs")
        .stdout;
    sandbox.write("mail.log.1.gz", &packed[..packed.len() / 2]);
    let ran = sandbox.run(&["import", "mail.log.1.gz"]).ok();
    assert!(
        ran.err.contains("mail.log.1.gz cannot be read to its end"),
        "{}",
        ran.err
    );
    let said = sandbox.run(&["report", "domains", "--all"]).ok().out;
    assert!(said.contains("big.example"), "{said}");
}
