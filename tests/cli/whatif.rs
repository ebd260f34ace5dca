//! What would be lost if TLS were required: the same mail as the reports say crossed in clear, on logs whose truth is known.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use crate::policy::delivery;
use crate::sandbox::{Sandbox, sample};

/// A run of each server, as `samples.rs` compares them with what the other side recorded.
const RUNS: &[&str] = &[
    "postfix/rfc3339.log",
    "postfix/loglevel0.log",
    "sendmail/loglevel9.log",
    "edge/rivals.log",
];

fn with(log: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let log = sample(log);
    let log = log.to_string_lossy();
    let args = [
        "import",
        "--quiet",
        "--correspondents",
        "--own-domain",
        "ours.example",
        &log,
    ];
    sandbox.run(&args).ok();
    sandbox
}

fn rows(sandbox: &Sandbox, args: &[&str]) -> Vec<Value> {
    let json = sandbox
        .run(&[args, &["--all", "--format", "json"]].concat())
        .ok()
        .json();
    json["rows"].as_array().cloned().unwrap_or_default()
}

/// A store with a log written for one test, whose lines come in any order.
fn with_log(log: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let mut lines: Vec<&str> = log.split_inclusive('\n').collect();
    lines.sort_by_key(|line| &line[.."2026-11-01T12:00:00".len()]);
    let path = sandbox.write("mail.log", lines.concat());
    let path = path.to_string_lossy();
    sandbox
        .run(&["import", "--quiet", "--correspondents", &path])
        .ok();
    sandbox
}

/// A session with a Postfix server by the words of its TLS line, then a delivery.
fn session(domain: &str, day: u32, trust: &str, tls: &str) -> String {
    delivery(domain, &format!("mx.{domain}"), day, true)
        .replace("Trusted", trust)
        .replace("TLSv1.3 with cipher TLS_AES_256_GCM_SHA384", tls)
}

fn in_clear(domain: &str, day: u32) -> String {
    delivery(domain, &format!("mx.{domain}"), day, false)
}

fn whatif(sandbox: &Sandbox, more: &[&str]) -> String {
    sandbox
        .run(&[&["whatif", "--direction", "out"], more].concat())
        .ok()
        .out
}

/// The line that puts the exceptions behind the tables there are.
const POSTMAP: &str = "postmap /etc/postfix/tls_policy && postconf -e \"smtp_tls_policy_maps=$(postconf -h smtp_tls_policy_maps) \\$default_database_type:/etc/postfix/tls_policy\"";

/// The lines to be copied.
fn lines(text: &str) -> Vec<&str> {
    let lines = text.lines().filter(|l| l.starts_with("    "));
    let settings = [
        "postconf", " may", " encrypt", " secure", " dane", "TLS_Srv", "define(",
    ];
    lines
        .map(str::trim)
        .filter(|l| settings.iter().any(|s| l.contains(s)) && !l.starts_with("in clear"))
        .collect()
}

fn number(row: &Value, column: &str) -> u64 {
    row[column].as_u64().unwrap_or_default()
}

#[test]
fn requiring_tls_loses_exactly_what_went_in_clear() {
    for log in RUNS {
        let sandbox = with(log);
        let whatif = rows(&sandbox, &["whatif", "--direction", "out"]);
        let peers = whatif.iter().filter(|r| r["item"] == "peer");
        let named: BTreeMap<&str, (u64, u64)> = peers
            .map(|r| {
                let name = r["name"].as_str().unwrap_or_default();
                (name, (number(r, "lost"), number(r, "unknown")))
            })
            .collect();
        let domains = rows(&sandbox, &["report", "domains"]);
        for row in &domains {
            let name = row["domain"].as_str().unwrap_or_default();
            let expected = (number(row, "plaintext"), number(row, "unknown"));
            assert_eq!(
                named.get(name).copied().unwrap_or_default(),
                expected,
                "{log}: {name}"
            );
        }
        let mail = whatif.iter().find(|r| r["item"] == "mail");
        let mail = mail.unwrap_or_else(|| panic!("{log} has no totals"));
        for (columns, counter) in [
            (&["lost", "spared"][..], "plaintext"),
            (&["kept"], "encrypted"),
            (&["unknown"], "unknown"),
        ] {
            let sum: u64 = domains.iter().map(|row| number(row, counter)).sum();
            let found: u64 = columns.iter().map(|column| number(mail, column)).sum();
            assert_eq!(found, sum, "{log}: {columns:?}");
        }
        let persons: u64 = whatif
            .iter()
            .filter(|r| r["item"] == "person")
            .map(|r| number(r, "lost"))
            .sum();
        assert_eq!(persons, number(mail, "lost"), "{log}: each person is named");
    }
}

#[test]
fn an_exception_does_not_give_up_what_is_verified() {
    let tls = "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384";
    let mut log = String::new();
    for day in 1..=6 {
        // One of its hosts publishes DANE, the other offers no TLS; beside it one in clear alone, and one that is verified alone.
        log += &session("half.example", day, "Verified", tls);
        log += &delivery("half.example", "mx2.half.example", day + 6, false);
        log += &in_clear("clear.example", day);
    }
    for day in 1..=12 {
        log += &session("dane.example", day, "Verified", tls);
    }
    let sandbox = with_log(&log);
    let found = whatif(&sandbox, &["--require", "tls"]);
    let entries: Vec<&str> = lines(&found)
        .into_iter()
        .filter(|line| !line.starts_with("post"))
        .collect();
    assert_eq!(
        entries,
        ["clear.example may", "half.example dane"],
        "{found}"
    );
    assert!(found.contains("may would give up"), "{found}");
    // The map says the same, with the evidence of the same days.
    let args = ["policy", "--for", "postfix", "--base", "encrypt"];
    let map = sandbox.run(&args).ok().out;
    for entry in ["\nclear.example may\n", "\nhalf.example dane\n"] {
        assert!(map.contains(entry), "{map}");
    }
}

#[test]
fn a_newer_version_never_keeps_more() {
    let sandbox = with("postfix/rfc3339.log");
    let kept = |require: &str| {
        let rows = rows(
            &sandbox,
            &["whatif", "--require", require, "--direction", "out"],
        );
        let mail = rows.iter().find(|r| r["item"] == "mail");
        mail.map_or(0, |r| number(r, "kept"))
    };
    let (any, newer, newest) = (kept("tls"), kept("tls1.2"), kept("tls1.3"));
    assert!(
        any >= newer && newer >= newest && newest > 0,
        "{any} {newer} {newest}"
    );
    assert_eq!(kept("dane"), 0, "the log alone tells nothing of DANE");
}

#[test]
fn the_answer_is_one_sentence_with_the_setting_and_its_exceptions() {
    let sandbox = with("edge/rivals.log");
    let out = sandbox.run(&["whatif"]).ok().out;
    let headline = out.lines().next().unwrap_or_default();
    assert!(
        headline.starts_with("Requiring TLS would have cost 4 of 8 messages sent, with "),
        "{headline}"
    );
    for words in [
        "postconf -e 'smtp_tls_security_level=encrypt'",
        "plain.example may",
        "maximal_queue_lifetime",
        "530 5.7.0 Must issue a STARTTLS command first",
    ] {
        assert!(out.contains(words), "{words}: {out}");
    }
}

#[test]
fn what_cannot_be_asked_or_answered_is_said() {
    let sandbox = with("edge/rivals.log");
    sandbox
        .run(&["whatif", "--require", "tls1.4"])
        .fails_with(&["tls1.4", "tls1.2"]);
    let out = sandbox.run(&["whatif", "--require", "verified"]).ok().out;
    assert!(out.contains("Received mail is not judged"), "{out}");
    let early = ["whatif", "--since", "2001-01-01", "--until", "2001-01-02"];
    assert!(
        sandbox
            .run(&early)
            .ok()
            .out
            .starts_with("No mail is known of in this period")
    );
    Sandbox::new()
        .run(&["whatif"])
        .fails_with(&["tlsnag import"]);
}

#[test]
fn the_answer_reads_so() {
    insta::assert_snapshot!(with("edge/rivals.log").run(&["whatif"]).ok().out, @r##"
    Requiring TLS would have cost 4 of 8 messages sent, with 4 domains, and 1 of 2 messages received,
    with 1 sender's organisation.
    Period: 2026-10-22 to 2026-11-20 (days in UTC)

    Who would be lost, in whole or in part:
    peer                 mail      lost  kept  ?  fault   last lost
    -------------------  --------  ----  ----  -  ------  ----------
    broken.example       sent         1     0  0  theirs  2026-11-20
        in clear after the TLS handshake failed: the server's Diffie-Hellman parameters have too few
        bits (Logjam); seen once
    new311.example       sent         1     0  0  theirs  2026-11-20
        in clear: STARTTLS was not offered or was refused; seen once
    plain.example        sent         1     0  0  either  2026-11-20
        in clear, and the log does not say why; seen once
    plain2.example       sent         1     0  0  either  2026-11-20
        in clear, and the log does not say why; seen once
    plainsender.example  received     1     0  0  theirs  2026-11-20
        in clear, and the log does not say why; seen once

    Persons among them:
    address            mail  lost  kept  ?  last
    -----------------  ----  ----  ----  -  ----------
    n@new311.example   sent     1     0  0  2026-11-20
        in clear: STARTTLS was not offered or was refused; seen once
    p1@plain.example   sent     1     0  0  2026-11-20
        in clear, and the log does not say why; seen once
    p2@plain2.example  sent     1     0  0  2026-11-20
        in clear, and the log does not say why; seen once
    x@broken.example   sent     1     0  0  2026-11-20
        in clear after the TLS handshake failed: the server's Diffie-Hellman parameters have too few
        bits (Logjam); seen once

    What it would take to keep them:
      - in clear after the TLS handshake failed: the server's Diffie-Hellman parameters have too few
        bits (Logjam): use at least 2048 bits: leave smtpd_tls_dh1024_param_file empty or set it to
        "auto" (Postfix 3.8), or offer only ECDHE
      - in clear: STARTTLS was not offered or was refused: try `openssl s_client -starttls smtp -connect
        HOST:25` to see whether STARTTLS is missing or refused, then write to the postmaster
      - in clear, and the log does not say why: see what the server offers with `openssl s_client
        -starttls smtp -connect HOST:25` (outbound), or ask the client's postmaster to switch TLS on for
        sending (inbound)

    Sent mail that does not meet it would wait in the queue and go back to its sender after
    maximal_queue_lifetime (5 days).

    1 message sent went over TLS older than 1.2. Where TLS is required, Postfix takes the versions of
    smtp_tls_mandatory_protocols in place of smtp_tls_protocols: if postconf
    smtp_tls_mandatory_protocols asks for more, this mail is lost too.

    Clients that do not meet it would be refused (530 5.7.0 Must issue a STARTTLS command first); their
    servers return the mail to its sender.

    For sent mail, in Postfix: to go on reaching those who would be lost, first an exception for each,
    in a table of their own, here /etc/postfix/tls_policy:
        broken.example may
        new311.example may
        plain.example may
        plain2.example may

    It is put behind the tables that smtp_tls_policy_maps names already, which are asked first (once;
    postmap again after each change):
        postmap /etc/postfix/tls_policy && postconf -e "smtp_tls_policy_maps=$(postconf -h smtp_tls_policy_maps) \$default_database_type:/etc/postfix/tls_policy"

    `tlsnag policy --for postfix --base encrypt` writes this table, with a reason and an end for each
    entry, and leaves out who has had nothing but TLS for long since.

    Then, for all others:
        postconf -e 'smtp_tls_security_level=encrypt'
        postfix reload

    Some certificates were verified, so more than TLS is required of some already. Lines of the policy
    map stay; but where postconf smtp_tls_security_level says dane now, this takes DANE from all.

    For received mail, in Postfix (RFC 3207 forbids it to servers that strangers have to reach; an
    exception for one client takes a listener of its own):
        postconf -e 'smtpd_tls_security_level=encrypt'
        postfix reload

    Peers not heard of in this period are in no number here.
    "##);
}

#[test]
fn of_each_sample_with_a_known_truth_what_went_in_clear_is_lost() {
    let mut compared = 0;
    for directory in ["postfix", "sendmail", "edge"] {
        let files = fs::read_dir(sample(directory)).expect("the sample logs are in the repository");
        let files = files.flatten().map(|entry| entry.path());
        for truth in files.filter(|p| p.extension().is_some_and(|e| e == "outcomes")) {
            let log = truth.with_extension("log");
            let log = log
                .strip_prefix(sample(""))
                .expect("it is a sample")
                .to_owned();
            let peers = rows(
                &with(&log.to_string_lossy()),
                &["whatif", "--direction", "out"],
            );
            let truth = fs::read_to_string(&truth).expect("the file was listed");
            for (domain, plaintext) in truth.lines().filter_map(in_clear_by_truth) {
                let row = peers
                    .iter()
                    .find(|r| r["item"] == "peer" && r["name"] == domain);
                let [lost, spared] = ["lost", "spared"].map(|c| row.map_or(0, |r| number(r, c)));
                // What our own map sends in clear is a loss to nobody, and so no peer of this list.
                let is_ours = row.is_none() && plaintext > 0 && ours(&peers) >= plaintext;
                assert!(
                    lost + spared == plaintext || is_ours,
                    "{}: {domain}: {plaintext} in clear, found {row:?}",
                    log.display()
                );
                compared += 1;
            }
        }
    }
    assert!(compared > 100, "{compared} compared");
}

/// How much went in clear by entries of our own.
fn ours(rows: &[Value]) -> u64 {
    let mail = rows.iter().find(|r| r["item"] == "mail");
    mail.map_or(0, |r| number(r, "spared"))
}

/// Domain and recipients in clear of a line such as `domain a.example encrypted=0 plaintext=2 unknown=0`.
fn in_clear_by_truth(line: &str) -> Option<(&str, u64)> {
    let mut words = line.split('#').next()?.split_whitespace();
    let domain = (words.next()? == "domain").then(|| words.next())??;
    let plaintext = words.find_map(|word| word.strip_prefix("plaintext="))?;
    Some((domain, plaintext.parse().ok()?))
}

#[test]
fn where_the_log_cannot_tell_no_setting_is_printed_but_what_makes_it_tell() {
    let sandbox = with("postfix/loglevel0.log");
    let out = whatif(&sandbox, &[]);
    assert!(
        out.contains("No setting for sent mail is printed: of "),
        "{out}"
    );
    assert_eq!(lines(&out), ["postconf -e smtp_tls_loglevel=1"], "{out}");
    let headline = out.lines().next().unwrap_or_default();
    assert!(headline.contains("at least"), "{headline}");
}

#[test]
fn what_one_service_leaves_untold_is_said_beside_the_setting() {
    let mut log = in_clear("intranet", 1) + &in_clear("clear.example", 1);
    for day in 1..=23 {
        log += &delivery("good.example", "mx.good.example", day, true);
    }
    let silent = delivery("side.example", "mx.side.example", 3, false);
    log += &silent.replace("postfix/smtp[", "postfix/relay/smtp[");
    let out = whatif(&with_log(&log), &[]);
    assert_eq!(
        lines(&out),
        [
            "clear.example may",
            POSTMAP,
            "postconf -e 'smtp_tls_security_level=encrypt'",
            "postconf -e smtp_tls_loglevel=1"
        ],
        "{out}"
    );
    for words in [
        "1 name that would be lost can stand in no table",
        "Of 1 message sent",
    ] {
        assert!(out.contains(words), "{words}: {out}");
    }
}

#[test]
fn where_nothing_at_all_is_encrypted_no_setting_is_printed() {
    let log = session(
        "a.example",
        1,
        "Trusted",
        "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384",
    );
    let sandbox = with_log(&(log + &in_clear("b.example", 1) + &in_clear("b.example", 2)));
    // The day before, the service showed that it logs TLS; of the second day there is nothing but clear text.
    let out = whatif(&sandbox, &["--since", "2026-11-02"]);
    assert!(out.contains("No setting for sent mail is printed"), "{out}");
    assert_eq!(
        lines(&out)
            .iter()
            .filter(|l| l.contains("level=encrypt"))
            .count(),
        0,
        "{out}"
    );
}

#[test]
fn to_deny_ciphers_besides_loses_no_less_and_says_what_goes_in_clear_without_a_requirement() {
    let old = "TLSv1 with cipher ECDHE-RSA-AES256-SHA";
    let cbc = "TLSv1.2 with cipher ECDHE-RSA-AES256-SHA384";
    let mut log =
        session("old.example", 1, "Trusted", old) + &session("cbc.example", 1, "Trusted", cbc);
    for day in 1..=23 {
        log += &delivery("good.example", "mx.good.example", day, true);
    }
    let sandbox = with_log(&log);
    let lost = |more: &[&str]| {
        let rows = rows(
            &sandbox,
            &[&["whatif", "--direction", "out"], more].concat(),
        );
        let mail = rows.iter().find(|r| r["item"] == "mail");
        mail.map(|r| (number(r, "lost"), number(r, "unknown"), number(r, "weak")))
    };
    assert_eq!(lost(&["--require", "tls1.2"]), Some((1, 0, 1)));
    assert_eq!(
        lost(&["--require", "tls1.2", "--deny", "cbc"]),
        Some((1, 1, 2))
    );
    let out = whatif(&sandbox, &["--require", "tls1.2"]);
    let joined = out.replace('\n', " ");
    assert!(
        joined.contains("would have put up to 1 into clear text"),
        "{out}"
    );
    assert_eq!(
        lines(&out),
        [
            "old.example encrypt protocols=!SSLv2:!SSLv3",
            POSTMAP,
            "postconf -e 'smtp_tls_security_level=encrypt'",
            "postconf -e 'smtp_tls_mandatory_protocols=>=TLSv1.2'",
            "# before Postfix 3.6: postconf -e 'smtp_tls_mandatory_protocols=!SSLv2, !SSLv3, !TLSv1, !TLSv1.1'",
        ],
        "{out}"
    );
}

#[test]
fn every_exception_and_person_is_printed_where_all_are_asked_for_and_counted_where_not() {
    let mut log: String = (0..30)
        .map(|n| in_clear(&format!("a{n}.example"), 1 + n % 20))
        .collect();
    for day in 1..=20 {
        log += &delivery("good.example", "mx.good.example", day, true);
    }
    let sandbox = with_log(&log);
    let exceptions = |out: &str| lines(out).iter().filter(|l| l.ends_with(" may")).count();
    let out = whatif(&sandbox, &[]);
    assert_eq!(exceptions(&out), 25, "{out}");
    let joined = out.replace('\n', " ");
    for words in [
        "Not shown: 5 peers that would be lost, 5 persons; --all --since 2026-10-22 shows them.",
        "... and 5 more exceptions; --all --since 2026-10-22 prints all.",
        "`tlsnag policy --for postfix --base encrypt` writes this table",
    ] {
        assert!(joined.contains(words), "{words}: {out}");
    }
    let out = whatif(&sandbox, &["--all", "--since", "2026-10-22"]);
    assert_eq!(exceptions(&out), 30, "{out}");
    assert!(
        !out.contains("Not shown") && !out.contains("more exceptions"),
        "{out}"
    );
    assert_eq!(out.matches("someone@").count(), 30, "{out}");
}

#[test]
fn what_no_log_tells_of_all_is_not_required_of_all() {
    let tls = "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384";
    let mut log = in_clear("clear.example", 2) + &session("self.example", 2, "Untrusted", tls);
    for day in 1..=20 {
        log += &session("good.example", day, "Trusted", tls);
    }
    let sandbox = with_log(&log);
    let out = whatif(&sandbox, &["--require", "dane"]);
    assert_eq!(
        lines(&out),
        [
            "postconf -e 'smtp_dns_support_level=dnssec'",
            "postconf -e 'smtp_tls_security_level=dane'"
        ],
        "{out}"
    );
    let out = whatif(&sandbox, &["--require", "verified"]);
    assert_eq!(lines(&out), ["good.example secure"], "{out}");
}

#[test]
fn who_is_known_to_be_verified_lets_all_be_held_to_it_with_exceptions_as_narrow_as_can_be() {
    let tls = "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384";
    let mut log = in_clear("clear.example", 2) + &session("self.example", 2, "Untrusted", tls);
    for day in 1..=20 {
        log += &session("good.example", day, "Verified", tls);
    }
    let out = whatif(&with_log(&log), &["--require", "verified"]);
    assert_eq!(
        lines(&out),
        [
            "clear.example may",
            "self.example encrypt",
            POSTMAP,
            "postconf -e 'smtp_tls_security_level=secure'",
        ],
        "{out}"
    );
}

#[test]
fn a_server_without_authorities_tells_nothing_of_certificates() {
    let tls = "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384";
    let log: String = (1..=20)
        .map(|day| session("a.example", day, "Untrusted", tls))
        .collect();
    let out = whatif(&with_log(&log), &["--require", "verified"]);
    let headline = out.lines().next().unwrap_or_default();
    assert!(
        headline.contains("none of 20 messages sent (of 20 of them"),
        "{headline}"
    );
    assert!(
        lines(&out)[0].starts_with("postconf -e 'smtp_tls_CAfile="),
        "{out}"
    );
    assert_eq!(lines(&out).len(), 1, "{out}");
}

#[test]
fn behind_a_smart_host_no_domain_is_excepted() {
    let mut log = String::new();
    for n in 0..12 {
        log += &delivery(&format!("d{n}.example"), "relay.isp.example", 2, false);
    }
    log += &delivery("d1.example", "relay.isp.example", 1, true);
    log += &delivery("d1.example", "relay.isp.example", 2, true);
    let out = whatif(&with_log(&log), &[]);
    assert!(out.contains("postconf -h relayhost"), "{out}");
    assert_eq!(lines(&out), [""; 0], "{out}");
}

#[test]
fn what_our_own_map_sends_in_clear_is_no_loss() {
    let mut log = delivery("good.example", "mx.good.example", 1, true);
    log += &in_clear("none.example", 1).replace("dsn=2.0.0,", "tls=none, dsn=2.0.0,");
    let rows = rows(&with_log(&log), &["whatif", "--direction", "out"]);
    let mail = rows
        .iter()
        .find(|r| r["item"] == "mail")
        .expect("there is mail");
    assert_eq!((number(mail, "lost"), number(mail, "spared")), (0, 1));
    assert!(rows.iter().all(|r| r["name"] != "none.example"), "{rows:?}");
}

/// A delivery of a Sendmail that logs TLS.
fn sendmail(domain: &str, day: u32, verify: &str) -> String {
    let pid = 2000 + domain.len();
    let at = format!("2026-11-{day:02}T12:00:01+00:00 mx sm-mta[{pid}]:");
    let tls = match verify {
        "" => String::new(),
        _ => format!(
            "{at} STARTTLS=client, relay=mx.{domain}., version=TLSv1.3, verify={verify}, cipher=TLS_AES_256_GCM_SHA384, bits=256/256\n"
        ),
    };
    format!(
        "{tls}{at} 6AMC01{day:02}00{pid}: to=<someone@{domain}>, delay=00:00:01, xdelay=00:00:01, mailer=esmtp, pri=30000, relay=mx.{domain}. [192.0.2.9], dsn=2.0.0, stat=Sent (ok)\n"
    )
}

#[test]
fn sendmail_gets_its_own_lines_by_host() {
    let mut log = sendmail("clear.example", 2, "") + &sendmail("self-made.example", 2, "FAIL");
    for day in 1..=20 {
        log += &sendmail("good.example", day, "OK");
    }
    let sandbox = with_log(&log);
    let of = |more: &[&str]| -> Vec<String> {
        let out = whatif(&sandbox, more);
        lines(&out).into_iter().map(str::to_owned).collect()
    };
    assert_eq!(
        of(&[]),
        ["TLS_Srv: ENCR:112", "TLS_Srv:mx.clear.example OK"]
    );
    assert_eq!(
        of(&["--require", "verified"]),
        [
            "TLS_Srv: VERIFY",
            "TLS_Srv:mx.clear.example OK",
            "TLS_Srv:mx.self-made.example ENCR:112"
        ]
    );
    assert_eq!(
        of(&["--require", "dane"]),
        ["define(`confDANE', `true')dnl"]
    );
    let newest = of(&["--require", "tls1.3"]);
    assert!(newest.contains(&"define(`confCLIENT_SSL_OPTIONS', `+SSL_OP_NO_SSLv2 +SSL_OP_NO_SSLv3 +SSL_OP_NO_TLSv1 +SSL_OP_NO_TLSv1_1 +SSL_OP_NO_TLSv1_2')dnl".to_string()), "{newest:?}");
    let strict = whatif(&sandbox, &["--deny", "cbc"]);
    assert!(
        !strict.contains("smtp_tls") && !strict.contains("Postfix"),
        "{strict}"
    );
}

#[test]
fn what_never_was_is_no_date_for_programs() {
    let sandbox = with("edge/rivals.log");
    for format in ["json", "csv"] {
        let out = sandbox.run(&["whatif", "--format", format]).ok().out;
        assert!(!out.contains("1970-"), "{out}");
    }
}

#[test]
fn a_person_has_a_reason_a_certainty_and_a_remedy() {
    let sandbox = with("edge/rivals.log");
    for require in ["tls", "tls1.3", "verified"] {
        let rows = rows(
            &sandbox,
            &["whatif", "--direction", "out", "--require", require],
        );
        let people: Vec<_> = rows.iter().filter(|r| r["item"] == "person").collect();
        assert!(!people.is_empty());
        for person in people {
            for column in ["class", "certainty", "to_keep", "last_lost"] {
                let cell = person[column].as_str().unwrap_or_default();
                assert_ne!(cell, "", "{column}: {person}");
            }
        }
    }
}

/// A day of one server that takes mail for two domains: over TLS for `other`, in clear for `none`, in turn.
fn shared(day: u32) -> String {
    let host = "mx.shared.example";
    let mail = |domain: &str, minute: u32, over_tls: bool| {
        let at = format!("T12:{minute:02}:");
        let mail = delivery(domain, host, day, over_tls).replace("T12:00:", &at);
        // One server has one address, and each message a process of its own.
        let mail = mail.replace("postfix/smtp[1", &format!("postfix/smtp[{minute}1"));
        let pieces: Vec<&str> = mail.split("[192.0.2.").collect();
        let rest = |piece: &&str| {
            piece
                .split_once(']')
                .map_or("", |(_, rest)| rest)
                .to_string()
        };
        let rest: Vec<String> = pieces[1..].iter().map(rest).collect();
        [pieces[0].to_string()]
            .into_iter()
            .chain(rest)
            .collect::<Vec<_>>()
            .join("[192.0.2.77]")
    };
    let minutes = [10, 12, 14, 16, 18, 20, 22];
    let is_other = |minute: &u32| ![14, 18].contains(minute);
    minutes
        .iter()
        .map(|m| match is_other(m) {
            true => mail("other.example", *m, true),
            false => mail("none.example", *m, false),
        })
        .collect()
}

#[test]
fn a_domain_that_only_our_own_map_keeps_in_clear_is_told_and_nobody_is_accused() {
    let log: String = (1..=5).map(shared).collect();
    let sandbox = with_log(&log);
    let out = whatif(&sandbox, &[]);
    for words in [
        "none.example: rather in clear by an entry of your own (none)",
        "rather by an entry of our own, see below",
        "`postmap -q none.example TABLE`",
    ] {
        let flat = out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(words), "{words}: {out}");
    }
    let found = rows(&sandbox, &["whatif", "--direction", "out"]);
    let row = found.iter().find(|r| r["name"] == "none.example");
    assert_eq!(row.map(|r| number(r, "own_entry")), Some(1), "{found:?}");
    for report in ["domains", "plaintext"] {
        let found = rows(&sandbox, &["report", report, "--direction", "out"]);
        let of = |r: &&Value| r["domain"] == "none.example" || r["peer"] == "none.example";
        let row = found.iter().find(of).unwrap_or_else(|| panic!("{found:?}"));
        assert_eq!(row["fault"], "either", "{report}: {row}");
    }
    let peer = sandbox.run(&["peer", "none.example"]).ok().out;
    assert!(
        peer.contains("rather in clear by an entry of your own"),
        "{peer}"
    );
    // Without the others nothing tells.
    let alone: String = log
        .split_inclusive('\n')
        .filter(|l| !l.contains("other.example"))
        .collect();
    let good: String = (1..=5)
        .map(|day| delivery("good.example", "mx.good.example", day, true))
        .collect();
    let out = whatif(&with_log(&(alone + &good)), &[]);
    assert!(!out.contains("entry of your own (none)"), "{out}");
}

#[test]
fn several_classes_of_ciphers_can_stand_in_one_word() {
    let sandbox = with("edge/rivals.log");
    let one = whatif(&sandbox, &["--deny", "cbc,dhe"]);
    assert!(one.contains("denying CBC, DHE below 2048 bits"), "{one}");
    assert_eq!(one, whatif(&sandbox, &["--deny", "cbc", "--deny", "dhe"]));
}

#[test]
fn that_old_versions_are_lost_with_a_stricter_setting_is_told() {
    let mut log = session("old.example", 1, "Trusted", "TLSv1 with cipher AES256-SHA");
    log += &in_clear("clear.example", 2);
    for day in 1..=3 {
        log += &delivery("good.example", "mx.good.example", day, true);
    }
    let sandbox = with_log(&log);
    let told = "if postconf smtp_tls_mandatory_protocols asks for more";
    let flat = |out: String| out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat(whatif(&sandbox, &[])).contains(told));
    assert!(!flat(whatif(&sandbox, &["--require", "tls1.2"])).contains(told));
}
