//! Every letter there can be: what it says, how long it is, and that it says nothing untrue.

use super::text::{MOST_LINES, WIDEST, WIDTH};
use super::*;
use crate::campaign::problem::{PROBLEMS, ProblemRow};
use crate::outcome::{Class, Direction};
use crate::query::software::Software;
use maillog::Cause;
use maillog::reason::CAUSES;
use std::path::Path;
use std::sync::LazyLock;

const KINDS: [Kind; 5] = [
    Kind::Notice,
    Kind::Reminder,
    Kind::LastReminder,
    Kind::Deadline,
    Kind::ThankYou,
];
/// What is unclear is never written about.
fn problems() -> impl Iterator<Item = &'static ProblemRow> {
    PROBLEMS
        .iter()
        .filter(|row| row.problem != Problem::Unclear)
}

const IN_CLEAR: Fate = Fate {
    in_clear: true,
    held_back: false,
};
const HELD_BACK: Fate = Fate {
    in_clear: false,
    held_back: true,
};

fn facts() -> Facts {
    Facts {
        us: Us {
            person: "Ann Example".into(),
            organisation: "Example Institute".into(),
            host: "mail.us.example".into(),
            url: "https://us.example/tls".into(),
        },
        token: "4F2A91C0".into(),
        direction: Direction::Outbound,
        audience: Audience::Postmaster,
        organisation: "a.example".into(),
        domains: vec!["a.example".into()],
        hosts: vec!["mx1.a.example".into()],
        messages: 23,
        days: 9,
        fate: IN_CLEAR,
        since: "2026-11-07".into(),
        last: "2026-11-20".into(),
        is_certain: true,
        cause: Cause::Unknown,
        protocols: vec!["TLSv1".into()],
        proof: None,
        heard: String::new(),
        software: None,
        checked: String::new(),
        deadline: String::new(),
        first_sent: String::new(),
        to_another: false,
        first_to: String::new(),
        promised: false,
        fixed_on: "2026-11-22".into(),
    }
}

/// What `facts` would be in such a letter.
fn facts_of(problem: Problem, kind: Kind, cause: Cause, fate: Fate) -> Facts {
    let mut facts = Facts {
        cause,
        fate,
        ..facts()
    };
    match kind {
        Kind::Deadline => facts.deadline = "2027-03-01".into(),
        Kind::Reminder => facts.first_sent = "2026-10-20".into(),
        // Where a day is set, reminders name it too.
        Kind::LastReminder => {
            facts.first_sent = "2026-10-20".into();
            facts.deadline = "2027-03-01".into();
        }
        Kind::Notice | Kind::ThankYou => {}
    }
    if problem == Problem::InboundClear {
        facts.direction = Direction::Inbound;
        facts.hosts = vec!["out1.a.example".into()];
    }
    facts.proof = Some(proof_of(problem, cause, fate));
    facts
}

/// What a log has of such mail, as Postfix writes it.
fn proof_of(problem: Problem, cause: Cause, fate: Fate) -> Proof {
    let host = "mx1.a.example[192.0.2.10]:25";
    let to = |dsn: &str, status: &str| {
        format!(
            "4F1A01: to=<bob@a.example>, relay={host}, delay=1.1, delays=0.1/0/0.5/0.5, dsn={dsn}, status={status}"
        )
    };
    let sent = to("2.0.0", "sent (250 2.0.0 Ok: queued as AAA)");
    let end = |why: &str| match fate.in_clear {
        true => sent.clone(),
        false => to("4.7.5", &format!("deferred ({why})")),
    };
    let (program, lines, telling) = match problem {
        Problem::NotOffered | Problem::Unclear => (
            "smtp",
            vec![match fate.in_clear {
                true => sent.clone(),
                false => to("4.7.4", "deferred (TLS is required, but was not offered by host mx1.a.example[192.0.2.10])"),
            }],
            0,
        ),
        Problem::Refused => (
            "smtp",
            vec![
                format!("4F1A01: host {host} said: 454 4.7.0 TLS not available due to local problem (in reply to STARTTLS command)"),
                end("TLS is required, but host mx1.a.example[192.0.2.10] refused to start TLS: 454 4.7.0 TLS not available due to local problem"),
            ],
            0,
        ),
        Problem::Handshake => {
            let said = match cause {
                Cause::DhKeyTooSmall => "error:0A00018A:SSL routines::dh key too small:../ssl/statem/statem_clnt.c:2088:",
                _ => "error:0A00010B:SSL routines::wrong version number:../ssl/record/ssl3_record.c:354:",
            };
            (
                "smtp",
                vec![
                    format!("SSL_connect error to {host}: -1"),
                    format!("warning: TLS library problem: {said}"),
                    end("Cannot start TLS: handshake failure"),
                ],
                0,
            )
        }
        Problem::Certificate => (
            "smtp",
            vec![
                format!("server certificate verification failed for {host}: num=10:certificate has expired"),
                to("4.7.5", "deferred (Server certificate not verified)"),
            ],
            0,
        ),
        Problem::OldProtocol => (
            "smtp",
            vec![
                format!("Untrusted TLS connection established to {host}: TLSv1 with cipher ECDHE-RSA-AES256-SHA (256/256 bits)"),
                sent.clone(),
            ],
            0,
        ),
        Problem::Dane => (
            "smtp",
            vec![sent.replace(", dsn=", ", tls=dane:encrypt, dsn=")],
            0,
        ),
        Problem::Sts => (
            "smtp",
            vec!["warning: MX name 'mx1.a.example' does not match STS MX pattern for 'a.example'".into()],
            0,
        ),
        Problem::InboundClear => (
            "smtpd",
            vec![
                "4F1A01: client=out1.a.example[192.0.2.11]".into(),
                "disconnect from out1.a.example[192.0.2.11] ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5".into(),
            ],
            1,
        ),
    };
    let at = |(second, text): (usize, String)| {
        format!(
            "Nov 20 10:00:0{} mail postfix/{program}[4711]: {text}",
            second + 1
        )
    };
    Proof {
        lines: lines.into_iter().enumerate().map(at).collect(),
        telling,
    }
}

/// The same with more of everything.
fn crowded(facts: Facts) -> Facts {
    let line = "2026-11-20T10:00:01.123456+01:00 relay7.mail postfix-out/relay/smtp[4194303]: 4Zk1xw5z9sQ4gKjXy1R: to=<bob@customer1.of-a-rather-long-name.example>, relay=mx-number-one.inbound-cluster-seven.mail-hoster.example[2001:db8:85a3:8d3:1319:8a2e:370:7348]:25, delay=1.1, delays=0.1/0/0.5/0.5, dsn=4.7.4, status=deferred (TLS is required, but was not offered by host mx-number-one.inbound-cluster-seven.mail-hoster.example[2001:db8:85a3:8d3:1319:8a2e:370:7348])";
    Facts {
        domains: (0..9)
            .map(|i| format!("customer{i}.of-a-rather-long-name.example"))
            .collect(),
        hosts: (0..4)
            .map(|i| format!("mx-number-{i}.inbound-cluster-seven.mail-hoster.example"))
            .collect(),
        messages: 23_456,
        proof: Some(Proof {
            lines: vec![line.into(), line.into()],
            telling: 1,
        }),
        to_another: !facts.first_sent.is_empty(),
        first_to: "postmaster@customer1.of-a-rather-long-name.example".into(),
        checked: "2026-11-21".into(),
        heard: "[2001:db8:85a3:8d3:1319:8a2e:370:7348]:25 EHLO: 250 (STARTTLS: -)".into(),
        ..facts
    }
}

fn letters() -> Letters {
    Letters::new(&BTreeMap::new()).unwrap()
}

fn render(
    letters: &Letters,
    problem: Problem,
    kind: Kind,
    language: &str,
    facts: &Facts,
) -> Letter {
    let letter = letters.render(problem, kind, language, Style::Plain, facts);
    letter.unwrap_or_else(|error| {
        panic!(
            "{problem:?} {kind:?} {language} {:?} {:?} {:?}: {error}",
            facts.software, facts.cause, facts.fate
        )
    })
}

struct Written {
    problem: Problem,
    kind: Kind,
    language: &'static str,
    facts: Facts,
    letter: Letter,
}

/// Every problem in every kind and language with every software and fate, on one domain and on many; and every cause.
static ALL: LazyLock<Vec<Written>> = LazyLock::new(|| {
    let mut all = Vec::new();
    let both = Fate {
        in_clear: true,
        held_back: true,
    };
    for (problem, kind, fate) in product(&[IN_CLEAR, HELD_BACK, both]) {
        for software in Software::all().map(Some).chain([None]) {
            let facts = facts_of(problem, kind, Cause::Unknown, fate);
            write_all(&mut all, problem, kind, Facts { software, ..facts });
        }
        let causes = match (problem, kind) {
            (
                Problem::Handshake | Problem::Certificate | Problem::Dane,
                Kind::Notice | Kind::Deadline | Kind::LastReminder,
            ) => CAUSES,
            _ => &[],
        };
        for row in causes {
            write_all(
                &mut all,
                problem,
                kind,
                facts_of(problem, kind, row.cause, fate),
            );
        }
    }
    all
});

fn product(fates: &[Fate]) -> impl Iterator<Item = (Problem, Kind, Fate)> {
    let problems = problems().map(|row| row.problem);
    let kinds = problems.flat_map(|problem| KINDS.map(|kind| (problem, kind)));
    kinds.flat_map(|(problem, kind)| fates.iter().map(move |fate| (problem, kind, *fate)))
}

fn write_all(all: &mut Vec<Written>, problem: Problem, kind: Kind, facts: Facts) {
    static LETTERS: LazyLock<Letters> = LazyLock::new(letters);
    let to_person = is_for_people(problem).then(|| Facts {
        audience: Audience::Correspondents,
        ..facts.clone()
    });
    let to_person = to_person.filter(|facts| facts.fate.in_clear);
    let crowds = [Some(facts), to_person].into_iter().flatten();
    for facts in crowds.flat_map(|facts| [crowded(facts.clone()), facts]) {
        for language in ["en", "de"] {
            let letter = render(&LETTERS, problem, kind, language, &facts);
            let facts = facts.clone();
            all.push(Written {
                problem,
                kind,
                language,
                facts,
                letter,
            });
        }
    }
}

/// People are asked about mail in clear alone.
fn is_for_people(problem: Problem) -> bool {
    problem.is_like(Problem::Unclear)
}

fn every(look: impl Fn(Problem, Kind, &str, &Facts, &Letter)) {
    assert!(ALL.len() > 3000);
    assert!(
        ALL.iter()
            .any(|one| one.facts.audience == Audience::Correspondents)
    );
    for one in ALL.iter() {
        look(one.problem, one.kind, one.language, &one.facts, &one.letter);
    }
}

/// What tells what went wrong, in the lines of `proof_of`.
const FACTS: &[&str] = &[
    "status=",
    "disconnect from",
    "454 4.7.0",
    "SSL_connect error",
    "verification failed",
    "TLSv1 with cipher",
    "does not match STS",
];

#[test]
fn every_letter_is_short_narrow_and_complete() {
    every(|problem, kind, language, facts, letter| {
        let what = format!(
            "{problem:?} {kind:?} {language}\n{}\n{}",
            letter.subject, letter.body
        );
        assert!(letter.body.lines().count() <= MOST_LINES, "{what}");
        for line in letter.body.lines() {
            let most = if line.starts_with("  ") {
                WIDEST
            } else {
                WIDTH
            };
            assert!(line.chars().count() <= most, "{line}\n{what}");
        }
        for wrong in ["{{", "\n\n\n", "e .", " ,", "  \n", "\\\n\n", "bob", "\t"] {
            assert!(!letter.body.contains(wrong), "{wrong:?}: {what}");
        }
        assert!(letter.body.matches("://").count() <= 2, "{what}");
        let tag = "[tlsnag-4F2A91C0]";
        assert!(
            letter.subject.ends_with(tag) && letter.subject.starts_with("mail.us.example: "),
            "{what}"
        );
        assert!(
            letter.body.contains("mail.us.example") && letter.body.contains("Ann Example"),
            "{what}"
        );
        assert_eq!(
            letter.body.contains("\"stop\""),
            kind != Kind::ThankYou,
            "{what}"
        );
        assert_eq!(
            letter.body.contains("2027-03-01"),
            matches!(kind, Kind::Deadline | Kind::LastReminder),
            "{what}"
        );
        let reminds = matches!(kind, Kind::Reminder | Kind::LastReminder);
        assert_eq!(letter.body.contains("2026-10-20"), reminds, "{what}");
        if kind != Kind::ThankYou {
            // the fact in the log stays readable
            let flat = letter.body.replace("\n    ", " ");
            let proof = facts.proof.as_ref().unwrap();
            let line = &proof.lines[proof.telling];
            let fact = FACTS.iter().find(|fact| line.contains(**fact));
            assert!(flat.contains(fact.unwrap()), "{what}");
        }
    });
}

#[test]
fn first_letters_about_one_domain_have_their_paragraphs_apart() {
    every(|_, kind, language, facts, letter| {
        if kind != Kind::Notice || facts.domains.len() > 1 {
            return;
        }
        let closing = match (facts.audience, language) {
            (Audience::Postmaster, "en") => "How you run your server",
            (Audience::Postmaster, _) => "Wie Sie Ihren Server",
            (Audience::Correspondents, "en") => "You need not do anything",
            (Audience::Correspondents, _) => "Sie m\u{fc}ssen nichts tun",
        };
        let apart = format!("\n\n{closing}");
        assert!(letter.body.contains(&apart), "{}", letter.body);
    });
}

#[test]
fn who_offers_starttls_is_never_told_it_does_not() {
    every(|problem, kind, _, _, letter| {
        let text = format!("{}\n{}", letter.subject, letter.body.replace('\n', " ")).to_lowercase();
        let says_so = text.contains("not offer starttls") || text.contains("kein starttls");
        let is_so = problem == Problem::NotOffered && kind != Kind::ThankYou;
        assert_eq!(says_so, is_so, "{text}");
    });
    let unsure = Facts {
        is_certain: false,
        ..facts()
    };
    let letter = render(&letters(), Problem::NotOffered, Kind::Notice, "en", &unsure);
    assert!(
        letter.body.contains("did not offer STARTTLS or refused it"),
        "{}",
        letter.body
    );
}

#[test]
fn mail_that_waited_is_not_said_to_have_crossed_in_clear() {
    every(|problem, kind, _, facts, letter| {
        let text = format!("{} {}", letter.subject, letter.body.replace('\n', " "));
        let says_so = [
            "delivered unencrypted",
            "unverschlüsselt zugestellt",
            "delivered without TLS",
            "ohne TLS zugestellt",
        ]
        .iter()
        .any(|words| text.contains(words));
        if kind == Kind::ThankYou || !facts.fate.in_clear {
            assert!(!says_so, "{text}");
        } else if matches!(
            problem,
            Problem::NotOffered | Problem::Refused | Problem::Handshake
        ) {
            assert!(says_so, "{text}");
        }
    });
    assert_eq!(Fate::of([Class::TlsRequiredNotOffered]), HELD_BACK);
    assert_eq!(
        Fate::of([Class::PlaintextNotOffered, Class::NoSession]),
        IN_CLEAR
    );
    assert_eq!(Fate::of([Class::DaneDowngraded]), Fate::default());
}

#[test]
fn a_letter_names_the_cause_in_its_own_language() {
    let letters = letters();
    for row in CAUSES
        .iter()
        .filter(|row| row.outbound == maillog::Fault::Peer)
    {
        for language in ["en", "de"] {
            let name = format!("{language}/cause");
            let facts = facts_of(Problem::Handshake, Kind::Notice, row.cause, IN_CLEAR);
            let view = view(&facts, Problem::Handshake, Kind::Notice, ROOMS[0]);
            let words = letters.text(&name, &view).unwrap();
            // DANE has its own sentence
            assert!(
                !words.contains(row.name) || row.name == "tlsa-unusable",
                "{words}"
            );
        }
    }
}

#[test]
fn every_letter_is_there_in_every_language_and_every_file_is_built_in() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/mail");
    let mut files = Vec::new();
    let mut directories = vec![root.clone()];
    while let Some(directory) = directories.pop() {
        for path in std::fs::read_dir(directory)
            .unwrap()
            .flatten()
            .map(|e| e.path())
        {
            match path.is_dir() {
                true => directories.push(path),
                false => files.push(
                    path.strip_prefix(&root)
                        .unwrap()
                        .with_extension("")
                        .display()
                        .to_string(),
                ),
            }
        }
    }
    let mut known: Vec<String> = TEMPLATES.iter().map(|(name, _)| name.to_string()).collect();
    files.sort();
    known.sort();
    assert_eq!(files, known);
    for name in &known {
        let german = name
            .strip_suffix("/en")
            .map_or(name.replace("/en/", "/de/"), |n| format!("{n}/de"));
        assert!(known.contains(&german), "{german}");
    }
    for row in problems() {
        assert_eq!(letters().languages(row.problem), ["de", "en"]);
    }
}

#[test]
fn all_domains_are_named_as_long_as_there_is_room() {
    let mut facts = facts();
    facts.domains = (0..9).map(|i| format!("customer{i}.example")).collect();
    let body =
        |facts: &Facts| render(&letters(), Problem::NotOffered, Kind::Notice, "en", facts).body;
    assert!(body(&facts).contains("customer8.example"));
    facts.domains = (0..99).map(|i| format!("customer{i}.example")).collect();
    let many = body(&facts);
    assert!(
        many.contains("customer0.example") && many.contains(" more."),
        "{many}"
    );
}

/// Without proof nothing is written; should a template of one's own do so, its paragraphs stay apart.
#[test]
fn a_letter_without_lines_has_its_paragraphs_still() {
    let facts = Facts {
        protocols: vec!["TLSv1".into()],
        ..facts()
    };
    for language in ["en", "de"] {
        let letter = render(
            &letters(),
            Problem::OldProtocol,
            Kind::Notice,
            language,
            &facts,
        );
        let paragraphs: Vec<&str> = letter.body.split("\n\n").collect();
        assert!(
            paragraphs[1].ends_with("2026-11-20 shows.")
                || paragraphs[1].ends_with("vom 2026-11-20."),
            "{}",
            letter.body
        );
    }
}

#[test]
fn what_the_server_said_stands_below_the_log() {
    let facts = Facts {
        checked: "2026-11-21".into(),
        heard: "192.0.2.10:25 STARTTLS: 454 4.7.0 not now".into(),
        ..facts_of(Problem::Refused, Kind::Notice, Cause::Unknown, IN_CLEAR)
    };
    let body = render(&letters(), Problem::Refused, Kind::Notice, "en", &facts).body;
    assert!(
        body.contains("We checked again on 2026-11-21, with the same\nresult.")
            && body.contains("\n  192.0.2.10:25 STARTTLS: 454 4.7.0 not now\n"),
        "{body}"
    );
}

#[test]
fn a_command_too_wide_for_a_line_still_is_a_command() {
    let facts = Facts {
        hosts: vec!["mx-number-one.inbound-cluster-seven.mail-hoster.example".into()],
        ..facts()
    };
    let body = render(&letters(), Problem::Refused, Kind::Notice, "en", &facts).body;
    assert!(
        body.contains("  Test: openssl s_client -starttls smtp -connect \\\n    mx-number-one.inbound-cluster-seven.mail-hoster.example:25\n"),
        "{body}"
    );
}

/// The letters as they are, for reading.
fn book(cases: &[(Problem, Kind, Style, Facts)]) -> String {
    let letters = letters();
    let mut book = String::new();
    for (problem, kind, style, facts) in cases {
        for language in ["en", "de"] {
            let letter = letters
                .render(*problem, *kind, language, *style, facts)
                .unwrap();
            let (name, kind) = (problem.name(), kind.name());
            book.push_str(&format!(
                "==== {name} {kind} {language}\nSubject: {}\n\n{}\n",
                letter.subject, letter.body
            ));
        }
    }
    book
}

fn notice(problem: Problem, cause: Cause, fate: Fate) -> (Problem, Kind, Style, Facts) {
    let facts = facts_of(problem, Kind::Notice, cause, fate);
    (problem, Kind::Notice, Style::Plain, facts)
}

#[test]
fn each_letter_as_it_is() {
    let none = Fate::default();
    let mut cases = vec![
        notice(Problem::NotOffered, Cause::Unknown, IN_CLEAR),
        notice(Problem::NotOffered, Cause::Unknown, HELD_BACK),
        notice(Problem::Refused, Cause::Unknown, IN_CLEAR),
        notice(Problem::Handshake, Cause::DhKeyTooSmall, IN_CLEAR),
        notice(Problem::Handshake, Cause::WrongVersionNumber, HELD_BACK),
        notice(Problem::Handshake, Cause::Unknown, IN_CLEAR),
        notice(Problem::Certificate, Cause::CertificateExpired, HELD_BACK),
        notice(Problem::OldProtocol, Cause::Unknown, none),
        notice(Problem::Dane, Cause::TlsaUnusable, none),
        notice(Problem::Dane, Cause::NoMatchingTlsa, HELD_BACK),
        notice(Problem::Sts, Cause::Unknown, HELD_BACK),
        notice(Problem::InboundClear, Cause::Unknown, IN_CLEAR),
    ];
    cases[0].3.software = Some(Software::Postfix);
    cases[2].3.messages = 1;
    cases[2].3.since = cases[2].3.last.clone();
    insta::assert_snapshot!("notices", book(&cases));
}

#[test]
fn fixes_for_each_software() {
    let cases: Vec<_> = Software::all()
        .chain([Software::Postfix])
        .enumerate()
        .map(|(at, software)| {
            let is_last = at == Software::all().count();
            let problem = if is_last {
                Problem::InboundClear
            } else {
                Problem::NotOffered
            };
            let mut case = notice(problem, Cause::Unknown, IN_CLEAR);
            case.3.software = Some(software);
            case
        })
        .collect();
    insta::assert_snapshot!("fixes", book(&cases));
}

#[test]
fn letters_after_the_first() {
    let problem = Problem::NotOffered;
    let plain = |problem, kind| {
        let facts = facts_of(problem, kind, Cause::Unknown, IN_CLEAR);
        (problem, kind, Style::Plain, facts)
    };
    let mut cases = vec![
        plain(problem, Kind::Reminder),
        plain(problem, Kind::LastReminder),
        plain(problem, Kind::Deadline),
    ];
    cases[1].3 = crowded(cases[1].3.clone());
    let mut to_another = plain(problem, Kind::Reminder);
    to_another.3.to_another = true;
    to_another.3.first_to = "postmaster@a.example".into();
    let mut promised = plain(problem, Kind::LastReminder);
    promised.3.promised = true;
    cases.extend([to_another, promised]);
    cases.extend(problems().map(|row| plain(row.problem, Kind::ThankYou)));
    let (problem, kind, _, facts) = notice(problem, Cause::Unknown, IN_CLEAR);
    cases.push((problem, kind, Style::LightHearted, facts));
    insta::assert_snapshot!("others", book(&cases));
}

/// The operator has set another contact meanwhile, or more domains are concerned.
#[test]
fn who_was_not_written_to_is_told_who_was() {
    let facts = Facts {
        to_another: true,
        ..facts_of(
            Problem::NotOffered,
            Kind::Reminder,
            Cause::Unknown,
            IN_CLEAR,
        )
    };
    let named = Facts {
        first_to: "postmaster@a.example".into(),
        ..facts.clone()
    };
    for (language, facts, words) in [
        (
            "en",
            &facts,
            "We wrote about this to another address on 2026-10-20 and",
        ),
        (
            "en",
            &named,
            "We wrote about this to postmaster@a.example on 2026-10-20",
        ),
        (
            "de",
            &facts,
            "am 2026-10-20 haben wir dazu an eine andere Adresse geschrieben",
        ),
        (
            "de",
            &named,
            "am 2026-10-20 haben wir dazu an postmaster@a.example geschrieben",
        ),
    ] {
        for problem in problems().map(|row| row.problem) {
            let letter = render(&letters(), problem, Kind::Reminder, language, facts);
            let text = letter.body.replace('\n', " ");
            assert!(text.contains(words), "{text}");
        }
    }
}

#[test]
fn who_has_said_that_they_will_mend_it_is_not_told_that_we_wrote_before() {
    let (problem, kind) = (Problem::NotOffered, Kind::LastReminder);
    let facts = Facts {
        promised: true,
        ..facts_of(problem, kind, Cause::Unknown, IN_CLEAR)
    };
    let to_person = Facts {
        audience: Audience::Correspondents,
        ..facts.clone()
    };
    for (language, facts, words) in [
        (
            "en",
            &facts,
            "Thank you for looking into our mail of 2026-10-20. We see no",
        ),
        (
            "de",
            &facts,
            "vielen Dank, dass Sie sich nach unserer Mail vom 2026-10-20",
        ),
        (
            "en",
            &to_person,
            "Thank you for taking up our mail of 2026-10-20. We see no",
        ),
        (
            "de",
            &to_person,
            "vielen Dank, dass Sie unsere Mail vom 2026-10-20",
        ),
    ] {
        let crowd = Facts {
            promised: true,
            to_another: false,
            ..crowded(facts.clone())
        };
        for facts in [facts, &crowd] {
            let letter = render(&letters(), problem, kind, language, facts);
            let text = letter.body.replace('\n', " ");
            assert!(text.contains(words) && !text.contains("We wrote"), "{text}");
        }
    }
}

#[test]
fn letters_to_correspondents() {
    let mut cases = vec![
        notice(Problem::NotOffered, Cause::Unknown, IN_CLEAR),
        notice(Problem::NotOffered, Cause::Unknown, IN_CLEAR),
        notice(Problem::Refused, Cause::Unknown, IN_CLEAR),
        notice(Problem::Handshake, Cause::DhKeyTooSmall, IN_CLEAR),
    ];
    cases[0].3.software = Some(Software::Postfix);
    cases[2].3.messages = 1;
    cases[2].3.since = cases[2].3.last.clone();
    for kind in [
        Kind::Reminder,
        Kind::LastReminder,
        Kind::Deadline,
        Kind::ThankYou,
    ] {
        let facts = facts_of(Problem::NotOffered, kind, Cause::Unknown, IN_CLEAR);
        cases.push((Problem::NotOffered, kind, Style::Plain, facts));
    }
    for case in &mut cases {
        case.3.audience = Audience::Correspondents;
    }
    cases[1].3 = crowded(cases[1].3.clone());
    insta::assert_snapshot!("people", book(&cases));
}

/// Who is not asked to be a technician is told in plain words, and only what they can do something about.
#[test]
fn a_correspondent_is_asked_to_pass_it_on_in_plain_words() {
    every(|problem, kind, language, facts, letter| {
        if facts.audience != Audience::Correspondents || kind == Kind::ThankYou {
            return;
        }
        let text = letter.body.replace('\n', " ");
        let (plain, technical) = text
            .split_once(if language == "de" {
                "Für die Betreiber: "
            } else {
                "For those who run the server: "
            })
            .unwrap_or_else(|| panic!("{problem:?} {text}"));
        let asks = ["forward this mail", "weiterleiten"];
        assert!(asks.iter().any(|words| plain.contains(words)), "{plain}");
        for word in ["TLS", "STARTTLS", "SMTP", "openssl", "MX"] {
            assert!(!plain.contains(word), "{word}: {plain}");
        }
        assert!(technical.contains("openssl s_client"), "{technical}");
    });
}

#[test]
fn a_hostile_name_breaks_nothing() {
    let letters = letters();
    for name in [
        "a\r\nBcc: x@y.example\r\n\r\nPay here",
        "a. Please visit https://evil.example/pay now",
        "{{us.person}}{{#if}}",
        "\u{1b}[31mred",
        "x\u{202e}elpmaxe\u{2028}y",
        &"x".repeat(300),
    ] {
        let facts = Facts {
            organisation: name.into(),
            domains: vec![name.into(); 3],
            hosts: vec![name.into()],
            proof: Some(Proof {
                lines: vec![name.into(), format!("status=sent (250 {name})")],
                telling: 0,
            }),
            heard: format!("192.0.2.1:25 STARTTLS: 454 {name}"),
            ..facts()
        };
        let to_person = Facts {
            audience: Audience::Correspondents,
            ..facts.clone()
        };
        for row in problems() {
            let facts = [
                Some(&facts),
                is_for_people(row.problem).then_some(&to_person),
            ];
            let all = facts.into_iter().flatten();
            for (facts, kind) in all.flat_map(|facts| KINDS.map(|kind| (facts, kind))) {
                let letter = render(&letters, row.problem, kind, "en", facts);
                let all = format!("{}{}", letter.subject, letter.body.replace('\n', ""));
                assert!(!all.chars().any(is_trouble), "{all}");
                assert!(letter.subject.chars().count() < 300, "{}", letter.subject);
                let lines = letter.body.lines();
                assert!(
                    lines
                        .clone()
                        .all(|line| !line.starts_with("Bcc:") && !line.starts_with("Pay"))
                );
                assert!(lines.clone().count() <= MOST_LINES);
                let links = letter.body.matches("://").count();
                assert!(
                    links <= 2 && !letter.body.contains("evil.example/pay"),
                    "{}",
                    letter.body
                );
            }
        }
    }
}

fn is_trouble(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[test]
fn an_operators_own_template_takes_its_place_and_a_file_brings_a_language() {
    let own = |name: &str, text: &str| {
        Letters::new(&BTreeMap::from([(name.to_string(), text.to_string())]))
    };
    let render = |letters: &Letters, language| {
        letters.render(
            Problem::NotOffered,
            Kind::Notice,
            language,
            Style::Plain,
            &facts(),
        )
    };
    let french = own(
        "not-offered/fr",
        "Subject: bonjour {{mx}}\n\nSalut\n{{fix}}\n",
    )
    .unwrap();
    assert_eq!(french.languages(Problem::NotOffered), ["de", "en", "fr"]);
    let letter = render(&french, "fr").unwrap();
    assert_eq!(letter.subject, "bonjour mx1.a.example");
    assert!(
        letter.body.contains("postfix tls enable-server"),
        "the fixes of English stand in"
    );
    let said = render(&french, "nl").unwrap_err().to_string();
    assert!(said.contains("de, en, fr"), "{said}");
    for (name, text, what) in [
        ("not-offered/en", "Subject: {{#if}}", "not-offered/en.hbs"),
        (
            "notoffered/en",
            "Subject: x\n\nx\n",
            "found notoffered/en.hbs",
        ),
        ("readme", "x", "found readme.hbs"),
    ] {
        let said = own(name, text).err().unwrap().to_string();
        assert!(said.contains(what), "{said}");
    }
    for (text, what) in [
        ("no subject\n\nx\n", "expected `Subject: ...`"),
        ("Subject: x {{nobody}}\n\nx\n", "nobody"),
        ("Subject: \n\nx\n", "the subject is empty"),
        (&format!("Subject: x\n\n{}", "  x\n".repeat(40)), "40 lines"),
    ] {
        let letters = own("not-offered/en", text).unwrap();
        let said = render(&letters, "en").unwrap_err().to_string();
        assert!(said.contains(what), "{said}");
    }
}
