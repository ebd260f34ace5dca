//! Histories by a letter a day, and what can be said of a peer after each.

use std::collections::BTreeSet;

use super::*;
use crate::outcome::{Class, Direction, Emission};
use crate::store::fixture::{self, DAY as TODAY, inbound, outbound};
use maillog::{Cause, Protocol};

const RULES: Rules = Rules {
    server: Server::Postfix,
    days: 3,
    messages: 3,
    expire: 10,
    today: TODAY,
};

/// One mail to a domain on a day, by a letter.
fn mail(domain: &str, letter: char, days_ago: usize) -> Option<Emission> {
    let at = -(days_ago as i64) * 86_400;
    let start = || outbound(domain).at(at);
    let tls = || start().encrypted(Protocol::Tls13);
    Some(match letter {
        'T' => tls().build(),
        'V' => tls().verified().build(),
        'A' => start().encrypted(Protocol::Tls10).build(),
        'W' => tls().bits(56).build(),
        'C' => start().plaintext(Class::PlaintextCauseUnknown).build(),
        'O' => start().plaintext(Class::PlaintextByPolicy).build(),
        'B' => start().failed(Class::HandshakeFailed, Cause::Eof).build(),
        'L' => start()
            .failed(Class::StarttlsLostConnection, Cause::Unknown)
            .build(),
        'D' => start()
            .failed(Class::CertVerifyFailed, Cause::CertificateExpired)
            .build(),
        'N' => start()
            .failed(Class::TlsRequiredNotOffered, Cause::Unknown)
            .build(),
        'X' => start().failed(Class::NoSession, Cause::Unknown).build(),
        'U' => start().silent().build(),
        _ => return None,
    })
}

/// A history by a letter a day, the last being today.
fn history(domain: &str, days: &str) -> Vec<Emission> {
    let days = days.chars().rev().enumerate();
    days.filter_map(|(ago, letter)| mail(domain, letter, ago))
        .collect()
}

fn standing(days: &str) -> Standing {
    let store = fixture::store(history("a.example", days));
    let found = find_outbound(&store, &RULES, &InUse::default()).unwrap();
    found.subjects[0].standing
}

#[test]
fn a_history_decides_what_can_be_said_of_a_domain() {
    for (days, expected) in [
        ("TTT", Standing::Proven),
        ("AAA", Standing::OldVersion),
        ("TATTTTT", Standing::OldVersion),
        ("A..........TTT", Standing::Proven),
        ("T.T..T", Standing::Proven),
        ("TT", Standing::TooLittle),
        // The first evidence against it takes all before it back ...
        ("TTTTTTC", Standing::InClear),
        ("TTTTTTB", Standing::Doubtful),
        ("TTTTTTW", Standing::Doubtful),
        ("TTTTTTN", Standing::InClear),
        // ... until there is enough again.
        ("CTTT", Standing::Proven),
        ("CTT", Standing::InClear),
        ("C..........TT", Standing::Doubtful),
        ("TTTBB", Standing::Broken),
        ("BBT", Standing::Doubtful),
        ("BBC", Standing::InClear),
        // What the log does not tell, what is our own fault and what is not about TLS speaks neither for nor against.
        ("TTTU", Standing::Proven),
        ("TTTO", Standing::Proven),
        ("TTTX", Standing::Proven),
        ("TUT", Standing::TooLittle),
        ("U", Standing::NoEvidence),
        ("O", Standing::NoEvidence),
        ("TVT", Standing::HeldToMore),
        // Who is held to more fails where TLS cannot be had, and is held to it still.
        ("VVVN", Standing::HeldToMore),
        ("VVV..NN", Standing::HeldToMore),
        ("VVVBB", Standing::HeldToMore),
        ("VTTTNTNN", Standing::HeldToMore),
        ("TTTTTTD", Standing::HeldToMore),
        ("DN", Standing::HeldToMore),
        // Mail in clear shows that it is not, and so do many days of TLS without a sign of it.
        // What was verified lately may be DANE of some of its hosts.
        ("VVVC", Standing::PartlyVerified),
        ("VVVCN", Standing::PartlyVerified),
        ("V..........C", Standing::InClear),
        ("VCV", Standing::PartlyVerified),
        ("CCV", Standing::HeldToMore),
        ("VCVVV", Standing::HeldToMore),
        // At STARTTLS itself there is no fallback.
        ("TLL", Standing::Stuck),
        ("TLB", Standing::Broken),
        ("V.........TTT", Standing::Proven),
    ] {
        assert_eq!(standing(days), expected, "{days}");
    }
}

/// The standing of `a.example`, whose mail of yesterday waited for TLS, beside others and a map in use.
fn beside(others: Vec<Emission>, own: &str, in_use: &InUse) -> Standing {
    let store = fixture::store(history("a.example", own).into_iter().chain(others));
    let found = find_outbound(&store, &RULES, in_use).unwrap();
    found.subjects[0].standing
}

#[test]
fn who_waits_for_tls_while_others_go_in_clear_has_a_requirement_of_its_own() {
    let names = |name: &str| BTreeSet::from([name.to_string()]);
    let none = InUse::default();
    let excepted = InUse {
        named: names("b.example"),
        ..InUse::default()
    };
    let ours = InUse {
        named: names("a.example"),
        ours: names("a.example"),
        ..InUse::default()
    };
    let other = |days: &str| history("b.example", days);
    for (days, others, in_use, expected) in [
        ("TTN.", other("C"), &none, Standing::RequiredAlready),
        // It is tried again to this day.
        ("TNNN", other("C."), &none, Standing::RequiredAlready),
        // Nobody else goes in clear since: TLS is required of all.
        ("TTN.", other("C.."), &none, Standing::InClear),
        ("TTN.", other("T"), &none, Standing::InClear),
        ("TTN.", other("O"), &none, Standing::InClear),
        // Who has an exception shows nothing of the others.
        ("TTN.", other("C"), &excepted, Standing::InClear),
        // Our own entry was what required it.
        ("TTN.", other("C"), &ours, Standing::InClear),
        // It went in clear itself since.
        ("TTNC", other("C"), &none, Standing::InClear),
        // Whose handshake has failed for days and never ended in clear text is not allowed to either ...
        ("TBBB", other("C"), &none, Standing::RequiredAlready),
        ("TBBB", other("T"), &none, Standing::Broken),
        ("TBBB", other("C"), &excepted, Standing::Broken),
        ("TBBB", other("C"), &ours, Standing::Broken),
        // ... but one that ends at STARTTLS, as nobody's does.
        ("TLLL", other("C"), &none, Standing::Stuck),
        ("TBBC", other("C"), &none, Standing::InClear),
    ] {
        assert_eq!(beside(others, days, in_use), expected, "{days} {in_use:?}");
    }
}

#[test]
fn a_handshake_that_failed_just_now_is_no_sign_of_a_requirement_nor_of_none() {
    let failed = |minutes: i64| {
        let at = outbound("a.example").at(minutes * 60);
        at.failed(Class::HandshakeFailed, Cause::Eof).build()
    };
    let clear = |minutes: i64| {
        let at = outbound("b.example").at(minutes * 60);
        at.plaintext(Class::PlaintextNotOffered).build()
    };
    let demanded = |minutes: i64| {
        let at = outbound("a.example").at(minutes * 60);
        at.failed(Class::PeerRequiresTls, Cause::Unknown).build()
    };
    let passed = |minutes: i64| {
        let at = outbound("a.example").at(minutes * 60);
        at.encrypted(Protocol::Tls13).build()
    };
    for (emissions, expected) in [
        // Postfix falls back some minutes after the first attempt.
        (vec![failed(0), failed(10), clear(20)], Standing::Doubtful),
        (
            vec![failed(0), failed(300), clear(310)],
            Standing::RequiredAlready,
        ),
        (vec![failed(0), failed(10)], Standing::Broken),
        // A server that wants TLS was asked without.
        (
            vec![failed(0), demanded(200), failed(290), clear(310)],
            Standing::Doubtful,
        ),
        // What failed before a mail that got through is not waiting any more.
        (
            vec![
                failed(-3000),
                failed(-2000),
                passed(-1500),
                failed(0),
                failed(10),
                clear(20),
            ],
            Standing::Doubtful,
        ),
    ] {
        let store = fixture::store(emissions.clone());
        let found = find_outbound(&store, &RULES, &InUse::default()).unwrap();
        assert_eq!(found.subjects[0].standing, expected, "{emissions:?}");
    }
}

#[test]
fn an_entry_ends_some_days_after_its_last_evidence() {
    let store = fixture::store(history("a.example", "TTT....."));
    let found = &find_outbound(&store, &RULES, &InUse::default())
        .unwrap()
        .subjects[0];
    assert_eq!((found.last, found.until(&RULES)), (TODAY - 5, TODAY + 5));
    let store = fixture::store(history("a.example", "TTTBB..."));
    let found = &find_outbound(&store, &RULES, &InUse::default())
        .unwrap()
        .subjects[0];
    assert_eq!((found.standing, found.last), (Standing::Broken, TODAY - 3));
}

#[test]
fn mails_too_long_ago_do_not_count() {
    let strict = Rules {
        messages: 4,
        ..RULES
    };
    for (days, expected) in [
        ("TTTT", Standing::Proven),
        ("T..........TTT", Standing::TooLittle),
    ] {
        let store = fixture::store(history("a.example", days));
        let found = &find_outbound(&store, &strict, &InUse::default())
            .unwrap()
            .subjects[0];
        assert_eq!(found.standing, expected, "{days}");
    }
}

#[test]
fn names_that_could_mean_something_else_in_a_map_are_left_out() {
    let long = format!("{}.example", "a".repeat(64));
    let hostile = [
        "a b.example",
        "#a.example",
        "a.example\nb.example",
        ".example.org",
        "a..example",
        "a/b.example",
        "example",
        "192.0.2.1",
        "[192.0.2.1]",
        "-a.example",
        "a-.example",
        "a.example:25",
        "ä.example",
        "$a.example",
        "a.example ",
        "a\tb.example",
        &long,
    ];
    for name in hostile {
        assert!(!is_name(name, Server::Postfix), "{name:?}");
        let store = fixture::store(
            history(name, "TTT")
                .into_iter()
                .chain(history("b.example", "T")),
        );
        let found = find_outbound(&store, &RULES, &InUse::default()).unwrap();
        let names: Vec<&str> = found.subjects.iter().map(|s| s.name.as_str()).collect();
        assert_eq!((names, found.invalid), (vec!["b.example"], 1), "{name:?}");
    }
    for name in [
        "a.example",
        "xn--bcher-kva.example",
        "a_b.c-d.example.org",
        "1.example",
    ] {
        assert!(is_name(name, Server::Postfix), "{name}");
    }
    assert!(
        !is_name("co.uk", Server::Sendmail),
        "a public suffix speaks for strangers"
    );
}

#[test]
fn sendmail_is_judged_by_its_own_logs_and_by_host() {
    let sendmail = |name: &str, host: &str| {
        outbound(name)
            .host(host, "192.0.2.2")
            .tag("sm-mta")
            .encrypted(Protocol::Tls13)
    };
    let days = (0..3).map(|i| {
        sendmail("a.example", "mx.a.example")
            .at(-i * 86_400)
            .build()
    });
    let store = fixture::store(days.chain(history("b.example", "TTT")));
    let rules = Rules {
        server: Server::Sendmail,
        ..RULES
    };
    let names = |rules| -> Vec<String> {
        let found = find_outbound(&store, rules, &InUse::default())
            .unwrap()
            .subjects;
        found.into_iter().map(|s| s.name).collect()
    };
    assert_eq!(names(&rules), ["mx.a.example"]);
    assert_eq!(names(&RULES), ["b.example"]);
}

#[test]
fn a_bad_day_does_not_take_tls_from_a_host_of_sendmail_for_weeks() {
    let to = |ago: i64| {
        let mail = outbound("a.example").host("mx.a.example", "192.0.2.2");
        mail.tag("sm-mta").at(-ago * 86_400)
    };
    let failed = |ago: i64| to(ago).failed(Class::HandshakeFailed, Cause::Eof);
    let rules = Rules {
        server: Server::Sendmail,
        ..RULES
    };
    let standing = |emissions: Vec<Emission>| {
        let store = fixture::store(emissions);
        let found = find_outbound(&store, &rules, &InUse::default()).unwrap();
        found.subjects[0].standing
    };
    let one_day = failed(0).times(9).build();
    assert_eq!(standing(vec![one_day.clone()]), Standing::Doubtful);
    let days = vec![one_day.clone(), failed(1).build()];
    assert_eq!(standing(days), Standing::Broken);
    let works = to(1).encrypted(Protocol::Tls13).build();
    let days = vec![one_day, works, failed(2).build()];
    assert_eq!(standing(days), Standing::Doubtful);
}

#[test]
fn a_host_does_not_speak_for_those_below_it() {
    let to = |host: &str, ago: i64| {
        outbound("a.example")
            .host(host, "192.0.2.2")
            .tag("sm-mta")
            .at(-ago * 86_400)
    };
    let days = (0..3).map(|i| to("a.example", i).encrypted(Protocol::Tls13).build());
    let below = to("mx2.a.example", 0)
        .plaintext(Class::PlaintextNotOffered)
        .build();
    let store = fixture::store(days.chain([below]));
    let rules = Rules {
        server: Server::Sendmail,
        ..RULES
    };
    let found = find_outbound(&store, &rules, &InUse::default())
        .unwrap()
        .subjects;
    let standings: Vec<Standing> = found.iter().map(|s| s.standing).collect();
    assert_eq!(standings, [Standing::CoversOthers, Standing::InClear]);
}

#[test]
fn without_proof_nothing_is_said() {
    let refusal = |emissions: Vec<Emission>| {
        find_outbound(&fixture::store(emissions), &RULES, &InUse::default())
            .unwrap()
            .refusal
    };
    assert!(matches!(
        refusal(history("a.example", "UUU")),
        Some(Refusal::Blind(_))
    ));
    assert_eq!(refusal(Vec::new()), Some(Refusal::NothingRecent(None)));
    assert_eq!(
        refusal(history("a.example", "TTT..........")),
        Some(Refusal::NothingRecent(Some(TODAY - 10)))
    );
    let logged = fixture::fact(Direction::Outbound, crate::outcome::Fact::Logged);
    let mut all_clear = history("a.example", "C");
    all_clear.push(logged);
    assert_eq!(refusal(all_clear), Some(Refusal::NoTls));
    let relay = (0..6).map(|i| {
        outbound(&format!("d{i}.example"))
            .host("relay.example", "192.0.2.1")
            .encrypted(Protocol::Tls13)
            .build()
    });
    assert_eq!(
        refusal(relay.collect()),
        Some(Refusal::SmartHost("relay.example".into()))
    );
}

#[test]
fn a_client_is_broken_if_it_keeps_failing_and_brings_no_mail() {
    let session = |letter: char, ago: usize| {
        let start = || inbound("c.example.org", "192.0.2.9").at(-(ago as i64) * 86_400);
        match letter {
            'F' => Some(start().failed(Class::InHandshakeFailed, Cause::Eof).build()),
            'O' => Some(
                start()
                    .failed(Class::InHandshakeFailed, Cause::OwnCertificate)
                    .build(),
            ),
            'M' => Some(start().plaintext(Class::PlaintextCauseUnknown).build()),
            'T' => Some(start().encrypted(Protocol::Tls13).build()),
            _ => None,
        }
    };
    for (days, expected) in [
        ("FFF", Some(Standing::Broken)),
        ("MTFFF", Some(Standing::Broken)),
        ("F", Some(Standing::TooLittle)),
        ("FFFM", Some(Standing::FellBack)),
        ("FFFT", Some(Standing::Proven)),
        ("OOO", None),
        ("MMM", None),
    ] {
        let letters = days.chars().rev().enumerate();
        let store = fixture::store(letters.filter_map(|(ago, l)| session(l, ago)));
        let found = find_inbound(&store, &RULES).unwrap().subjects;
        assert_eq!(found.first().map(|s| s.standing), expected, "{days}");
    }
}
