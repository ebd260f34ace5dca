//! Our own letters are no mail that we exchange with somebody: what the log says of their delivery moves nothing.

use serde_json::Value;

use crate::campaign::{
    Does, campaign, date, delivery, import, log, plan, send, status_of, strings, taking, with,
};
use crate::sandbox::Sandbox;

/// The log lines of a message from this envelope sender, on its way to a postmaster.
fn from(sender: &str, day: u32, domain: &str, does: Does) -> String {
    let queued = format!(
        "{}T09:59:59+00:00 mail postfix/qmgr[9]: 4F{day:02}: from=<{sender}>, size=2000, nrcpt=1 (queue active)\n",
        date(day)
    );
    queued + &delivery(day, domain, does).replace("to=<bob@", "to=<postmaster@")
}

/// The envelope sender of the letter to a domain, as a mail server gets to see it.
fn sender(sandbox: &Sandbox, day: u32) -> String {
    let shown = campaign(sandbox, day, &["preview"]).ok().out;
    let (_, rest) = shown.split_once("envelope from <").unwrap();
    rest.split_once('>').unwrap().0.to_string()
}

/// A week in which mail to a.example goes in clear, and the letter that follows.
fn written() -> (Sandbox, String) {
    let sandbox = with(&[("a.example", Does::Breaks)]);
    let plan = plan(&sandbox, 9);
    let sender = sender(&sandbox, 9);
    send(
        &sandbox,
        9,
        plan["plan"].as_str().unwrap(),
        &taking(&sandbox),
    )
    .ok();
    (sandbox, sender)
}

/// A plan that takes little to write to somebody, with what was long ago in it.
fn eager(sandbox: &Sandbox, day: u32) -> Value {
    let args = [
        "plan",
        "--no-probe",
        "--format",
        "json",
        "--min-messages",
        "1",
        "--min-days",
        "1",
        "--days",
        "60",
    ];
    campaign(sandbox, day, &args).ok().json()
}

/// The mails to a domain that the store counts.
fn mails(sandbox: &Sandbox, domain: &str) -> u64 {
    let rows = sandbox
        .run(&["report", "domains", "--all", "--format", "json"])
        .ok();
    let rows = rows.json()["rows"].as_array().cloned().unwrap_or_default();
    let row = rows.iter().find(|row| row["domain"] == domain);
    let of = |row: &Value| {
        let counts = ["encrypted", "plaintext", "unknown"].map(|field| row[field].as_u64());
        counts.into_iter().map(Option::unwrap).sum()
    };
    row.map_or(0, of)
}

#[test]
fn who_gets_nothing_in_clear_but_our_own_letter_is_not_still_in_clear() {
    let (sandbox, sender) = written();
    let others = log(9..=40, &[]);
    let letter = from(&sender, 9, "a.example", Does::Breaks);
    import(&sandbox, 40, "later.log", &(letter + &others));
    let plan = eager(&sandbox, 40);
    assert_eq!(
        (
            strings(&plan["rows"], "template"),
            strings(&plan["skipped"], "reason")
        ),
        (vec![], vec!["too-recent".to_string()])
    );
    // One mail of somebody else is.
    let mail = delivery(41, "a.example", Does::Breaks) + &log(41..=41, &[]);
    import(&sandbox, 42, "mail.log", &mail);
    assert_eq!(
        strings(&eager(&sandbox, 42)["rows"], "template"),
        ["reminder"]
    );
}

#[test]
fn who_does_tls_with_nothing_but_our_own_letters_is_not_yet_fixed_by_it() {
    let (sandbox, sender) = written();
    let letters = [9, 10, 11].map(|day| from(&sender, day, "a.example", Does::Tls));
    import(
        &sandbox,
        12,
        "letters.log",
        &(letters.concat() + &log(11..=11, &[])),
    );
    assert_eq!(status_of(&sandbox, 12, "a.example"), "sent");
    assert_eq!(mails(&sandbox, "a.example"), 7);
    let both = log(12..=13, &[("a.example", Does::Tls)]);
    import(&sandbox, 14, "mails.log", &both);
    assert_eq!(status_of(&sandbox, 14, "a.example"), "fixed");
    assert_eq!(mails(&sandbox, "a.example"), 9);
}

#[test]
fn a_letter_is_known_in_a_log_cut_between_its_lines_and_when_it_is_tried_again() {
    let (sandbox, sender) = written();
    let letter = from(&sender, 9, "a.example", Does::Breaks);
    let (queued, tried) = letter.split_once('\n').unwrap();
    import(&sandbox, 9, "one.log", &format!("{queued}\n"));
    import(&sandbox, 9, "two.log", tried);
    assert_eq!(mails(&sandbox, "a.example"), 7);
    // Its queue id, used again by another message.
    let other = from("ann@us.example", 9, "a.example", Does::Breaks).replace("T10:", "T11:");
    import(
        &sandbox,
        9,
        "three.log",
        &other.replace("T09:59:59", "T10:59:59"),
    );
    assert_eq!(mails(&sandbox, "a.example"), 8);
}

#[test]
fn what_a_stranger_sends_with_a_letters_sender_on_it_counts_as_ever() {
    let (sandbox, sender) = written();
    let client = "mx.a.example[192.0.2.10]";
    let line = |time: &str, daemon: &str, text: &str| {
        format!("2026-11-09T{time}+00:00 mail postfix/{daemon}[77]: {text}\n")
    };
    let clients = || {
        let rows = sandbox.run(&["report", "clients", "--all", "--format", "json"]);
        rows.ok().json()["rows"].as_array().map_or(0, Vec::len)
    };
    let forged = [
        line("09:58:01", "smtpd", &format!("connect from {client}")),
        line("09:58:03", "smtpd", &format!("4F09: client={client}")),
        // Passed on to somebody else, by a rule of a user of ours.
        from(&sender, 9, "b.example", Does::Breaks),
        line(
            "10:01:00",
            "smtpd",
            &format!("disconnect from {client} ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5"),
        ),
    ];
    import(&sandbox, 10, "forged.log", &forged.concat());
    assert_eq!((clients(), mails(&sandbox, "b.example")), (1, 1));
}

#[test]
fn sendmails_deliveries_of_letters_are_left_out_too() {
    let (sandbox, sender) = written();
    let id = |second: u32| format!("6A9A000{second}001234");
    let message = |second: u32, sender: &str| {
        let id = id(second);
        format!(
            "Nov  9 10:00:0{second} sm sm-mta[123{second}]: {id}: from=<{sender}>, size=900, class=0, nrcpts=1, msgid=<x@us.example>, proto=ESMTP, daemon=MTA-v4, relay=localhost [127.0.0.1]\n\
             Nov  9 10:00:0{second} sm sm-mta[124{second}]: {id}: to=<postmaster@s.example>, ctladdr=<{sender}> (1000/1000), delay=00:00:01, xdelay=00:00:01, mailer=esmtp, pri=120900, relay=mx.s.example. [192.0.2.77], dsn=2.0.0, stat=Sent (ok)\n"
        )
    };
    import(&sandbox, 9, "sm.log", &message(1, &sender));
    assert_eq!(mails(&sandbox, "s.example"), 0);
    import(&sandbox, 9, "sm2.log", &message(2, "ann@us.example"));
    assert_eq!(mails(&sandbox, "s.example"), 1);
}
