//! What an answer is: a bounce, a delay, a robot, somebody who wants no more of it, a human; and which letter it answers.
//!
//! A letter is known by the token it carries in its envelope sender, its Message-ID and its subject. Only tokens we have given out count,
//! and a token in quoted text alone decides nothing. What a human means, a human reads.

use mail_parser::{Message, MessageParser, MimeHeaders};

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
    /// It came back for good, with the status (RFC 3463) if told.
    Bounce(String),
    /// It is late, or came back for now: nothing is lost yet.
    Delay(String),
    /// A robot: out of office, a ticket number.
    Robot,
    /// No more of it.
    OptOut,
    /// Somebody shows us that mail to us fails because of TLS: our own side.
    OurSide,
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
            Kind::Human => "human",
        }
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The letter it answers; `None` if it answers none of ours.
    pub token: Option<String>,
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
    "opt-out",
    "optout",
];
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

/// Reads one message. `None` if it is none.
pub fn read(bytes: &[u8], known: &[Known]) -> Option<Reply> {
    let message = MessageParser::default().parse(bytes)?;
    let text = message.body_text(0).unwrap_or_default().into_owned();
    let own = unquoted(&text);
    let from = message
        .from()
        .and_then(|list| list.first())
        .and_then(|a| a.address())
        .unwrap_or_default()
        .to_string();
    let subject = message.subject().unwrap_or_default().to_string();
    let report = report(&message, &text, &from);
    let letter = letter(&message, bytes, report.is_some(), known);
    let kind = match report {
        Some(kind) => kind,
        // A program that follows our `List-Unsubscribe` does what its user wants.
        None if says_stop(&subject) => Kind::OptOut,
        None if is_program(&message, &subject) => Kind::Robot,
        None if own.lines().next().is_some_and(says_stop) => Kind::OptOut,
        // Ticket systems send what people write as bulk.
        None if is_bulk(&message) => Kind::Robot,
        None if is_our_side(&text) => Kind::OurSide,
        None => Kind::Human,
    };
    Some(Reply {
        token: letter.map(|(known, _)| known.token.clone()),
        message_id: letter
            .filter(|(_, is_named)| *is_named)
            .map(|(known, _)| known.message_id.clone()),
        kind,
        from,
        subject,
        excerpt: own.chars().take(EXCERPT).collect(),
    })
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
                "failed" if code.starts_with('4') => Kind::Delay(code),
                "failed" => Kind::Bounce(code),
                "delayed" => Kind::Delay(code),
                // delivered, relayed, expanded
                _ => Kind::Robot,
            },
        );
    }
    if !is_daemon
        || !raw(message, "Auto-Submitted").trim().is_empty()
            && is_program(message, "")
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
    match code.starts_with('4') {
        _ if !looks_failed(text) => None,
        true => Some(Kind::Delay(code)),
        false => Some(Kind::Bounce(code)),
    }
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

/// Which letter it answers: by the address it came to, by what it refers to, by its subject; a report by the letter it brings back. And
/// whether it is named by its Message-ID: by its token any letter of its case may be meant.
fn letter<'k>(
    message: &Message<'_>,
    bytes: &[u8],
    is_report: bool,
    known: &'k [Known],
) -> Option<(&'k Known, bool)> {
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
    let mut places: String = PLACES
        .iter()
        .map(|name| raw(message, name))
        .collect::<Vec<_>>()
        .join("\n");
    places.push_str(message.subject().unwrap_or_default());
    if is_report {
        places.push_str(&String::from_utf8_lossy(bytes));
    }
    let places = places.to_uppercase();
    let is_named = |letter: &&Known| places.contains(&letter.message_id.to_uppercase());
    let is_meant = |letter: &&Known| {
        ["TLSNAG-", "TLSNAG.", "STOP ", "STOP%20"]
            .iter()
            .any(|before| is_there(&places, &format!("{before}{}", letter.token)))
    };
    let named = known.iter().find(is_named).map(|letter| (letter, true));
    named.or_else(|| known.iter().find(is_meant).map(|letter| (letter, false)))
}

/// Whether `word` stands in `text` and does not go on there.
fn is_there(text: &str, word: &str) -> bool {
    text.match_indices(word)
        .any(|(at, _)| !text[at + word.len()..].starts_with(|c: char| c.is_ascii_alphanumeric()))
}

/// Sent by a program (RFC 3834, and what came before it).
fn is_program(message: &Message<'_>, subject: &str) -> bool {
    let submitted = raw(message, "Auto-Submitted").trim().to_lowercase();
    let subject = subject.trim().to_lowercase();
    (!submitted.is_empty() && !submitted.starts_with("no"))
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
        .filter(|word| !word.is_empty());
    let first = words.next().unwrap_or_default().to_lowercase();
    STOP.contains(&first.as_str()) && words.count() < STOP_WORDS
}

/// The bounce of a large sender whose servers could not do TLS with ours.
fn is_our_side(text: &str) -> bool {
    let text = text.to_lowercase();
    text.contains("tls negotiation failed")
        || (text.contains("starttls")
            && text.contains("required")
            && text.contains("does not support"))
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
        let reply = read(text.replace('\n', "\r\n").as_bytes(), &known()).unwrap();
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
        // Sent to a plain address: known by the letter it brings back.
        let plain = report("failed", "5.7.1").replace("ann+tlsnag-4f2a91c0@", "ann@");
        assert_eq!(is(&plain), ours(Kind::Bounce("5.7.1".into())));
        let old = "Return-Path: <>\nFrom: Mail Delivery System <Mailer-Daemon@a.example>\nTo: ann+tlsnag-4f2a91c0@us.example\nSubject: Mail delivery failed\n\nA message that you sent could not be delivered. This is a permanent error:\n  postmaster@a.example\n    550 5.1.1 user unknown\n";
        assert_eq!(is(old), ours(Kind::Bounce("5.1.1".into())));
    }

    #[test]
    fn which_of_the_letters_of_a_case_came_back() {
        let id = |kind: &str| format!("<tlsnag.4F2A91C0.{kind}@mail.us.example>");
        let letters = ["notice", "reminder"].map(|kind| Known {
            token: "4F2A91C0".into(),
            message_id: id(kind),
        });
        let named = |text: String| {
            let reply = read(text.as_bytes(), &letters).unwrap();
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
        assert_eq!(
            is(&format!("{from}{reply}\nBitte abmelden.\n")),
            ours(Kind::Human)
        );
        assert_eq!(
            is(&format!("{from}{reply}\nabmelden bitte\n")),
            ours(Kind::OptOut)
        );
        for text in [
            "Thank you! We shall fix it.\n\n> To hear no more of this, answer \"stop\".\n",
            "Stop by our office and we can look at it together on Monday.\n",
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
            let _ = read(bytes, &known());
        }
        let reply = read(
            b"From: x@y.example\r\nSubject: a\r\n\r\nhello\r\n",
            &known(),
        )
        .unwrap();
        assert_eq!(
            (reply.from.as_str(), reply.excerpt.as_str()),
            ("x@y.example", "hello")
        );
    }
}
