//! `tlsnag doctor`: what the answers rest on, each with a verdict, the reason and the line that cures it.

use serde_json::Value;

use crate::sandbox::{Sandbox, sample};

fn with(log: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox
        .run(&["import", sample(log).to_str().unwrap_or_default()])
        .ok();
    sandbox
}

fn rows(sandbox: &Sandbox) -> Vec<Value> {
    let json = sandbox.run(&["doctor", "--format", "json"]).ok().json();
    assert_eq!(json["report"], "doctor");
    json["rows"].as_array().expect("rows is a list").clone()
}

/// The rows about one thing: verdict, and all the rest as text.
fn about(sandbox: &Sandbox, item: &str) -> Vec<(String, String)> {
    let rows = rows(sandbox).into_iter().filter(|r| r["item"] == item);
    rows.map(|r| {
        (
            r["verdict"].as_str().unwrap_or_default().to_owned(),
            r.to_string(),
        )
    })
    .collect()
}

#[test]
fn a_service_that_logs_no_tls_is_named_with_the_line_that_makes_it() {
    let sandbox = with("postfix/loglevel0.log");
    let logging = about(&sandbox, "logging");
    let smtp = logging
        .iter()
        .find(|(_, text)| text.contains("of postfix/smtp on mx5"));
    assert!(
        smtp.is_some_and(
            |(verdict, text)| verdict == "look" && text.contains("postconf -e smtp_tls_loglevel=1")
        ),
        "{logging:?}"
    );
    let said = sandbox.run(&["doctor"]).ok().out;
    let first = said.lines().position(|l| l.starts_with("LOOK AT THIS"));
    let last = said.lines().position(|l| l.starts_with("ok "));
    assert!(first < last, "the worst comes first: {said}");
    assert!(
        said.contains("\n    postconf -e smtp_tls_loglevel=1\n"),
        "{said}"
    );
    assert!(
        said.lines()
            .filter(|l| !l.starts_with("    "))
            .all(|l| l.chars().count() <= 100),
        "{said}"
    );
}

#[test]
fn the_status_says_that_there_is_something_to_look_at_only_where_that_was_asked() {
    let sandbox = with("postfix/loglevel0.log");
    assert_eq!(sandbox.run(&["doctor"]).status, 0);
    assert_eq!(sandbox.run(&["doctor", "--exit-code"]).status, 1);
}

#[test]
fn where_logging_is_proven_the_line_is_shown() {
    let logging = about(&with("edge/smart-host.log"), "logging");
    assert_eq!(logging.len(), 1, "{logging:?}");
    assert!(
        logging[0].0 == "ok"
            && logging[0]
                .1
                .contains("Verified TLS connection established to smtp.provider.example"),
        "{logging:?}"
    );
}

#[test]
fn the_seed_incident_is_our_own_fault_and_has_a_cure() {
    let faults = about(&with("sendmail/seed-incident.log"), "own_fault");
    assert_eq!(faults.len(), 1, "{faults:?}");
    let (verdict, text) = &faults[0];
    assert!(
        verdict == "look" && text.contains("no-shared-cipher") && text.contains("RSA certificate"),
        "{text}"
    );
}

#[test]
fn a_hole_a_clock_set_back_and_a_smart_host_are_each_told() {
    for (log, item, verdict, words) in [
        ("edge/loss.log", "hole", "look", "57 or more"),
        (
            "edge/clock-set-back.log",
            "clock",
            "look",
            "mx1 by 58 minutes to 2026-10-25 02:00",
        ),
        (
            "edge/smart-host.log",
            "smart_host",
            "unknown",
            "smtp.provider.example",
        ),
        ("edge/rivals.log", "hole", "ok", "no log host reports"),
        ("edge/rivals.log", "clock", "ok", "none steps back"),
        (
            "edge/rivals.log",
            "smart_host",
            "ok",
            "straight to the domains",
        ),
    ] {
        let found = about(&with(log), item);
        assert_eq!(found.len(), 1, "{log}: {found:?}");
        assert!(
            found[0].0 == verdict && found[0].1.contains(words),
            "{log}: {found:?}"
        );
    }
}

#[test]
fn lines_not_recognised_are_shown_by_their_shape_and_name_nobody() {
    let sandbox = Sandbox::new();
    let mut log = String::new();
    for second in 10..40 {
        log.push_str(&format!(
            "Nov 20 08:00:{second} mx1 postfix/smtpd[{second}]: frobnicated the mailbox anna{second} of <bob{second}@secret.example> at host{second}.secret.example\n"
        ));
    }
    sandbox.write("mail.log", &log);
    sandbox.run(&["import", "mail.log"]).ok();
    let strange = about(&sandbox, "unrecognised");
    assert!(
        strange[0].0 == "look" && strange[0].1.contains("30 of 30 (100.0 %)"),
        "{strange:?}"
    );
    let shapes = about(&sandbox, "shape");
    assert_eq!(shapes.len(), 1, "{shapes:?}");
    assert!(
        shapes[0]
            .1
            .contains("postfix/smtpd: frobnicated the mailbox * of <*> at *"),
        "{shapes:?}"
    );
    let said = sandbox.run(&["doctor"]).ok().out;
    for name in ["anna", "bob", "secret"] {
        assert!(!said.contains(name), "{said}");
    }
    let store = std::fs::read(sandbox.path("store.db")).expect("the store exists");
    assert!(!store.windows(6).any(|w| w == b"secret"), "no name is kept");
}

#[test]
fn days_missing_from_a_log_are_noticed_even_if_they_are_read_later() {
    let day = |day: u32| -> String {
        (6..22)
            .map(|hour| {
                format!("2026-11-{day:02}T{hour:02}:00:00+00:00 mx1 postfix/smtpd[9]: connect from mx.example.org[192.0.2.9]\n")
            })
            .collect()
    };
    let sandbox = Sandbox::new();
    let before: String = (1..8).map(day).collect();
    let after: String = (12..19).map(day).collect();
    sandbox.write("mail.log", before + &after);
    sandbox.run(&["import", "mail.log"]).ok();
    let found = about(&sandbox, "silence");
    assert!(
        found.len() == 1
            && found[0].0 == "look"
            && found[0].1.contains("4 days from 2026-11-07 21:00"),
        "{found:?}"
    );
    sandbox.write("mail.log.1", (8..12).map(day).collect::<String>());
    sandbox.run(&["import", "mail.log.1"]).ok();
    let found = about(&sandbox, "silence");
    assert!(
        found.iter().all(|(verdict, _)| verdict == "ok"),
        "{found:?}"
    );
}

#[test]
fn an_empty_store_says_that_nothing_was_read() {
    let sandbox = Sandbox::new();
    sandbox
        .run(&["doctor"])
        .fails_with(&["no store", "tlsnag import"]);
    drop(tlsnag::store::Store::open(&sandbox.path("store.db")).expect("the directory is writable"));
    let ran = sandbox.run(&["doctor", "--exit-code"]).ok();
    assert!(
        ran.out.contains("no log has been read yet") && ran.out.contains("    tlsnag import\n"),
        "{}",
        ran.out
    );
    let items: Vec<String> = rows(&sandbox)
        .iter()
        .map(|r| {
            format!(
                "{} {}",
                r["verdict"].as_str().unwrap_or_default(),
                r["item"].as_str().unwrap_or_default()
            )
        })
        .collect();
    assert_eq!(items, ["unknown reading", "ok store"]);
}

#[test]
fn a_damaged_store_is_asked_nothing_else() {
    let sandbox = with("edge/rivals.log");
    crate::store::damage(&sandbox);
    let ran = sandbox.run(&["doctor", "--exit-code"]);
    assert_eq!(ran.status, 1, "{}{}", ran.out, ran.err);
    assert!(
        ran.out.contains("the store: file") && ran.out.contains("not asked"),
        "{}",
        ran.out
    );
    assert!(!ran.out.contains("postconf"), "{}", ran.out);
}
