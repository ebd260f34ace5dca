//! A message with its headers and its envelope (RFC 5322, RFC 3834, RFC 2369, RFC 8689).
//!
//! Plain text, no markup, nothing attached but a report that was asked for. Whatever could become another header is refused.

use std::time::{Duration, SystemTime};

use lettre::address::{Address, Envelope};
use lettre::message::header::{ContentDisposition, ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};

/// What a message is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// Who writes: a name, which may be empty, and an address.
    pub from: (String, String),
    /// Where answers go, if not there.
    pub reply_to: Option<String>,
    /// The recipient.
    pub to: String,
    /// Where delivery reports go.
    pub sender: String,
    /// One line.
    pub subject: String,
    /// Lines with their ends.
    pub body: String,
    /// With the angle brackets.
    pub message_id: String,
    /// Seconds since 1970 UTC.
    pub date: i64,
    /// No human looks at it before it goes out.
    pub unattended: bool,
    /// How to end these mails, as a `mailto:` address with its subject; empty for none.
    pub unsubscribe: String,
    /// It is to be delivered even where TLS is required and does not work: it is about that.
    pub tls_optional: bool,
    /// An HTML page that goes with it: its file name and its text.
    pub page: Option<(String, String)>,
}

/// A message that can be handed over.
#[derive(Clone, Debug)]
pub struct Message {
    /// Envelope sender and recipient.
    pub envelope: Envelope,
    /// The octets.
    pub bytes: Vec<u8>,
}

/// Which field is not fit for a message, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageError(String);

impl std::fmt::Display for MessageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for MessageError {}

/// Envelope sender for one recipient: `name+tlsnag-TOKEN@domain`, so that what comes back tells what it is about (VERP). Without a
/// delimiter the address as it is.
pub fn return_path(address: &str, delimiter: Option<char>, token: &str) -> String {
    match (address.rsplit_once('@'), delimiter) {
        (Some((local, domain)), Some(delimiter)) => {
            format!("{local}{delimiter}tlsnag-{}@{domain}", token.to_lowercase())
        }
        _ => address.to_string(),
    }
}

impl Message {
    /// Builds it. Fails if an address is none, or a field has characters that no header may have.
    pub fn build(draft: &Draft) -> Result<Message, MessageError> {
        for (name, value) in [
            ("subject", &draft.subject),
            ("sender's name", &draft.from.0),
            ("Message-ID", &draft.message_id),
            ("unsubscribe address", &draft.unsubscribe),
        ] {
            if value.chars().any(char::is_control) {
                return Err(MessageError(format!(
                    "expected one line as the {name}, found control characters in `{}`",
                    value.escape_debug()
                )));
            }
        }
        let to = address("recipient", &draft.to)?;
        let sender = address("envelope sender", &draft.sender)?;
        let name = Some(draft.from.0.clone()).filter(|name| !name.is_empty());
        let mut message = lettre::Message::builder()
            .from(Mailbox::new(name, address("sender", &draft.from.1)?))
            .to(Mailbox::new(None, to.clone()))
            .subject(draft.subject.as_str())
            .date(time(draft.date))
            .message_id(Some(draft.message_id.clone()));
        if let Some(reply_to) = &draft.reply_to {
            message = message.reply_to(Mailbox::new(None, address("reply address", reply_to)?));
        }
        let mut raw = Vec::new();
        if draft.unattended {
            raw.push(("Auto-Submitted", "auto-generated".to_string()));
        }
        if draft.tls_optional {
            raw.push(("TLS-Required", "No".to_string()));
        }
        if !draft.unsubscribe.is_empty() {
            raw.push(("List-Unsubscribe", format!("<{}>", draft.unsubscribe)));
        }
        for (name, value) in raw {
            message = message.raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str(name),
                value,
            ));
        }
        let text = text(&draft.body)?;
        let built = match &draft.page {
            None => message.singlepart(text),
            Some((file, page)) => {
                let page = SinglePart::builder()
                    .header(ContentType::TEXT_HTML)
                    .header(ContentDisposition::attachment(file))
                    .body(page.clone());
                message.multipart(MultiPart::mixed().singlepart(text).singlepart(page))
            }
        };
        let built = built.map_err(|error| MessageError(error.to_string()))?;
        let envelope = Envelope::new(Some(sender), vec![to])
            .map_err(|error| MessageError(error.to_string()))?;
        Ok(Message {
            envelope,
            bytes: built.formatted(),
        })
    }
}

/// Fixed lines as `format=flowed` has them (RFC 3676): none ends with a blank, and one that begins with a blank, `From ` or `>` is
/// indented by one more.
fn text(body: &str) -> Result<SinglePart, MessageError> {
    let kind = ContentType::parse("text/plain; charset=utf-8; format=flowed")
        .map_err(|error| MessageError(error.to_string()))?;
    let stuffed: String = body
        .lines()
        .map(|line| {
            let line = line.trim_end();
            let stuff = line.starts_with(' ') || line.starts_with("From ") || line.starts_with('>');
            format!("{}{line}\r\n", if stuff { " " } else { "" })
        })
        .collect();
    Ok(SinglePart::builder().header(kind).body(stuffed))
}

fn address(what: &str, text: &str) -> Result<Address, MessageError> {
    text.parse().map_err(|_| {
        MessageError(format!(
            "expected a mail address as the {what}, found `{}`",
            text.escape_debug()
        ))
    })
}

fn time(seconds: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.max(0).unsigned_abs())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn draft() -> Draft {
        Draft {
            from: ("Ann Example".into(), "ann@us.example".into()),
            reply_to: Some("tls@us.example".into()),
            to: "postmaster@a.example".into(),
            sender: return_path("ann@us.example", Some('+'), "4F2A91C0"),
            subject: "mail.us.example: Mail an b\u{fc}cher.example [tlsnag-4F2A91C0]".into(),
            body: "Guten Tag,\n\ngr\u{fc}n\n  indented\nFrom here\n".into(),
            message_id: "<tlsnag.4F2A91C0.1@mail.us.example>".into(),
            date: 1_795_000_000,
            unsubscribe: "mailto:tls@us.example?subject=stop%204F2A91C0".into(),
            tls_optional: true,
            ..Draft::default()
        }
    }

    #[test]
    fn a_letter_header_by_header() {
        let message = Message::build(&draft()).unwrap();
        let text = String::from_utf8(message.bytes).unwrap();
        insta::assert_snapshot!("headers", text.replace('\r', ""));
        assert_eq!(
            message.envelope.from().unwrap().to_string(),
            "ann+tlsnag-4f2a91c0@us.example"
        );
        assert_eq!(message.envelope.to()[0].to_string(), "postmaster@a.example");
    }

    #[test]
    fn nothing_becomes_another_header() {
        let hostile = "x\r\nBcc: y@z.example";
        for broken in [
            Draft {
                subject: hostile.into(),
                ..draft()
            },
            Draft {
                from: (hostile.into(), "ann@us.example".into()),
                ..draft()
            },
            Draft {
                from: (String::new(), hostile.into()),
                ..draft()
            },
            Draft {
                to: format!("a@b.example{hostile}"),
                ..draft()
            },
            Draft {
                sender: hostile.into(),
                ..draft()
            },
            Draft {
                reply_to: Some(hostile.into()),
                ..draft()
            },
            Draft {
                message_id: hostile.into(),
                ..draft()
            },
            Draft {
                unsubscribe: hostile.into(),
                ..draft()
            },
        ] {
            let said = Message::build(&broken).unwrap_err().to_string();
            assert!(
                said.starts_with("expected ") && !said.contains('\r'),
                "{said}"
            );
        }
    }

    #[test]
    fn a_report_goes_with_its_page() {
        let with = Draft {
            page: Some(("report.html".into(), "<!doctype html><p>x".into())),
            unattended: true,
            ..draft()
        };
        let text = String::from_utf8(Message::build(&with).unwrap().bytes).unwrap();
        for part in [
            "multipart/mixed",
            "text/html",
            "attachment; filename=\"report.html\"",
            "Auto-Submitted: auto-generated",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }
}
