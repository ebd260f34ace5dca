//! The map that follows from the logs: who is in it, what it changes, that it is never written unasked, and that no name makes a line of its own.

use std::fs;

use serde_json::Value;

use crate::sandbox::{NOW, Sandbox};

/// A delivery of a Postfix that logs TLS, over TLS or in clear, at noon of a day of November 2026.
pub(crate) fn delivery(domain: &str, host: &str, day: u32, over_tls: bool) -> String {
    let number = domain
        .bytes()
        .fold(1, |sum, b| (sum * 31 + u32::from(b)) % 250 + 1);
    let pid = 1000 + number;
    let at =
        |second: u32| format!("2026-11-{day:02}T12:00:{second:02}+00:00 mx postfix/smtp[{pid}]:");
    let relay = format!("{host}[192.0.2.{number}]:25");
    let session = match over_tls {
        true => format!(
            "{} Trusted TLS connection established to {relay}: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\n",
            at(1)
        ),
        false => String::new(),
    };
    format!(
        "{session}{} 4Gx{day:02}0cT1z{number:03}: to=<someone@{domain}>, relay={relay}, delay=1, delays=0/0/1/0, dsn=2.0.0, status=sent (250 2.0.0 Ok)\n",
        at(2)
    )
}

/// A store of what happened on the days before the present of all tests: `good` and `slow` have TLS, `clear` has none since the 20th.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    let mut log = String::new();
    for day in 1..=23 {
        log.push_str(&delivery("good.example", "mx.good.example", day, true));
        log.push_str(&delivery(
            "clear.example",
            "mx.clear.example",
            day,
            day < 20,
        ));
        if day > 20 {
            log.push_str(&delivery("slow.example", "mx.slow.example", day, true));
        }
    }
    import(&sandbox, "mail.log", &log);
    sandbox
}

fn import(sandbox: &Sandbox, name: &str, log: &str) {
    let path = sandbox.write(name, log);
    let path = path.to_string_lossy();
    sandbox.run(&["import", "--quiet", &path]).ok();
}

fn entries(map: &str) -> Vec<&str> {
    map.lines()
        .filter(|l| !l.is_empty() && !l.starts_with('#'))
        .collect()
}

const POSTFIX: [&str; 3] = ["policy", "--for", "postfix"];

fn policy(sandbox: &Sandbox, more: &[&str]) -> String {
    sandbox.run(&[&POSTFIX, more].concat()).ok().out
}

/// `change`, `key` and `reason` of each row.
fn rows(sandbox: &Sandbox, more: &[&str], now: &str) -> Vec<(String, String, String)> {
    let args = [&POSTFIX, more, &["--format", "json"]].concat();
    let json = sandbox.run_with(&args, &[("TLSNAG_NOW", now)]).ok().json();
    assert_eq!(json["report"], "policy");
    let text = |row: &Value, column: &str| row[column].as_str().unwrap_or_default().to_string();
    let rows = json["rows"].as_array().cloned().unwrap_or_default();
    rows.iter()
        .map(|r| (text(r, "change"), text(r, "key"), text(r, "reason")))
        .collect()
}

#[test]
fn tls_is_required_only_of_whom_it_is_long_proven() {
    let sandbox = sandbox();
    let map = policy(&sandbox, &[]);
    assert_eq!(entries(&map), ["good.example encrypt"], "{map}");
    for words in [
        "Written on 2026-11-24",
        "# tlsnag: good.example encrypt, until 2026-12-23: over TLS on 23 days, none in clear; 23 mails in the 30 days up to 2026-11-23\n",
        "On:   postmap /etc/postfix/tls_policy && postconf -e \"smtp_tls_policy_maps=$(postconf -h smtp_tls_policy_maps) \\$default_database_type:/etc/postfix/tls_policy\"",
        "Back: postconf -e \"smtp_tls_policy_maps=$(postconf -h smtp_tls_policy_maps | sed 's|[, ]*[$]default_database_type:/etc/postfix/tls_policy||')\"\n",
    ] {
        assert!(map.contains(words), "{words}: {map}");
    }
    assert_eq!(
        entries(&policy(&sandbox, &["--days", "3", "--messages", "3"])),
        ["good.example encrypt", "slow.example encrypt"]
    );
    assert_eq!(entries(&policy(&sandbox, &["--days", "24"])).len(), 0);
}

#[test]
fn where_tls_is_required_of_all_the_exceptions_are_those_proven_in_clear() {
    let sandbox = sandbox();
    let map = policy(&sandbox, &["--base", "encrypt"]);
    assert_eq!(entries(&map), ["clear.example may"], "{map}");
    assert!(
        map.contains("until 2026-12-23: 2026-11-23: in clear"),
        "{map}"
    );
    assert!(
        map.contains("/etc/postfix/tls_policy\" && postconf -e smtp_tls_security_level=encrypt"),
        "{map}"
    );
}

/// A delivery of a Postfix that requires DANE or verifies, or that failed since TLS could not be had.
fn held_to_more(day: u32, works: bool) -> String {
    let mut log = delivery("dane.example", "mx.dane.example", day, true)
        .replace("Trusted TLS", "Verified TLS");
    if !works {
        let at = format!("2026-11-{day:02}T12:00:09+00:00 mx postfix/smtp[999]:");
        log = format!(
            "{at} 4Gx{day:02}0cT1zzz: to=<someone@dane.example>, relay=mx.dane.example[192.0.2.77]:25, delay=1, delays=0/0/1/0, \
             dsn=4.7.4, status=deferred (TLS is required, but was not offered by host mx.dane.example[192.0.2.77])\n"
        );
    }
    log
}

#[test]
fn who_is_held_to_more_gets_no_exception_for_one_session_without_tls() {
    let sandbox = sandbox();
    let log: String = (1..=22).map(|day| held_to_more(day, day < 22)).collect();
    import(&sandbox, "dane.log", &log);
    let more = ["--base", "encrypt"];
    assert_eq!(entries(&policy(&sandbox, &more)), ["clear.example may"]);
    let rows = rows(&sandbox, &more, NOW);
    let row = rows.iter().find(|row| row.1 == "dane.example");
    let (change, _, reason) = row.unwrap_or_else(|| panic!("{rows:?}"));
    assert_eq!(change, "left-out");
    assert!(
        reason.starts_with("more than TLS is required of it already"),
        "{reason}"
    );
}

#[test]
fn who_waits_for_tls_by_an_entry_of_the_operator_gets_no_exception() {
    let sandbox = sandbox();
    let mut log = delivery("own.example", "mx.own.example", 20, true);
    log += &held_to_more(22, false).replace("dane.example", "own.example");
    import(&sandbox, "own.log", &log);
    let more = ["--base", "encrypt"];
    // Others go in clear since: TLS is not required of all.
    assert_eq!(entries(&policy(&sandbox, &more)), ["clear.example may"]);
    // Where the one that does has an exception, nothing shows that.
    let map = sandbox.write("map", "clear.example may\n");
    let added = rows(
        &sandbox,
        &[&more[..], &["--current", &map.to_string_lossy()]].concat(),
        NOW,
    );
    assert!(
        added
            .iter()
            .any(|row| (row.0.as_str(), row.1.as_str()) == ("added", "own.example")),
        "{added:?}"
    );
}

#[test]
fn nothing_of_the_operators_is_overwritten_by_the_commands() {
    let sandbox = sandbox();
    let reject = ["--reject-text", "https://example.org/tls"];
    for more in [&[][..], &["--base", "encrypt"], &["--inbound"], &reject] {
        let text = policy(&sandbox, more);
        for setting in [
            "smtp_tls_policy_maps",
            "smtpd_discard_ehlo_keyword_address_maps",
            "smtpd_sender_restrictions",
            "smtpd_reject_footer_maps",
        ] {
            assert!(!text.contains("postconf -X"), "{text}");
            let set = format!("{setting}=");
            let added = format!("{set}$(postconf -h {setting}");
            assert_eq!(
                text.matches(&set).count(),
                text.matches(&added).count(),
                "{text}"
            );
        }
    }
}

#[test]
fn the_map_and_its_difference_read_so() {
    let sandbox = sandbox();
    let map = policy(&sandbox, &["--base", "encrypt"]);
    insta::assert_snapshot!(map, @r##"
    # tlsnag: Written on 2026-11-24 by tlsnag: domains of whom TLS is not required, because their mail goes in clear or their TLS fails.
    # tlsnag: An entry ends 30 days after the last mail in clear or failure, or after 14 clean days with 5 mails.
    # tlsnag: An entry takes the place of smtp_tls_security_level for its domain, of dane too. Tables that smtp_tls_policy_maps names already are asked first.
    # tlsnag: On:   postmap /etc/postfix/tls_policy && postconf -e "smtp_tls_policy_maps=$(postconf -h smtp_tls_policy_maps) \$default_database_type:/etc/postfix/tls_policy" && postconf -e smtp_tls_security_level=encrypt    (once; postmap again after each change)
    # tlsnag: Back: postconf -e "smtp_tls_policy_maps=$(postconf -h smtp_tls_policy_maps | sed 's|[, ]*[$]default_database_type:/etc/postfix/tls_policy||')" && postconf -e smtp_tls_security_level=may
    # tlsnag:       postconf smtp_tls_security_level    shows first what is to be gone back to. Where it says dane, encrypt takes DANE from all.
    # tlsnag: Lines without a comment of this kind right above them are yours, and stay as they are.
    # tlsnag: clear.example may, until 2026-12-23: 2026-11-23: in clear, and the log does not say why
    clear.example may
    "##);
    let in_use = sandbox.write("map", map.replace("clear.example", "gone.example"));
    let shown = policy(&sandbox, &["--current", &in_use.to_string_lossy()]);
    insta::assert_snapshot!(shown, @r##"
    1 entry added, 0 changed, 0 taken back, 1 as before; 0 entries of your own stay as they are.
    Period: 2025-11-24 to 2026-11-24 (days in UTC)

    change   entry                 until
    -------  --------------------  ----------
    + added  good.example encrypt  2026-12-23
        over TLS on 23 days, none in clear; 23 mails in the 30 days up to 2026-11-23

    Domains without an entry, and why (--format json names them):
      - 1: mail goes in clear
      - 1: too few days or mails yet
    "##);
}

#[test]
fn the_map_loses_entries_as_time_goes_by_and_as_logs_come_in() {
    let sandbox = sandbox();
    let map = sandbox.write("map", policy(&sandbox, &[]));
    let map = map.to_string_lossy();
    let at = |now: &str| rows(&sandbox, &["--current", &map], now).remove(0);
    let pair = |row: (String, String, String)| (row.0, row.2);
    assert_eq!(at(NOW).0, "kept");
    let last_day = at("2026-12-23T23:59:59Z");
    assert_eq!(
        (last_day.0.as_str(), last_day.1.as_str()),
        ("kept", "good.example")
    );
    let (change, reason) = pair(at("2026-12-24T00:00:00Z"));
    assert_eq!(
        (change.as_str(), reason.as_str()),
        ("taken-back", "expired on 2026-12-23")
    );
    // One mail in clear, on a server that still logs the TLS of others.
    let later = [
        delivery("slow.example", "mx.slow.example", 24, true),
        delivery("good.example", "mx.good.example", 24, false),
    ];
    import(&sandbox, "later.log", &later.concat());
    let (change, reason) = pair(at("2026-11-25T00:00:00Z"));
    assert_eq!(change, "taken-back");
    assert!(reason.starts_with("2026-11-24: in clear"), "{reason}");
}

#[test]
fn a_file_is_written_only_where_asked_and_keeps_what_is_not_ours() {
    let sandbox = sandbox();
    let yours = "# ours since 2019\n.partner.example   secure match=.partner.example\n";
    let map = sandbox.write("map", yours);
    let name = map.to_string_lossy();
    let shown = policy(&sandbox, &["--current", &name]);
    assert!(
        shown.starts_with(
            "1 entry added, 0 changed, 0 taken back, 0 as before; 1 entry of your own"
        ),
        "{shown}"
    );
    assert_eq!(fs::read_to_string(&map).unwrap(), yours);
    let status = sandbox
        .run(&[&POSTFIX[..], &["--current", &name, "--exit-code"]].concat())
        .status;
    assert_eq!(status, 1);
    policy(&sandbox, &["--write", &name]);
    let once = fs::read_to_string(&map).unwrap();
    assert!(once.starts_with(yours), "{once}");
    assert_eq!(entries(&once).len(), 2);
    let again = sandbox.run(&[&POSTFIX[..], &["--write", &name, "--exit-code"]].concat());
    assert!(again.err.contains("is up to date"), "{}", again.err);
    assert_eq!((again.status, fs::read_to_string(&map).unwrap()), (0, once));
    let left: Vec<_> = fs::read_dir(map.parent().unwrap())
        .unwrap()
        .flatten()
        .collect();
    assert!(
        left.iter()
            .all(|e| !e.file_name().to_string_lossy().ends_with(".part"))
    );
}

#[test]
fn a_file_that_was_not_looked_at_is_not_written_over() {
    let sandbox = sandbox();
    let other = sandbox.write("other", "example.org none\n");
    let map = sandbox.write("map", "");
    let args = [
        "--current",
        &map.to_string_lossy(),
        "--write",
        &other.to_string_lossy(),
    ]
    .map(str::to_owned);
    let args: Vec<&str> = POSTFIX
        .into_iter()
        .chain(args.iter().map(String::as_str))
        .collect();
    sandbox.run(&args).fails_with(&["would lose"]);
    assert_eq!(fs::read_to_string(&other).unwrap(), "example.org none\n");
    let missing = [&POSTFIX[..], &["--current", "no-such-map"]].concat();
    sandbox.run(&missing).fails_with(&["no-such-map"]);
}

#[test]
fn no_name_from_a_log_makes_a_line_of_its_own() {
    let sandbox = Sandbox::new();
    let names = [
        "evil.example encrypt",
        "#evil.example",
        ".evil.example",
        "evil..example",
        "evil/x.example",
        "evil.example:25",
        "evil.exa\rmple",
        "evil\u{b}.example",
        "evil.example\\nfoo.example",
        "/evil/",
        "$evil.example",
        "evil",
        "192.0.2.66",
        "\u{202e}evil.example",
    ];
    let mut log = String::new();
    for day in 1..=20 {
        log.push_str(&delivery("good.example", "mx.good.example", day, true));
        for name in names {
            log.push_str(&delivery(name, &format!("mx.{name}"), day, true));
        }
    }
    import(&sandbox, "mail.log", &log);
    for more in [&[][..], &["--base", "encrypt"]] {
        let map = policy(&sandbox, more);
        for entry in entries(&map) {
            assert_eq!(entry, "good.example encrypt", "{map}");
        }
        assert!(!map.contains("evil"), "{map}");
    }
    let shown = policy(&sandbox, &["--format", "markdown"]);
    assert!(shown.contains("that can stand in no map"), "{shown}");
}

#[test]
fn a_log_that_does_not_tell_gives_no_entry_and_says_why() {
    let sandbox = Sandbox::new();
    let log: String = (1..=20)
        .map(|day| delivery("a.example", "mx.a.example", day, false))
        .collect();
    import(&sandbox, "mail.log", &log);
    for more in [&[][..], &["--base", "encrypt"]] {
        let ran = sandbox.run(&[&POSTFIX, more].concat()).ok();
        assert_eq!(entries(&ran.out).len(), 0, "{}", ran.out);
        assert!(
            ran.err
                .contains("no entry is added: it is not proven that TLS is logged"),
            "{}",
            ran.err
        );
        assert!(
            ran.out.contains("postconf -e smtp_tls_loglevel=1"),
            "{}",
            ran.out
        );
    }
    let ran = sandbox.run(&["policy", "--for", "sendmail"]).ok();
    assert!(
        ran.err.contains("the store has no mail of Sendmail"),
        "{}",
        ran.err
    );
}

#[test]
fn behind_a_smart_host_there_is_no_map() {
    let sandbox = Sandbox::new();
    let mut log = String::new();
    for day in 1..=23 {
        for n in 0..6 {
            log.push_str(&delivery(
                &format!("d{n}.example"),
                "relay.example.net",
                day,
                true,
            ));
        }
    }
    import(&sandbox, "mail.log", &log);
    let ran = sandbox.run(&POSTFIX).ok();
    assert_eq!(entries(&ran.out).len(), 0);
    assert!(ran.err.contains("one smart host"), "{}", ran.err);
}

#[test]
fn the_refusal_text_names_the_page_for_each_server() {
    let sandbox = Sandbox::new();
    let url = "https://example.org/tls";
    for (server, words) in [
        ("postfix", "smtpd_reject_footer_maps"),
        ("sendmail", "SLocal_check_mail"),
    ] {
        let ran = sandbox
            .run(&["policy", "--for", server, "--reject-text", url])
            .ok();
        assert!(
            ran.out.contains(words) && ran.out.contains(&format!("see {url}")),
            "{}",
            ran.out
        );
    }
    let wrong = [
        "policy",
        "--for",
        "postfix",
        "--reject-text",
        "https://example.org/$(x)",
    ];
    sandbox
        .run(&wrong)
        .fails_with(&["--reject-text", "https://example.org/tls"]);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.run(&["policy"]).fails_with(&["--for"]);
    for more in [
        &["--days", "0"][..],
        &["--expire", "0"],
        &["--messages", "0"],
        &["--inbound", "--base", "may"],
    ] {
        let ran = sandbox.run(&[&POSTFIX, more].concat());
        assert_eq!(ran.status, 2, "{more:?}");
    }
    sandbox.run(&POSTFIX).fails_with(&["tlsnag import"]);
    let help = sandbox.run(&["policy", "--help"]).ok().out;
    assert!(
        help.contains("Examples:") && help.contains("--write /etc/postfix/tls_policy"),
        "{help}"
    );
}
