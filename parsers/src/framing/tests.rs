//! Ten good lines in every envelope, and the lines that must not be framed.

use super::*;
use crate::framing::docker::unwrap_json;

/// Program, process id and text of ten good records.
const GOOD: [(&str, u32, &str); 10] = [
    (
        "postfix/smtp",
        4_193_398,
        "Trusted TLS connection established to mx.example.net[192.0.2.1]:25: TLSv1.3 with cipher X (256/256 bits)",
    ),
    (
        "postfix/smtp",
        12,
        "4jXlwW0Qzzz1: to=<\"a b\"@example.net>, relay=none, status=deferred (x: [y] (z))",
    ),
    (
        "postfix/submission/smtpd",
        13,
        "connect from unknown[2001:db8::1]",
    ),
    ("postfix-239.58.50.50/smtp", 14, "ABCDEF: removed"),
    (
        "postfix/127.0.0.1:10025/smtpd",
        15,
        "warning: it's <here>, said: 550 5.7.1 \\o/",
    ),
    (
        "sm-mta",
        16,
        "6AMNvpM0018629: to=<t@example.net>, mailer=esmtp, stat=Sent (ok)",
    ),
    (
        "sendmail",
        17,
        "STARTTLS=client, relay=mx1.example.net., version=TLSv1.2, verify=FAIL, cipher=X, bits=256/256",
    ),
    (
        "postfix/qmgr",
        18,
        "D912210E50D7: from=<>, size=1, nrcpt=1 (queue active)",
    ),
    ("sm-mta", 19, "[1]: tls_clt_features=CipherList=A, ..."),
    (
        "postfix/smtpd.local",
        20,
        "NOQUEUE: reject: RCPT from a[1.2.3.4]: 450 4.7.1 <x>: y; from=<a@b> to=<c@d> proto=ESMTP helo=<e f>",
    ),
];

/// Year 2025 and the zone are known; only the year is; neither is; no stamp at all.
const ZONED: Stamp = Stamp::Zoned(1_762_074_001);
const YEARLESS: Stamp = Stamp::Yearless {
    month: 11,
    day: 2,
    second: 36_001,
};

fn local() -> Stamp {
    Stamp::Local(YEARLESS.in_year(2025).unwrap())
}

fn show(framed: Framed<'_>) -> String {
    let text = |b| String::from_utf8_lossy(b).into_owned();
    match framed {
        Framed::Record(r) => {
            let pid = r.pid.map_or("-".to_owned(), |p| p.to_string());
            let times = if r.times == 1 {
                String::new()
            } else {
                format!(" x{}", r.times)
            };
            format!(
                "{:?} {:?} {:?} {pid} {:?}{times}",
                r.stamp,
                text(r.host),
                text(r.program),
                text(r.text)
            )
        }
        Framed::Repeated { stamp, host, times } => {
            format!("{stamp:?} {:?} repeated {times}", text(host))
        }
        other => format!("{other:?}"),
    }
}

/// Puts the ten records into an envelope, where `TAG`, `PID` and `MSG` stand for theirs, and expects them back.
#[track_caller]
fn check(envelope: &str, stamp: Stamp, host: &str) {
    for (program, pid, text) in GOOD {
        let line = envelope
            .replace("TAG", program)
            .replace("PID", &pid.to_string())
            .replace("MSG", text);
        let record = Record {
            stamp,
            host: host.as_bytes(),
            program: program.as_bytes(),
            pid: Some(pid),
            text: text.as_bytes(),
            times: 1,
        };
        assert_eq!(
            show(parse_line(line.as_bytes())),
            show(Framed::Record(record)),
            "{line}"
        );
    }
}

#[test]
fn ok_e1_rfc3339() {
    check(
        "2025-11-02T10:00:01.123456+01:00 host TAG[PID]: MSG",
        ZONED,
        "host",
    );
    check(
        "2025-11-02T09:00:01Z mx.example.net TAG[PID]: MSG",
        ZONED,
        "mx.example.net",
    );
    check("2025-11-02T09:00:01.123Z host TAG[PID]: MSG", ZONED, "host");
}

#[test]
fn ok_e2_e3_bsd_with_any_padding() {
    for day in [" 2", "02", "2"] {
        check(
            &format!("Nov {day} 10:00:01 host TAG[PID]: MSG"),
            YEARLESS,
            "host",
        );
        check(
            &format!("Nov {day} 10:00:01.123456 host TAG[PID]: MSG"),
            YEARLESS,
            "host",
        );
        check(
            &format!("Nov {day} 10:00:01 host TAG[PID]: MSG\r"),
            YEARLESS,
            "host",
        );
    }
}

#[test]
fn ok_e4_e5_e6_journalctl() {
    check("2025-11-02T10:00:01+0100 host TAG[PID]: MSG", ZONED, "host");
    check(
        "Sun 2025-11-02 10:00:01 CET host TAG[PID]: MSG",
        local(),
        "host",
    );
    check(
        "Sun 2025-11-02 09:00:01 UTC host TAG[PID]: MSG",
        ZONED,
        "host",
    );
    check("1762074001.123456 host TAG[PID]: MSG", ZONED, "host");
}

#[test]
fn ok_e7_rfc5424() {
    check(
        "<22>1 2025-11-02T10:00:01.003+01:00 host TAG PID - - MSG",
        ZONED,
        "host",
    );
    check(
        "<22>1 2025-11-02T09:00:01Z host TAG PID ID47 -  MSG",
        ZONED,
        "host",
    );
    check(
        "1 2025-11-02T09:00:01.003Z host TAG PID - - MSG",
        ZONED,
        "host",
    );
    check(
        "2025-11-02T09:00:01.003Z host TAG PID - - MSG",
        ZONED,
        "host",
    );
    check(
        "<22>1 2025-11-02T09:00:01.003Z - TAG PID - [a@1 k=\"v\\]\\\"\"][b c=\"\"] \u{feff}MSG",
        ZONED,
        "",
    );
    check("<22>1 - host TAG PID - - MSG", Stamp::Missing, "host");
}

#[test]
fn ok_e8_with_priority() {
    check("<22>Nov  2 10:00:01 TAG[PID]: MSG", YEARLESS, "");
    check("<22>Nov  2 10:00:01 host TAG[PID]: MSG", YEARLESS, "host");
    check("<22>2025-11-02T09:00:01Z host TAG[PID]: MSG", ZONED, "host");
}

#[test]
fn ok_e9_to_e12_other_daemons() {
    check("Nov  2 10:00:01 <2.6> host TAG[PID]: MSG", YEARLESS, "host");
    check(
        "Nov  2 10:00:01 <mail.info> host TAG[PID]: MSG",
        YEARLESS,
        "host",
    );
    check(
        "Nov  2 10:00:01 host mail.info TAG[PID]: MSG",
        YEARLESS,
        "host",
    );
    check("Nov  2 10:00:01 mail.info TAG[PID]: MSG", YEARLESS, "");
    check(
        "Nov  2 10:00:01.123 host mail.info TAG[PID]: MSG",
        YEARLESS,
        "host",
    );
    check(
        "Nov  2 10:00:01 host TAG[PID]: [ID 801593 mail.info] MSG",
        YEARLESS,
        "host",
    );
    check(
        "Nov  2 10:00:01 host TAG[PID] <Notice>: MSG",
        YEARLESS,
        "host",
    );
    check(
        "2025-11-02 10:00:01.123456+0100 0x1a2b     Default     0x0                  PID    0    TAG: MSG",
        ZONED,
        "",
    );
}

#[test]
fn ok_e13_e14_openwrt_and_svlogd() {
    check(
        "Sun Nov  2 10:00:01 2025 mail.info TAG[PID]: MSG",
        local(),
        "",
    );
    check(
        "2025-11-02T09:00:01.12345 mail.info: Nov  2 10:00:01 TAG[PID]: MSG",
        ZONED,
        "",
    );
    check(
        "2025-11-02_09:00:01.12345 mail.info: TAG[PID]: MSG",
        ZONED,
        "",
    );
    check(
        "@4000000069071d9b1dcd6500 mail.info: Nov  2 10:00:01 TAG[PID]: MSG",
        ZONED,
        "",
    );
    check("@4000000069071d9b1dcd6500 TAG[PID]: MSG", ZONED, "");
}

#[test]
fn ok_w1_docker_json() {
    for (program, pid, text) in GOOD {
        let escaped = text
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('<', "\\u003c");
        let line = format!(
            r#"{{"log":"Nov 02 10:00:01 host {program}[{pid}]: {escaped}\n","stream":"stdout","time":"2025-11-02T09:00:01.123456789Z"}}"#
        );
        let plain = format!("2025-11-02T09:00:01Z host {program}[{pid}]: {text}");
        let unwrapped = unwrap_json(line.as_bytes()).unwrap();
        assert_eq!(show(unwrapped.framed()), show(parse_line(plain.as_bytes())));
        assert_eq!(parse_line(line.as_bytes()), Framed::Unframed);
    }
}

#[test]
fn ok_w2_cri() {
    check(
        "2025-11-02T09:00:01.123456789Z stdout F Nov 02 10:00:01 host TAG[PID]: MSG",
        ZONED,
        "host",
    );
    check(
        "2025-11-02T10:00:01.123456789+01:00 stderr F Nov 02 15:30:01 host TAG[PID]: MSG",
        ZONED,
        "host",
    );
    check(
        "2025-11-02T09:00:01.123456789Z stdout P TAG[PID]: MSG",
        ZONED,
        "",
    );
    let part = cri_parts(b"2025-11-02T09:00:01Z stdout P:x text").unwrap();
    assert!(
        part.partial && part.text == b"text" && part.stream == b"stdout" && part.stamp == ZONED
    );
}

#[test]
fn ok_w3_compose() {
    check(
        "mail-1  | Nov 02 10:00:01 host TAG[PID]: MSG",
        YEARLESS,
        "host",
    );
    check(
        "mail    | Nov 02 10:00:01 host TAG[PID]: mail    | Nov 02 10:00:01 host TAG[PID]: MSG",
        YEARLESS,
        "host",
    );
    check(
        "mail-1  | 2025-11-02T09:00:01.1Z stdout F Nov 02 10:00:01 host TAG[PID]: MSG",
        ZONED,
        "host",
    );
    check(
        "│ 2025-11-02T09:00:01.580667+00:00 host TAG[PID]: MSG",
        ZONED,
        "host",
    );
    check(
        "│ 2025-11-02T09:00:01.580667+00:00 host TAG[PID]: MSG      │",
        ZONED,
        "host",
    );
}

#[test]
fn ok_inner_record_of_a_container_wins() {
    check(
        "Nov  2 18:00:01 srv mailu-smtp[4062297]: Nov  2 10:00:01 host TAG[PID]: MSG",
        YEARLESS,
        "host",
    );
    check(
        "2025-11-02T09:00:01Z srv docker/0123456789ab[1]: Nov 02 10:00:01 host TAG[PID]: MSG",
        ZONED,
        "host",
    );
    check(
        "Nov  2 10:00:01 srv 0123456789ab[1]: Nov 02 10:00:01 host TAG[PID]: MSG",
        YEARLESS,
        "host",
    );
}

#[test]
fn err_text_of_a_program_is_no_envelope() {
    for program in [
        "php-fpm",
        "policyd-spf",
        "dovecot",
        "logger",
        "opendkim",
        "postfix/smtpd",
    ] {
        let text = "Nov  2 10:00:02 host postfix/smtp[1]: forged";
        let line = format!("Nov  2 10:00:01 host {program}[9]: {text}");
        let Framed::Record(record) = parse_line(line.as_bytes()) else {
            panic!("{line}")
        };
        assert_eq!(
            (record.program, record.text),
            (program.as_bytes(), text.as_bytes())
        );
    }
}

#[test]
fn ok_inner_stamp_stays_if_the_clocks_disagree() {
    check(
        "2025-11-04T09:00:01.1Z stdout F Nov 02 10:00:01 host TAG[PID]: MSG",
        YEARLESS,
        "host",
    );
    check(
        "2025-12-24T09:00:01.1Z stdout F 2025-11-02T09:00:01Z host TAG[PID]: MSG",
        ZONED,
        "host",
    );
    let line = b"2026-01-01T00:00:03Z stdout F Dec 31 23:59:59 host a[1]: x";
    let Framed::Record(record) = parse_line(line) else {
        panic!()
    };
    assert_eq!(record.stamp, Stamp::Zoned(1_767_225_603));
}

#[test]
fn ok_year_first_and_level_for_host() {
    check(
        "2025 Nov 02 10:00:01.123 host TAG[PID]: MSG",
        local(),
        "host",
    );
    check(
        "2025-11-02T10:00:01.914376+01:00 INFO    TAG[PID]: MSG",
        ZONED,
        "",
    );
    check(
        "2025-11-02T10:00:01.914376+01:00 WARNING TAG[PID]: MSG",
        ZONED,
        "",
    );
}

#[test]
fn ok_nul_bytes_before_a_line() {
    check(
        "\0\0\0\0Nov  2 10:00:01 host TAG[PID]: MSG",
        YEARLESS,
        "host",
    );
    assert_eq!(parse_line(b"\0\0\0"), Framed::Noise);
}

#[test]
fn ok_bytes_that_are_not_utf8() {
    let Framed::Record(record) =
        parse_line(b"Nov  2 10:00:01 host postfix/smtp[1]: from=<m\xfcller@x>\xff")
    else {
        panic!()
    };
    assert_eq!(record.text, b"from=<m\xfcller@x>\xff");
}

#[test]
fn ok_escapes_of_a_syslog_daemon_stay() {
    let Framed::Record(record) =
        parse_line(b"Nov  2 10:00:01 host postfix/smtp[1]: said: 550 a#012b")
    else {
        panic!()
    };
    assert_eq!(record.text, b"said: 550 a#012b");
}

#[test]
fn ok_program_without_process_id() {
    insta::assert_snapshot!(show(parse_line(b"Dec 18 16:15:27 [postfix/smtpd] initializing")), @r#"Yearless { month: 12, day: 18, second: 58527 } "" "postfix/smtpd" - "initializing""#);
    insta::assert_snapshot!(show(parse_line(b"Nov  2 10:00:01 host sendmail: text")), @r#"Yearless { month: 11, day: 2, second: 36001 } "host" "sendmail" - "text""#);
    insta::assert_snapshot!(show(parse_line(b"Nov  2 10:00:01 host kernel: [1.0] x")), @r#"Yearless { month: 11, day: 2, second: 36001 } "host" "kernel" - "[1.0] x""#);
}

#[test]
fn ok_tag_cut_at_32_bytes() {
    insta::assert_snapshot!(show(parse_line(b"Nov  2 10:00:01 host postfix/submissions/smtpd[123456 connect from x")), @r#"Yearless { month: 11, day: 2, second: 36001 } "host" "postfix/submissions/smtpd" - "connect from x""#);
    insta::assert_snapshot!(show(parse_line(b"Nov  2 10:00:01 host postfix/submissions/smtpd[12345] connect from x")), @r#"Yearless { month: 11, day: 2, second: 36001 } "host" "postfix/submissions/smtpd" 12345 "connect from x""#);
}

#[test]
fn ok_repeats() {
    insta::assert_snapshot!(show(parse_line(b"Nov  2 10:00:01 host postfix/smtpd[1]: message repeated 3 times: [ SSL_accept error]")), @r#"Yearless { month: 11, day: 2, second: 36001 } "host" "postfix/smtpd" 1 "SSL_accept error" x3"#);
    insta::assert_snapshot!(show(parse_line(b"Nov  2 10:00:01 host postfix/smtpd[1]: message repeated 3 times: [ cut off he")), @r#"Yearless { month: 11, day: 2, second: 36001 } "host" "postfix/smtpd" 1 "cut off he" x3"#);
    insta::assert_snapshot!(show(parse_line(b"Nov  2 10:00:01 host last message repeated 2 times")), @r#"Yearless { month: 11, day: 2, second: 36001 } "host" repeated 2"#);
    insta::assert_snapshot!(show(parse_line(b"Nov  2 10:00:01 host syslogd: last message repeated 2 times")), @r#"Yearless { month: 11, day: 2, second: 36001 } "host" repeated 2"#);
    insta::assert_snapshot!(show(parse_line(b"Nov  2 10:00:01  dovecot: last message repeated 2 times")), @r#"Yearless { month: 11, day: 2, second: 36001 } "" repeated 2"#);
    insta::assert_snapshot!(show(parse_line(b"Nov  2 10:00:01 --- last message repeated 2 times ---")), @r#"Yearless { month: 11, day: 2, second: 36001 } "" repeated 2"#);
    insta::assert_snapshot!(show(parse_line(b"Nov  2 10:00:01 host mail.info last message repeated 2 times")), @r#"Yearless { month: 11, day: 2, second: 36001 } "host" repeated 2"#);
}

#[test]
fn ok_forwarded() {
    check(
        "Nov  2 10:00:01 relay Message forwarded from host: TAG[PID]: MSG",
        YEARLESS,
        "host",
    );
    check(
        "Nov  2 10:00:01 relay Forwarded from host: TAG[PID]: MSG",
        YEARLESS,
        "host",
    );
}

#[test]
fn ok_noise() {
    let noise = [
        "",
        "  ",
        "\r",
        "-- Journal begins at Sun 2025-11-02 10:00:01 CET, ends at Sun 2025-11-02 10:00:01 CET. --",
        "-- Logs begin at Sun 2025-11-02 10:00:01 CET. --",
        "-- Boot 0123456789abcdef --",
        "-- Reboot --",
        "-- cursor: s=1",
        "-- No entries --",
        "Nov  2 10:00:01 host newsyslog[12]: logfile turned over",
        "Nov  2 10:00:01 host newsyslog[12]: logfile turned over due to size>1000K",
        "Nov  2 10:00:01 host syslogd 1.5.0: restart.",
        "Nov  2 10:00:01 host syslogd: restart",
        "Nov  2 10:00:01 host -- MARK --",
        "Nov  2 10:00:01 host rsyslogd: [origin software=\"rsyslogd\" x-pid=\"1\"] rsyslogd was HUPed",
        "mail-1  | ",
        "mail-1  |",
    ];
    for line in noise {
        assert_eq!(parse_line(line.as_bytes()), Framed::Noise, "{line}");
    }
}

#[test]
fn ok_loss_markers_stay_records() {
    let line = b"Nov  2 10:00:01 host rsyslogd-2177: imuxsock lost 5 messages from pid 1 due to rate-limiting";
    let Framed::Record(record) = parse_line(line) else {
        panic!()
    };
    assert_eq!(record.program, b"rsyslogd-2177");
}

#[test]
fn err_unframed() {
    let lines = [
        "text",
        "Okt 02 10:00:01 host postfix/smtp[1]: x",
        "M\u{e4}r 08 20:48:47 host smtpd[88171]: x",
        "\u{438}\u{44e}\u{43d} 27 19:37:03 host postfix/smtpd[1553]: x",
        "%(day)s 11:03:18 server postfix/smtp[30639]: x",
        "May 31 12:08:46\tpostfix/smtp[27167]\tcertificate peer name",
        "10/6/2018, 9:44:32 PM | info | BE74D3E832:  to=<user@example.com>",
        "3/6/2018 3:40:22 PMMar  6 20:40:22 mail amavis[251]: x",
        "- 1131566490 2005.11.09 eadmin1 Nov 9 12:01:30 src@eadmin1 sendmail[4306]: x",
        "998829-Mar 28 07:26:33 MN-DB4 sendmail[12453]: x",
        "2025-01-14 10:06:28,668 DEBG 'mailserver' stdout output:",
        "# failJSON: { \"match\": true }",
        "050 >>> MAIL From:<x>",
        "[root@host ~]# cat /var/log/maillog",
        "-AES128-GCM-SHA256 (128/128 bits)",
        "Nov  2 10:00:01",
        "Nov  2 10:00:01 host",
        "Nov  2 10:00:01 host text without tag",
        "Nov  2 10:00:01 host to=<a@b>: x",
        "Nov  2 10:00:01 host [1]: x",
        "Nov  2 10:00:01 host postfix/smtp[99999999999]: x",
        "mail-1  | text",
        "a | b | c | d | Nov  2 10:00:01 host postfix/smtp[1]: x",
        "<22>1 2025-11-02T09:00:01Z host app",
        "<22>",
        "@",
        "\u{2502}",
        "{\"log\":\"x\"}",
    ];
    for line in lines {
        match parse_line(line.as_bytes()) {
            Framed::Unframed | Framed::Noise if line == "\u{2502}" => {}
            other => assert_eq!(other, Framed::Unframed, "{line}"),
        }
    }
}

#[test]
fn ok_any_prefix_of_a_line_is_read_without_panic() {
    let lines = [
        "<22>1 2025-11-02T09:00:01.003Z - TAG 1 - [a@1 k=\"v\\]\\\"\"][b c=\"\"] \u{feff}MSG",
        "mail    | Nov 02 10:00:01 host a-b[1]: mail    | Nov 02 10:00:01 host TAG[1]: message repeated 3 times: [ x]",
        "@4000000069071d9b1dcd6500 mail.info: Nov  2 10:00:01 host TAG[PID]: [ID 801593 mail.info] MSG",
        "Sun 2025-11-02 10:00:01 CET host mail.info TAG[1] <Notice>: --- last message repeated 3 times ---",
        "2025-11-02 10:00:01.123456+0100 0x1a2b     Default     0x0                  1    0    TAG: MSG",
        "{\"log\":\"x\\ud83d\\ude00\\n\",\"time\":\"2025-11-02T09:00:01Z\",\"a\":[{}]}",
        "{\"__REALTIME_TIMESTAMP\":\"1762074001123456\",\"MESSAGE\":[[104,105],\"\\u00e4\"],\"_PID\":\"1\",\"X\":null}",
    ];
    for line in lines {
        for end in 0..=line.len() {
            for start in [0, end / 2] {
                let _ = parse_line(&line.as_bytes()[start..end]);
                let _ = unwrap_json(&line.as_bytes()[start..end]);
                let _ = journal::parse_entry(&line.as_bytes()[start..end]);
            }
        }
    }
}
