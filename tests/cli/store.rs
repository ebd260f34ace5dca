//! `tlsnag store`: what is in it, a copy of it, whether it is whole.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use tlsnag::store::Store;

use crate::sandbox::{Sandbox, sample};

fn with(log: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox
        .run(&["import", sample(log).to_str().unwrap_or_default()])
        .ok();
    sandbox
}

/// Turns the bits of two pages in the middle of the store.
pub fn damage(sandbox: &Sandbox) {
    let path = sandbox.path("store.db");
    let mut bytes = fs::read(&path).expect("the store exists");
    // The last pages hold counts and proof; those before them tell what file it is.
    let last = bytes.len() - 16_384;
    bytes[last..].iter_mut().for_each(|b| *b = !*b);
    fs::write(path, bytes).expect("the store is writable");
}

fn digest(path: &std::path::Path) -> String {
    let store = Store::open_existing(path).expect("it is a store");
    store.digest().expect("it can be read")
}

#[test]
fn info_says_what_is_in_the_store_and_what_of_it_is_personal() {
    let sandbox = with("edge/rivals.log");
    let said = sandbox.run(&["store", "info"]).ok().out;
    for words in [
        "store.db",
        "schema version",
        "2026-11-20 to 2026-11-20 (1 day)",
        "rivals.log",
        "occurrences with the log lines",
    ] {
        assert!(said.contains(words), "`{words}` is missing: {said}");
    }
    let json = sandbox
        .run(&["store", "info", "--format", "json"])
        .ok()
        .json();
    let rows = json["rows"].as_array().cloned().unwrap_or_default();
    let count = |item: &str, name: &str| {
        let row = rows.iter().find(|r| r["item"] == item && r["name"] == name);
        row.and_then(|r| r["count"].as_u64())
    };
    assert_eq!(count("store", "lines read"), Some(70));
    assert_eq!(
        (count("rows", "source"), count("rows", "run")),
        (Some(1), Some(1))
    );
    assert!(count("store", "size").is_some_and(|n| n > 50_000));
}

#[test]
fn a_whole_store_passes_each_check_and_a_damaged_one_ends_with_status_2() {
    let sandbox = with("edge/rivals.log");
    let said = sandbox.run(&["store", "check"]).ok().out;
    for name in [
        "file",
        "names",
        "logging",
        "totals",
        "past",
        "peers",
        "evidence",
        "bookmarks",
        "sessions",
    ] {
        assert!(
            said.lines()
                .any(|l| l.starts_with(name) && l.ends_with(" ok")),
            "{name}: {said}"
        );
    }
    damage(&sandbox);
    let ran = sandbox.run(&["store", "check"]);
    assert_eq!(ran.status, 2, "{}", ran.out);
    assert!(
        ran.out.contains("broken") && ran.err.contains("the store is broken (file"),
        "{}{}",
        ran.out,
        ran.err
    );
    assert!(!ran.err.contains("panicked"), "{}", ran.err);
}

#[test]
fn totals_that_do_not_add_up_are_found() {
    let sandbox = with("edge/rivals.log");
    let store = Store::open_existing(&sandbox.path("store.db")).expect("it is a store");
    store
        .connection()
        .execute_batch("UPDATE daily_total SET n = n + 1")
        .expect("it is writable");
    drop(store);
    let ran = sandbox.run(&["store", "check"]);
    assert_eq!(ran.status, 2);
    assert!(ran.err.contains("(totals)"), "{}", ran.err);
}

#[test]
fn a_backup_is_the_same_store_and_overwrites_nothing() {
    let sandbox = with("edge/rivals.log");
    sandbox.run(&["store", "backup", "copy.db"]).ok();
    let copy = sandbox.path("copy.db");
    assert_eq!(digest(&copy), digest(&sandbox.path("store.db")));
    let mode = fs::metadata(&copy)
        .expect("it is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    sandbox
        .run(&["store", "backup", "copy.db"])
        .fails_with(&["copy.db", "exists already"]);
    sandbox
        .run(&["--store", "copy.db", "report", "domains"])
        .ok();
}

#[test]
fn a_backup_taken_while_an_import_writes_is_whole() {
    let sandbox = with("edge/rivals.log");
    let path = sandbox.path("store.db");
    let writer = std::thread::spawn(move || {
        for _ in 0..40 {
            let mut store = Store::open(&path).expect("it is a store");
            let mut batch = tlsnag::store::Batch::new(false);
            for n in 0..500 {
                batch.add_shape(&format!("shape {n}"), n);
            }
            store
                .commit(&mut batch, &[], "", None)
                .expect("it is writable");
        }
    });
    let mut copies = 0;
    while copies == 0 || !writer.is_finished() {
        let name = format!("copy{copies}.db");
        sandbox.run(&["store", "backup", &name]).ok();
        sandbox.run(&["--store", &name, "store", "check"]).ok();
        copies += 1;
    }
    writer.join().expect("the writer ends well");
}

#[test]
fn a_store_that_does_not_exist_is_an_error() {
    let sandbox = Sandbox::new();
    for what in [
        &["store", "info"][..],
        &["store", "check"],
        &["store", "backup", "copy.db"],
    ] {
        sandbox.run(what).fails_with(&["there is no store"]);
    }
    assert!(!sandbox.path("copy.db").exists());
}
