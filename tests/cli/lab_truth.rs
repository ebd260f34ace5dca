//! Who would be written to about a whole log of a real mail server, against what its peers saw themselves: nobody wrongly.
//!
//! The logs and the truth are of runs of a laboratory: Debian's Postfix 3.7 and Sendmail 8.17, in several settings, between some hundred
//! scripted peers each.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::campaign::{SETTINGS, strings};
use crate::sandbox::Sandbox;

/// Scenarios in which it was not the peer's fault that mail crossed in clear or had to wait: our own policy, and what our client lacks.
const OURS: &[&str] = &[
    "policy-none-",
    "policy-fp-bad",
    "policy-secure-wrongname",
    "policy-verify-self",
    "policy-verify-wrongname",
    "policy-tls12min",
    "need-tls-",
];

/// What the peers did that may be told them, in the words of each letter; the beginnings of the scenarios' names.
const DESERVED: &[(&str, &[&str])] = &[
    (
        "not-offered",
        &[
            "plain",
            "grey-plain",
            "implicit-mx-plain",
            "mixed-rcpt-plain",
            "mx-equal",
            "mx1-tls-mx2-plain",
            "shared-mx-plain",
            "policy-encrypt-not-offered",
            "policy-verify-not-offered",
            "dane-tlsa-not-offered",
            "tls-then-plain",
        ],
    ),
    (
        "refused",
        &[
            "broken-starttls-",
            "policy-encrypt-454",
            "dane-tlsa-454",
            "tls-flaky-454",
            "mx1-starttls-454",
        ],
    ),
    (
        "handshake",
        &[
            "broken-",
            "dh1024",
            "policy-encrypt-",
            "mx1-garbage",
            "mx1-no-shared",
            "tls12-anon",
        ],
    ),
    ("certificate", &["policy-verify-expired"]),
];

struct Lab {
    sandbox: Sandbox,
    truth: Value,
}

/// All runs, and how many of a hundred deserving peers are found at least without asking their servers: of clear text, most logs do not say
/// why, and where sessions leave no line, silence says nothing.
const RUNS: &[(&str, usize)] = &[
    ("postfix-iso", 25),
    ("postfix-loglevel0", 0),
    ("postfix-postlogd", 18),
    ("postfix-reuse", 8),
    ("postfix-rfc3164", 18),
    ("sendmail-l14", 70),
    ("sendmail-l9", 18),
];

fn lab(run: &str) -> Lab {
    let runs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/runs");
    let run = runs.join(run);
    let truth = std::fs::read(run.join("truth.json")).unwrap();
    let truth: Value = serde_json::from_slice(&truth).unwrap();
    let sandbox = Sandbox::new();
    sandbox.write("c.toml", format!("{SETTINGS}per_plan = 500\n"));
    let log = run.join("mail.log.gz").to_string_lossy().into_owned();
    // The peers are on loopback, which else is ourselves.
    let own = [
        "--own-network",
        "127.0.0.1/32",
        "--own-network",
        "127.0.10.0/24",
    ];
    let domain = truth["local_domain"].as_str().unwrap();
    let args = [
        &["import", "--quiet", "--own-domain", domain],
        &own[..],
        &[&log],
    ]
    .concat();
    sandbox.run(&args).ok();
    Lab { sandbox, truth }
}

fn planned(lab: &Lab, more: &[&str]) -> Value {
    let args = [
        "--config",
        "c.toml",
        "campaign",
        "plan",
        "--no-probe",
        "--format",
        "json",
    ];
    lab.sandbox.run(&[&args, more].concat()).ok().json()
}

#[test]
fn one_day_of_log_is_no_reason_to_write_to_anybody() {
    for (run, _) in RUNS {
        let plan = planned(&lab(run), &[]);
        assert_eq!(strings(&plan["rows"], "domain"), Vec::<String>::new());
    }
}

#[test]
fn nobody_is_written_to_whose_tls_was_never_at_fault() {
    for (run, least) in RUNS {
        check_plan(run, *least);
    }
}

fn check_plan(run: &str, least: usize) {
    let lab = lab(run);
    let plan = planned(&lab, &["--min-messages", "1", "--min-days", "1"]);
    let peers = lab.truth["domains"].as_object().unwrap();
    let mut found = Vec::new();
    for row in plan["rows"].as_array().unwrap() {
        let word = |field: &str| row[field].as_str().unwrap_or_default().to_string();
        if word("direction") == "inbound" {
            let hosts = row["mx_hosts"].as_array().unwrap();
            let in_clear = |host: &Value| &lab.truth["inbound"][host.as_str().unwrap()]["in_clear"];
            assert!(
                hosts.iter().all(|host| in_clear(host).as_u64() > Some(0)),
                "{row}"
            );
            continue;
        }
        let truth = &peers[&word("domain")];
        let scenario = truth["scenario"].as_str().unwrap();
        assert!(is_deserving(truth), "never at fault: {scenario} {row}");
        let (_, deserved) = DESERVED
            .iter()
            .find(|(reason, _)| *reason == word("reason"))
            .unwrap();
        assert!(
            deserved.iter().any(|of| scenario.starts_with(of)),
            "{scenario} {row}"
        );
        found.push(word("domain"));
    }
    // Who is missed, and why.
    let mut reasons: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in plan["skipped"].as_array().unwrap() {
        let domain = row["domain"].as_str().unwrap().to_string();
        let reason = row["reason"].as_str().unwrap().to_string();
        reasons.entry(domain).or_default().push(reason);
    }
    let deserving: Vec<_> = peers
        .iter()
        .filter(|(_, truth)| is_deserving(truth))
        .collect();
    let mut told = format!(
        "{run}: {} of {} are found; missed are\n",
        found.len(),
        deserving.len()
    );
    for (domain, truth) in &deserving {
        if !found.contains(domain) {
            let why = reasons.get(*domain).cloned().unwrap_or_default();
            told.push_str(&format!("  {}: {}\n", truth["scenario"], why.join(", ")));
        }
    }
    #[expect(
        clippy::print_stdout,
        reason = "`--nocapture` shows the share that is found"
    )]
    {
        println!("{told}");
    }
    assert!(found.len() * 100 >= deserving.len() * least, "{told}");
}

/// Whether their TLS was at fault at least once. Who had no good word for us, or none at all, did not come as far as TLS.
fn is_deserving(truth: &Value) -> bool {
    let word = |field: &str| truth[field].as_str().unwrap_or_default();
    let n = |field: &str| truth[field].as_u64().unwrap_or_default();
    let is_ours = OURS.iter().any(|ours| word("scenario").starts_with(ours));
    let failed = match word("outcome") {
        "undelivered_other" | "undelivered_no_connection" => 0,
        _ => n("failures"),
    };
    !is_ours && failed + n("in_clear") + n("held_back") > 0
}
