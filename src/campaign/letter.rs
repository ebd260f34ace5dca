//! Writes letters: the facts of a case, put into the words of a template.
//!
//! The templates are in `templates/mail`: a directory for each problem with a file for each language, and `partials`. An operator's own take
//! the place of any of them, and a new file brings a new language. What a template sees is [`Facts`], documented in `docs/outreach.md`. The first line is the subject, the rest the
//! body, in which paragraphs are wrapped and indented lines stay as they are. Nothing is sent here.

use std::collections::BTreeMap;

use handlebars::Handlebars;
use maillog::Cause;
use serde::Serialize;

use crate::outcome::Direction;

use super::problem::{Kind, Problem};
use super::redact::{fold, redact, visible};
use super::software::Software;

/// A line of text is at most this wide; log lines and commands may be a little wider.
const WIDTH: usize = 72;
/// How wide a line of proof is.
const PROOF_WIDTH: usize = 74;
/// No letter is longer.
pub const MOST_LINES: usize = 25;
/// A name longer than this is cut, and it shows.
const NAME: usize = 80;

/// How much room there is: domains and hosts that are named before the rest is counted, and lines of proof.
#[derive(Clone, Copy)]
struct Room {
    named: usize,
    proof: usize,
}

/// A letter that would be too long is tried with less.
const ROOMS: [Room; 4] = [
    Room { named: 3, proof: 3 },
    Room { named: 2, proof: 2 },
    Room { named: 1, proof: 2 },
    Room { named: 1, proof: 1 },
];

macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../templates/mail/", $name, ".hbs")))),*]
    };
}

/// All that come with the program.
const TEMPLATES: &[(&str, &str)] = built_in![
    "not-offered/en",
    "not-offered/de",
    "refused/en",
    "refused/de",
    "handshake/en",
    "handshake/de",
    "certificate/en",
    "certificate/de",
    "old-protocol/en",
    "old-protocol/de",
    "dane/en",
    "dane/de",
    "sts/en",
    "sts/de",
    "inbound-clear/en",
    "inbound-clear/de",
    "thank-you/en",
    "thank-you/de",
    "light-hearted/en",
    "light-hearted/de",
    "partials/en/opening",
    "partials/de/opening",
    "partials/en/proof",
    "partials/de/proof",
    "partials/en/closing",
    "partials/de/closing",
    "partials/en/check",
    "partials/de/check",
    "partials/en/server/postfix",
    "partials/de/server/postfix",
    "partials/en/server/sendmail",
    "partials/de/server/sendmail",
    "partials/en/server/exim",
    "partials/de/server/exim",
    "partials/en/server/opensmtpd",
    "partials/de/server/opensmtpd",
    "partials/en/server/exchange",
    "partials/de/server/exchange",
    "partials/en/server/cisco",
    "partials/de/server/cisco",
    "partials/en/server/any",
    "partials/de/server/any",
    "partials/en/client/postfix",
    "partials/de/client/postfix",
    "partials/en/client/any",
    "partials/de/client/any",
];

/// Who writes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Us {
    /// The person.
    pub person: String,
    /// What they write for.
    pub organisation: String,
    /// Our mail server.
    pub host: String,
    /// A page about it; may be empty.
    pub url: String,
}

/// Something that happened, as proof.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    /// The lines of the log, as they are.
    pub lines: Vec<String>,
}

/// What a letter is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// Who writes.
    pub us: Us,
    /// Of the case.
    pub token: String,
    /// Which way the mail goes.
    pub direction: Direction,
    /// Who runs the hosts.
    pub organisation: String,
    /// Most mail first.
    pub domains: Vec<String>,
    /// MX hosts, or the client.
    pub hosts: Vec<String>,
    /// How many mails.
    pub messages: u64,
    /// Mail had to wait, or came back; none crossed in clear.
    pub is_held: bool,
    /// On how many days.
    pub days: usize,
    /// First and last day, `2026-11-20`.
    pub since: String,
    /// See `since`.
    pub last: String,
    /// The log says outright that STARTTLS was not offered.
    pub is_certain: bool,
    /// What the TLS library said; `Unknown` if nothing.
    pub cause: Cause,
    /// TLS versions met.
    pub protocols: Vec<String>,
    /// One occurrence.
    pub proof: Option<Proof>,
    /// What the peer runs, if it told.
    pub software: Option<Software>,
    /// The day on which its server was asked and answered the same; empty if it was not.
    pub checked: String,
    /// The day from which we require TLS; empty if there is none.
    pub deadline: String,
    /// The day of the first letter, in a reminder.
    pub first_sent: String,
    /// The day since which it is mended, in a thank-you.
    pub fixed_on: String,
}

/// What a template sees.
#[derive(Serialize)]
struct View<'f> {
    us: Us,
    token: &'f str,
    inbound: bool,
    organisation: String,
    domain: String,
    domain_list: String,
    mx: String,
    mx_list: String,
    one_mx: bool,
    messages: u64,
    one: bool,
    held: bool,
    days: usize,
    since: &'f str,
    last: &'f str,
    sure: bool,
    cause: &'static str,
    cause_name: &'static str,
    is: Is,
    protocol: String,
    proof: Vec<String>,
    software: &'static str,
    fix: String,
    checked: &'f str,
    deadline: &'f str,
    first_sent: &'f str,
    last_reminder: bool,
    fixed_on: &'f str,
}

/// Which sort of cause it is: each has a section of its own.
#[derive(Default, Serialize)]
struct Is {
    dh: bool,
    cipher: bool,
    version: bool,
    garbage: bool,
    hangup: bool,
    certificate: bool,
}

impl Is {
    fn of(cause: Cause) -> Is {
        let any = |names: &[&str]| names.contains(&cause.name());
        Is {
            dh: any(&["dh-key-too-small", "alert-insufficient-security"]),
            cipher: any(&[
                "no-shared-cipher",
                "alert-handshake-failure",
                "no-shared-group",
                "signature-algorithm",
            ]),
            version: any(&["unsupported-protocol", "alert-protocol-version"]),
            garbage: any(&[
                "wrong-version-number",
                "not-tls",
                "unexpected-message",
                "bad-record-mac",
            ]),
            hangup: any(&["eof", "reset", "timeout"]),
            certificate: any(&[
                "weak-certificate",
                "certificate-expired",
                "certificate-not-yet-valid",
                "self-signed",
                "untrusted-issuer",
                "hostname-mismatch",
                "wrong-purpose",
                "weak-peer-key",
                "certificate-other",
                "bad-signature",
            ]),
        }
    }
}

/// A letter as it would be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// One line.
    pub subject: String,
    /// Lines of at most 78 columns, each with its end.
    pub body: String,
}

/// What is wrong with a template, or with what it makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetterError(String);

impl std::fmt::Display for LetterError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for LetterError {}

/// All templates, ready for use.
pub struct Letters(Handlebars<'static>);

impl Letters {
    /// The built-in ones, with those of `own` (by name, without `.hbs`) in their places and beside them. Fails if one is no template.
    pub fn new(own: &BTreeMap<String, String>) -> Result<Letters, LetterError> {
        let mut engine = Handlebars::new();
        engine.set_strict_mode(true);
        engine.register_escape_fn(handlebars::no_escape);
        let built_in = TEMPLATES.iter().map(|(name, text)| (*name, *text));
        let own = own
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()));
        for (name, text) in built_in.chain(own) {
            let name = name.strip_prefix("partials/").unwrap_or(name);
            engine
                .register_template_string(name, text)
                .map_err(|error| LetterError(format!("the template {name}.hbs: {error}")))?;
        }
        Ok(Letters(engine))
    }

    /// The languages in which there are letters of this kind.
    pub fn languages(&self, problem: Problem) -> Vec<String> {
        let names = self.0.get_templates().keys();
        let mut found: Vec<String> = names
            .filter_map(|name| name.strip_prefix(problem.name())?.strip_prefix('/'))
            .map(str::to_string)
            .collect();
        found.sort();
        found
    }

    /// Writes a letter. Fails if there is none in this language, if an operator's own template asks for what there is not, or if what
    /// comes out is no letter.
    pub fn render(
        &self,
        problem: Problem,
        kind: Kind,
        language: &str,
        style: Style,
        facts: &Facts,
    ) -> Result<Letter, LetterError> {
        let directory = match (kind, style, problem) {
            (Kind::ThankYou, ..) => "thank-you",
            (Kind::Notice, Style::LightHearted, Problem::NotOffered) => "light-hearted",
            _ => problem.name(),
        };
        let name = format!("{directory}/{language}");
        if !self.0.has_template(&name) {
            return Err(LetterError(format!(
                "there is no letter {name}.hbs; languages with one: {}",
                self.languages(problem).join(", ")
            )));
        }
        let mut letter = Err(LetterError(String::new()));
        for room in ROOMS {
            let text = self.fill(&name, problem, language, view(facts, kind, room))?;
            letter = finish(&name, &text);
            if letter.is_ok() {
                break;
            }
        }
        letter
    }

    /// The text of a template, with the fix for this software, or for all.
    fn fill(
        &self,
        name: &str,
        problem: Problem,
        language: &str,
        mut view: View<'_>,
    ) -> Result<String, LetterError> {
        let group = match problem {
            Problem::InboundClear => "client",
            _ => "server",
        };
        let fix = [view.software, "any"]
            .map(|software| format!("{language}/{group}/{software}"))
            .into_iter()
            .find(|name| self.0.has_template(name));
        if let Some(fix) = fix {
            view.fix = self.text(&fix, &view)?;
        }
        self.text(name, &view)
    }

    fn text(&self, name: &str, view: &View<'_>) -> Result<String, LetterError> {
        self.0
            .render(name, view)
            .map_err(|error| LetterError(format!("the template {name}.hbs: {error}")))
    }
}

/// In what spirit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// Plain and friendly.
    #[default]
    Plain,
    /// With a smile; never unless asked for.
    LightHearted,
}

fn view<'f>(facts: &'f Facts, kind: Kind, room: Room) -> View<'f> {
    let domains: Vec<&str> = facts.domains.iter().map(String::as_str).collect();
    let proof = facts.proof.iter().flat_map(|proof| &proof.lines);
    let first = |names: &[String]| shown(names.first().unwrap_or(&facts.organisation));
    let us = &facts.us;
    View {
        us: Us {
            person: visible(&us.person),
            organisation: visible(&us.organisation),
            host: visible(&us.host),
            url: visible(&us.url),
        },
        token: &facts.token,
        inbound: facts.direction == Direction::Inbound,
        organisation: shown(&facts.organisation),
        domain: first(&facts.domains),
        domain_list: list(&facts.domains, &facts.organisation, room),
        mx: first(&facts.hosts),
        mx_list: list(&facts.hosts, &facts.organisation, room),
        one_mx: facts.hosts.len() <= 1,
        messages: facts.messages,
        one: facts.messages == 1,
        held: facts.is_held,
        days: facts.days,
        since: &facts.since,
        last: &facts.last,
        sure: facts.is_certain,
        cause: match facts.cause {
            Cause::Unknown => "",
            cause => cause.row().words,
        },
        cause_name: facts.cause.name(),
        is: Is::of(facts.cause),
        protocol: facts.protocols.join(", "),
        proof: proof
            .flat_map(|line| fold(&redact(line, &domains), PROOF_WIDTH, room.proof))
            .take(room.proof)
            .collect(),
        software: facts.software.map_or("any", Software::name),
        fix: String::new(),
        checked: &facts.checked,
        deadline: &facts.deadline,
        first_sent: &facts.first_sent,
        last_reminder: kind == Kind::LastReminder,
        fixed_on: &facts.fixed_on,
    }
}

/// `a, b (+ 3)`: the same in every language that is likely.
fn list(names: &[String], otherwise: &str, room: Room) -> String {
    let named: Vec<String> = names
        .iter()
        .take(room.named)
        .map(|name| shown(name))
        .collect();
    match names.len() {
        0 => shown(otherwise),
        n if n > room.named => format!("{} (+ {})", named.join(", "), n - room.named),
        _ => named.join(", "),
    }
}

/// A name as it is shown.
fn shown(name: &str) -> String {
    let name = visible(name);
    match name.char_indices().nth(NAME) {
        Some((at, _)) => format!("{}...", &name[..at]),
        None => name,
    }
}

/// Takes the subject off, wraps the paragraphs, and holds the result to what a letter may be.
fn finish(name: &str, text: &str) -> Result<Letter, LetterError> {
    let wrong = |what: String| Err(LetterError(format!("the template {name}.hbs: {what}")));
    let Some((subject, body)) = text.split_once('\n') else {
        return wrong("expected a line `Subject: ...` and a text below it, found one line".into());
    };
    let Some(subject) = subject.strip_prefix("Subject: ").map(str::trim) else {
        return wrong(format!(
            "expected `Subject: ...` in the first line, found `{subject}`"
        ));
    };
    if subject.is_empty() || subject.chars().any(char::is_control) {
        return wrong("the subject is empty, or has characters that no header may have".into());
    }
    let body = wrap(body);
    let lines = body.lines().count();
    if lines > MOST_LINES {
        return wrong(format!(
            "the letter has {lines} lines; more than {MOST_LINES} are not read"
        ));
    }
    Ok(Letter {
        subject: subject.to_string(),
        body,
    })
}

/// Wraps paragraphs; indented lines stay as they are, and no two empty lines follow each other.
pub(super) fn wrap(text: &str) -> String {
    let mut out: Vec<String> = Vec::new();
    let mut paragraph = String::new();
    for line in text.lines().chain([""]) {
        let is_verbatim = line.starts_with("  ");
        if !is_verbatim && !line.trim().is_empty() {
            if !paragraph.is_empty() {
                paragraph.push(' ');
            }
            paragraph.push_str(line.trim());
            continue;
        }
        out.extend(wrapped(&std::mem::take(&mut paragraph)));
        if is_verbatim {
            out.push(line.trim_end().to_string());
        } else if out.last().is_some_and(|last| !last.is_empty()) {
            out.push(String::new());
        }
    }
    while out.last().is_some_and(String::is_empty) {
        out.pop();
    }
    out.into_iter().map(|line| line + "\n").collect()
}

fn wrapped(paragraph: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in paragraph.split_whitespace() {
        let length = word.chars().count();
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + length <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            // One word as long as a line.
            _ if length > WIDTH => lines.extend(fold(word, WIDTH, usize::MAX)),
            _ => lines.push(word.to_string()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::problem::PROBLEMS;

    fn facts() -> Facts {
        Facts {
            us: Us {
                person: "Ann Example".into(),
                organisation: "the Example Institute".into(),
                host: "mail.us.example".into(),
                url: "https://us.example/tls".into(),
            },
            token: "4F2A91C0".into(),
            direction: Direction::Outbound,
            organisation: "a.example".into(),
            domains: vec!["a.example".into()],
            hosts: vec!["mx1.a.example".into()],
            messages: 23,
            is_held: false,
            days: 9,
            since: "2026-11-07".into(),
            last: "2026-11-20".into(),
            is_certain: true,
            cause: Cause::Unknown,
            protocols: vec!["TLSv1".into()],
            proof: Some(Proof {
                lines: vec![
                    "Nov 20 10:00:01 mail postfix/smtp[4711]: 4F1A01: to=<bob@a.example>, relay=mx1.a.example[192.0.2.10]:25, delay=1.1, delays=0.1/0/0.5/0.5, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as AAA)".into(),
                ],
            }),
            software: None,
            checked: String::new(),
            deadline: String::new(),
            first_sent: String::new(),
            fixed_on: "2026-11-22".into(),
        }
    }

    fn letters() -> Letters {
        Letters::new(&BTreeMap::new()).unwrap()
    }

    /// Every problem in every kind, language, software and with every cause.
    fn every(mut look: impl FnMut(&str, &Letter)) {
        let letters = letters();
        let kinds = [
            Kind::Notice,
            Kind::Reminder,
            Kind::LastReminder,
            Kind::Deadline,
            Kind::ThankYou,
        ];
        let software: Vec<_> = Software::all().map(Some).chain([None]).collect();
        let causes: Vec<Cause> = (0..200).map_while(cause_at).collect();
        assert!(causes.len() > 40);
        for row in PROBLEMS {
            for language in letters.languages(row.problem) {
                for kind in kinds {
                    for software in &software {
                        let causes = if row.problem == Problem::Handshake {
                            &causes[..]
                        } else {
                            &causes[..2]
                        };
                        for cause in causes {
                            let mut facts = Facts {
                                software: *software,
                                cause: *cause,
                                ..facts()
                            };
                            facts.domains = (0..9)
                                .map(|i| format!("customer{i}.of-a-rather-long-name.example"))
                                .collect();
                            if kind == Kind::Deadline {
                                facts.deadline = "2027-03-01".into();
                            }
                            if matches!(kind, Kind::Reminder | Kind::LastReminder) {
                                facts.first_sent = "2026-10-20".into();
                            }
                            if row.problem == Problem::InboundClear {
                                facts.direction = Direction::Inbound;
                            }
                            let letter = letters
                                .render(row.problem, kind, &language, Style::Plain, &facts)
                                .unwrap();
                            look(
                                &format!(
                                    "{} {language} {} {software:?} {cause:?}",
                                    row.name,
                                    kind.name()
                                ),
                                &letter,
                            );
                        }
                    }
                }
            }
        }
    }

    fn cause_at(at: usize) -> Option<Cause> {
        maillog::reason::CAUSES.get(at).map(|row| row.cause)
    }

    #[test]
    fn every_letter_is_short_narrow_and_complete() {
        every(|what, letter| {
            assert!(
                letter.body.lines().count() <= MOST_LINES,
                "{what}\n{}",
                letter.body
            );
            assert!(
                letter.body.lines().all(|l| l.chars().count() <= 78
                    || (l.starts_with("  ") && l.chars().count() <= 120)),
                "{what}\n{}",
                letter.body
            );
            assert!(
                !letter.body.contains("{{") && !letter.body.contains("\n\n\n"),
                "{what}"
            );
            assert!(
                letter.body.matches("http").count() <= 2,
                "{what}: at most two links"
            );
            assert!(letter.subject.contains("[tlsnag-4F2A91C0]"), "{what}");
            assert!(!letter.body.contains("bob"), "{what}: no persons");
            assert!(
                letter.body.contains("mail.us.example") && letter.body.contains("Ann Example"),
                "{what}"
            );
        });
    }

    #[test]
    fn who_offers_starttls_is_never_told_it_does_not() {
        every(|what, letter| {
            let text = letter.body.to_lowercase();
            let is_not_offered = what.starts_with("not-offered") && !what.contains("thank-you");
            let says_so = text.contains("not offer starttls") || text.contains("kein starttls");
            assert_eq!(says_so, is_not_offered, "{what}\n{}", letter.body);
        });
    }

    #[test]
    fn each_letter_as_it_is() {
        let letters = letters();
        let mut all = String::new();
        // What is unclear is never written about.
        for row in PROBLEMS
            .iter()
            .filter(|row| row.problem != Problem::Unclear)
        {
            for language in ["en", "de"] {
                let mut facts = facts();
                match row.problem {
                    Problem::Handshake => {
                        facts.cause = Cause::from_name("dh-key-too-small").unwrap()
                    }
                    Problem::Certificate => {
                        facts.cause = Cause::from_name("certificate-expired").unwrap()
                    }
                    Problem::Dane => facts.cause = Cause::from_name("no-matching-tlsa").unwrap(),
                    Problem::NotOffered => facts.software = Some(Software::Postfix),
                    Problem::InboundClear => facts.direction = Direction::Inbound,
                    _ => {}
                }
                let letter = letters
                    .render(row.problem, Kind::Notice, language, Style::Plain, &facts)
                    .unwrap();
                all.push_str(&format!(
                    "==== {}/{language}\n{}\n\n{}\n",
                    row.name, letter.subject, letter.body
                ));
            }
        }
        for language in ["en", "de"] {
            let facts = Facts {
                is_held: true,
                ..facts()
            };
            let letter = letters
                .render(
                    Problem::NotOffered,
                    Kind::Notice,
                    language,
                    Style::Plain,
                    &facts,
                )
                .unwrap();
            all.push_str(&format!(
                "==== held back {language}\n{}\n\n{}\n",
                letter.subject, letter.body
            ));
        }
        for (kind, style) in [
            (Kind::LastReminder, Style::Plain),
            (Kind::Deadline, Style::Plain),
            (Kind::ThankYou, Style::Plain),
            (Kind::Notice, Style::LightHearted),
        ] {
            for language in ["en", "de"] {
                let facts = Facts {
                    deadline: if kind == Kind::Deadline {
                        "2027-03-01".into()
                    } else {
                        String::new()
                    },
                    first_sent: if kind == Kind::LastReminder {
                        "2026-08-20".into()
                    } else {
                        String::new()
                    },
                    checked: "2026-11-21".into(),
                    ..facts()
                };
                let letter = letters
                    .render(Problem::NotOffered, kind, language, style, &facts)
                    .unwrap();
                all.push_str(&format!(
                    "==== {} {style:?} {language}\n{}\n\n{}\n",
                    kind.name(),
                    letter.subject,
                    letter.body
                ));
            }
        }
        insta::assert_snapshot!("letters", all);
    }

    #[test]
    fn a_hostile_name_breaks_nothing() {
        let letters = letters();
        for name in [
            "a\r\nBcc: x@y.example",
            "{{us.person}}",
            "\u{1b}[31mred",
            "x\u{202e}elpmaxe",
            &"x".repeat(300),
        ] {
            let facts = Facts {
                organisation: name.into(),
                domains: vec![name.into()],
                hosts: vec![name.into()],
                proof: Some(Proof {
                    lines: vec![name.into()],
                }),
                ..facts()
            };
            let letter = letters
                .render(
                    Problem::NotOffered,
                    Kind::Notice,
                    "en",
                    Style::Plain,
                    &facts,
                )
                .unwrap();
            assert!(
                letter.subject.lines().count() == 1
                    && !letter.subject.chars().any(char::is_control)
            );
            assert!(
                !letter.body.contains('\r')
                    && !letter.body.contains('\u{1b}')
                    && !letter.body.contains('\u{202e}')
            );
            assert!(
                letter.body.lines().all(|line| !line.starts_with("Bcc:")),
                "{}",
                letter.body
            );
        }
    }

    #[test]
    fn an_operators_own_template_takes_its_place_and_a_file_brings_a_language() {
        let own = |name: &str, text: &str| {
            Letters::new(&BTreeMap::from([(name.to_string(), text.to_string())]))
        };
        let render = |letters: &Letters, language| {
            letters.render(
                Problem::Refused,
                Kind::Notice,
                language,
                Style::Plain,
                &facts(),
            )
        };
        let french = own("refused/fr", "Subject: bonjour {{mx}}\n\nSalut\n").unwrap();
        assert_eq!(french.languages(Problem::Refused), ["de", "en", "fr"]);
        assert_eq!(
            render(&french, "fr").unwrap().subject,
            "bonjour mx1.a.example"
        );
        let said = render(&french, "nl").unwrap_err().to_string();
        assert!(said.contains("de, en, fr"), "{said}");
        let said = own("refused/en", "Subject: {{#if}}")
            .err()
            .unwrap()
            .to_string();
        assert!(said.contains("refused/en.hbs"), "{said}");
        for (text, what) in [
            ("no subject\n\nx\n", "expected `Subject: ...`"),
            ("Subject: x {{nobody}}\n\nx\n", "nobody"),
            ("Subject: \n\nx\n", "the subject is empty"),
            (&format!("Subject: x\n\n{}", "  x\n".repeat(40)), "40 lines"),
        ] {
            let said = render(&own("refused/en", text).unwrap(), "en")
                .unwrap_err()
                .to_string();
            assert!(said.contains(what), "{said}");
        }
    }
}
