//! The outreach where it could do wrong: who is accused, of what, by which proof; who is thanked; how often anybody hears of it.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

use serde_json::Value;

use crate::campaign::{
    Does, SETTINGS, campaign, date, import, log, on, plan, send, status_of, strings, taken, taking,
    with,
};
use crate::sandbox::Sandbox;

/// A peer: domain, host, address.
type Peer<'a> = (&'a str, &'a str, &'a str);

const TAKEN: &str = "sent (250 2.0.0 Ok: queued as AA)";
const NEW: &str = "Trusted TLS connection established to {}: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)";
const OLD: &str = "Trusted TLS connection established to {}: TLSv1 with cipher ECDHE-RSA-AES256-SHA (256/256 bits)";

/// One delivery on each of these days: what the log says before it, and how it ends. `{}` is the host.
fn mail(
    days: impl IntoIterator<Item = u32>,
    peer: Peer,
    before: &[&str],
    (dsn, status): (&str, &str),
) -> String {
    let (domain, host, address) = peer;
    let place = format!("{host}[{address}]:25");
    let pid = 1000
        + host
            .bytes()
            .fold(0_u32, |sum, b| sum * 7 % 5000 + u32::from(b));
    let mut text = String::new();
    for day in days {
        let to = format!(
            "4A{day:03}{pid}: to=<bob@{domain}>, relay={place}, delay=1, delays=0/0/1/0, dsn={dsn}, status={status}"
        );
        for (second, line) in before.iter().copied().chain([to.as_str()]).enumerate() {
            let line = line.replace("{}", &place);
            let at = format!("{}T11:00:0{second}+00:00", date(day));
            text.push_str(&format!("{at} mail postfix/smtp[{pid}]: {line}\n"));
        }
    }
    text
}

fn tls(days: impl IntoIterator<Item = u32>, peer: Peer) -> String {
    mail(days, peer, &[NEW], ("2.0.0", TAKEN))
}

/// It does not offer STARTTLS, which we require.
fn need(days: impl IntoIterator<Item = u32>, peer: Peer) -> String {
    let status = "deferred (TLS is required, but was not offered by host {})";
    mail(days, peer, &[], ("4.7.4", status))
}

/// A session of a client that hands in a mail, over TLS or not.
fn received(
    days: impl IntoIterator<Item = u32>,
    (domain, host, address): Peer,
    tls: bool,
) -> String {
    let client = format!("{host}[{address}]");
    let pid = 7000 + host.len();
    let mut text = String::new();
    for day in days {
        let queue = format!("5F{day:03}{pid}");
        let up = format!(
            "Anonymous TLS connection established from {client}: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)"
        );
        let (verbs, n) = if tls {
            ("ehlo=2 starttls=1", 7)
        } else {
            ("ehlo=1", 5)
        };
        let lines = [
            ("smtpd", format!("connect from {client}")),
            ("smtpd", up),
            ("smtpd", format!("{queue}: client={client}")),
            (
                "qmgr",
                format!("{queue}: from=<x@{domain}>, size=1000, nrcpt=1 (queue active)"),
            ),
            (
                "smtpd",
                format!(
                    "disconnect from {client} {verbs} mail=1 rcpt=1 data=1 quit=1 commands={n}"
                ),
            ),
        ];
        for (second, (program, line)) in lines.into_iter().enumerate() {
            if tls || second != 1 {
                let at = format!("{}T12:00:0{second}+00:00", date(day));
                text.push_str(&format!("{at} mail postfix/{program}[{pid}]: {line}\n"));
            }
        }
    }
    text
}

/// The log of some days, in order, among others with whom all is well.
fn among(days: std::ops::RangeInclusive<u32>, more: &[String]) -> String {
    let all = log(days, &[]) + &more.concat();
    let mut lines: Vec<&str> = all.lines().collect();
    lines.sort_by_key(|line| line.split(' ').next().map(str::to_string));
    lines.join("\n") + "\n"
}

fn sandbox(day: u32, days: std::ops::RangeInclusive<u32>, more: &[String]) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("c.toml", SETTINGS);
    import(&sandbox, day, "week1.log", &among(days, more));
    sandbox
}

fn hash(plan: &Value) -> String {
    plan["plan"].as_str().unwrap().to_string()
}

/// Plans and sends on one day.
fn written(sandbox: &Sandbox, day: u32) -> Value {
    let planned = plan(sandbox, day);
    if !planned["rows"].as_array().unwrap().is_empty() {
        send(sandbox, day, &hash(&planned), &taking(sandbox)).ok();
    }
    planned
}

fn reasons(plan: &Value) -> Vec<String> {
    strings(&plan["skipped"], "reason")
}

fn preview(sandbox: &Sandbox, day: u32) -> String {
    campaign(sandbox, day, &["preview"]).ok().out
}

#[test]
fn another_host_of_the_operator_mends_nothing_and_nobody_is_thanked_for_it() {
    let small = ("small.example", "mx7.hoster.example", "192.0.2.7");
    let big = ("big.example", "mx1.hoster.example", "192.0.2.8");
    let sandbox = sandbox(9, 2..=8, &[need(2..=8, small), tls(2..=8, big)]);
    written(&sandbox, 9);
    // No mail to small for days; big goes on as ever.
    import(
        &sandbox,
        13,
        "week2.log",
        &among(9..=12, &[tls(9..=12, big)]),
    );
    assert_eq!(status_of(&sandbox, 13, "hoster.example"), "sent");
    assert!(strings(&plan(&sandbox, 13)["rows"], "template").is_empty());
    // Then its own host does it.
    let mended = among(13..=14, &[tls(13..=14, small)]);
    import(&sandbox, 15, "week3.log", &mended);
    assert_eq!(status_of(&sandbox, 15, "hoster.example"), "fixed");
}

/// Three customers at one host that offers no STARTTLS, and the letter to whoever runs it.
fn hosted() -> (Sandbox, [Peer<'static>; 3]) {
    let customers = ["a.example", "b.example", "c.example"]
        .map(|domain| (domain, "mx7.hoster.example", "192.0.2.7"));
    let sandbox = sandbox(9, 2..=8, &customers.map(|peer| need(2..=8, peer)));
    written(&sandbox, 9);
    assert_eq!(taken(&sandbox), ["postmaster@hoster.example"]);
    (sandbox, customers)
}

/// At another operator's host.
fn moved((domain, ..): Peer<'static>) -> Peer<'static> {
    (domain, "mx.newhost.example", "192.0.2.70")
}

#[test]
fn whose_customers_have_left_has_mended_nothing_and_is_not_thanked() {
    let (sandbox, customers) = hosted();
    let away = customers.map(|peer| tls(10..=12, moved(peer)));
    import(&sandbox, 13, "week2.log", &among(9..=12, &away));
    assert_eq!(status_of(&sandbox, 13, "hoster.example"), "left");
    assert!(strings(&plan(&sandbox, 13)["rows"], "template").is_empty());
    let said = campaign(&sandbox, 13, &["status"]).ok().out;
    for words in [
        "0 of 1 who were written to have mended it",
        "Left by their customers, and counted as not mended: 1",
    ] {
        assert!(said.contains(words), "{said}");
    }
    let history = campaign(&sandbox, 13, &["history", "hoster.example"])
        .ok()
        .out;
    let why = "all mail goes to other operators' hosts since: not known to be mended here";
    assert!(history.contains(why), "{history}");
    let board = ["report", "scoreboard"];
    let board = sandbox
        .run_with(&board, &[("TLSNAG_NOW", &on(13))])
        .ok()
        .out;
    assert!(board.contains("0 of 1 organisation"), "{board}");
    // One comes back, and finds it as it was.
    let again = among(13..=14, &[need(13..=14, customers[0])]);
    import(&sandbox, 15, "week3.log", &again);
    assert_eq!(status_of(&sandbox, 15, "hoster.example"), "sent");
}

#[test]
fn a_thank_you_names_those_to_whom_mail_went_over_tls_and_nobody_else() {
    let (sandbox, [a, b, c]) = hosted();
    // To b nothing has gone since, and c has left.
    let next = [tls(11..=12, a), tls(10..=12, moved(c))];
    import(&sandbox, 15, "week2.log", &among(9..=14, &next));
    let planned = plan(&sandbox, 15);
    assert_eq!(strings(&planned["rows"], "template"), ["thank-you"]);
    assert_eq!(strings(&planned["rows"], "domain"), ["a.example"]);
    let shown = preview(&sandbox, 15);
    assert!(
        shown.contains("Since 2026-11-11 mail from our server"),
        "{shown}"
    );
    for other in [b, c] {
        assert!(!shown.contains(other.0), "{shown}");
    }
    // It is mended since the second day, whenever that is looked at.
    let rows = campaign(&sandbox, 15, &["status", "--format", "json"]).ok();
    let changed = rows.json()["rows"][0]["changed"].to_string();
    assert!(changed.contains("2026-11-12"), "{changed}");
    // That it was about the others too stays known.
    let history = campaign(&sandbox, 15, &["history", "b.example"]).ok().out;
    assert!(history.contains("fixed"), "{history}");
}

#[test]
fn the_scoreboard_holds_nothing_against_the_host_a_customer_has_left() {
    let (sandbox, [a, ..]) = hosted();
    let bad = (a.0, "mx.bad.example", "192.0.2.71");
    let clear = mail(10..=24, bad, &[], ("2.0.0", TAKEN));
    import(&sandbox, 25, "week2.log", &among(9..=24, &[clear]));
    assert_eq!(status_of(&sandbox, 25, "hoster.example"), "sent");
    let board = ["report", "scoreboard", "--all"];
    let board = sandbox
        .run_with(&board, &[("TLSNAG_NOW", &on(25))])
        .ok()
        .out;
    assert!(!board.contains("hoster.example"), "{board}");
}

/// A reminder is about those who are still concerned; the letter before it named all.
#[test]
fn what_an_earlier_letter_named_is_forgotten_with_it() {
    let (sandbox, [a, ..]) = hosted();
    import(
        &sandbox,
        40,
        "later.log",
        &among(9..=39, &[need(9..=39, a)]),
    );
    assert_eq!(
        strings(&written(&sandbox, 40)["rows"], "domain"),
        ["a.example"]
    );
    let said = sandbox.run(&["forget", "b.example"]).ok().out;
    assert!(said.contains("of the outreach 1."), "{said}");
    let store = std::fs::read(sandbox.path("store.db")).unwrap();
    let kept = String::from_utf8_lossy(&store).contains("b.example");
    assert!(!kept, "the name is still there");
    // That they were written to is not.
    assert_eq!(status_of(&sandbox, 41, "hoster.example"), "sent");
    assert_eq!(reasons(&plan(&sandbox, 41)), ["too-recent"]);
}

#[test]
fn a_certificate_we_no_longer_look_at_is_not_mended() {
    let peer = ("c.example", "mx.c.example", "192.0.2.90");
    let untrusted = NEW.replace("Trusted", "Untrusted");
    let failed = "server certificate verification failed for {}: num=10:certificate has expired";
    let waits = ("4.7.5", "deferred (Server certificate not verified)");
    let week = mail(2..=8, peer, &[failed, &untrusted], waits);
    let sandbox = sandbox(9, 2..=8, &[week]);
    let planned = plan(&sandbox, 9);
    assert_eq!(strings(&planned["rows"], "reason"), ["certificate"]);
    let shown = preview(&sandbox, 9);
    assert!(shown.contains("num=10:certificate"), "{shown}");
    assert!(!shown.contains("We checked again"), "{shown}");
    written(&sandbox, 9);
    let relaxed = mail(10..=12, peer, &[&untrusted], ("2.0.0", TAKEN));
    import(&sandbox, 13, "week2.log", &among(10..=12, &[relaxed]));
    assert_eq!(status_of(&sandbox, 13, "c.example"), "sent");
    import(
        &sandbox,
        16,
        "week3.log",
        &among(13..=15, &[tls(13..=15, peer)]),
    );
    assert_eq!(status_of(&sandbox, 16, "c.example"), "fixed");
}

#[test]
fn a_letter_that_names_a_host_that_works_by_now_is_not_sent() {
    let hosts = [
        ("a.example", "mx1.a.example", "192.0.2.71"),
        ("a.example", "mx2.a.example", "192.0.2.72"),
    ];
    let sandbox = sandbox(9, 2..=8, &hosts.map(|host| need(2..=8, host)));
    let planned = plan(&sandbox, 9);
    let next = among(9..=10, &[tls(9..=10, hosts[0]), need(9..=10, hosts[1])]);
    import(&sandbox, 11, "next.log", &next);
    let said = send(&sandbox, 11, &hash(&planned), &taking(&sandbox)).ok();
    assert!(said.out.contains("not of all they name: 1"), "{}", said.out);
    // Planned anew it is about the other one alone.
    let anew = plan(&sandbox, 11);
    assert_eq!(
        anew["rows"][0]["mx_hosts"],
        serde_json::json!(["mx2.a.example"])
    );
    send(&sandbox, 11, &hash(&anew), &taking(&sandbox)).ok();
    assert_eq!(taken(&sandbox), ["postmaster@a.example"]);
}

#[test]
fn a_draft_that_is_old_is_not_sent() {
    let sandbox = with(&[("a.example", Does::NotOffered)]);
    let planned = plan(&sandbox, 9);
    let later = log(9..=29, &[("a.example", Does::NotOffered)]);
    import(&sandbox, 30, "later.log", &later);
    let said = send(&sandbox, 30, &hash(&planned), &taking(&sandbox)).ok();
    assert!(
        said.out
            .contains("drafted too long ago, to be planned anew: 1"),
        "{}",
        said.out
    );
    assert!(taken(&sandbox).is_empty());
    sandbox.append("c.toml", "draft_days = 30\n");
    send(&sandbox, 30, &hash(&planned), &taking(&sandbox)).ok();
    assert_eq!(taken(&sandbox).len(), 1);
}

/// A mail server on this machine, which greets each client by the next of these, line by line.
fn server(sessions: &'static [&'static [&'static str]]) -> (u16, std::thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = std::thread::spawn(move || {
        for answers in sessions {
            let (mut stream, _) = listener.accept().unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            for answer in *answers {
                stream.write_all(format!("{answer}\r\n").as_bytes()).ok();
                lines.next();
            }
        }
    });
    (port, thread)
}

#[test]
fn who_was_asked_when_it_was_planned_is_asked_again_before_it_is_sent() {
    let (port, thread) = server(&[
        &["220 hi", "250 mx", "221 bye"],
        &["220 hi", "250 mx", "221 bye"],
        &[
            "220 hi",
            "250-mx\r\n250 STARTTLS",
            "454 4.7.0 not now",
            "221 bye",
        ],
    ]);
    let sandbox = Sandbox::new();
    sandbox.write("c.toml", SETTINGS);
    let text = log(2..=8, &[("z.example", Does::NotOffered)]).replace(
        "mx.z.example[192.0.2.10]:25",
        &format!("mx.z.example[127.0.0.1]:{port}"),
    );
    sandbox.write("z.log", text);
    let args = [
        "import",
        "--quiet",
        "--own-network",
        "198.51.100.0/24",
        "z.log",
    ];
    sandbox.run_with(&args, &[("TLSNAG_NOW", &on(9))]).ok();
    let planned = campaign(&sandbox, 9, &["plan", "--format", "json"])
        .ok()
        .json();
    assert_eq!(strings(&planned["rows"], "domain"), ["z.example"]);
    let shown = preview(&sandbox, 9);
    let heard = format!("  127.0.0.1:{port} EHLO: 250 (STARTTLS: -)");
    assert!(
        shown.contains(&heard) && shown.contains("We checked again on 2026-11-09"),
        "{shown}"
    );
    let hash = hash(&planned);
    // It is the same two days later; but to look at what would be sent asks nobody.
    campaign(&sandbox, 11, &["send", "--plan", &hash]).ok();
    let later = crate::campaign::sendmail(&sandbox, "cat >/dev/null; exit 75");
    let said = send(&sandbox, 11, &hash, &later).ok().out;
    assert!(
        said.contains("refused for now, to be sent by the next run: 1"),
        "{said}"
    );
    let said = send(&sandbox, 12, &hash, &taking(&sandbox)).ok().out;
    assert!(
        said.contains("whose servers say something else now"),
        "{said}"
    );
    assert!(taken(&sandbox).is_empty());
    thread.join().unwrap();
}

#[test]
fn nothing_is_said_to_have_been_checked_that_was_not() {
    let old = ("old.example", "mx.old.example", "192.0.2.41");
    let into = ("in.example", "out.in.example", "198.51.100.9");
    let other = ("other.example", "out.other.example", "198.51.100.10");
    let week = [
        mail(2..=8, old, &[OLD], ("2.0.0", TAKEN)),
        tls(2..=8, ("in.example", "mx.in.example", "192.0.2.42")),
        received(2..=8, into, false),
        received(2..=8, other, true),
    ];
    let sandbox = sandbox(9, 2..=8, &week);
    // Servers are asked, but there is nothing to ask these.
    let args = ["plan", "--old-tls", "--format", "json"];
    let planned = campaign(&sandbox, 9, &args).ok().json();
    let mut about = strings(&planned["rows"], "reason");
    about.sort();
    assert_eq!(about, ["inbound-clear", "old-protocol"]);
    let shown = preview(&sandbox, 9);
    assert!(!shown.contains("We checked again"), "{shown}");
    // And there is proof.
    assert!(
        shown.contains("TLSv1 with cipher") && shown.contains("disconnect from"),
        "{shown}"
    );
}

#[test]
fn old_tls_that_was_mended_is_not_written_about() {
    let old = ("old.example", "mx.old.example", "192.0.2.41");
    let week = [mail(2..=4, old, &[OLD], ("2.0.0", TAKEN)), tls(5..=8, old)];
    let sandbox = sandbox(9, 2..=8, &week);
    let args = ["plan", "--no-probe", "--old-tls", "--format", "json"];
    let planned = campaign(&sandbox, 9, &args).ok().json();
    assert!(strings(&planned["rows"], "domain").is_empty());
    assert_eq!(reasons(&planned), ["tls-seen"]);
}

/// Something takes our offer of STARTTLS away on the way.
#[test]
fn nobody_is_accused_by_what_was_seen_before_the_log_stopped_telling() {
    let a = ("a.example", "mx.a.example", "192.0.2.50");
    let b = ("b.example", "mx.b.example", "192.0.2.51");
    let sandbox = sandbox(9, 2..=8, &[need(2..=8, a), need(2..=8, b)]);
    let planned = plan(&sandbox, 9);
    assert_eq!(planned["rows"].as_array().unwrap().len(), 2);
    // From here on TLS is not logged: a may do it by now. Of b the log tells without.
    let silent = |peer: Peer| mail(9..=10, peer, &[], ("2.0.0", TAKEN));
    let mut later = String::new();
    for n in 0..12 {
        let (name, host) = (format!("good{n}.example"), format!("mx.good{n}.example"));
        later += &silent((&name, &host, "192.0.2.60"));
    }
    later += &(silent(a) + &need(9..=10, b));
    import(&sandbox, 11, "later.log", &later);
    let said = send(&sandbox, 11, &hash(&planned), &taking(&sandbox)).ok();
    assert!(said.out.contains("not of all they name: 1"), "{}", said.out);
    assert_eq!(taken(&sandbox), ["postmaster@b.example"]);
    let again = plan(&sandbox, 11);
    assert!(reasons(&again).contains(&"unknown".to_string()), "{again}");
    assert_eq!(again["rows"].as_array().unwrap().len(), 0);
}

#[test]
fn senders_who_all_stop_on_one_day_are_not_accused() {
    let names: Vec<String> = (0..10).map(|i| format!("good{i}.example")).collect();
    let week: Vec<String> = names
        .iter()
        .enumerate()
        .flat_map(|(at, name)| {
            let host = format!("out{}.{name}", "x".repeat(at));
            let address = format!("198.51.100.{}", at + 1);
            let peer = (name.as_str(), host.as_str(), address.as_str());
            [received(2..=4, peer, true), received(5..=8, peer, false)]
        })
        .collect();
    // One of our own is still offered it.
    let near = ("near.example", "mon.near.example", "198.51.100.99");
    let sandbox = sandbox(
        9,
        2..=8,
        &[week, vec![received(2..=8, near, true)]].concat(),
    );
    let planned = plan(&sandbox, 9);
    assert!(strings(&planned["rows"], "domain").is_empty());
    assert_eq!(reasons(&planned), vec!["looks-local"; 10]);
}

#[test]
fn where_everybody_fails_it_is_rather_us() {
    let sandbox = Sandbox::new();
    sandbox.write("c.toml", SETTINGS);
    let names = [
        "a.example",
        "bb.example",
        "ccc.example",
        "dddd.example",
        "eeeee.example",
    ];
    let text: String = (2..=8)
        .flat_map(|day| names.map(|name| crate::campaign::delivery(day, name, Does::Breaks)))
        .collect();
    // Our log tells of TLS, or nothing would be known at all.
    let text = log(1..=1, &[]) + &text;
    import(&sandbox, 9, "week1.log", &text);
    let planned = campaign(
        &sandbox,
        9,
        &["plan", "--no-probe", "--days", "8", "--format", "json"],
    )
    .ok()
    .json();
    assert!(strings(&planned["rows"], "domain").is_empty());
    assert_eq!(reasons(&planned), ["looks-local"; 5]);
}

#[test]
fn behind_a_relay_nobody_is_accused_whatever_its_hosts() {
    let through = |domains: usize, hosts: usize, does: fn(u32, Peer) -> String| {
        let sandbox = Sandbox::new();
        sandbox.write("c.toml", SETTINGS);
        let mut text = String::new();
        for day in 2..=8 {
            for at in 0..domains {
                let domain = format!("p{at}.example");
                let number = 1 + (at + day as usize) % hosts;
                let host = format!("mx{number}.isp.example");
                let address = format!("192.0.2.{}", 80 + number);
                let day_of = does(day, (&domain, &host, &address));
                text.push_str(&day_of.replace("T11:00", &format!("T1{at}:00")));
            }
        }
        import(&sandbox, 9, "week1.log", &text);
        let planned = plan(&sandbox, 9);
        assert!(strings(&planned["rows"], "domain").is_empty());
        let mut all = reasons(&planned);
        all.dedup();
        all
    };
    let waits = |day, peer: Peer| need([day], peer);
    let breaks = |day, peer: Peer| {
        let failed = ["SSL_connect error to {}: -1"];
        mail([day], peer, &failed, ("2.0.0", TAKEN))
    };
    for (domains, hosts) in [(8, 2), (8, 1), (1, 1)] {
        assert_eq!(
            through(domains, hosts, waits),
            ["smart-host"],
            "{domains} {hosts}"
        );
    }
    assert!(!through(8, 2, breaks).contains(&String::new()));
}

#[test]
fn our_own_relay_is_no_correspondent_though_nobody_has_set_our_domains() {
    // For a part of the mail alone, so that it is no smart host; and a host of ours in a domain of others.
    let relay = need(2..=8, ("inner.example", "gw.us.example", "203.0.113.5"));
    let other = need(2..=8, ("a.example", "mx.a.example", "203.0.113.6"));
    let sandbox = sandbox(9, 2..=8, &[relay, other]);
    let plan = plan(&sandbox, 9);
    assert_eq!(strings(&plan["rows"], "contact"), ["postmaster@a.example"]);
    assert_eq!(reasons(&plan), ["own"]);
    // Of an organisation that is not ours, a host of ours.
    sandbox.write(
        "c.toml",
        format!("own_domains = [\"mx.a.example\"]\n{SETTINGS}"),
    );
    assert_eq!(reasons(&self::plan(&sandbox, 9)), ["own", "own"]);
}

#[test]
fn one_postmaster_gets_one_letter() {
    let at = |host, address| ("a.example", host, address);
    let (one, two) = (
        at("mx1.hostera.example", "192.0.2.71"),
        at("mx2.hosterb.example", "192.0.2.72"),
    );
    // Two operators of one domain.
    let both = sandbox(9, 2..=8, &[need(2..=8, one), need(2..=8, two)]);
    let planned = written(&both, 9);
    assert_eq!(
        strings(&planned["rows"], "contact"),
        ["postmaster@a.example"]
    );
    assert_eq!(reasons(&planned), ["too-recent"]);
    written(&both, 10);
    assert_eq!(taken(&both).len(), 1);
    // The domain moves to another operator.
    let moved = sandbox(9, 2..=8, &[need(2..=8, one)]);
    written(&moved, 9);
    import(
        &moved,
        16,
        "week2.log",
        &among(10..=15, &[need(10..=15, two)]),
    );
    assert!(reasons(&written(&moved, 16)).contains(&"too-recent".to_string()));
    assert_eq!(taken(&moved).len(), 1);
    // One address for four.
    let names = ["c0.example", "c1.example", "c2.example", "c3.example"];
    let shared = with(&names.map(|name| (name, Does::NotOffered)));
    for name in names {
        campaign(&shared, 9, &["contact", name, "carl@consult.example"]).ok();
    }
    for day in [9, 10, 11] {
        written(&shared, day);
    }
    assert_eq!(taken(&shared), ["carl@consult.example"]);
}

#[test]
fn an_operator_is_not_written_to_again_since_one_of_its_customers_was_forgotten() {
    let at = |domain| (domain, "mx7.hoster.example", "192.0.2.7");
    let week = |days: std::ops::RangeInclusive<u32>, names: &[&'static str]| -> Vec<String> {
        let names = names.iter().copied();
        names.map(|name| need(days.clone(), at(name))).collect()
    };
    let names = ["c1.example", "c2.example", "c3.example"];
    let sandbox = sandbox(9, 2..=8, &week(2..=8, &names));
    written(&sandbox, 9);
    let said = sandbox.run(&["forget", "c3.example"]).ok().out;
    assert!(said.contains("of the outreach 1"), "{said}");
    let bytes = std::fs::read(sandbox.path("store.db")).unwrap();
    assert!(!bytes.windows(10).any(|w| w == b"c3.example"), "it is gone");
    import(
        &sandbox,
        11,
        "week2.log",
        &among(9..=10, &week(9..=10, &names[..2])),
    );
    assert_eq!(reasons(&written(&sandbox, 11)), ["too-recent"; 2]);
    assert_eq!(taken(&sandbox), ["postmaster@hoster.example"]);
    sandbox.run(&["store", "check"]).ok();
}

#[test]
fn each_host_is_told_of_what_it_does_itself() {
    let one = ("a.example", "mx1.a.example", "192.0.2.71");
    let two = ("a.example", "mx2.a.example", "192.0.2.72");
    let small = [
        "SSL_connect error to {}: -1",
        "warning: TLS library problem: error:0A00018A:SSL routines::dh key too small:../ssl/statem/statem_clnt.c:2088:",
    ];
    let hangs_up = ["SSL_connect error to {}: lost connection"];
    let week = [
        mail(2..=8, one, &small, ("2.0.0", TAKEN)),
        mail(4..=8, two, &hangs_up, ("2.0.0", TAKEN)),
    ];
    let sandbox = sandbox(9, 2..=8, &week);
    let planned = plan(&sandbox, 9);
    assert_eq!(
        planned["rows"][0]["mx_hosts"],
        serde_json::json!(["mx1.a.example"])
    );
    assert_eq!(planned["rows"][0]["messages"], 7);
    assert_eq!(reasons(&planned), ["too-recent"]);
    let shown = preview(&sandbox, 9);
    for words in [
        "Diffie-Hellman",
        "7 messages",
        "SSL_connect error to",
        "dh key too small",
    ] {
        let flat = shown.replace("\n    ", " ");
        assert!(flat.contains(words), "{words}\n{shown}");
    }
    assert!(!shown.contains("mx2.a.example"), "{shown}");
}

#[test]
fn dane_and_mta_sts_can_be_written_about_and_nobody_is_in_two_lists() {
    let dane = ("d.example", "mx.d.example", "192.0.2.61");
    let unusable: String =
        mail(2..=8, dane, &[], ("2.0.0", TAKEN)).replace(", dsn=", ", tls=dane:encrypt, dsn=");
    let sts: String = (2..=8)
        .map(|day| {
            let at = format!("{}T12:00", date(day));
            format!(
                "{at}:01+00:00 mail postfix/smtp[999]: warning: MX name 'mx.s.example' does not match STS MX pattern for 's.example'\n\
                 {at}:02+00:00 mail postfix/smtp[999]: 4C{day:02}1: to=<bob@s.example>, relay=none, delay=1, delays=0/0/1/0, dsn=4.7.5, status=deferred (MX name does not match STS policy)\n"
            )
        })
        .collect();
    let sandbox = sandbox(9, 2..=8, &[unusable, sts]);
    let planned = plan(&sandbox, 9);
    let mut about: Vec<String> = strings(&planned["rows"], "domain");
    about.sort();
    assert_eq!(about, ["d.example", "s.example"]);
    assert!(reasons(&planned).is_empty(), "{planned}");
    let shown = preview(&sandbox, 9);
    for words in ["tls=dane:encrypt", "does not match STS MX pattern"] {
        assert!(
            shown.replace("\n    ", " ").contains(words),
            "{words}\n{shown}"
        );
    }
    // Too little: said once.
    let args = [
        "plan",
        "--no-probe",
        "--min-messages",
        "99",
        "--format",
        "json",
    ];
    let planned = campaign(&sandbox, 9, &args).ok().json();
    assert_eq!(reasons(&planned), ["too-few"; 2]);
}

#[test]
fn a_reminder_to_a_new_contact_says_who_was_written_to() {
    let clear = [("a.example", Does::NotOffered)];
    for (first, says) in [
        (
            None,
            "We wrote about this to postmaster@a.example on 2026-11-09",
        ),
        (
            Some("ann@a.example"),
            "We wrote about this to another address on 2026-11-09",
        ),
    ] {
        let sandbox = with(&clear);
        let contact = |address| campaign(&sandbox, 9, &["contact", "a.example", address]).ok();
        first.map(contact);
        written(&sandbox, 9);
        contact("dora@a.example");
        import(&sandbox, 40, "later.log", &log(9..=39, &clear));
        assert_eq!(
            strings(&written(&sandbox, 40)["rows"], "template"),
            ["reminder"]
        );
        assert!(taken(&sandbox).contains(&"dora@a.example".to_string()));
        let letters = std::fs::read_dir(sandbox.path("taken")).unwrap().flatten();
        let mut letters = letters.map(|file| std::fs::read_to_string(file.path()).unwrap());
        let letter = letters.find(|letter| letter.contains("\nTo: dora@a.example"));
        let flat = letter.unwrap().replace("\r\n", "\n").replace('\n', " ");
        assert!(
            flat.contains(says) && !flat.contains("ann@a.example"),
            "{flat}"
        );
        // Who has had a letter by now is reminded of that one.
        import(&sandbox, 101, "last.log", &log(40..=100, &clear));
        assert_eq!(
            strings(&plan(&sandbox, 101)["rows"], "template"),
            ["last-reminder"]
        );
        let shown = preview(&sandbox, 101);
        assert!(
            shown.contains("We wrote about this on 2026-12-10"),
            "{shown}"
        );
    }
}

#[test]
fn the_last_reminder_waits_for_the_one_before() {
    let sandbox = with(&[("a.example", Does::NotOffered)]);
    written(&sandbox, 9);
    let mut kinds = Vec::new();
    let mut from = 80;
    for day in [97, 100, 157, 158] {
        let text = log(from..=day - 1, &[("a.example", Does::NotOffered)]);
        import(&sandbox, day, &format!("{day}.log"), &text);
        from = day;
        kinds.push(strings(&written(&sandbox, day)["rows"], "template").pop());
    }
    let of = |kind: &str| Some(kind.to_string());
    assert_eq!(kinds, [of("reminder"), None, None, of("last-reminder")]);
}

#[test]
fn who_is_left_alone_stays_so_and_takes_the_room_of_a_letter() {
    let names: Vec<String> = (0..12).map(|i| format!("c{i}.example")).collect();
    let fine: Vec<String> = (0..12).map(|i| format!("fine{i}.example")).collect();
    let bad = names.iter().map(|name| (name.as_str(), Does::NotOffered));
    let good = fine.iter().map(|name| (name.as_str(), Does::Tls));
    let sandbox = with(&bad.chain(good).collect::<Vec<_>>());
    sandbox.append("c.toml", "per_plan = 6\n");
    let plan_with = |more: &[&str]| {
        let args = [&["plan", "--no-probe", "--format", "json"], more].concat();
        campaign(&sandbox, 9, &args).ok().json()
    };
    let first = plan_with(&["--control", "50%"]);
    let of = |plan: &Value, reason: &str| -> Vec<String> {
        let rows = plan["skipped"].as_array().unwrap();
        let chosen = rows.iter().filter(|row| row["reason"] == reason);
        chosen.map(|row| row["domain"].to_string()).collect()
    };
    let alone = of(&first, "control");
    assert!(!alone.is_empty() && alone.len() + first["rows"].as_array().unwrap().len() == 6);
    assert_eq!(of(&first, "plan-full").len(), 6);
    // Another plan that knows nothing of it.
    sandbox.write("c.toml", SETTINGS);
    let second = plan_with(&[]);
    assert_eq!(of(&second, "control"), alone);
    assert_eq!(second["rows"].as_array().unwrap().len(), 12 - alone.len());
}

#[test]
fn a_plan_is_named_by_every_word_that_would_be_sent() {
    let sandbox = with(&[("a.example", Does::NotOffered)]);
    let first = hash(&plan(&sandbox, 9));
    assert_eq!(hash(&plan(&sandbox, 9)), first);
    for settings in [
        SETTINGS.replace("Ann", "Eve"),
        format!("{SETTINGS}language = \"de\"\n"),
        format!("{SETTINGS}enforce_on = \"2027-03-01\"\n"),
    ] {
        sandbox.write("c.toml", settings);
        assert_ne!(hash(&plan(&sandbox, 9)), first);
    }
}

#[test]
fn nobody_is_written_to_at_a_private_address_at_a_giant_or_where_nobody_reads() {
    let week = [
        need(2..=8, ("corp.example", "mx.corp.example", "10.1.2.3")),
        need(2..=8, ("gmail.com", "mx.spamfilter.example", "192.0.2.44")),
        need(2..=8, ("robot.example", "mx.robot.example", "192.0.2.45")),
    ];
    let sandbox = sandbox(9, 2..=8, &week);
    campaign(
        &sandbox,
        9,
        &["contact", "robot.example", "noreply@robot.example"],
    )
    .ok();
    let planned = plan(&sandbox, 9);
    assert!(strings(&planned["rows"], "domain").is_empty());
    let mut all = reasons(&planned);
    all.sort();
    assert_eq!(all, ["giant", "no-contact", "private"]);
}

/// Who says in the DNS that no mail is taken (RFC 7505) has no postmaster there.
#[test]
fn who_takes_no_mail_gets_none() {
    let bounced: String = (2..=8)
        .map(|day| format!(
            "{}T12:00:02+00:00 mail postfix/smtp[999]: 4C{day:02}1: to=<bob@n.example>, relay=none, delay=1, delays=0/0/1/0, dsn=5.1.10, status=bounced (Domain n.example does not accept mail (nullMX))\n",
            date(day)
        ))
        .collect();
    let week = [
        bounced,
        received(2..=8, ("n.example", "out.n.example", "198.51.100.7"), false),
        received(
            2..=8,
            ("good1.example", "out.good1.example", "198.51.100.8"),
            true,
        ),
    ];
    let planned = plan(&sandbox(9, 2..=8, &week), 9);
    assert!(strings(&planned["rows"], "domain").is_empty());
    assert_eq!(reasons(&planned), ["one-way"]);
}
