//! How mail falls apart: the parts add up to the whole that the other reports tell, in every format, and who got better is named.

use serde_json::Value;

use crate::sandbox::{Sandbox, sample};

const AXES: &[&str] = &[
    "by-organisation",
    "by-operator",
    "by-suffix",
    "by-protocol",
    "by-cipher",
    "by-key-exchange",
    "by-certificate",
    "by-cause",
    "by-software",
];

fn with(log: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let log = sample(log);
    let log = log.to_string_lossy();
    sandbox
        .run(&["import", "--quiet", "--own-domain", "ours.example", &log])
        .ok();
    sandbox
}

fn rows(sandbox: &Sandbox, name: &str) -> Vec<Value> {
    let args = ["report", name, "--all", "--format", "json"];
    let json = sandbox.run(&args).ok().json();
    json["rows"].as_array().cloned().unwrap_or_default()
}

fn sum(rows: &[Value], direction: &str, column: &str) -> u64 {
    let one_way = rows.iter().filter(|r| r["direction"] == direction);
    one_way.filter_map(|r| r[column].as_u64()).sum()
}

#[test]
fn the_parts_add_up_to_the_whole() {
    for log in [
        "postfix/rfc3339.log",
        "sendmail/loglevel9.log",
        "edge/rivals.log",
    ] {
        let sandbox = with(log);
        let domains = rows(&sandbox, "domains");
        let of_domains =
            |column: &str| -> u64 { domains.iter().filter_map(|r| r[column].as_u64()).sum() };
        for axis in ["by-organisation", "by-operator"] {
            let parts = rows(&sandbox, axis);
            for column in ["encrypted", "plaintext", "unknown", "failed_tls"] {
                assert_eq!(
                    sum(&parts, "outbound", column),
                    of_domains(column),
                    "{log}: {axis}: {column}"
                );
            }
        }
        for axis in [
            "by-protocol",
            "by-cipher",
            "by-key-exchange",
            "by-certificate",
        ] {
            let parts = rows(&sandbox, axis);
            assert_eq!(
                sum(&parts, "outbound", "messages"),
                of_domains("encrypted"),
                "{log}: {axis}"
            );
        }
        let causes = rows(&sandbox, "by-cause");
        assert_eq!(
            sum(&causes, "outbound", "plaintext"),
            of_domains("plaintext"),
            "{log}"
        );
        // Without --all it lists what is because of TLS; what got through in clear after that is counted as such.
        let failures = sandbox
            .run(&["report", "failures", "--format", "json"])
            .ok()
            .json();
        let failures = failures["rows"].as_array().cloned().unwrap_or_default();
        let left = failures.iter().filter(|r| {
            r["direction"] == "outbound"
                && !r["class"]
                    .as_str()
                    .is_some_and(|c| c.starts_with("plaintext"))
        });
        let attempts: u64 = left.filter_map(|r| r["attempts"].as_u64()).sum();
        assert_eq!(sum(&causes, "outbound", "failed_tls"), attempts, "{log}");
    }
}

#[test]
fn every_part_has_every_format_and_a_store_without_mail_is_a_sentence() {
    let sandbox = with("edge/rivals.log");
    for name in AXES.iter().chain(&["good-news"]) {
        all_formats_tell_the_same(&sandbox, name);
        let early = [
            "report",
            name,
            "--since",
            "2001-01-01",
            "--until",
            "2001-01-02",
        ];
        let said = sandbox.run(&early).ok().out;
        assert!(
            said.lines().count() <= 2 && said.contains(" is known "),
            "{name}: {said}"
        );
    }
    let list = sandbox.run(&["report", "list"]).ok().out;
    assert!(AXES.iter().all(|axis| list.contains(axis)), "{list}");
}

/// Programs get the same rows in JSON and CSV, with a heading each; people the same headline, and each row's number, in text, Markdown and a page.
fn all_formats_tell_the_same(sandbox: &Sandbox, name: &str) {
    let get = |format: &str| {
        let args = ["report", name, "--format", format];
        sandbox.run(&args).ok().out
    };
    let json: Value = serde_json::from_str(&get("json")).expect("JSON");
    let rows = json["rows"].as_array().cloned().unwrap_or_default();
    let csv = get("csv");
    let heading = csv.lines().next().unwrap_or_default();
    let mut fields: Vec<&str> = heading.split(',').collect();
    assert_eq!(csv.lines().count(), rows.len() + 1, "{name}: {csv}");
    for (line, row) in csv.lines().skip(1).zip(&rows) {
        let values = line.split(',').zip(&fields);
        for (value, field) in values {
            let same = match &row[*field] {
                Value::String(text) => text == value,
                Value::Number(number) => number.as_f64() == value.parse().ok(),
                _ => false,
            };
            assert!(same, "{name}: {field}: {value}, not {}", row[*field]);
        }
    }
    if let Some(row) = rows.first().and_then(Value::as_object) {
        let mut keys: Vec<&str> = row.keys().map(String::as_str).collect();
        keys.sort_unstable();
        fields.sort_unstable();
        assert_eq!(keys, fields, "{name}");
    }
    let text = get("text");
    let said = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (headline, _) = text
        .split_once("\nPeriod: ")
        .expect("a headline, then the period");
    let headline = said(headline);
    let markdown = get("markdown").replace('\\', "");
    let html = get("html");
    for (format, out) in [("markdown", &markdown), ("html", &html)] {
        assert!(said(out).contains(&headline), "{name} {format}: {headline}");
    }
    for row in &rows {
        let who = row["name"]
            .as_str()
            .or(row["peer"].as_str())
            .unwrap_or_default();
        for (format, out) in [("text", &text), ("markdown", &markdown), ("html", &html)] {
            assert!(out.contains(who), "{name} {format}: {who}");
        }
    }
    assert!(html.starts_with("<!doctype html>") && html.matches("<tr>").count() >= rows.len());
}

#[test]
fn operators_and_causes_as_people_see_them() {
    let sandbox = with("edge/rivals.log");
    let text = |name: &str| sandbox.run(&["report", name]).ok().out;
    insta::assert_snapshot!(text("by-operator"), @"
    8 messages sent to 8 operators, none of them for several domains.
    Period: 2026-10-22 to 2026-11-20 (days in UTC)

    name              mail  messages  TLS  clear  ?  TLS %  over TLS    failed  peers  in clear
    ----------------  ----  --------  ---  -----  -  -----  ----------  ------  -----  --------
    big.example       sent         2    2      0  0  100.0  ##########       0      1         0
    broken.example    sent         1    0      1  0    0.0  __________       1      1         1
    isp.example       sent         1    1      0  0  100.0  ##########       0      1         0
    new311.example    sent         1    0      1  0    0.0  __________       0      1         1
    old.example       sent         1    1      0  0  100.0  ##########       0      1         0
    plain.example     sent         1    0      1  0    0.0  __________       0      1         1
    plain2.example    sent         1    0      1  0    0.0  __________       0      1         1
    enforced.example  sent         0    0      0  0                          1      1         0
    ");
    insta::assert_snapshot!(text("by-cause"), @"
    5 messages in clear and 3 failures because of TLS, by cause.
    Period: 2026-10-22 to 2026-11-20 (days in UTC)

    cause                     mail      in clear  failed  peers
    ------------------------  --------  --------  ------  -----
    plaintext-cause-unknown   sent             2       0      2
        in clear, and the log does not say why
    dh-key-too-small          sent             1       1      1
        the server's Diffie-Hellman parameters have too few bits (Logjam)
    plaintext-opportunistic   sent             1       0      1
        in clear: STARTTLS was not offered or was refused
    tls-required-not-offered  sent             0       1      1
        the server does not offer STARTTLS, which we require
    plaintext-cause-unknown   received         1       0      1
        in clear, and the log does not say why
    no-shared-cipher          received         0       1      1
        the two sides have no cipher suite in common
    ");
    insta::assert_snapshot!(text("by-key-exchange"), @"
    5 messages over TLS; of 1 whose key exchange is logged, 0 (0.0 %) had a post-quantum one.
    Period: 2026-10-22 to 2026-11-20 (days in UTC)

    name          mail      messages      %  of all      peers
    ------------  --------  --------  -----  ----------  -----
    (not logged)  sent             3   75.0  ########__      3
    X25519        sent             1   25.0  ###_______      1
    (not logged)  received         1  100.0  ##########      1
    ");
}

#[test]
fn who_got_better_is_named_with_what_it_was() {
    let mut log = String::new();
    for day in 1..=6 {
        for (domain, number, over_tls) in
            [("good.example", 1, true), ("better.example", 2, day > 3)]
        {
            let relay = format!("mx.{domain}[192.0.2.{number}]:25");
            let at = format!("2026-11-{day:02}T12:00:0{number}+00:00 mx postfix/smtp[10{number}]:");
            if over_tls {
                log.push_str(&format!(
                    "{at} Trusted TLS connection established to {relay}: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\n"
                ));
            }
            log.push_str(&format!(
                "{at} 4Gx{day:02}0cT1z{number}: to=<someone@{domain}>, relay={relay}, delay=1, delays=0/0/1/0, dsn=2.0.0, status=sent (250 2.0.0 Ok)\n"
            ));
        }
    }
    let sandbox = Sandbox::new();
    let path = sandbox.write("mail.log", log);
    sandbox
        .run(&["import", "--quiet", &path.to_string_lossy()])
        .ok();
    insta::assert_snapshot!(sandbox.run(&["report", "good-news"]).ok().out, @"
    1 peer got better: in clear or failing before, and nothing but TLS on two days or more since.
    Period: 2026-10-08 to 2026-11-06 (days in UTC)

    peer            mail  fault   times  last        good since  days  messages
    --------------  ----  ------  -----  ----------  ----------  ----  --------
    better.example  sent  either      3  2026-11-03  2026-11-04     3         3
        in clear, and the log does not say why
    ");
}

#[test]
fn software_is_told_by_what_the_server_itself_said() {
    let at = |n: u32| format!("2026-11-20T12:00:0{n}+00:00 mx postfix/smtp[10{n}]:");
    let sent = |n: u32, domain: &str, said: &str| {
        format!(
            "{} 4Gx{n}0cT1z{n}: to=<someone@{domain}>, relay=mx.{domain}[192.0.2.{n}]:25, delay=1, delays=0/0/1/0, dsn=2.0.0, status=sent ({said})\n",
            at(n)
        )
    };
    let log = [
        format!(
            "{} Trusted TLS connection established to mx.good.example[192.0.2.1]:25: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\n",
            at(1)
        ),
        sent(1, "good.example", "250 2.0.0 Ok: queued as 4F1A01"),
        sent(2, "plain.example", "250 2.0.0 Ok: queued as 4F1A02"),
        sent(3, "other.example", "250 ok"),
    ];
    let sandbox = Sandbox::new();
    let path = sandbox.write("mail.log", log.concat());
    sandbox
        .run(&["import", "--quiet", &path.to_string_lossy()])
        .ok();
    let found: Vec<_> = rows(&sandbox, "by-software")
        .iter()
        .map(|r| {
            (
                r["name"].to_string(),
                r["plaintext"].as_u64(),
                r["share"].to_string(),
            )
        })
        .collect();
    let row = |name: &str| (format!("{name:?}"), Some(1), "\"\"".to_string());
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        found.contains(&row("postfix")) && found.contains(&row("")),
        "{found:?}"
    );
}
