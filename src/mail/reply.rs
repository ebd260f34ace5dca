//! What an answer is: a bounce, a delay, a robot, somebody who wants no more of it, a human; and which letter it answers.
//!
//! A letter is known by the token it carries in its envelope sender, its Message-ID and its subject. Only tokens we have given out count,
//! one in each header, so that nobody finds one by trying many at once; and a token in quoted text alone decides nothing. What a human means, a
//! human reads.

use mail_parser::{Message, MessageParser, MimeHeaders, PartType};

/// A letter that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its token, in capitals.
    pub token: String,
    /// Its Message-ID, with the angle brackets.
    pub message_id: String,
}

/// What an answer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It came back for good, with the status (RFC 3463) if told. One that begins with 4: nobody said no, but it waited until it was given up.
    Bounce(String),
    /// It is late: nothing is lost yet.
    Delay(String),
    /// A robot: out of office, a ticket number.
    Robot,
    /// No more of it.
    OptOut,
    /// Somebody shows us that mail to us fails because of TLS: our own side.
    OurSide,
    /// A letter or an answer of ours, which lies there too.
    Own,
    /// To be read by a human.
    Human,
}

impl Kind {
    /// The word shown.
    pub fn name(&self) -> &'static str {
        match self {
            Kind::Bounce(_) => "bounce",
            Kind::Delay(_) => "delay",
            Kind::Robot => "robot",
            Kind::OptOut => "opt-out",
            Kind::OurSide => "our-side",
            Kind::Own => "own",
            Kind::Human => "human",
        }
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The letter it answers; `None` if it answers none of ours.
    pub token: Option<String>,
    /// It has a token where answers have theirs, whether a letter is known by it or not: that may be forgotten, or another store's.
    pub bears_token: bool,
    /// The Message-ID of that letter, if it is told; a case may have had several.
    pub message_id: Option<String>,
    /// What it is.
    pub kind: Kind,
    /// Who wrote it, as claimed.
    pub from: String,
    /// Its subject.
    pub subject: String,
    /// Its first words, without what is quoted.
    pub excerpt: String,
}

/// Words that end it, as the first of a subject or a text.
const STOP: &[&str] = &[
    "stop",
    "stopp",
    "unsubscribe",
    "abmelden",
    "austragen",
    "remove",
    "abbestellen",
    "abmeldung",
    "opt-out",
    "optout",
];
/// What the polite say first.
const COURTESIES: &[&str] = &["please", "pls", "kindly", "bitte"];
/// A line that is longer than this is a sentence, which a human reads.
const STOP_WORDS: usize = 4;
/// What robots put before a subject.
const ROBOTS: &[&str] = &[
    "automatic reply",
    "auto-reply",
    "autoreply",
    "out of office",
    "out of the office",
    "automatische antwort",
    "abwesenheit",
    "abwesend",
    "vacation",
];
/// Where what is quoted begins.
const QUOTES: &[&str] = &[
    "-----original message",
    "----- original",
    "-----urspr",
    "begin forwarded message",
];
/// How much of a text is shown.
const EXCERPT: usize = 300;

/// Reads one message. `None` if it is none. `own` are the addresses we write from.
pub fn read(bytes: &[u8], known: &[Known], own: &[&str]) -> Option<Reply> {
    let message = MessageParser::default().parse(bytes)?;
    let text = message.body_text(0).unwrap_or_default().into_owned();
    let written = unquoted(&text);
    let from = message
        .from()
        .and_then(|list| list.first())
        .and_then(|a| a.address())
        .unwrap_or_default()
        .to_string();
    let report = report(&message, &text, &from);
    let complaint = complaint(&message);
    let brings_it_back = report.is_some() || complaint.is_some();
    let letter = letter(&message, bytes, brings_it_back, known);
    let kind = match report {
        // Who calls a letter of ours spam wants no other. Those about other mail are not for us.
        _ if complaint.is_some() => match complaint == Some(true) && letter.is_some() {
            true => Kind::OptOut,
            false => Kind::Robot,
        },
        // Somebody else's mail to us has come back, and they show us.
        Some(_) if letter.is_none() && shows_our_side(&message, bytes, DEPTH) => Kind::OurSide,
        Some(kind) => kind,
        None => kind(&message, &written, letter.is_some(), bytes),
    };
    // What we pass on for somebody is theirs.
    let is_passed_on = match kind {
        Kind::Human | Kind::Robot => false,
        Kind::OurSide => letter.is_none(),
        _ => true,
    };
    let is_ours =
        is_letter(&message, known) || !is_passed_on && own.iter().any(|own| is_of(&from, own));
    Some(Reply {
        token: letter.map(|(known, _)| known.token.clone()),
        bears_token: places(&message).iter().any(|text| token(text).is_some()),
        message_id: letter
            .filter(|(_, is_named)| *is_named)
            .map(|(known, _)| known.message_id.clone()),
        kind: if is_ours { Kind::Own } else { kind },
        from,
        subject: message.subject().unwrap_or_default().to_string(),
        excerpt: written.chars().take(EXCERPT).collect(),
    })
}

/// What a message is that is no report.
fn kind(message: &Message<'_>, written: &str, is_answer: bool, bytes: &[u8]) -> Kind {
    let subject = message.subject().unwrap_or_default();
    match () {
        // A program that follows our `List-Unsubscribe` does what its user wants.
        () if says_stop(subject) => Kind::OptOut,
        () if is_responder(message, subject) => Kind::Robot,
        // Ticket systems pass on what people write, as bulk or as made by a program.
        () if written.lines().next().is_some_and(says_stop) => Kind::OptOut,
        () if is_program(message) || is_bulk(message) => Kind::Robot,
        () if is_answer && is_our_side(written) => Kind::OurSide,
        () if !is_answer && shows_our_side(message, bytes, DEPTH) => Kind::OurSide,
        () => Kind::Human,
    }
}

/// Whether it is a letter of ours itself.
fn is_letter(message: &Message<'_>, known: &[Known]) -> bool {
    let id = message.message_id().unwrap_or_default();
    let mut letters = known.iter();
    letters.any(|letter| letter.message_id.trim_matches(['<', '>']) == id)
}

/// Whether an address is this one of ours, as it is or as the envelope sender of a letter.
fn is_of(address: &str, own: &str) -> bool {
    let (address, own) = (address.to_lowercase(), own.to_lowercase());
    let (Some((local, domain)), Some((user, host))) =
        (address.rsplit_once('@'), own.rsplit_once('@'))
    else {
        return false;
    };
    let is_letters = |rest: &str| {
        rest.get(1..)
            .is_some_and(|rest| rest.starts_with("tlsnag-"))
    };
    let extension = local.strip_prefix(user);
    domain == host && extension.is_some_and(|rest| rest.is_empty() || is_letters(rest))
}

/// A delivery report (RFC 3464), or what a server that knows none of those writes in its place.
fn report(message: &Message<'_>, text: &str, from: &str) -> Option<Kind> {
    let status = message.parts.iter().find(|part| {
        part.content_type().is_some_and(|kind| {
            kind.ctype() == "message" && kind.subtype() == Some("delivery-status")
        })
    });
    let is_report = message
        .content_type()
        .is_some_and(|kind| kind.subtype() == Some("report"));
    let local = from.split('@').next().unwrap_or_default().to_lowercase();
    let is_daemon = local == "mailer-daemon" || raw(message, "Return-Path").trim() == "<>";
    if let Some(part) = status.filter(|_| is_report || is_daemon) {
        let fields = String::from_utf8_lossy(part.contents()).into_owned();
        let field = |name: &str| {
            fields.lines().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.trim()
                    .eq_ignore_ascii_case(name)
                    .then(|| value.trim().to_string())
            })
        };
        let code = field("Status").unwrap_or_default();
        return Some(
            match field("Action").unwrap_or_default().to_lowercase().as_str() {
                "failed" => Kind::Bounce(code),
                "delayed" => Kind::Delay(code),
                // delivered, relayed, expanded
                _ => Kind::Robot,
            },
        );
    }
    if !is_daemon
        || !raw(message, "Auto-Submitted").trim().is_empty()
            && is_program(message)
            && !looks_failed(text)
    {
        return None;
    }
    let code = text
        .split(|c: char| !c.is_ascii_digit() && c != '.')
        .find(|word| {
            let digits: Vec<&str> = word.split('.').collect();
            digits.len() == 3
                && matches!(digits[0], "4" | "5")
                && digits.iter().all(|d| !d.is_empty() && d.len() <= 3)
        })
        .unwrap_or_default()
        .to_string();
    match code.starts_with('4') && looks_late(text) {
        _ if !looks_failed(text) => None,
        true => Some(Kind::Delay(code)),
        false => Some(Kind::Bounce(code)),
    }
}

/// Whether a mailbox provider reports that somebody has called mail of ours spam (RFC 5965), or (`false`) something else about it; `None` if it is no such
/// report.
fn complaint(message: &Message<'_>) -> Option<bool> {
    let part = message.parts.iter().find(|part| {
        part.content_type().is_some_and(|kind| {
            kind.ctype() == "message" && kind.subtype() == Some("feedback-report")
        })
    })?;
    let fields = String::from_utf8_lossy(part.contents()).to_lowercase();
    let mut fields = fields.lines().filter_map(|line| line.split_once(':'));
    let (_, kind) = fields.find(|(name, _)| name.trim() == "feedback-type")?;
    Some(matches!(
        kind.trim(),
        "abuse" | "opt-out" | "opt-out-list" | "other"
    ))
}

/// What servers say of mail that they go on trying to deliver.
fn looks_late(text: &str) -> bool {
    let text = text.to_lowercase();
    [
        "will be retried",
        "will retry",
        "will keep trying",
        "will continue",
        "still trying",
        "not yet been delivered",
        "do not need to resend",
    ]
    .iter()
    .any(|words| text.contains(words))
}

/// What servers say of mail that did not arrive.
fn looks_failed(text: &str) -> bool {
    let text = text.to_lowercase();
    [
        "could not be delivered",
        "wasn't able to deliver",
        "was not able to deliver",
        "delivery to the following",
        "undeliverable",
        "permanent error",
        "delivery failed",
        "user unknown",
    ]
    .iter()
    .any(|words| text.contains(words))
}

fn raw<'m>(message: &'m Message<'_>, name: &'static str) -> &'m str {
    message.header_raw(name).unwrap_or_default()
}

/// Where the token of the letter that it answers stands: the address it came to, what it refers to, its subject.
const PLACES: &[&str] = &[
    "Delivered-To",
    "X-Original-To",
    "Envelope-To",
    "To",
    "Cc",
    "In-Reply-To",
    "References",
    "Subject",
];
/// What stands before a token.
const BEFORE: &[&str] = &["TLSNAG-", "TLSNAG.", "STOP ", "STOP%20"];
/// How many hexadecimal digits a token has.
const DIGITS: usize = 8;

/// What stands in these places, in capitals.
fn places(message: &Message<'_>) -> Vec<String> {
    let headers = PLACES.iter().map(|name| raw(message, name).to_uppercase());
    let subject = message.subject().unwrap_or_default().to_uppercase();
    headers.chain([subject]).collect()
}

/// Which letter it answers; a report by the letter it brings back. And whether it is named by its Message-ID: by its token any letter of its
/// case may be meant.
fn letter<'k>(
    message: &Message<'_>,
    bytes: &[u8],
    is_report: bool,
    known: &'k [Known],
) -> Option<(&'k Known, bool)> {
    let mut places = places(message);
    if is_report {
        places.push(String::from_utf8_lossy(bytes).to_uppercase());
    }
    let tokens: Vec<&str> = places.iter().filter_map(|text| token(text)).collect();
    let mut letters = known
        .iter()
        .filter(|letter| tokens.contains(&letter.token.as_str()));
    let is_named = |letter: &&Known| {
        let id = letter.message_id.to_uppercase();
        places.iter().any(|text| text.contains(&id))
    };
    let named = letters.clone().find(is_named).map(|letter| (letter, true));
    named.or_else(|| letters.next().map(|letter| (letter, false)))
}

/// The first token of a text in capitals: a second one is not looked at, so that nobody can try many at once.
fn token(text: &str) -> Option<&str> {
    let of = |before: &&str| {
        text.match_indices(*before).find_map(|(at, _)| {
            let at = at + before.len();
            let rest = &text[at..];
            let word = rest.split(|c: char| !c.is_ascii_alphanumeric()).next()?;
            let is_token = word.len() == DIGITS && word.bytes().all(|b| b.is_ascii_hexdigit());
            is_token.then_some((at, word))
        })
    };
    let first = BEFORE.iter().filter_map(of).min();
    first.map(|(_, token)| token)
}

/// Written by a program for somebody who is away, or by one that confirms that mail has come (RFC 3834, and what came before it).
fn is_responder(message: &Message<'_>, subject: &str) -> bool {
    let subject = subject.trim().to_lowercase();
    submitted(message).starts_with("auto-replied")
        || matches!(precedence(message).as_str(), "auto_reply" | "auto-reply")
        || [
            "X-Autoreply",
            "X-Autorespond",
            "X-Auto-Reply-From",
            "X-Mail-Autoreply",
        ]
        .into_iter()
        .any(|name| message.header_raw(name).is_some())
        || ROBOTS.iter().any(|word| subject.starts_with(word))
}

/// Sent by a program, whoever wrote it.
fn is_program(message: &Message<'_>) -> bool {
    let submitted = submitted(message);
    is_responder(message, "") || !(submitted.is_empty() || submitted.starts_with("no"))
}

fn submitted(message: &Message<'_>) -> String {
    raw(message, "Auto-Submitted").trim().to_lowercase()
}

/// Sent to many, or by a program that says no more than that.
fn is_bulk(message: &Message<'_>) -> bool {
    matches!(precedence(message).as_str(), "bulk" | "junk" | "list")
}

fn precedence(message: &Message<'_>) -> String {
    raw(message, "Precedence").trim().to_lowercase()
}

/// Whether a line, a subject or the first that they wrote themselves, is a word that ends it and little more. (What follows `Re:` is our own subject.)
fn says_stop(line: &str) -> bool {
    let mut words = line
        .split(|c: char| !c.is_alphanumeric() && c != '-')
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .skip_while(|word| COURTESIES.contains(&word.as_str()));
    let first = words.next().unwrap_or_default();
    let is_stop = match first.as_str() {
        "opt" => words.next().is_some_and(|word| word == "out"),
        first => STOP.contains(&first),
    };
    is_stop && words.count() < STOP_WORDS
}

/// What large senders tell their users whose servers could not do TLS with ours: all the words of one row.
const OUR_SIDE: &[&[&str]] = &[
    &["tls negotiation failed"],
    &["starttls error"],
    &["starttls-not-supported"],
    &["starttls", "required", "does not support"],
];

fn is_our_side(text: &str) -> bool {
    let text = text.to_lowercase();
    let is_said = |words: &[&str]| words.iter().all(|word| text.contains(word));
    OUR_SIDE.iter().any(|row| is_said(row))
}

/// How deep messages within messages are looked at.
const DEPTH: u8 = 3;

/// The same of a whole message: the bounce itself, one that is attached, or its words alone, which have no headers.
fn shows_our_side(message: &Message<'_>, bytes: &[u8], depth: u8) -> bool {
    let is_in = |part: &mail_parser::MessagePart<'_>| match &part.body {
        PartType::Text(text) | PartType::Html(text) => is_our_side(text),
        PartType::Message(inner) => {
            depth > 0 && shows_our_side(inner, inner.raw_message(), depth - 1)
        }
        PartType::Binary(bytes) | PartType::InlineBinary(bytes) => {
            is_our_side(&String::from_utf8_lossy(bytes))
        }
        PartType::Multipart(_) => false,
    };
    message.parts.iter().any(is_in)
        || message.from().is_none() && is_our_side(&String::from_utf8_lossy(bytes))
}

/// What they wrote themselves, above, between or below what they quote.
fn unquoted(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let mut own = String::new();
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        let lower = line.to_lowercase();
        if *line == "--" || QUOTES.iter().any(|quote| lower.starts_with(quote)) {
            break;
        }
        if let Some(after) = introduced(&lines[at..]) {
            at += after;
            let quoted = lines[at..].iter().find(|line| !line.is_empty());
            // What is quoted without a mark cannot be told from what they wrote.
            if !quoted.is_some_and(|line| line.starts_with('>')) {
                break;
            }
            continue;
        }
        if !line.starts_with('>') {
            own.push_str(line);
            own.push('\n');
        }
        at += 1;
    }
    own.trim().to_string()
}

/// How many lines say who wrote what is quoted below: `On Monday Ann wrote:`, which programs fold into up to three.
fn introduced(lines: &[&str]) -> Option<usize> {
    let begins = lines.first()?.to_lowercase();
    let end = match () {
        () if begins.starts_with("on ") => "wrote:",
        () if begins.starts_with("am ") => "schrieb:",
        () => return None,
    };
    let folded = lines.iter().take(3).take_while(|line| !line.is_empty());
    folded
        .enumerate()
        .find(|(_, line)| line.to_lowercase().ends_with(end))
        .map(|(at, _)| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Vec<Known> {
        vec![Known {
            token: "4F2A91C0".into(),
            message_id: "<tlsnag.4F2A91C0.notice@mail.us.example>".into(),
        }]
    }

    fn is(text: &str) -> (Option<String>, Kind) {
        let bytes = text.replace('\n', "\r\n").into_bytes();
        let reply = read(&bytes, &known(), &["ann@us.example"]).unwrap();
        (reply.token, reply.kind)
    }

    fn ours(kind: Kind) -> (Option<String>, Kind) {
        (Some("4F2A91C0".into()), kind)
    }

    #[test]
    fn a_report_tells_what_became_of_which_letter() {
        let report = |action: &str, status: &str| {
            format!(
                "From: MAILER-DAEMON@a.example\nTo: ann+tlsnag-4f2a91c0@us.example\nSubject: Undelivered Mail\nMIME-Version: 1.0\nAuto-Submitted: auto-replied\nContent-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\n\n--b\nContent-Type: text/plain\n\nsorry\n\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.a.example\n\nFinal-Recipient: rfc822; postmaster@a.example\nAction: {action}\nStatus: {status}\nDiagnostic-Code: smtp; 550 no\n\n--b\nContent-Type: message/rfc822\n\nMessage-ID: <tlsnag.4F2A91C0.notice@mail.us.example>\nSubject: x\n\nx\n\n--b--\n"
            )
        };
        assert_eq!(
            is(&report("failed", "5.1.1")),
            ours(Kind::Bounce("5.1.1".into()))
        );
        assert_eq!(
            is(&report("delayed", "4.4.1")),
            ours(Kind::Delay("4.4.1".into()))
        );
        assert_eq!(is(&report("delivered", "2.0.0")), ours(Kind::Robot));
        // It waited for days, and then was given up.
        assert_eq!(
            is(&report("failed", "4.4.1")),
            ours(Kind::Bounce("4.4.1".into()))
        );
        // Sent to a plain address: known by the letter it brings back.
        let plain = report("failed", "5.7.1").replace("ann+tlsnag-4f2a91c0@", "ann@");
        assert_eq!(is(&plain), ours(Kind::Bounce("5.7.1".into())));
        let old = "Return-Path: <>\nFrom: Mail Delivery System <Mailer-Daemon@a.example>\nTo: ann+tlsnag-4f2a91c0@us.example\nSubject: Mail delivery failed\n\nA message that you sent could not be delivered. This is a permanent error:\n  postmaster@a.example\n    550 5.1.1 user unknown\n";
        assert_eq!(is(old), ours(Kind::Bounce("5.1.1".into())));
        let waits = old.replace("This is a permanent error", "It will be retried");
        let waits = waits.replace("550 5.1.1", "450 4.2.1");
        assert_eq!(is(&waits), ours(Kind::Delay("4.2.1".into())));
        let given_up = waits.replace("It will be retried", "It waited too long");
        assert_eq!(is(&given_up), ours(Kind::Bounce("4.2.1".into())));
    }

    #[test]
    fn who_calls_a_letter_spam_wants_no_more_of_it() {
        let report = |kind: &str, id: &str| {
            is(&format!(
                "From: complaints@isp.example\nTo: ann@us.example\nSubject: FW: x\nMIME-Version: 1.0\nContent-Type: multipart/report; report-type=feedback-report; boundary=\"b\"\n\n--b\nContent-Type: text/plain\n\nThis is an abuse report.\n\n--b\nContent-Type: message/feedback-report\n\nFeedback-Type: {kind}\nUser-Agent: x/1\nVersion: 1\n\n--b\nContent-Type: message/rfc822\n\nMessage-ID: <{id}>\nSubject: x\n\nx\n\n--b--\n"
            ))
        };
        let letter = "tlsnag.4F2A91C0.notice@mail.us.example";
        assert_eq!(report("abuse", letter), ours(Kind::OptOut));
        assert_eq!(report("not-spam", letter), ours(Kind::Robot));
        assert_eq!(
            report("abuse", "newsletter@us.example"),
            (None, Kind::Robot)
        );
    }

    #[test]
    fn which_of_the_letters_of_a_case_came_back() {
        let id = |kind: &str| format!("<tlsnag.4F2A91C0.{kind}@mail.us.example>");
        let letters = ["notice", "reminder"].map(|kind| Known {
            token: "4F2A91C0".into(),
            message_id: id(kind),
        });
        let named = |text: String| {
            let reply = read(text.as_bytes(), &letters, &[]).unwrap();
            assert_eq!(reply.token.as_deref(), Some("4F2A91C0"));
            reply.message_id
        };
        let to = "To: ann+tlsnag-4f2a91c0@us.example\r\n";
        for kind in ["notice", "reminder"] {
            let text = format!("{to}In-Reply-To: {}\r\n\r\nhello\r\n", id(kind));
            assert_eq!(named(text), Some(id(kind)));
        }
        assert_eq!(named(format!("{to}\r\nhello\r\n")), None);
    }

    #[test]
    fn a_robot_is_no_human_and_ends_nothing() {
        for header in [
            "Auto-Submitted: auto-replied",
            "Precedence: auto_reply",
            "X-Autoreply: yes",
        ] {
            let text = format!(
                "From: bob@a.example\nTo: ann@us.example\nIn-Reply-To: <tlsnag.4F2A91C0.notice@mail.us.example>\n{header}\nSubject: Re: TLS\n\nstop\n"
            );
            assert_eq!(is(&text), ours(Kind::Robot), "{header}");
        }
        let text = "From: bob@a.example\nTo: ann+tlsnag-4f2a91c0@us.example\nSubject: Out of office: Re: TLS\n\nI am away.\n";
        assert_eq!(is(text), ours(Kind::Robot));
    }

    #[test]
    fn who_says_stop_below_what_they_quote_or_by_a_program_of_theirs_is_heard() {
        let reply = |header: &str, text: &str| {
            is(&format!(
                "From: bob@a.example\nTo: tls@us.example\nIn-Reply-To: <tlsnag.4F2A91C0.notice@mail.us.example>\n{header}\n\n{text}"
            ))
        };
        for text in [
            "On Monday, Ann wrote:\n> Hello,\n> answer \"stop\".\n\nstop\n",
            "On Mon, 2 Nov 2026 at 10:00, Ann Example of the Example Institute <ann@us.example>\nwrote:\n\n> Hello,\n\nStop.\n",
            "Am 02.11.2026 schrieb Ann Example:\n",
            "Am 02.11.2026 um 10:00 schrieb:\n> Guten Tag\nstopp\n",
        ] {
            let expected = match text.contains("top") {
                true => Kind::OptOut,
                false => Kind::Human,
            };
            assert_eq!(reply("Subject: Re: TLS", text), ours(expected), "{text}");
        }
        // A mail program that follows `List-Unsubscribe`, and a ticket system.
        let program = "Auto-Submitted: auto-generated\nSubject: stop 4F2A91C0";
        assert_eq!(reply(program, "\n"), ours(Kind::OptOut));
        let tickets = "Precedence: bulk\nSubject: [a.example #17] TLS";
        assert_eq!(reply(tickets, "Stop.\n"), ours(Kind::OptOut));
        assert_eq!(reply(tickets, "Got it.\n"), ours(Kind::Robot));
    }

    /// The report is theirs to look at, and we look at what they wrote.
    #[test]
    fn a_human_who_shows_us_a_report_is_a_human() {
        let text = "From: bob@a.example\nTo: ann+tlsnag-4f2a91c0@us.example\nSubject: Re: TLS\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"b\"\n\n--b\nContent-Type: text/plain\n\nThis is what we get from you:\n\n--b\nContent-Type: message/delivery-status\n\nFinal-Recipient: rfc822; ann@us.example\nAction: failed\nStatus: 5.7.1\n\n--b--\n";
        assert_eq!(is(text), ours(Kind::Human));
    }

    #[test]
    fn who_says_stop_is_heard_and_nobody_else_is_taken_for_it() {
        let from = "From: bob@a.example\nTo: tls@us.example\n";
        let reply = "In-Reply-To: <tlsnag.4F2A91C0.notice@mail.us.example>\nSubject: Re: TLS [tlsnag-4F2A91C0]\n";
        assert_eq!(
            is(&format!("{from}Subject: stop 4F2A91C0\n\n")),
            ours(Kind::OptOut)
        );
        assert_eq!(
            is(&format!("{from}{reply}\nStop!\n\n> answer \"stop\"\n")),
            ours(Kind::OptOut)
        );
        for text in [
            "abmelden bitte",
            "Bitte abmelden.",
            "Please stop!",
            "please unsubscribe me",
            "Opt out",
        ] {
            let found = is(&format!("{from}{reply}\n{text}\n"));
            assert_eq!(found, ours(Kind::OptOut), "{text}");
        }
        for text in [
            "Thank you! We shall fix it.\n\n> To hear no more of this, answer \"stop\".\n",
            "Stop by our office and we can look at it together on Monday.\n",
            "Please tell us which server it is.\n",
            "Opt for another cipher?\n",
            "On Monday Ann wrote:\nstop\n",
        ] {
            assert_eq!(
                is(&format!("{from}{reply}\n{text}")),
                ours(Kind::Human),
                "{text}"
            );
        }
        // A token nobody was given.
        assert_eq!(
            is(&format!("{from}Subject: stop 4F2A91C0AA\n\n")),
            (None, Kind::OptOut)
        );
        // Ours, but only somewhere in the text.
        assert_eq!(
            is(&format!("{from}Subject: hello\n\nstop [tlsnag-4F2A91C0]\n")).0,
            None
        );
    }

    #[test]
    fn our_own_letter_or_answer_is_nobodys_answer() {
        let letter = "From: Ann Example <ann@us.example>\nTo: postmaster@a.example\nMessage-ID: <tlsnag.4F2A91C0.notice@mail.us.example>\nSubject: x [tlsnag-4F2A91C0]\n\nHello,\n";
        assert_eq!(is(letter), ours(Kind::Own));
        let by_a_list = letter.replace("ann@us.example", "list@elsewhere.example");
        assert_eq!(is(&by_a_list), ours(Kind::Own));
        let answer = "From: ann+tlsnag-4f2a91c0@us.example\nTo: bob@a.example\nSubject: Re: x [tlsnag-4F2A91C0]\n\nI forgot to say\n";
        assert_eq!(is(answer), ours(Kind::Own));
        for other in ["anna@us", "ann-marie@us"] {
            let other = answer.replace("ann+tlsnag-4f2a91c0@us", other);
            assert_eq!(is(&other), ours(Kind::Human));
        }
        // Passed on by hand.
        let stop = answer
            .replace("Subject: Re: x", "Subject: stop")
            .replace("I forgot", "x");
        assert_eq!(is(&stop), ours(Kind::OptOut));
    }

    #[test]
    fn of_each_header_one_token_is_looked_at() {
        let many: String = (0..70_000).map(|n| format!("tlsnag-{n:08X} ")).collect();
        let guess = |header: &str, text: &str| {
            is(&format!(
                "From: eve@e.example\nTo: tls@us.example\n{header}: {text}\nSubject: stop\n\n"
            ))
        };
        for header in ["References", "In-Reply-To", "Cc"] {
            let last = format!("{many} tlsnag-4F2A91C0");
            assert_eq!(guess(header, &last), (None, Kind::OptOut), "{header}");
            let ids = "<tlsnag.00000000.notice@x> <tlsnag.4F2A91C0.notice@mail.us.example>";
            assert_eq!(guess(header, ids), (None, Kind::OptOut), "{header}");
        }
        let thread = "<x@y> <tlsnag.4F2A91C0.notice@mail.us.example> <z@y>";
        assert_eq!(guess("References", thread), ours(Kind::OptOut));
        // Words that stand where a token could.
        let words = guess("In-Reply-To", "please stop deadlock or stop 4f2a91c0");
        assert_eq!(words.0.as_deref(), Some("4F2A91C0"));
    }

    #[test]
    fn a_ticket_system_passes_on_what_people_write() {
        let through = |header: &str, text: &str| {
            is(&format!(
                "From: tickets@a.example\nTo: ann+tlsnag-4f2a91c0@us.example\n{header}\nSubject: [#17] Re: x\n\n{text}\n"
            ))
        };
        let generated = "Auto-Submitted: auto-generated";
        assert_eq!(through(generated, "stop"), ours(Kind::OptOut));
        assert_eq!(through(generated, "We have got it."), ours(Kind::Robot));
        assert_eq!(
            through("Auto-Submitted: auto-replied", "stop"),
            ours(Kind::Robot)
        );
    }

    #[test]
    fn a_bounce_of_a_large_sender_is_known_as_such_forwarded_or_pasted() {
        let said = "TLS Negotiation failed, the certificate doesn't match the host., code: 0 starttls error";
        let bounce = format!(
            "From: Mail Delivery Subsystem <mailer-daemon@googlemail.com>\nTo: user@gmail.com\nSubject: Delivery Status Notification (Delay)\nMIME-Version: 1.0\nContent-Type: multipart/report; boundary=\"b\"; report-type=delivery-status\n\n--b\nContent-Type: text/plain\n\nThere was a temporary problem.\n\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; googlemail.com\n\nFinal-Recipient: rfc822; ann@us.example\nAction: delayed\nStatus: 4.4.1\nDiagnostic-Code: smtp; {said}\n\n--b--\n"
        );
        assert_eq!(is(&bounce), (None, Kind::OurSide));
        let forwarded = format!(
            "From: joe@us.example\nTo: ann@us.example\nSubject: Fwd: bounce\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=c\n\n--c\nContent-Type: text/plain\n\nsee below\n\n--c\nContent-Type: message/rfc822\n\n{bounce}\n--c--\n"
        );
        assert_eq!(is(&forwarded), (None, Kind::OurSide));
        let by_us = forwarded.replace("joe@us.example", "ann@us.example");
        assert_eq!(is(&by_us), (None, Kind::OurSide));
        assert_eq!(is(&format!("{said}\n")), (None, Kind::OurSide));
        assert_eq!(
            is("From: joe@us.example\nSubject: hello\n\nWhat is new?\n"),
            (None, Kind::Human)
        );
    }

    #[test]
    fn a_bounce_of_a_large_sender_is_about_our_side() {
        let text = "From: user@big.example\nTo: ann@us.example\nSubject: cannot reach you\n\nYour server said: TLS Negotiation failed, the certificate doesn't match the host., code: 0 (starttls error 71)\n";
        assert_eq!(is(text), (None, Kind::OurSide));
    }

    #[test]
    fn any_octets_are_read() {
        for bytes in [
            &b""[..],
            b"\0\xff\xfe",
            b"Subject: \xff\r\n\r\n\xff",
            b"Content-Type: multipart/report; boundary=\"\"\r\n\r\n----\r\n",
        ] {
            let _ = read(bytes, &known(), &[]);
        }
        let reply = read(
            b"From: x@y.example\r\nSubject: a\r\n\r\nhello\r\n",
            &known(),
            &[],
        )
        .unwrap();
        assert_eq!(
            (reply.from.as_str(), reply.excerpt.as_str()),
            ("x@y.example", "hello")
        );
    }
}
