//! Letters to the people mail is exchanged with: only to those who are approved by name, and to nobody twice.

use serde_json::Value;

use crate::campaign::{
    Does, SETTINGS, answer, campaign, import, log, on, send, status_of, strings, taken, taking,
};
use crate::sandbox::Sandbox;

/// What a person of a domain sends to us on a day of November 2026, over TLS.
fn received(day: u32, address: &str) -> String {
    let client = "out.example[198.51.100.7]";
    let line = |second: u32, daemon: &str, text: &str| {
        format!("2026-11-{day:02}T11:00:{second:02}+00:00 mail postfix/{daemon}[77]: {text}\n")
    };
    [
        line(1, "smtpd", &format!("connect from {client}")),
        line(2, "smtpd", &format!("Anonymous TLS connection established from {client}: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)")),
        line(3, "smtpd", &format!("5F{day:02}: client={client}")),
        line(4, "qmgr", &format!("5F{day:02}: from=<{address}>, size=1000, nrcpt=1 (queue active)")),
        line(5, "smtpd", &format!("disconnect from {client} ehlo=2 starttls=1 mail=1 rcpt=1 data=1 quit=1 commands=7")),
    ]
    .concat()
}

/// A week in which mail to `bob` at these domains goes in clear, and he writes to us.
fn with(domains: &[&str]) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("c.toml", format!("correspondents = true\n{SETTINGS}"));
    let peers: Vec<(&str, Does)> = domains.iter().map(|name| (*name, Does::Breaks)).collect();
    let mut text = log(2..=8, &peers);
    for (day, domain) in (2..).zip(domains) {
        text.push_str(&received(day, &format!("Bob@{domain}")));
    }
    week(&sandbox, 9, "week1.log", &text);
    sandbox
}

/// Reads a log with the settings, in the order of its times.
fn week(sandbox: &Sandbox, day: u32, name: &str, text: &str) {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_by_key(|line| line.split(' ').next());
    sandbox.write(name, lines.join("\n") + "\n");
    sandbox
        .run_with(
            &["import", "--quiet", "--config", "c.toml", name],
            &[("TLSNAG_NOW", &on(day))],
        )
        .ok();
}

fn plan(sandbox: &Sandbox, day: u32) -> Value {
    let args = [
        "plan",
        "--to",
        "correspondents",
        "--no-probe",
        "--format",
        "json",
    ];
    campaign(sandbox, day, &args).ok().json()
}

fn hash(plan: &Value) -> String {
    plan["plan"].as_str().unwrap().to_string()
}

#[test]
fn people_are_asked_only_if_they_are_known_and_what_to_switch_on_is_said() {
    let sandbox = with(&["a.example"]);
    sandbox.write("c.toml", SETTINGS);
    campaign(
        &sandbox,
        9,
        &["plan", "--to", "correspondents", "--no-probe"],
    )
    .fails_with(&["correspondents = true", "from then on"]);
    // Switched on after the log was read: nobody is known yet.
    let sandbox = Sandbox::new();
    sandbox.write("c.toml", format!("correspondents = true\n{SETTINGS}"));
    import(
        &sandbox,
        9,
        "week1.log",
        &log(2..=8, &[("a.example", Does::Breaks)]),
    );
    assert_eq!(
        strings(&plan(&sandbox, 9)["skipped"], "reason"),
        ["no-correspondent"]
    );
}

#[test]
fn nothing_goes_to_a_person_who_was_not_approved_by_name() {
    let sandbox = with(&["a.example", "b.example", "c.example"]);
    let plan = self::plan(&sandbox, 9);
    let mut contacts = strings(&plan["rows"], "contact");
    contacts.sort();
    assert_eq!(
        contacts,
        ["bob@a.example", "bob@b.example", "bob@c.example"]
    );
    assert_eq!(strings(&plan["rows"], "mode"), ["correspondents"; 3]);
    assert_eq!(
        strings(&plan["rows"], "contact_source"),
        ["correspondent"; 3]
    );
    let program = taking(&sandbox);
    let said = send(&sandbox, 9, &hash(&plan), &program).ok().out;
    assert!(
        said.contains("Sent: 0; waiting to be approved with tlsnag campaign approve: 3."),
        "{said}"
    );
    assert!(taken(&sandbox).is_empty());

    let shown = campaign(&sandbox, 9, &["review"]).ok().out;
    assert!(
        shown.contains("Letters to persons: 3; not approved: 3.")
            && shown.contains("bob@b.example"),
        "{shown}"
    );
    // All or none: a name that is not there approves nobody.
    campaign(&sandbox, 9, &["approve", "bob@a.example", "bob@d.example"])
        .fails_with(&["no letter to `bob@d.example` is drafted", "campaign review"]);
    campaign(&sandbox, 9, &["approve"]).fails_with(&["ADDRESS"]);
    send(&sandbox, 9, &hash(&plan), &program).ok();
    assert!(taken(&sandbox).is_empty());

    campaign(&sandbox, 9, &["approve", "Bob@A.example", "bob@b.example"]).ok();
    campaign(&sandbox, 9, &["approve", "--withdraw", "bob@b.example"]).ok();
    let said = send(&sandbox, 9, &hash(&plan), &program).ok().out;
    assert!(
        said.contains("Sent: 1; waiting to be approved") && said.contains(": 2."),
        "{said}"
    );
    assert_eq!(taken(&sandbox), ["bob@a.example"]);
    // Suppression wins over an approval, in the step that sends.
    campaign(&sandbox, 9, &["approve", "bob@b.example"]).ok();
    campaign(&sandbox, 9, &["suppress", "bob@b.example"]).ok();
    let said = send(&sandbox, 9, &hash(&plan), &program).ok().out;
    assert!(said.contains("not wanted any more: 1"), "{said}");
    assert_eq!(taken(&sandbox), ["bob@a.example"]);
}

#[test]
fn an_approval_holds_for_the_letter_that_was_read_and_no_other() {
    let sandbox = with(&["a.example"]);
    plan(&sandbox, 9);
    campaign(&sandbox, 9, &["approve", "bob@a.example"]).ok();
    let state = |day| {
        let shown = campaign(&sandbox, day, &["review", "--format", "json"]);
        strings(&shown.ok().json()["rows"], "state")
    };
    // Planned again, word for word the same.
    plan(&sandbox, 9);
    assert_eq!(state(9), ["approved"]);
    let next = log(9..=9, &[("a.example", Does::Breaks)]);
    week(&sandbox, 10, "next.log", &next);
    let plan = plan(&sandbox, 10);
    assert_eq!(state(10), ["waits"], "another day, another letter");
    send(&sandbox, 10, &hash(&plan), &taking(&sandbox)).ok();
    assert!(taken(&sandbox).is_empty());
}

#[test]
fn a_letter_to_a_person_names_nobody_and_speaks_of_their_own_mail() {
    let sandbox = with(&["a.example"]);
    plan(&sandbox, 9);
    let shown = campaign(&sandbox, 9, &["preview"]).ok().out;
    for words in [
        "To: bob@a.example",
        "travels unencrypted",
        "7 messages\nfrom 2026-11-02 to 2026-11-08",
        "Could you forward this mail",
        "List-Unsubscribe: <mailto:",
        "SSL_connect error to",
    ] {
        assert!(shown.contains(words), "{words}\n{shown}");
    }
    let body = shown.split_once("Hello,").unwrap().1;
    assert!(!body.to_lowercase().contains("bob"), "{body}");
}

#[test]
fn the_story_of_a_letter_to_a_person() {
    let names = ["a.example", "b.example", "c.example"];
    let sandbox = with(&names);
    let first = plan(&sandbox, 9);
    let all = names.map(|name| format!("bob@{name}"));
    let approve: Vec<&str> = ["approve"]
        .into_iter()
        .chain(all.iter().map(String::as_str))
        .collect();
    campaign(&sandbox, 9, &approve).ok();
    let program = taking(&sandbox);
    send(&sandbox, 9, &hash(&first), &program).ok();
    assert_eq!(taken(&sandbox), all);
    // Neither they nor their postmasters get another one this month.
    let postmaster = ["plan", "--no-probe", "--format", "json"];
    for again in [
        plan(&sandbox, 10),
        campaign(&sandbox, 10, &postmaster).ok().json(),
    ] {
        assert_eq!(strings(&again["skipped"], "reason"), ["too-recent"; 3]);
        assert!(strings(&again["rows"], "contact").is_empty());
    }

    // b wants no more of it: for himself, and nobody else there is asked. What c had came back.
    let rows = campaign(&sandbox, 10, &["status", "--format", "json"])
        .ok()
        .json();
    assert_eq!(strings(&rows["rows"], "mode"), ["correspondents"; 3]);
    let token = |name: &str| {
        let rows = rows["rows"].as_array().unwrap();
        let row = rows.iter().find(|row| row["organisation"] == name).unwrap();
        row["token"].as_str().unwrap().to_lowercase()
    };
    let to = |name: &str| format!("To: ann+tlsnag-{}@us.example", token(name));
    let headers = format!(
        "From: bob@b.example\r\n{}\r\nSubject: stop",
        to("b.example")
    );
    answer(&sandbox, "1", &headers, "");
    answer(
        &sandbox,
        "2",
        &format!(
            "From: MAILER-DAEMON@us.example\r\n{}\r\nMIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b",
            to("c.example")
        ),
        "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; us.example\r\n\r\nFinal-Recipient: rfc822; bob@c.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--b--",
    );
    campaign(&sandbox, 10, &["replies", "mail"]).ok();
    assert_eq!(
        names.map(|name| status_of(&sandbox, 10, name)),
        ["sent", "declined", "bounced"]
    );
    let unwanted = campaign(&sandbox, 10, &["suppress"]).ok().out;
    assert!(
        unwanted.contains("bob@b.example") && !unwanted.contains("  b.example"),
        "{unwanted}"
    );

    // a does TLS: bob is thanked, once he is approved, and nobody else.
    let next = log(9..=15, &[("a.example", Does::Tls)]);
    week(&sandbox, 16, "week2.log", &next);
    let thanks = plan(&sandbox, 16);
    assert_eq!(
        (
            strings(&thanks["rows"], "template"),
            strings(&thanks["rows"], "contact")
        ),
        (vec!["thank-you".into()], vec!["bob@a.example".into()])
    );
    send(&sandbox, 16, &hash(&thanks), &program).ok();
    assert_eq!(taken(&sandbox).len(), 3);
    campaign(&sandbox, 16, &["approve", "bob@a.example"]).ok();
    send(&sandbox, 16, &hash(&thanks), &program).ok();
    assert_eq!(taken(&sandbox).len(), 4);
    assert_eq!(status_of(&sandbox, 17, "a.example"), "thanked");
    let board = sandbox.run(&["report", "scoreboard"]).ok().out;
    assert!(board.contains("1 of 3 organisations"), "{board}");
}

#[test]
fn a_person_who_is_forgotten_is_gone_with_the_approval() {
    let sandbox = with(&["a.example", "b.example"]);
    let plan = plan(&sandbox, 9);
    campaign(&sandbox, 9, &["approve", "bob@a.example", "bob@b.example"]).ok();
    let program = taking(&sandbox);
    send(&sandbox, 9, &hash(&plan), &program).ok();
    let rows = campaign(&sandbox, 9, &["status", "--format", "json"]).ok();
    let token = strings(&rows.json()["rows"], "token").remove(0);
    let headers =
        format!("From: Bob@A.example\r\nTo: ann@us.example\r\nSubject: Re: [tlsnag-{token}]");
    answer(&sandbox, "1", &headers, "I have passed it on.");
    campaign(&sandbox, 10, &["replies", "mail"]).ok();
    sandbox.run(&["forget", "bob@a.example"]).ok();
    let bytes = std::fs::read(sandbox.path("store.db")).unwrap();
    let text = String::from_utf8_lossy(&bytes).to_lowercase();
    assert!(!text.contains("bob@a.example") && text.contains("bob@b.example"));
    // Fixed or not, there is nobody to thank, and nothing breaks.
    let next = log(9..=15, &[("a.example", Does::Tls)]);
    week(&sandbox, 16, "week2.log", &next);
    assert!(strings(&self::plan(&sandbox, 16)["rows"], "contact").is_empty());
    sandbox.run(&["store", "check"]).ok();
}
