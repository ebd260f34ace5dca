//! What is forgotten is gone: from the answers and from the file.

use std::fs;

use crate::sandbox::{Sandbox, sample};

fn with_rivals() -> Sandbox {
    let sandbox = Sandbox::new();
    let log = sample("edge/rivals.log");
    sandbox
        .run(&[
            "import",
            "--correspondents",
            log.to_str().unwrap_or_default(),
        ])
        .ok();
    sandbox
}

fn file_holds(sandbox: &Sandbox, text: &str) -> bool {
    let bytes = fs::read(sandbox.path("store.db")).expect("the store exists");
    bytes.windows(text.len()).any(|w| w == text.as_bytes())
}

#[test]
fn a_peer_that_was_forgotten_is_neither_in_the_reports_nor_in_the_file() {
    let sandbox = with_rivals();
    assert!(file_holds(&sandbox, "broken.example"));
    let said = sandbox.run(&["forget", "broken.example"]).ok().out;
    assert!(
        said.contains("broken.example") && said.contains("peers 1"),
        "{said}"
    );
    assert!(
        !sandbox
            .run(&["report", "domains", "--all"])
            .ok()
            .out
            .contains("broken.example")
    );
    assert!(
        !file_holds(&sandbox, "x@broken.example"),
        "deleted rows are overwritten"
    );
}

#[test]
fn a_person_who_was_forgotten_is_not_in_the_file() {
    let sandbox = with_rivals();
    assert!(file_holds(&sandbox, "p1@plain.example"));
    sandbox.run(&["forget", "p1@plain.example"]).ok();
    assert!(!file_holds(&sandbox, "p1@plain.example"));
    assert!(
        sandbox
            .run(&["report", "domains", "--all"])
            .ok()
            .out
            .contains("plain.example"),
        "the domain's counts stay"
    );
}

#[test]
fn forgetting_a_stranger_is_an_error() {
    with_rivals()
        .run(&["forget", "stranger.example"])
        .fails_with(&["nothing", "stranger.example"]);
}

#[test]
fn what_is_older_than_a_day_goes() {
    let sandbox = with_rivals();
    sandbox.run(&["forget", "--older-than", "2027-01-01"]).ok();
    let rows = sandbox
        .run(&["report", "domains", "--all", "--format", "json"])
        .ok()
        .json();
    assert_eq!(rows["rows"].as_array().map(Vec::len), Some(0));
}

#[test]
fn addresses_are_kept_only_where_it_was_asked_for() {
    let sandbox = Sandbox::new();
    sandbox
        .run(&[
            "import",
            sample("edge/rivals.log").to_str().unwrap_or_default(),
        ])
        .ok();
    assert!(
        !file_holds(&sandbox, "u1@big.example"),
        "a plain success leaves no address"
    );
}
