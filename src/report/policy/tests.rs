//! Maps from a store to text and back.

use maillog::{Cause, Protocol};

use super::*;
use crate::outcome::{Class, Emission};
use crate::report::Value;
use crate::store::fixture::{self, DAY, inbound, outbound};

fn question(server: Server, base: Base) -> Question {
    Question {
        direction: Direction::Outbound,
        base,
        rules: Rules {
            server,
            days: 2,
            messages: 2,
            expire: 30,
            today: DAY,
        },
        path: None,
    }
}

const MAY: Base = Base::May;

/// Two days of TLS with `good.example`, one of clear text with `clear.example`.
fn emissions() -> Vec<Emission> {
    let tls = |ago: i64| {
        outbound("good.example")
            .at(-ago * 86_400)
            .encrypted(Protocol::Tls13)
            .build()
    };
    let clear = outbound("clear.example")
        .plaintext(Class::PlaintextNotOffered)
        .build();
    vec![tls(1), tls(0), clear]
}

fn text(answer: &Answer) -> String {
    String::from_utf8(answer.text.clone()).unwrap()
}

/// The lines of a map that are no comments.
fn entries(text: &str) -> Vec<&str> {
    text.lines()
        .filter(|l| !l.is_empty() && !l.starts_with('#'))
        .collect()
}

/// What happened to which key, by the columns for programs.
fn changes(answer: &Answer) -> Vec<(String, String)> {
    let cell = |value: &Value| match value {
        Value::Text(text) => text.clone(),
        other => format!("{other:?}"),
    };
    let rows = &answer.table.sections[0].rows;
    rows.iter().map(|r| (cell(&r[0]), cell(&r[1]))).collect()
}

fn short(pairs: &[(String, String)]) -> Vec<(&str, &str)> {
    pairs
        .iter()
        .map(|(a, b)| (a.as_str(), b.as_str()))
        .collect()
}

fn merge(current: &str) -> Answer {
    let store = fixture::store(emissions());
    build(
        &store,
        &question(Server::Postfix, MAY),
        Some(current.as_bytes()),
    )
    .unwrap()
}

#[test]
fn each_server_has_its_lines_for_each_base() {
    let host =
        |builder: fixture::Builder, host: &str| builder.host(host, "192.0.2.1").tag("sm-mta");
    let mut all = emissions();
    for ago in 0..2 {
        let at = -ago * 86_400;
        all.push(
            host(outbound("s.example").at(at), "mx.good.example")
                .encrypted(Protocol::Tls13)
                .build(),
        );
        let broken = host(outbound("b.example").at(at), "mx.broken.example");
        all.push(broken.failed(Class::HandshakeFailed, Cause::Eof).build());
    }
    all.push(
        host(outbound("c.example"), "mx.clear.example")
            .plaintext(Class::PlaintextNotOffered)
            .build(),
    );
    let store = fixture::store(all);
    for (server, base, expected) in [
        (Server::Postfix, Base::May, vec!["good.example encrypt"]),
        (Server::Postfix, Base::Encrypt, vec!["clear.example may"]),
        (
            Server::Sendmail,
            Base::May,
            vec![
                "TLS_Srv:mx.good.example ENCR:112",
                "Try_TLS:mx.broken.example NO",
            ],
        ),
        (
            Server::Sendmail,
            Base::Encrypt,
            vec![
                "TLS_Srv:mx.broken.example OK",
                "TLS_Srv:mx.clear.example OK",
                "Try_TLS:mx.broken.example NO",
            ],
        ),
    ] {
        let answer = build(&store, &question(server, base), None).unwrap();
        assert_eq!(entries(&text(&answer)), expected, "{server:?} {base:?}");
    }
}

#[test]
fn an_exception_in_the_map_in_use_shows_nothing_of_those_it_does_not_cover() {
    let host = |name: &str| {
        let mail = outbound(name).tag("sm-mta");
        mail.host(&format!("mx.{name}"), "192.0.2.1")
    };
    let waits = host("own.example").at(-86_400);
    let store = fixture::store([
        host("good.example").encrypted(Protocol::Tls13).build(),
        waits
            .failed(Class::TlsRequiredNotOffered, Cause::Unknown)
            .build(),
        host("clear.example")
            .plaintext(Class::PlaintextNotOffered)
            .build(),
    ]);
    let asked = question(Server::Sendmail, Base::Encrypt);
    let alone = build(&store, &asked, None).unwrap();
    assert_eq!(entries(&text(&alone)), ["TLS_Srv:mx.clear.example OK"]);
    assert!(
        text(&alone).contains("# tlsnag: Left out: 1: "),
        "{}",
        text(&alone)
    );
    // Sendmail applies an entry to the names below it.
    let in_use = b"TLS_Srv:clear.example OK\n";
    let beside = build(&store, &asked, Some(in_use)).unwrap();
    assert!(
        entries(&text(&beside)).contains(&"TLS_Srv:mx.own.example OK"),
        "{}",
        text(&beside)
    );
}

#[test]
fn an_operators_own_requirement_is_not_lowered_for_a_handshake_that_fails() {
    let own = |at: i64| {
        let failed = outbound("own.example").at(at);
        failed.failed(Class::HandshakeFailed, Cause::Eof).build()
    };
    let ends_at_starttls = |at: i64| {
        let failed = outbound("stuck.example").at(at);
        let failed = failed.failed(Class::StarttlsLostConnection, Cause::Unknown);
        failed.build()
    };
    let mut all = emissions();
    let hours = [-86_400, -43_200, -3600];
    all.extend(
        hours
            .into_iter()
            .flat_map(|at| [own(at), ends_at_starttls(at)]),
    );
    let store = fixture::store(all);
    let asked = question(Server::Postfix, Base::Encrypt);
    let answer = build(&store, &asked, None).unwrap();
    assert_eq!(entries(&text(&answer)), ["clear.example may"]);
    let reason = |name: &str| {
        let rows = &answer.table.sections[0].rows;
        let row = rows.iter().find(|row| row[1] == Value::text(name));
        match &row.unwrap()[8] {
            Value::Text(reason) => reason.clone(),
            other => format!("{other:?}"),
        }
    };
    for (name, words) in [
        (
            "own.example",
            "TLS is required of it already, though not of all",
        ),
        ("stuck.example", "may would not help"),
    ] {
        assert!(reason(name).contains(words), "{}", reason(name));
    }
    assert!(
        text(&answer).contains("# tlsnag: Left out: 1: wait for TLS that cannot be had or fails")
    );
}

#[test]
fn where_an_own_line_requires_tls_of_a_host_whose_tls_is_broken_nothing_is_added_beside_it() {
    let broken = |at: i64| {
        let mail = outbound("b.example").at(at).tag("sm-mta");
        let mail = mail.host("mx.broken.example", "192.0.2.1");
        mail.failed(Class::HandshakeFailed, Cause::Eof).build()
    };
    let good = outbound("s.example").tag("sm-mta");
    let good = good.encrypted(Protocol::Tls13).build();
    let store = fixture::store([broken(0), broken(-86_400), good]);
    let added = |base, current: &str| -> Vec<String> {
        let asked = question(Server::Sendmail, base);
        let answer = build(&store, &asked, Some(current.as_bytes())).unwrap();
        let map = text(&answer);
        let lines = entries(&map).into_iter().map(str::to_string);
        lines.filter(|l| !current.contains(l.as_str())).collect()
    };
    let both = [
        "TLS_Srv:mx.broken.example OK",
        "Try_TLS:mx.broken.example NO",
    ];
    for (current, may, encrypt) in [
        ("", &both[1..], &both[..]),
        ("TLS_Srv:mx.broken.example ENCR:112\n", &[], &[]),
        ("TLS_Srv:broken.example VERIFY\n", &[], &[]),
        // The nearest decides; what holds for all is what --base speaks of.
        (
            "TLS_Srv:broken.example VERIFY\nTLS_Srv:mx.broken.example OK\n",
            &both[1..],
            &both[1..],
        ),
        ("TLS_Srv: ENCR:112\n", &both[1..], &both[..]),
    ] {
        assert_eq!(added(Base::May, current), may, "{current}");
        assert_eq!(added(Base::Encrypt, current), encrypt, "{current}");
    }
}

#[test]
fn an_exception_keeps_the_dane_of_some_of_its_hosts() {
    let verified = outbound("good.example").at(-50).encrypted(Protocol::Tls13);
    let clear = outbound("good.example").plaintext(Class::PlaintextNotOffered);
    let later = outbound("good.example").at(86_400);
    let store = fixture::store(
        emissions()
            .into_iter()
            .chain([verified.verified().build(), clear.clone().build()])
            .chain([later.plaintext(Class::PlaintextNotOffered).build()]),
    );
    let mut asked = question(Server::Postfix, Base::Encrypt);
    asked.rules.today += 1;
    let answer = build(&store, &asked, None).unwrap();
    let map = text(&answer);
    assert_eq!(entries(&map), ["clear.example may", "good.example dane"]);
    assert!(
        map.contains("other mail was verified, and what DANE requires of its hosts stays required"),
        "{map}"
    );
}

#[test]
fn clients_get_no_starttls_by_their_address() {
    let failing = |address: &str, ago: i64| {
        let session = inbound("c.example.org", address).at(-ago * 86_400);
        session.failed(Class::InHandshakeFailed, Cause::Eof)
    };
    let addresses = ["192.0.2.9", "2001:db8::9"];
    let both = |tag: &'static str| {
        let days = (0..2).flat_map(move |ago| addresses.map(|a| failing(a, ago).tag(tag).build()));
        let good = inbound("d.example.org", "192.0.2.8").tag(tag);
        days.chain([good.encrypted(Protocol::Tls13).build()])
    };
    let store = fixture::store(both("postfix/smtpd").chain(both("sm-mta")));
    for (server, expected) in [
        (
            Server::Postfix,
            ["192.0.2.9 starttls", "2001:db8::9 starttls"],
        ),
        (
            Server::Sendmail,
            [
                "Srv_Features:192.0.2.9 S",
                "Srv_Features:IPv6:2001:db8:0:0:0:0:0:9 S",
            ],
        ),
    ] {
        let asked = Question {
            direction: Direction::Inbound,
            ..question(server, MAY)
        };
        assert_eq!(
            entries(&text(&build(&store, &asked, None).unwrap())),
            expected
        );
    }
}

#[test]
fn a_map_that_serves_both_directions_keeps_the_entries_of_each() {
    let mut all = Vec::new();
    for ago in 0..2 {
        let sent = outbound("s.example").at(-ago * 86_400).tag("sm-mta");
        all.push(sent.encrypted(Protocol::Tls13).build());
        let failing = inbound("c.example.org", "192.0.2.9")
            .at(-ago * 86_400)
            .tag("sm-mta");
        all.push(failing.failed(Class::InHandshakeFailed, Cause::Eof).build());
        let good = inbound("d.example.org", "192.0.2.8").tag("sm-mta");
        all.push(good.encrypted(Protocol::Tls13).build());
    }
    let store = fixture::store(all);
    let ask = |direction, current: &[u8]| {
        let asked = Question {
            direction,
            ..question(Server::Sendmail, MAY)
        };
        build(&store, &asked, Some(current)).unwrap()
    };
    let out = ask(Direction::Outbound, b"Connect:192.0.2 RELAY\n");
    let both = ask(Direction::Inbound, &out.text);
    assert_eq!(
        entries(&text(&both)),
        [
            "Connect:192.0.2 RELAY",
            "TLS_Srv:mx.s.example ENCR:112",
            "Srv_Features:192.0.2.9 S"
        ]
    );
    let again = ask(
        Direction::Inbound,
        &ask(Direction::Outbound, &both.text).text,
    );
    assert_eq!((text(&again), again.table.to_do), (text(&both), 0));
}

#[test]
fn what_is_not_ours_stays_byte_by_byte_and_twice_is_once() {
    let yours = "# mine: \u{e4}\n\nexample.org   secure  match=nexthop\r\n  protocols=>=TLSv1.3\n# tlsnags\n";
    let once = merge(yours);
    assert!(text(&once).starts_with(yours), "{}", text(&once));
    assert_eq!(once.table.to_do, 1);
    let twice = merge(&text(&once));
    assert_eq!((text(&twice), twice.table.to_do), (text(&once), 0));
    // Bytes that are no UTF-8 stay as well, and so does a last line without an end.
    let store = fixture::store(emissions());
    let latin = b"# caf\xe9\nexample.org may";
    let answer = build(&store, &question(Server::Postfix, MAY), Some(latin)).unwrap();
    assert!(
        answer
            .text
            .starts_with(b"# caf\xe9\nexample.org may\n\n# tlsnag: ")
    );
}

#[test]
fn ours_stay_where_they_are_and_get_between_no_entry_and_its_second_line() {
    let ours = text(&merge("a.example may\n"));
    let more = format!("{ours}\nb.example may\n");
    assert_eq!(text(&merge(&more)), more);
    let torn = "a.example secure\n# tlsnag: x\n  match=nexthop\n";
    let mended = text(&merge(torn));
    assert!(
        mended.starts_with("a.example secure\n  match=nexthop\n\n# tlsnag: Written"),
        "{mended}"
    );
}

#[test]
fn an_operators_entry_comes_before_ours_and_one_they_changed_is_theirs() {
    let answer = merge("Good.example none\n");
    assert_eq!(short(&changes(&answer))[0], ("yours", "good.example"));
    assert_eq!(entries(&text(&answer)), ["Good.example none"]);
    let ours = text(&merge(""));
    for changed in [
        ours.replace("\ngood.example encrypt", "\ngood.example secure"),
        format!("{ours}  protocols=TLSv1.3\n"),
    ] {
        let answer = merge(&changed);
        assert_eq!(
            short(&changes(&answer))[0],
            ("yours", "good.example"),
            "{changed}"
        );
        assert_eq!(entries(&text(&answer)), entries(&changed));
        assert_eq!(merge(&text(&answer)).text, answer.text);
    }
}

#[test]
fn an_entry_is_taken_back_at_the_first_evidence_against_it_or_when_it_is_over() {
    let mark = |name: &str, until: &str| {
        format!("# tlsnag: {name} encrypt, until {until}: over TLS\n{name} encrypt\n")
    };
    let current = [
        mark("good.example", "2026-11-25"),
        mark("clear.example", "2026-12-01"),
        mark("quiet.example", "2026-11-20"),
        mark("over.example", "2026-11-19"),
    ];
    let answer = merge(&current.concat());
    assert_eq!(
        short(&changes(&answer)),
        [
            ("taken-back", "clear.example"),
            ("taken-back", "over.example"),
            ("renewed", "good.example"),
            ("kept", "quiet.example"),
        ]
    );
    assert_eq!(
        entries(&text(&answer)),
        ["good.example encrypt", "quiet.example encrypt"]
    );
    let reasons: Vec<_> = answer.table.sections[0].rows.iter().collect();
    assert_eq!(
        reasons[0][8],
        Value::text("2026-11-20: in clear: the server does not offer STARTTLS")
    );
    assert_eq!(reasons[1][8], Value::text("expired on 2026-11-19"));
}

#[test]
fn where_nothing_is_proven_nothing_is_added_and_what_stands_stays_until_its_day() {
    let store = fixture::store([outbound("good.example").silent().build()]);
    let current = "# tlsnag: a.example encrypt, until 2026-11-30: x\na.example encrypt\n\
                   # tlsnag: b.example encrypt, until 2026-11-10: x\nb.example encrypt\n";
    let answer = build(
        &store,
        &question(Server::Postfix, MAY),
        Some(current.as_bytes()),
    )
    .unwrap();
    assert_eq!(
        short(&changes(&answer)),
        [("taken-back", "b.example"), ("kept", "a.example")]
    );
    assert!(
        answer
            .refusal
            .is_some_and(|r| r.contains("not proven that TLS is logged"))
    );
    let text = String::from_utf8(answer.text).unwrap();
    assert!(
        text.contains("# tlsnag:     postconf -e smtp_tls_loglevel=1\n"),
        "{text}"
    );
}

#[test]
fn a_map_that_is_right_is_not_written_for_its_date_alone() {
    let text = text(&merge(""));
    let yesterday = text.replace("Written on 2026-11-20", "Written on 2026-11-19");
    assert_ne!(text, yesterday);
    assert_eq!(merge(&yesterday).text, yesterday.as_bytes());
}

#[test]
fn a_path_that_is_not_plain_stands_in_no_comment() {
    let asked = Question {
        path: Some("/tmp/x\nevil.example none".into()),
        ..question(Server::Postfix, MAY)
    };
    let answer = build(&fixture::store(emissions()), &asked, None).unwrap();
    assert_eq!(entries(&text(&answer)), ["good.example encrypt"]);
    assert!(text(&answer).contains("postmap /etc/postfix/tls_policy &&"));
}

#[test]
fn a_page_address_that_could_mean_something_in_a_configuration_is_refused() {
    for wrong in [
        "",
        "example.org",
        "https://",
        "https://e.org/$x",
        "https://e.org/ x",
        "https://e.org/\n",
        "https://e.org/'",
        "https://e.org/\\c",
        "https://e.org/#a",
    ] {
        assert!(reject::check(wrong).is_err(), "{wrong:?}");
    }
    let url = "https://example.org/tls?a=1&b=%20";
    assert!(reject::check(url).is_ok());
    for server in [Server::Postfix, Server::Sendmail] {
        assert!(reject::text(server, url).contains(&format!("see {url}")));
    }
}
