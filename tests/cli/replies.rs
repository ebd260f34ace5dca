//! What comes back, and what people wish: a "stop" is heard whoever reads it out and whenever, and nothing undoes it.

use serde_json::Value;

use crate::campaign::{
    Does, SETTINGS, campaign, delivery, import, log, plan, send, sendmail, status_of, strings,
    taken, taking, with,
};
use crate::sandbox::{Ran, Sandbox};

/// Plans on a day and sends it.
fn write(sandbox: &Sandbox, day: u32) -> Value {
    let planned = plan(sandbox, day);
    let hash = planned["plan"].as_str().unwrap();
    send(sandbox, day, hash, &taking(sandbox)).ok();
    planned
}

/// A sandbox in which these did not offer STARTTLS, and got a letter.
fn written(names: &[&str]) -> Sandbox {
    let peers: Vec<_> = names.iter().map(|name| (*name, Does::NotOffered)).collect();
    let sandbox = with(&peers);
    write(&sandbox, 9);
    sandbox
}

/// A week up to a day in which these still do not offer it.
fn still(sandbox: &Sandbox, day: u32, names: &[&str]) {
    let peers: Vec<_> = names.iter().map(|name| (*name, Does::NotOffered)).collect();
    import(
        sandbox,
        day,
        &format!("{day}.log"),
        &log(day - 7..=day - 1, &peers),
    );
}

fn rows(sandbox: &Sandbox, day: u32) -> Vec<Value> {
    let status = campaign(sandbox, day, &["status", "--format", "json"]).ok();
    status.json()["rows"].as_array().unwrap().clone()
}

fn token(sandbox: &Sandbox, organisation: &str) -> String {
    let rows = rows(sandbox, 9);
    let row = rows.iter().find(|row| row["organisation"] == organisation);
    row.unwrap()["token"].as_str().unwrap().to_string()
}

/// Reads one mail.
fn replies(sandbox: &Sandbox, day: u32, mail: &str) -> Ran {
    sandbox.write("mail.eml", mail.replace('\n', "\r\n"));
    campaign(sandbox, day, &["replies", "mail.eml"])
}

fn mail(from: &str, token: &str, subject: &str, body: &str) -> String {
    let to = format!("ann+tlsnag-{}@us.example", token.to_lowercase());
    format!("From: {from}\nTo: {to}\nSubject: {subject}\n\n{body}\n")
}

fn report(token: &str, action: &str, status: &str) -> String {
    let to = format!("ann+tlsnag-{}@us.example", token.to_lowercase());
    format!(
        "From: MAILER-DAEMON@us.example\nTo: {to}\nMIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\nContent-Type: text/plain\n\nsorry\n\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; us.example\n\nFinal-Recipient: rfc822; postmaster@a.example\nAction: {action}\nStatus: {status}\n\n--b--\n"
    )
}

fn suppressed(sandbox: &Sandbox) -> Vec<String> {
    let said = campaign(sandbox, 9, &["suppress"]).ok().out;
    let names = said.lines().filter_map(|line| line.split("  ").nth(1));
    names.map(str::to_string).collect()
}

fn contact(sandbox: &Sandbox, name: &str, address: &str) -> String {
    campaign(sandbox, 9, &["contact", name, address]).ok().out
}

#[test]
fn a_stop_that_could_not_be_noted_is_heard_by_the_next_run() {
    let sandbox = written(&["a.example"]);
    let token = token(&sandbox, "a.example");
    let mail = mail("root@a.example", &token, &format!("stop {token}"), "");
    let store = rusqlite::Connection::open(sandbox.path("store.db")).unwrap();
    let full = "CREATE TRIGGER full BEFORE INSERT ON suppression BEGIN SELECT RAISE(ABORT, 'no room'); END";
    store.execute_batch(full).unwrap();
    replies(&sandbox, 10, &mail).fails_with(&["no room"]);
    store.execute_batch("DROP TRIGGER full").unwrap();
    let said = replies(&sandbox, 10, &mail).ok().out;
    assert!(said.contains("a.example opt-out"), "{said}");
    assert_eq!(suppressed(&sandbox), ["a.example", "postmaster@a.example"]);
    assert_eq!(status_of(&sandbox, 10, "a.example"), "declined");
    assert_eq!(replies(&sandbox, 10, &mail).ok().out, "Nothing new.\n");
}

#[test]
fn a_stop_without_a_token_is_heard_from_whom_we_wrote_to_and_from_others_for_themselves() {
    let sandbox = written(&["a.example", "b.example"]);
    let stop =
        |from: &str| format!("From: {from}\nTo: ann@us.example\nSubject: your mail\n\nStop.\n");
    let said = replies(&sandbox, 10, &stop("Postmaster@a.example"))
        .ok()
        .out;
    assert!(said.contains("a.example opt-out: neither they"), "{said}");
    assert_eq!(suppressed(&sandbox), ["a.example", "postmaster@a.example"]);
    let states = ["a.example", "b.example"].map(|name| status_of(&sandbox, 10, name));
    assert_eq!(states, ["declined", "sent"]);
    let said = replies(&sandbox, 10, &stop("eve@b.example")).ok().out;
    assert_eq!(
        said,
        "opt-out from eve@b.example, of no letter that is known here: they are not written to any more\n"
    );
    let all = ["a.example", "eve@b.example", "postmaster@a.example"];
    assert_eq!(suppressed(&sandbox), all);
    assert_eq!(status_of(&sandbox, 10, "b.example"), "sent");
    let again = replies(&sandbox, 11, &stop("eve@b.example")).ok().out;
    assert_eq!(again, "Nothing new.\n");
    // Of whom there is no address, nobody can be told apart.
    let said = replies(&sandbox, 11, &stop("nobody")).ok().out;
    assert!(said.contains("tlsnag campaign suppress ADDRESS"), "{said}");
    assert_eq!(suppressed(&sandbox), all);
}

#[test]
fn who_says_stop_in_anothers_place_is_not_written_to_in_a_thirds() {
    let sandbox = written(&["a.example", "b.example"]);
    let token = token(&sandbox, "a.example");
    replies(
        &sandbox,
        10,
        &mail("Kim@agency.example", &token, "stop", ""),
    )
    .ok();
    let silenced = ["a.example", "kim@agency.example", "postmaster@a.example"];
    assert_eq!(suppressed(&sandbox), silenced);
    // Of b's letter to whoever is the contact now: not to them.
    contact(&sandbox, "b.example", "kim@agency.example");
    still(&sandbox, 40, &["b.example"]);
    let plan = plan(&sandbox, 40);
    assert_eq!(strings(&plan["rows"], "contact"), Vec::<String>::new());
    assert!(strings(&plan["skipped"], "reason").contains(&"suppressed".to_string()));
}

#[test]
fn while_an_answer_waits_to_be_read_nobody_there_is_written_to_not_even_thanked() {
    let sandbox = written(&["a.example"]);
    let token = token(&sandbox, "a.example");
    let answer = mail(
        "kim@a.example",
        &token,
        "Re: TLS",
        "Never write to us again, please.",
    );
    replies(&sandbox, 10, &answer).ok();
    import(
        &sandbox,
        16,
        "2.log",
        &log(9..=15, &[("a.example", Does::Tls)]),
    );
    let planned = |day| strings(&plan(&sandbox, day)["rows"], "template");
    assert_eq!(status_of(&sandbox, 16, "a.example"), "fixed");
    assert_eq!(planned(16), Vec::<String>::new());
    // It was a friendly one.
    campaign(&sandbox, 16, &["label", &token, "grateful"]).ok();
    assert_eq!(planned(16), ["thank-you"]);
    // Another one comes before the thank-you goes out.
    let hash = plan(&sandbox, 16)["plan"].as_str().unwrap().to_string();
    replies(&sandbox, 16, &answer.replace("again", "any more")).ok();
    let said = send(&sandbox, 16, &hash, &taking(&sandbox)).ok().out;
    assert!(said.contains("not wanted any more: 1"), "{said}");
}

#[test]
fn what_a_postmaster_writes_without_a_token_is_read_before_they_hear_of_us_again() {
    let sandbox = written(&["a.example", "b.example"]);
    let mail = |from: &str| {
        format!("From: {from}\nTo: ann@us.example\nSubject: your mail\n\nSpare us such letters.\n")
    };
    let said = replies(&sandbox, 10, &mail("Postmaster@a.example"))
        .ok()
        .out;
    assert!(said.contains("| Spare us such letters."), "{said}");
    let states = ["a.example", "b.example"].map(|name| status_of(&sandbox, 10, name));
    assert_eq!(states, ["answered", "sent"]);
    // Of others there everyday mail comes.
    let said = replies(&sandbox, 10, &mail("eve@b.example")).ok().out;
    assert!(said.contains("Not about our letters: 1."), "{said}");
    assert_eq!(status_of(&sandbox, 10, "b.example"), "sent");
}

/// All that is known of a letter is deleted, and then it is answered.
#[test]
fn a_stop_is_heard_though_its_letter_was_forgotten() {
    let sandbox = written(&["a.example", "b.example"]);
    let [a, b] = ["a.example", "b.example"].map(|name| token(&sandbox, name));
    for name in ["a.example", "b.example"] {
        sandbox.run(&["forget", name]).ok();
    }
    let said = replies(&sandbox, 10, &mail("dora@a.example", &a, "Re: TLS", "Stop"));
    assert_eq!(
        said.ok().out,
        "opt-out from dora@a.example, of no letter that is known here: nobody at their domain is written to any more\n"
    );
    // Who reads it at a large provider speaks for themselves.
    let subject = format!("stop {b}");
    let stop = format!("From: bob@gmail.com\nTo: ann@us.example\nSubject: {subject}\n\n\n");
    replies(&sandbox, 10, &stop).ok();
    assert_eq!(
        suppressed(&sandbox),
        ["a.example", "bob@gmail.com", "dora@a.example"]
    );
    still(&sandbox, 41, &["a.example", "b.example"]);
    assert_eq!(
        strings(&plan(&sandbox, 41)["rows"], "domain"),
        ["b.example"]
    );
}

#[test]
fn a_stop_of_a_new_contact_is_theirs_and_not_their_predecessors() {
    let sandbox = with(&[("a.example", Does::NotOffered)]);
    contact(&sandbox, "a.example", "ann@a.example");
    write(&sandbox, 9);
    contact(&sandbox, "a.example", "carl@consult.example");
    still(&sandbox, 42, &["a.example"]);
    write(&sandbox, 42);
    assert_eq!(taken(&sandbox), ["ann@a.example", "carl@consult.example"]);
    assert_eq!(rows(&sandbox, 42)[0]["contact"], "carl@consult.example");
    let token = token(&sandbox, "a.example");
    let stop = mail("carl@consult.example", &token, &format!("stop {token}"), "");
    replies(&sandbox, 43, &stop).ok();
    assert_eq!(suppressed(&sandbox), ["a.example", "carl@consult.example"]);
}

/// A domain whose mail goes to a host of a provider.
fn hosted(day: u32, domain: &str, host: &str) -> String {
    delivery(day, domain, Does::NotOffered).replace(&format!("mx.{domain}"), host)
}

#[test]
fn a_customer_of_a_provider_speaks_for_their_own_domain() {
    let sandbox = Sandbox::new();
    sandbox.write("c.toml", SETTINGS);
    let week: String = (2..=8)
        .map(|day| hosted(day, "c1.example", "mx7.hoster.example"))
        .collect();
    import(&sandbox, 9, "week.log", &(week + &log(2..=8, &[])));
    write(&sandbox, 9);
    assert_eq!(taken(&sandbox), ["postmaster@c1.example"]);
    let token = token(&sandbox, "hoster.example");
    replies(
        &sandbox,
        10,
        &mail("postmaster@c1.example", &token, "stop", ""),
    )
    .ok();
    assert_eq!(
        suppressed(&sandbox),
        ["c1.example", "postmaster@c1.example"]
    );
    // Another customer is another matter, and c1 is left alone wherever it moves.
    let later: String = (35..=41)
        .map(|day| {
            hosted(day, "c9.example", "mx8.hoster.example")
                + &hosted(day, "c1.example", "mx.new.example")
        })
        .collect();
    import(&sandbox, 42, "later.log", &(later + &log(35..=41, &[])));
    contact(&sandbox, "c1.example", "root@c1.example");
    let plan = plan(&sandbox, 42);
    assert_eq!(strings(&plan["rows"], "contact"), ["postmaster@c9.example"]);
    assert!(strings(&plan["skipped"], "reason").contains(&"suppressed".to_string()));
}

#[test]
fn who_was_left_alone_gets_no_letter_from_a_later_plan() {
    let names: Vec<String> = (0..12).map(|i| format!("c{i}.example")).collect();
    let peers: Vec<_> = names
        .iter()
        .map(|name| (name.as_str(), Does::NotOffered))
        .collect();
    let fine: Vec<String> = (0..30).map(|i| format!("fine{i}.example")).collect();
    let fine: Vec<_> = fine.iter().map(|name| (name.as_str(), Does::Tls)).collect();
    let sandbox = with(&[peers, fine].concat());
    let args = ["plan", "--no-probe", "--control", "50%"];
    campaign(&sandbox, 9, &args).ok();
    let alone = || -> Vec<String> {
        let rows = rows(&sandbox, 9);
        let rows = rows.iter().filter(|row| row["state"] == "control");
        rows.map(|row| row["organisation"].as_str().unwrap().to_string())
            .collect()
    };
    let chosen = alone();
    assert!(!chosen.is_empty() && chosen.len() < names.len());
    sandbox.append("c.toml", "per_day = 99\n");
    write(&sandbox, 9);
    assert_eq!(alone(), chosen);
    let written: Vec<String> = names
        .iter()
        .filter(|name| !chosen.contains(name))
        .map(|name| format!("postmaster@{name}"))
        .collect();
    let (mut got, mut expected) = (taken(&sandbox), written);
    got.sort();
    expected.sort();
    assert_eq!(got, expected);
    let name = &chosen[0];
    // Nobody can have their token; and they, too, can be told of as unwilling.
    let stop = mail("root@x.example", &token(&sandbox, name), "stop", "");
    let said = replies(&sandbox, 10, &stop).ok().out;
    assert!(said.contains("of no letter that is known here"), "{said}");
    campaign(&sandbox, 10, &["suppress", name]).ok();
    let all = [name.as_str(), "root@x.example", "x.example"];
    assert_eq!(suppressed(&sandbox), all);
}

#[test]
fn a_name_is_suppressed_however_it_is_typed_and_all_below_it() {
    for typed in [
        "xn--bcher-kva.example.",
        "@B\u{fc}cher.example",
        "*.xn--bcher-kva.example",
        "<postmaster@b\u{fc}cher.example>",
    ] {
        let sandbox = with(&[("xn--bcher-kva.example", Does::NotOffered)]);
        let hash = plan(&sandbox, 9)["plan"].as_str().unwrap().to_string();
        let said = campaign(&sandbox, 9, &["suppress", typed]).ok().out;
        assert!(said.contains("xn--bcher-kva.example"), "{said}");
        let said = send(&sandbox, 9, &hash, &taking(&sandbox)).ok().out;
        assert!(said.contains("not wanted any more: 1"), "{typed}: {said}");
        assert!(taken(&sandbox).is_empty());
        assert_eq!(
            strings(&plan(&sandbox, 9)["skipped"], "reason"),
            ["suppressed"]
        );
        campaign(&sandbox, 9, &["unsuppress", typed]).ok();
        assert_eq!(plan(&sandbox, 9)["rows"].as_array().unwrap().len(), 1);
    }
    let sandbox = with(&[("sub.a.example", Does::NotOffered)]);
    let hash = plan(&sandbox, 9)["plan"].as_str().unwrap().to_string();
    campaign(&sandbox, 9, &["suppress", "a.example"]).ok();
    send(&sandbox, 9, &hash, &taking(&sandbox)).ok();
    assert!(taken(&sandbox).is_empty());
    for nobody in ["", "a", "192.0.2.1", "a b.example", "ann@", "4F2A91C0"] {
        campaign(&sandbox, 9, &["suppress", nobody])
            .fails_with(&["expected an address, a domain, a host or an organisation"]);
    }
}

#[test]
fn who_said_stop_has_said_it_whatever_comes_after() {
    let sandbox = written(&["a.example", "b.example"]);
    let [a, b] = ["a.example", "b.example"].map(|name| token(&sandbox, name));
    replies(&sandbox, 10, &mail("root@a.example", &a, "stop", "")).ok();
    let said = replies(
        &sandbox,
        11,
        &mail("root@a.example", &a, "Re: TLS", "Greetings to Joe."),
    )
    .ok();
    assert!(said.out.contains("| Greetings to Joe."), "{}", said.out);
    replies(&sandbox, 12, &report(&a, "failed", "5.1.1")).ok();
    assert_eq!(status_of(&sandbox, 12, "a.example"), "declined");
    // What was answered is not unread because a copy of it came back.
    replies(
        &sandbox,
        10,
        &mail("root@b.example", &b, "Re: TLS", "Next week."),
    )
    .ok();
    campaign(&sandbox, 11, &["label", &b, "will-not-change"]).ok();
    replies(&sandbox, 12, &report(&b, "failed", "5.1.1")).ok();
    assert_eq!(status_of(&sandbox, 12, "b.example"), "declined");
    // The operator may say otherwise.
    campaign(&sandbox, 13, &["label", &b, "auto-reply"]).ok();
    assert_eq!(status_of(&sandbox, 13, "b.example"), "sent");
}

#[test]
fn who_says_stop_while_a_letter_is_on_its_way_has_said_it() {
    let sandbox = with(&[("a.example", Does::NotOffered)]);
    let hash = plan(&sandbox, 9)["plan"].as_str().unwrap().to_string();
    let stop = "From: postmaster@a.example\nTo: ann@us.example\nSubject: stop\n\n";
    sandbox.write("stop.eml", stop);
    let program = env!("CARGO_BIN_EXE_tlsnag");
    let script = format!("cat > /dev/null; {program} campaign replies stop.eml > said");
    let said = send(&sandbox, 9, &hash, &sendmail(&sandbox, &script))
        .ok()
        .out;
    assert!(said.contains("Sent: 1."), "{said}");
    assert_eq!(status_of(&sandbox, 9, "a.example"), "declined");
    assert_eq!(suppressed(&sandbox), ["a.example", "postmaster@a.example"]);
}

#[test]
fn what_is_done_with_a_contact_is_said() {
    let sandbox = with(&[("a.example", Does::NotOffered)]);
    assert_eq!(
        contact(&sandbox, "A.example.", "ann@a.example"),
        "Letters about a.example go to ann@a.example, from the next plan on.\n"
    );
    assert!(contact(&sandbox, "a.example", "-").contains("has no contact any more"));
    assert!(contact(&sandbox, "a.example", "-").contains("No contact was set for a.example"));
    campaign(&sandbox, 9, &["contact", "nobody", "ann@a.example"])
        .fails_with(&["expected an address, a domain"]);
}

#[test]
fn letters_name_a_day_that_leaves_time_and_is_to_come() {
    let sandbox = with(&[("a.example", Does::NotOffered)]);
    let set = |day: &str| {
        let settings = format!("{SETTINGS}draft_days = 99\nenforce_on = \"{day}\"\n");
        sandbox.write("c.toml", settings);
    };
    let plan_on = |day| campaign(&sandbox, day, &["plan", "--no-probe"]);
    set("soon");
    plan_on(9).fails_with(&["enforce_on", "expected a day such as 2027-03-01", "`soon`"]);
    for (day, said) in [
        ("2020-01-01", "gone by"),
        ("2026-11-10", "which is tomorrow"),
        ("2026-12-06", "which is 27 days ahead"),
    ] {
        set(day);
        plan_on(9).fails_with(&[day, said, "at least 28 days ahead"]);
    }
    set("2026-12-07");
    let hash = plan(&sandbox, 9)["plan"].as_str().unwrap().to_string();
    let shown = campaign(&sandbox, 9, &["preview"]).ok().out;
    assert!(shown.contains("2026-12-07"), "{shown}");
    // By the time it is sent, another day is set; or the day has come.
    set("2027-01-31");
    let said = send(&sandbox, 9, &hash, &taking(&sandbox)).ok().out;
    assert!(
        said.contains("about a day that is gone by or no longer set, to be planned anew: 1"),
        "{said}"
    );
    set("2026-12-07");
    still(&sandbox, 37, &["a.example"]);
    let said = send(&sandbox, 37, &hash, &taking(&sandbox)).ok().out;
    assert!(said.contains("Sent: 0; about a day"), "{said}");
    let said = send(&sandbox, 36, &hash, &taking(&sandbox)).ok().out;
    assert!(said.contains("Sent: 1."), "{said}");
}

#[test]
fn reminders_name_the_day_as_long_as_it_is_to_come() {
    let set = |sandbox: &Sandbox, day: &str| {
        let settings = format!("{SETTINGS}draft_days = 99\n{day}");
        sandbox.write("c.toml", settings);
    };
    let plan_on = |sandbox: &Sandbox, day| campaign(sandbox, day, &["plan", "--no-probe"]);
    let shown = |sandbox: &Sandbox, day| campaign(sandbox, day, &["preview"]).ok().out;
    // The first letter, of day 9, names none: there was none. A month later is day 39, 9 December.
    let untold = written(&["a.example"]);
    still(&untold, 40, &["a.example"]);
    set(&untold, "enforce_on = \"2027-01-06\"\n");
    plan_on(&untold, 40).fails_with(&["2027-01-06", "which is 27 days ahead"]);
    set(&untold, "enforce_on = \"2027-01-31\"\n");
    let hash = plan(&untold, 40)["plan"].as_str().unwrap().to_string();
    let text = shown(&untold, 40);
    assert!(
        text.contains("We wrote about this on") && text.contains("From 2027-01-31 on"),
        "{text}"
    );
    for later in ["", "enforce_on = \"2027-02-28\"\n"] {
        set(&untold, later);
        let said = send(&untold, 40, &hash, &taking(&untold)).ok().out;
        assert!(said.contains("Sent: 0; about a day"), "{said}");
    }
    set(&untold, "enforce_on = \"2027-01-31\"\n");
    let said = send(&untold, 40, &hash, &taking(&untold)).ok().out;
    assert!(said.contains("Sent: 1."), "{said}");
    // Who was told in time is reminded of it, and when the day has come no more.
    let told = with(&[("a.example", Does::NotOffered)]);
    set(&told, "enforce_on = \"2026-12-15\"\n");
    write(&told, 9);
    still(&told, 40, &["a.example"]);
    plan_on(&told, 40).ok();
    assert!(shown(&told, 40).contains("From 2026-12-15 on"));
    still(&told, 46, &["a.example"]);
    plan_on(&told, 46).ok();
    let text = shown(&told, 46);
    assert!(
        text.contains("We wrote about this on") && !text.contains("From 2026-12-15"),
        "{text}"
    );
}

#[test]
fn our_own_name_is_one_that_a_message_id_can_have() {
    let sandbox = with(&[("a.example", Does::NotOffered)]);
    for bad in ["mail us> <x", "m\u{fc}ller.example"] {
        sandbox.write("c.toml", SETTINGS.replace("mail.us.example", bad));
        campaign(&sandbox, 9, &["plan", "--no-probe"])
            .fails_with(&["`host`", "such as mail.example.org"]);
    }
}

#[test]
fn nobody_is_thanked_twice_whatever_they_answer() {
    let sandbox = written(&["a.example"]);
    import(
        &sandbox,
        16,
        "16.log",
        &log(10..=15, &[("a.example", Does::Tls)]),
    );
    write(&sandbox, 16);
    assert_eq!(taken(&sandbox), ["postmaster@a.example"; 2]);
    let token = token(&sandbox, "a.example");
    replies(
        &sandbox,
        17,
        &mail(
            "root@a.example",
            &token,
            "Re: thank you",
            "You are welcome!",
        ),
    )
    .ok();
    let said = campaign(&sandbox, 17, &["label", &token, "grateful"])
        .ok()
        .out;
    assert_eq!(said, format!("{token} a.example: thanked\n"));
    import(
        &sandbox,
        19,
        "19.log",
        &log(16..=18, &[("a.example", Does::Tls)]),
    );
    assert_eq!(plan(&sandbox, 19)["rows"].as_array().unwrap().len(), 0);
    // Even if the operator takes it out by hand, and the case goes on.
    campaign(&sandbox, 19, &["label", &token, "exempt"]).ok();
    campaign(&sandbox, 19, &["label", &token, "auto-reply"]).ok();
    import(
        &sandbox,
        25,
        "25.log",
        &log(20..=24, &[("a.example", Does::Tls)]),
    );
    assert_eq!(plan(&sandbox, 25)["rows"].as_array().unwrap().len(), 0);
}

#[test]
fn no_robot_has_answered_a_letter_that_did_not_go_out() {
    let sandbox = with(&[("a.example", Does::NotOffered)]);
    plan(&sandbox, 9);
    let token = token(&sandbox, "a.example");
    campaign(&sandbox, 9, &["label", &token, "auto-reply"])
        .fails_with(&["no letter", "has gone out"]);
    assert_eq!(status_of(&sandbox, 9, "a.example"), "planned");
}

#[test]
fn what_was_said_in_a_case_is_shown() {
    let sandbox = written(&["a.example"]);
    let token = token(&sandbox, "a.example");
    replies(
        &sandbox,
        10,
        &mail("bob@a.example", &token, "Re: TLS", "Next week."),
    )
    .ok();
    let note = ["--note", "by phone, on Monday"];
    campaign(
        &sandbox,
        11,
        &[&["label", &token, "will-fix"], &note[..]].concat(),
    )
    .ok();
    let said = campaign(&sandbox, 11, &["history", "a.example"]).ok().out;
    for words in [
        "planned",
        "sent",
        "reply-human",
        "from bob@a.example",
        "will-fix by phone, on Monday",
    ] {
        assert!(said.contains(words), "{words}\n{said}");
    }
    for name in [token.as_str(), "mx.a.example", "postmaster@a.example"] {
        let rows = campaign(&sandbox, 11, &["history", name, "--format", "json"])
            .ok()
            .json();
        assert_eq!(
            strings(&rows["rows"], "what"),
            ["planned", "sent", "reply-human", "answered", "will-fix"]
        );
    }
    assert_eq!(
        rows(&sandbox, 11)[0]["remark"],
        "will-fix by phone, on Monday"
    );
    campaign(&sandbox, 11, &["status", &token])
        .fails_with(&[&format!("tlsnag campaign history {token}")]);
    campaign(&sandbox, 11, &["history", "b.example"])
        .fails_with(&["there is no case about `b.example`"]);
}

#[test]
fn after_an_answer_that_it_is_not_theirs_another_contact_gets_a_first_letter() {
    let sandbox = written(&["a.example"]);
    let token = token(&sandbox, "a.example");
    let note = ["--note", "it is run by consult.example"];
    let label = [&["label", token.as_str(), "not-my-server"], &note[..]].concat();
    campaign(&sandbox, 11, &label).ok();
    still(&sandbox, 41, &["a.example"]);
    // Not to the same again.
    assert_eq!(
        strings(&plan(&sandbox, 41)["skipped"], "reason"),
        ["closed"]
    );
    contact(&sandbox, "a.example", "carl@consult.example");
    let planned = write(&sandbox, 41);
    assert_eq!(strings(&planned["rows"], "template"), ["notice"]);
    assert_eq!(
        taken(&sandbox),
        ["carl@consult.example", "postmaster@a.example"]
    );
    let states: Vec<Value> = rows(&sandbox, 41)
        .iter()
        .map(|row| row["state"].clone())
        .collect();
    assert_eq!(states, ["not-theirs", "sent"]);
}

#[test]
fn who_will_mend_it_is_waited_for_and_then_thanked_or_reminded_once() {
    let names = ["good.example", "slow.example"];
    let sandbox = written(&names);
    for name in names {
        let token = token(&sandbox, name);
        campaign(&sandbox, 11, &["label", &token, "will-fix"]).ok();
    }
    // A month later another would be reminded.
    let later = |day: std::ops::RangeInclusive<u32>| {
        log(
            day,
            &[
                ("good.example", Does::Tls),
                ("slow.example", Does::NotOffered),
            ],
        )
    };
    import(&sandbox, 60, "later.log", &later(10..=59));
    let planned = plan(&sandbox, 60);
    assert_eq!(strings(&planned["rows"], "template"), ["thank-you"]);
    assert_eq!(strings(&planned["rows"], "domain"), ["good.example"]);
    assert_eq!(status_of(&sandbox, 60, "slow.example"), "will-fix");
    write(&sandbox, 60);
    // Sixty days after they said so.
    import(&sandbox, 72, "end.log", &later(60..=71));
    let planned = plan(&sandbox, 72);
    assert_eq!(strings(&planned["rows"], "template"), ["last-reminder"]);
    let shown = campaign(&sandbox, 72, &["preview"]).ok().out;
    assert!(
        shown.contains("Thank you for looking into our mail of 2026-11-09. We see no change"),
        "{shown}"
    );
    write(&sandbox, 72);
    assert_eq!(status_of(&sandbox, 72, "slow.example"), "sent");
    import(&sandbox, 105, "more.log", &later(72..=104));
    assert_eq!(status_of(&sandbox, 105, "slow.example"), "given-up");
    assert_eq!(strings(&plan(&sandbox, 105)["rows"], "template"), [""; 0]);
}

#[test]
fn the_scoreboard_names_who_was_told_and_goes_on_and_nobody_else() {
    let names = [
        "still.example",
        "ex.example",
        "stop.example",
        "ours.example",
        "few.example",
        "fixed.example",
        "rare.example",
    ];
    let fine: Vec<String> = (0..30).map(|i| format!("fine{i}.example")).collect();
    let fine: Vec<_> = fine.iter().map(|name| (name.as_str(), Does::Tls)).collect();
    let sandbox = with(&[names.map(|name| (name, Does::Breaks)).to_vec(), fine].concat());
    sandbox.append("c.toml", "per_day = 99\n");
    write(&sandbox, 9);
    assert_eq!(taken(&sandbox).len(), names.len());
    campaign(
        &sandbox,
        9,
        &["label", &token(&sandbox, "ex.example"), "exempt"],
    )
    .ok();
    campaign(&sandbox, 9, &["suppress", "stop.example"]).ok();
    // In clear by our own settings: the peer offered STARTTLS.
    let by_our_own_doing = |day, domain| {
        let lines = delivery(day, domain, Does::Breaks);
        let clear = lines.lines().last().unwrap();
        let offered = clear.split("]: ").next().unwrap().replace(":02+", ":01+");
        format!("{offered}]: Host offered STARTTLS: [mx.{domain}]\n{clear}\n")
    };
    let later: String = (10..=22)
        .map(|day| {
            let few = if day < 14 { 2 } else { 0 };
            let peers = [
                ("few.example", Does::Breaks),
                ("rare.example", Does::Tls),
                ("still.example", Does::Breaks),
                ("ex.example", Does::Breaks),
                ("stop.example", Does::Breaks),
                ("fixed.example", Does::Tls),
            ];
            log(day..=day, &peers[2 - few..]) + &by_our_own_doing(day, "ours.example")
        })
        .collect();
    import(&sandbox, 23, "later.log", &later);
    campaign(&sandbox, 23, &["status"]).ok();
    let board = |args: &[&str]| {
        let args = [&["report", "scoreboard", "--format", "json"], args].concat();
        sandbox.run(&args).ok().json()
    };
    let plain = board(&[]);
    assert_eq!(strings(&plain["rows"], "organisation"), ["fixed.example"]);
    let all = board(&["--all"]);
    assert_eq!(
        strings(&all["rows"], "organisation"),
        ["fixed.example", "still.example"]
    );
    assert_eq!(all["rows"][1]["messages"], 13, "those since the letter");
    // What is our own doing is in clear, and not held against them.
    let hosts = sandbox.run(&["report", "plaintext", "--all"]).ok().out;
    assert!(hosts.contains("ours.example"), "{hosts}");
    let text = sandbox.run(&["report", "scoreboard"]).ok().out;
    assert!(
        text.contains("2 of 7 organisations")
            && text.contains("Not named: 1 organisation that encrypts"),
        "{text}"
    );
    assert!(!text.contains("rare.example"), "{text}");
}

#[test]
fn thank_yous_count_as_letters_of_the_day_and_go_out_only_if_thanks_are_set() {
    let names: Vec<String> = (0..4).map(|i| format!("c{i}.example")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let sandbox = written(&names);
    let program = sandbox.path("sendmail");
    let auto = format!("{SETTINGS}auto_thank = true\nper_day = 2\nsendmail = {program:?}\n");
    let peers: Vec<_> = names.iter().map(|name| (*name, Does::Tls)).collect();
    sandbox.write("week2.log", log(10..=15, &peers));
    let audit = |settings: &str, day| {
        sandbox.write("c.toml", settings);
        let settings = sandbox.path("c.toml").to_string_lossy().into_owned();
        let args = ["--config", &settings, "audit", "week2.log"];
        sandbox
            .run_with(&args, &[("TLSNAG_NOW", &crate::campaign::on(day))])
            .ok();
        taken(&sandbox).len() - names.len()
    };
    assert_eq!(audit(&format!("{auto}thanks = false\n"), 16), 0);
    assert_eq!(
        [16, 16, 16, 17, 17].map(|day| audit(&auto, day)),
        [2, 2, 2, 4, 4]
    );
}

#[test]
fn letters_that_nobody_wants_take_no_others_place() {
    let names: Vec<String> = (0..4).map(|i| format!("c{i}.example")).collect();
    let peers: Vec<_> = names
        .iter()
        .map(|name| (name.as_str(), Does::NotOffered))
        .collect();
    let sandbox = with(&peers);
    sandbox.append("c.toml", "per_day = 2\n");
    let planned = plan(&sandbox, 9);
    for name in strings(&planned["rows"], "organisation").iter().take(2) {
        campaign(&sandbox, 9, &["suppress", name]).ok();
    }
    let said = send(
        &sandbox,
        9,
        planned["plan"].as_str().unwrap(),
        &taking(&sandbox),
    )
    .ok()
    .out;
    assert!(said.contains("Sent: 2; not wanted any more: 2."), "{said}");
}

#[test]
fn letters_that_are_put_off_take_no_others_place() {
    let names: Vec<String> = (0..4).map(|i| format!("c{i}.example")).collect();
    let peers: Vec<_> = names
        .iter()
        .map(|name| (name.as_str(), Does::NotOffered))
        .collect();
    let sandbox = with(&peers);
    sandbox.append("c.toml", "per_day = 2\n");
    let planned = plan(&sandbox, 9);
    let store = rusqlite::Connection::open(sandbox.path("store.db")).unwrap();
    // The first two read letters of other organisations as well, and had one two days ago.
    let other = "INSERT INTO outreach (token, direction, organisation, problem, state, address, daily, opened, changed, audience)
        VALUES ('F0F0F0F0', 'outbound', 'other.example', 'dane', 'sent', '', 1, 1, 1, 'postmaster')";
    store.execute_batch(other).unwrap();
    for address in strings(&planned["rows"], "contact").iter().take(2) {
        let letter = "INSERT INTO notice (outreach, kind, plan, state, address, subject, body, message_id, planned, sent, answer)
            SELECT id, 'notice', 'old', 'sent', ?1, '', '', '<' || ?1 || '>', 1, STRFTIME('%s', '2026-11-07'), ''
            FROM outreach WHERE token = 'F0F0F0F0'";
        assert_eq!(store.execute(letter, [address]).unwrap(), 1);
    }
    let hash = planned["plan"].as_str().unwrap();
    let said = send(&sandbox, 9, hash, &taking(&sandbox)).ok().out;
    assert!(
        said.contains("Sent: 2; put off, since somebody there was written to lately: 2."),
        "{said}"
    );
}

#[test]
fn letters_as_files_have_their_envelope_and_a_name_each() {
    let sandbox = with(&[
        ("a.example", Does::NotOffered),
        ("b.example", Does::NotOffered),
    ]);
    let hash = plan(&sandbox, 9)["plan"].as_str().unwrap().to_string();
    campaign(&sandbox, 9, &["preview", "-o", "out"]).ok();
    let into = |day, hash: &str| {
        let args = ["send", "--plan", hash, "--yes", "--directory", "out"];
        campaign(&sandbox, day, &args).ok().out
    };
    assert!(into(9, &hash).contains("Sent: 2."));
    let token = token(&sandbox, "a.example");
    let path = sandbox.path("out").join(format!("{token}-notice.eml"));
    let mail = std::fs::read_to_string(path).unwrap();
    let sender = format!(
        "Return-Path: <ann+tlsnag-{}@us.example>\r\n",
        token.to_lowercase()
    );
    assert!(mail.starts_with(&sender), "{mail}");
    // A month later, with a letter of a store that was brought back from yesterday in the way.
    still(&sandbox, 42, &["a.example", "b.example"]);
    let hash = plan(&sandbox, 42)["plan"].as_str().unwrap().to_string();
    sandbox.write(&format!("out/{token}-reminder.eml"), "x");
    let said = into(42, &hash);
    assert!(
        said.contains("Sent: 1; refused for now, to be sent by the next run: 1."),
        "{said}"
    );
}

#[test]
fn a_letter_that_waited_until_it_was_given_up_has_reached_nobody() {
    let sandbox = written(&["a.example"]);
    let token = token(&sandbox, "a.example");
    let said = replies(&sandbox, 12, &report(&token, "delayed", "4.4.1"))
        .ok()
        .out;
    assert!(said.contains("late; nothing to do"), "{said}");
    let said = replies(&sandbox, 15, &report(&token, "failed", "4.7.4"))
        .ok()
        .out;
    assert!(
        said.contains("bounce: it waited until it was given up"),
        "{said}"
    );
    assert_eq!(status_of(&sandbox, 15, "a.example"), "bounced");
    assert!(suppressed(&sandbox).is_empty(), "nobody there has said no");
    still(&sandbox, 42, &["a.example"]);
    assert_eq!(
        strings(&plan(&sandbox, 42)["skipped"], "reason"),
        ["closed"]
    );
}

#[test]
fn our_own_letters_and_answers_in_the_mailbox_are_no_answers() {
    let sandbox = written(&["a.example"]);
    let letter = std::fs::read_dir(sandbox.path("taken")).unwrap().next();
    let letter = std::fs::read_to_string(letter.unwrap().unwrap().path()).unwrap();
    let said = replies(&sandbox, 10, &letter).ok().out;
    assert_eq!(said, "Nothing new.\nWritten by ourselves: 1.\n");
    let token = token(&sandbox, "a.example");
    let own = format!(
        "From: Ann Example <ann@us.example>\nTo: postmaster@a.example\nSubject: Re: TLS [tlsnag-{token}]\n\nI forgot to say...\n"
    );
    replies(&sandbox, 10, &own).ok();
    assert_eq!(status_of(&sandbox, 10, "a.example"), "sent");
}

#[test]
fn a_bounce_of_somebody_elses_mail_to_us_points_to_our_own_log() {
    let sandbox = written(&["a.example"]);
    let said =
        "TLS Negotiation failed, the certificate doesn't match the host., code: 0 starttls error";
    let bare = replies(&sandbox, 10, &format!("{said}\n")).ok().out;
    let bounce = report(
        "",
        "delayed",
        &format!("4.4.1\nDiagnostic-Code: smtp; {said}"),
    );
    let whole = replies(&sandbox, 10, &bounce.replace("+tlsnag-@", "@"))
        .ok()
        .out;
    for shown in [bare, whole] {
        assert!(
            shown.contains("tlsnag report failures --direction in"),
            "{shown}"
        );
    }
}

#[test]
fn a_light_hearted_letter_is_written_only_where_that_is_set() {
    let sandbox = Sandbox::new();
    sandbox.write("c.toml", SETTINGS);
    // The log says that mail goes in clear, and their server, asked today, why.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        use std::io::{BufRead, BufReader, Write};
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            for answer in ["220 hi", "250 mx", "221 bye"] {
                stream.write_all(format!("{answer}\r\n").as_bytes()).ok();
                lines.next();
            }
        }
    });
    let clear = |day| {
        let lines = delivery(day, "a.example", Does::Breaks);
        let line = lines.lines().last().unwrap().to_string() + "\n";
        log(day..=day, &[]) + &line.replace("[192.0.2.10]:25", &format!("[127.0.0.1]:{port}"))
    };
    let week: String = (2..=8).map(clear).collect();
    sandbox.write("week.log", week);
    let args = [
        "import",
        "--quiet",
        "--own-network",
        "198.51.100.0/24",
        "week.log",
    ];
    sandbox
        .run_with(&args, &[("TLSNAG_NOW", "2026-11-09T07:00:00Z")])
        .ok();
    let body = || {
        let shown = campaign(&sandbox, 9, &["plan"]).ok().out;
        assert!(shown.contains("1 letter would be"), "{shown}");
        campaign(&sandbox, 9, &["preview"]).ok().out
    };
    assert!(!body().contains("postcards"));
    sandbox.append("c.toml", "light_hearted = true\n");
    let smiling = body();
    assert!(smiling.contains("postcards for a.example"), "{smiling}");
}
