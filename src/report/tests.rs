//! What must hold of all reports and formats, and the same small store in each format.

use maillog::{Cause, Protocol};

use super::*;
use crate::outcome::{Class, Direction, Emission, Fact};
use crate::query::Period;
use crate::store::fixture::{self, DAY, inbound, outbound};

/// Nothing in these tests is old.
const KEPT: peer::Retention = peer::Retention {
    days: 90,
    before: 0,
};

fn emissions() -> Vec<Emission> {
    vec![
        outbound("fine.example")
            .encrypted(Protocol::Tls13)
            .times(40)
            .build(),
        outbound("clear.example")
            .plaintext(Class::PlaintextNotOffered)
            .times(3)
            .build(),
        outbound("clear.example").encrypted(Protocol::Tls12).build(),
        outbound("old.example")
            .failed(Class::HandshakeFailed, Cause::DhKeyTooSmall)
            .times(2)
            .build(),
        outbound("gone.example")
            .failed(Class::NoSession, Cause::Unknown)
            .build(),
        inbound("mail.client.example.org", "192.0.2.7")
            .silent()
            .build(),
        inbound("mail.client.example.org", "192.0.2.7")
            .failed(Class::InHandshakeFailed, Cause::NoSharedCipher)
            .build(),
        inbound("fine.example.net", "192.0.2.8")
            .encrypted(Protocol::Tls12)
            .build(),
    ]
}

fn store() -> Store {
    fixture::store(emissions())
}

fn scope() -> Scope {
    Scope {
        period: Period {
            from_day: Some(DAY - 1),
            to_day: Some(DAY),
        },
        direction: None,
        all: false,
    }
}

fn written(format: Format, name: &str) -> String {
    let scope = scope();
    let table = (find(name).unwrap().build)(&store(), &scope).unwrap();
    format::render(format, name, &scope, &table)
}

#[test]
fn every_report_has_one_section_for_programs_and_whole_rows() {
    for all in [false, true] {
        for report in ALL {
            let table = (report.build)(&store(), &Scope { all, ..scope() }).unwrap();
            let for_programs = table
                .sections
                .iter()
                .filter(|s| s.columns.iter().any(|c| !c.name.is_empty()));
            assert_eq!(for_programs.count(), 1, "{}", report.name);
            for section in &table.sections {
                assert!(
                    section
                        .rows
                        .iter()
                        .all(|row| row.len() == section.columns.len()),
                    "{}",
                    report.name
                );
            }
            assert!(
                !table.headline.is_empty() && table.headline.ends_with('.'),
                "{}",
                report.name
            );
        }
    }
}

#[test]
fn every_report_of_an_empty_store_is_a_sentence() {
    for report in ALL {
        let table = (report.build)(&Store::in_memory().unwrap(), &Scope::ALL).unwrap();
        assert_eq!((table.to_do, table.notes.len()), (0, 0), "{}", report.name);
        assert!(
            format::render(Format::Text, report.name, &Scope::ALL, &table)
                .lines()
                .count()
                <= 2,
            "{}",
            report.name
        );
    }
}

#[test]
fn text_is_at_most_100_columns_wide_even_with_long_names() {
    let long = format!("{}.example.org", "a-very-long-label".repeat(6));
    let more = [
        outbound(&long)
            .plaintext(Class::PlaintextAfterFailedHandshake)
            .build(),
        inbound(&long, "2001:db8:1234:5678:9abc:def0:1234:5678")
            .silent()
            .build(),
    ];
    let logged = fixture::fact(Direction::Inbound, Fact::Logged);
    let store = fixture::store(emissions().into_iter().chain(more).chain([logged]));
    for all in [false, true] {
        for report in ALL {
            let scope = Scope { all, ..scope() };
            let text = format::render(
                Format::Text,
                report.name,
                &scope,
                &(report.build)(&store, &scope).unwrap(),
            );
            for line in text.lines() {
                assert!(
                    line.chars().count() <= 100,
                    "{}: {} columns: {line}\n{text}",
                    report.name,
                    line.chars().count()
                );
            }
        }
    }
}

#[test]
fn the_default_is_what_to_act_on() {
    let names = |all| -> Vec<String> {
        let table = (find("domains").unwrap().build)(&store(), &Scope { all, ..scope() }).unwrap();
        let name = |cell: &Value| match cell {
            Value::Text(text) => text.clone(),
            other => panic!("{other:?}"),
        };
        let rows = table.sections[0].rows.iter();
        rows.map(|row| name(&row[0])).collect()
    };
    assert_eq!(names(false), ["clear.example", "old.example"]);
    assert_eq!(
        names(true),
        [
            "clear.example",
            "fine.example",
            "gone.example",
            "old.example"
        ]
    );
}

#[test]
fn domains_as_json() {
    let document: serde_json::Value =
        serde_json::from_str(&written(Format::Json, "domains")).unwrap();
    assert_eq!(document["schema"], "tlsnag.report/1");
    assert_eq!(document["report"], "domains");
    assert_eq!(
        document["period"],
        serde_json::json!({"from": "2026-11-19", "to": "2026-11-20"})
    );
    assert_eq!(
        document["rows"][1],
        serde_json::json!({
            "domain": "old.example", "encrypted": 0, "plaintext": 0, "unknown": 0, "failed_tls": 2, "failed_other": 0,
            "verdict": "undeliverable", "class": "handshake-failed", "cause": "dh-key-too-small", "fault": "peer",
            "first_seen": "2026-11-20T00:00:00Z", "last_seen": "2026-11-20T00:00:00Z"
        })
    );
    let all_time = format::render(Format::Json, "domains", &Scope::ALL, &Table::default());
    assert!(all_time.contains("\"from\": \"\""), "{all_time}");
}

#[test]
fn domains_as_csv() {
    insta::assert_snapshot!(written(Format::Csv, "domains"), @r#"
    domain,encrypted,plaintext,unknown,failed_tls,failed_other,verdict,class,cause,fault,first_seen,last_seen
    clear.example,1,3,0,0,0,mixed,plaintext-not-offered,,peer,2026-11-20T00:00:00Z,2026-11-20T00:00:00Z
    old.example,0,0,0,2,0,undeliverable,handshake-failed,dh-key-too-small,peer,2026-11-20T00:00:00Z,2026-11-20T00:00:00Z
    "#);
}

#[test]
fn domains_as_text() {
    insta::assert_snapshot!(written(Format::Text, "domains"), @r#"
    2 of 4 recipient domains get mail in clear or fail because of TLS.
    Period: 2026-11-19 to 2026-11-20 (days in UTC)

    domain         TLS  clear  ?  failed  fault   last
    -------------  ---  -----  -  ------  ------  ----------
    clear.example    1      3  0       0  theirs  2026-11-20
        in clear: the server does not offer STARTTLS
    old.example      0      0  0       2  theirs  2026-11-20
        the TLS handshake fails: the server's Diffie-Hellman parameters have too few bits (Logjam)

    What to do:
      - in clear: the server does not offer STARTTLS: ask the postmaster to switch STARTTLS on (Postfix:
        smtpd_tls_security_level = may and a certificate; Sendmail: confSERVER_CERT and confSERVER_KEY)
      - the server's Diffie-Hellman parameters have too few bits (Logjam): use at least 2048 bits: leave
        smtpd_tls_dh1024_param_file empty or set it to "auto" (Postfix 3.8), or offer only ECDHE

    1 domain got no mail for reasons that have nothing to do with TLS.

    Not shown: what needs no action (--all shows it).
    "#);
}

#[test]
fn domains_as_markdown() {
    insta::assert_snapshot!(written(Format::Markdown, "domains"), @r#"
    ## domains

    2 of 4 recipient domains get mail in clear or fail because of TLS. (2026-11-19 to 2026-11-20)

    | domain | TLS | clear | ? | failed | what happens | fault | last |
    | --- | ---: | ---: | ---: | ---: | --- | --- | --- |
    | clear.example | 1 | 3 | 0 | 0 | in clear: the server does not offer STARTTLS | theirs | 2026-11-20 |
    | old.example | 0 | 0 | 0 | 2 | the TLS handshake fails: the server's Diffie-Hellman parameters have too few bits (Logjam) | theirs | 2026-11-20 |

    What to do:

    - in clear: the server does not offer STARTTLS: ask the postmaster to switch STARTTLS on (Postfix: smtpd\_tls\_security\_level = may and a certificate; Sendmail: confSERVER\_CERT and confSERVER\_KEY)

    - the server's Diffie-Hellman parameters have too few bits (Logjam): use at least 2048 bits: leave smtpd\_tls\_dh1024\_param\_file empty or set it to "auto" (Postfix 3.8), or offer only ECDHE

    1 domain got no mail for reasons that have nothing to do with TLS.

    Not shown: what needs no action (--all shows it).
    "#);
}

#[test]
fn summary_as_text() {
    insta::assert_snapshot!(written(Format::Text, "summary"), @r#"
    3 of 46 messages crossed in clear; 3 things to act on, 1 of them our own.
    Period: 2026-11-19 to 2026-11-20 (days in UTC)

    Mail:
    mail      over TLS    encrypted     %  in clear    %  cannot tell     %  failed for TLS
    --------  ----------  ---------  ----  --------  ---  -----------  ----  --------------
    sent      █████████▁         41  93.2         3  6.8            0   0.0               2
    received  █████▁▁▁▁▁          1  50.0         0  0.0            1  50.0               1

    Recipient domains:
    mail goes        of all      domains
    ---------------  ----------  -------
    encrypted        ███▁▁▁▁▁▁▁        1
    partly in clear  ███▁▁▁▁▁▁▁        1
    not delivered    █████▁▁▁▁▁        2

    Our own faults, which only we can mend:
      - from example.org, once: the client's TLS handshake with us fails: the two sides have no cipher
        suite in common (seen once, last 2026-11-20)

    Theirs, to tell them of:
      - to clear.example, 3 times: in clear: the server does not offer STARTTLS (proven by the log, last
        2026-11-20)
      - to old.example, 2 times: the TLS handshake fails: the server's Diffie-Hellman parameters have
        too few bits (Logjam) (certain, last 2026-11-20)

    What to do:
      - the two sides have no cipher suite in common: add an RSA certificate beside an ECDSA one
        (smtpd_tls_chain_files) and leave smtpd_tls_ciphers at its default
      - in clear: the server does not offer STARTTLS: ask the postmaster to switch STARTTLS on (Postfix:
        smtpd_tls_security_level = may and a certificate; Sendmail: confSERVER_CERT and confSERVER_KEY)
      - the server's Diffie-Hellman parameters have too few bits (Logjam): use at least 2048 bits: leave
        smtpd_tls_dh1024_param_file empty or set it to "auto" (Postfix 3.8), or offer only ECDHE

    postfix/smtpd on mx is not known to log its TLS sessions: of 1 message received the channel is not
    known. This makes it log them:
        postconf -e smtpd_tls_loglevel=1
    "#);
}

#[test]
fn a_peer_with_its_proof() {
    let table = peer::build(&store(), "Clear.Example", &scope(), KEPT)
        .unwrap()
        .unwrap();
    insta::assert_snapshot!(format::render(Format::Text, "peer", &scope(), &table), @"
    clear.example (domain, organisation): messages over TLS 1, in clear 3, cannot tell 0. There is
    something to act on.
    Period: 2026-11-19 to 2026-11-20 (days in UTC)

    What happened:
    host              mail  address    times  delivery  fault   last
    ----------------  ----  ---------  -----  --------  ------  ----------
    mx.clear.example  sent  192.0.2.1      1  sent              2026-11-20
        encrypted, certificate chain is good
    mx.clear.example  sent  192.0.2.1      3  sent      theirs  2026-11-20
        in clear: the server does not offer STARTTLS

    By day:
    day         mail  TLS  clear  ?  failed for TLS  failed otherwise
    ----------  ----  ---  -----  -  --------------  ----------------
    2026-11-20  sent    1      3  0               0                 0

    What to do:
      - in clear: the server does not offer STARTTLS: ask the postmaster to switch STARTTLS on (Postfix:
        smtpd_tls_security_level = may and a certificate; Sendmail: confSERVER_CERT and confSERVER_KEY)

    The lines that prove it, latest first (file:byte offset, then the line):

    2026-11-20T00:00:00Z outbound, mx.clear.example: in clear: the server does not offer STARTTLS
        ?:0: Nov 20 00:00:00 mx postfix/smtp[1]: line at 0
    ");
    assert!(
        peer::build(&store(), "nobody.example", &scope(), KEPT)
            .unwrap()
            .is_none()
    );
}

/// Names a stranger chose, in a column, in a note, and as a proof line.
fn hostile(format: Format) -> String {
    let name = "=cmd|' /c'!a\u{1b}[31m\u{202e}<script>`x`";
    let table = Table {
        headline: name.into(),
        sections: vec![Section {
            title: "",
            columns: const {
                &[
                    Column::both("a", "a", Kind::Text),
                    Column::both("b", "b", Kind::Text),
                ]
            },
            rows: vec![vec![
                Value::text(name),
                Value::List(vec!["@x".into(), "y".into()]),
            ]]
            .into(),
        }],
        notes: vec![Note::Item(name.into()), Note::Line(format!("{name}\n```"))],
        to_do: 1,
    };
    format::render(format, "x", &Scope::ALL, &table)
}

#[test]
fn nothing_a_stranger_wrote_gets_out_of_its_cell() {
    for format in [Format::Text, Format::Markdown, Format::Csv] {
        let text = hostile(format);
        assert!(
            !text
                .chars()
                .any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'),
            "{text:?}"
        );
        assert!(
            text.contains("\\u{1b}") || text.contains("\\\\u{1b}"),
            "{text}"
        );
        assert!(!text.contains("\n```"), "{text}");
    }
    let markdown = hostile(Format::Markdown);
    let outside_code = markdown
        .lines()
        .filter(|line| !line.starts_with("        "));
    assert!(
        outside_code.clone().all(|line| !line.contains("<script>")),
        "{markdown}"
    );
    assert!(markdown.contains("\\|' /c'"), "{markdown}");
    let csv = hostile(Format::Csv);
    assert!(
        csv.starts_with("a,b\n'=cmd") && csv.contains(",\"'@x, y\""),
        "{csv}"
    );
    let json: serde_json::Value = serde_json::from_str(&hostile(Format::Json)).unwrap();
    assert_eq!(json["rows"][0]["b"], serde_json::json!(["@x", "y"]));
}
