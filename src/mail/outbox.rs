//! Hands a message over, once, and says what became of it. It never tries again by itself: who calls it knows whether that is right.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{SmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::{Response, Severity};

use super::Message;

/// Where messages go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outbox {
    /// A program that takes them like sendmail does.
    Sendmail(PathBuf),
    /// An SMTP server.
    Smtp(Server),
    /// Files in a directory, for looking at or for other programs.
    Directory(PathBuf),
}

/// An SMTP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its name, which its certificate must have.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether the connection is encrypted.
    pub security: Security,
    /// User and password.
    pub login: Option<(String, String)>,
    /// The name we say.
    pub helo: String,
    /// How long to wait for each answer.
    pub patience: Duration,
}

/// Whether a connection is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// It is not: for a server on this machine.
    None,
    /// After STARTTLS, or not at all.
    Starttls,
    /// From the start.
    Tls,
}

/// Why a message was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Not now: it may be tried again.
    Temporary(String),
    /// Never.
    Permanent(String),
    /// It may have been taken, or not. To try again could send it twice.
    Unclear(String),
    /// It was not even tried: a setting is wrong.
    Unable(String),
}

impl Refused {
    /// What was said.
    pub fn words(&self) -> &str {
        match self {
            Refused::Temporary(said)
            | Refused::Permanent(said)
            | Refused::Unclear(said)
            | Refused::Unable(said) => said,
        }
    }
}

impl Outbox {
    /// Hands `message` over. `name` is what a file is called. What is given back is what the other side said.
    pub fn send(&self, message: &Message, name: &str) -> Result<String, Refused> {
        match self {
            Outbox::Sendmail(program) => sendmail(program, message),
            Outbox::Smtp(server) => smtp(server, message),
            Outbox::Directory(directory) => file(directory, message, name),
        }
    }
}

/// Makes a refusal of what was said.
type Meaning = fn(String) -> Refused;

/// Exit statuses of sendmail (sysexits.h) after which nothing was taken, and what that means for the letter.
const EXITS: &[(i32, Meaning)] = &[
    (64, Refused::Unable),    // usage
    (65, Refused::Permanent), // data
    (66, Refused::Unable),    // no input
    (67, Refused::Permanent), // no such user
    (68, Refused::Temporary), // no such host: relaying programs say so of their own server when it cannot be looked up
    (69, Refused::Temporary), // unavailable
    (70, Refused::Temporary), // internal error
    (71, Refused::Temporary), // system
    (72, Refused::Temporary), // system file
    (73, Refused::Temporary), // cannot create
    (74, Refused::Temporary), // input or output
    (75, Refused::Temporary), // try again later
    (76, Refused::Temporary), // protocol
    (77, Refused::Unable),    // no permission: of ours, or a password of ours
    (78, Refused::Unable),    // configuration
];

fn sendmail(program: &PathBuf, message: &Message) -> Result<String, Refused> {
    let unable = |what: &str, error: std::io::Error| {
        Refused::Unable(format!(
            "cannot {what} {}: {error}; set `sendmail` or `smtp` in the section [campaign]",
            program.display()
        ))
    };
    let from = message
        .envelope
        .from()
        .map(ToString::to_string)
        .unwrap_or_default();
    let mut child = Command::new(program)
        .args(["-i", "-f", &from, "--"])
        .args(message.envelope.to().iter().map(ToString::to_string))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| unable("run", error))?;
    let written = match child.stdin.take() {
        // Its line ends are those of this system.
        Some(mut input) => input.write_all(&unix(&message.bytes)),
        None => Ok(()),
    };
    let output = child
        .wait_with_output()
        .map_err(|error| Refused::Unclear(error.to_string()))?;
    let said = String::from_utf8_lossy(&output.stderr).trim().to_string();
    let known = output
        .status
        .code()
        .and_then(|code| EXITS.iter().find(|(exit, _)| *exit == code));
    match (output.status.success(), known) {
        (true, _) if written.is_ok() => Ok("handed to sendmail".into()),
        (false, Some((_, kind))) => Err(kind(format!(
            "{}: {}: {said}",
            program.display(),
            output.status
        ))),
        // Ended in another way, or without having read it all.
        _ => Err(Refused::Unclear(format!("{}: {said}", output.status))),
    }
}

fn unix(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        match line.strip_suffix(b"\r\n") {
            Some(line) => {
                out.extend_from_slice(line);
                out.push(b'\n');
            }
            None => out.extend_from_slice(line),
        }
    }
    out
}

/// Up to the end of the text nothing is taken; what fails after it leaves it open.
fn smtp(server: &Server, message: &Message) -> Result<String, Refused> {
    let mut connection = connect(server)?;
    let envelope = &message.envelope;
    let mut begin = || {
        let sender = Mail::new(envelope.from().cloned(), vec![]);
        let us = |error| of_us(server, error);
        connection.command(sender).map_err(us)?;
        for to in envelope.to() {
            let them = |error| of_recipient(server, error);
            connection
                .command(Rcpt::new(to.clone(), vec![]))
                .map_err(them)?;
        }
        connection.command(Data).map(drop).map_err(refused)
    };
    if let Err(error) = begin() {
        connection.abort();
        return Err(error);
    }
    let answer = connection.message(&message.bytes);
    if !connection.has_broken() {
        connection.quit().ok();
    }
    match answer {
        Ok(response) => Ok(said(&response)),
        Err(error) if error.status().is_some() => Err(refused(error)),
        Err(error) => Err(Refused::Unclear(in_words(&error))),
    }
}

fn connect(server: &Server) -> Result<SmtpConnection, Refused> {
    let helo = ClientId::Domain(server.helo.clone());
    let parameters = parameters(server)?;
    let from_start = match server.security {
        Security::Tls => parameters.as_ref(),
        Security::Starttls | Security::None => None,
    };
    let mut connection = SmtpConnection::connect(
        (server.host.as_str(), server.port),
        Some(server.patience),
        &helo,
        from_start,
        None,
    )
    .map_err(|error| of_us(server, error))?;
    if let (Security::Starttls, Some(parameters)) = (server.security, &parameters) {
        if !connection.can_starttls() {
            connection.abort();
            return Err(Refused::Unable(format!(
                "{} does not offer STARTTLS, which is set; see smtp and smtp_security in the section [campaign]",
                server.host
            )));
        }
        connection
            .starttls(parameters, &helo)
            .map_err(|error| of_us(server, error))?;
    }
    if let Some((user, password)) = &server.login {
        let login = Credentials::new(user.clone(), password.clone());
        // A wrong password is ours to mend; the letter is as good as before.
        connection
            .auth(&[Mechanism::Plain, Mechanism::Login], &login)
            .map_err(|error| {
                Refused::Unable(format!(
                    "{} does not let us in: {}",
                    server.host,
                    in_words(&error)
                ))
            })?;
    }
    Ok(connection)
}

/// How TLS is spoken to it; nothing where it is not, for the authorities of this machine are many files to read.
fn parameters(server: &Server) -> Result<Option<TlsParameters>, Refused> {
    if server.security == Security::None {
        return Ok(None);
    }
    let unable = |error| {
        let words = in_words(&error);
        Refused::Unable(format!("no TLS for {}: {words}", server.host))
    };
    let builder = TlsParameters::builder(server.host.clone());
    builder.build_rustls().map(Some).map_err(unable)
}

/// What is said before a recipient is named is about us: the letter is as good as before, and no other would fare better.
fn of_us(server: &Server, error: lettre::transport::smtp::Error) -> Refused {
    if is_of_tls(&error) {
        return Refused::Unable(format!(
            "no TLS with {}: {}; see smtp and smtp_security in the section [campaign]",
            server.host,
            in_words(&error)
        ));
    }
    match refused(error) {
        Refused::Permanent(said) => Refused::Unable(format!(
            "{} does not take mail from us: {said}; see smtp, smtp_security and smtp_login in the section [campaign]",
            server.host
        )),
        other => other,
    }
}

/// Whether TLS did not come up, say for its certificate: the TLS library's errors come as invalid data with something in it. (Text that is
/// not UTF-8 is invalid data too, with nothing in it.)
fn is_of_tls(error: &dyn std::error::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        let io = error.downcast_ref::<std::io::Error>();
        let of_library = |error: &std::io::Error| {
            error.kind() == std::io::ErrorKind::InvalidData && error.get_ref().is_some()
        };
        if io.is_some_and(of_library) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Answers to a recipient that are about us: who may not relay, or has not logged in (RFC 4954, RFC 3207), or is to use TLS first.
const NOT_FOR_US: &[&str] = &["530", "534", "538"];

/// The same in words, where the code is that of any refusal: Postfix, Sendmail, Exim, Exchange, qmail.
const NO_RELAY: &[&str] = &[
    "relay access denied",
    "relaying denied",
    "relay not permitted",
    "unable to relay",
    "list of allowed rcpthosts",
];

fn of_recipient(server: &Server, error: lettre::transport::smtp::Error) -> Refused {
    let code = error.status().map(|code| code.to_string());
    let words = in_words(&error).to_lowercase();
    let about_us = code.is_some_and(|code| NOT_FOR_US.contains(&code.as_str()))
        || NO_RELAY.iter().any(|word| words.contains(word));
    if about_us {
        return of_us(server, error);
    }
    refused(error)
}

/// An answer of 5xx is for ever; everything else before the text has ended may be tried again.
fn refused(error: lettre::transport::smtp::Error) -> Refused {
    match error.status().map(|code| code.severity) {
        Some(Severity::PermanentNegativeCompletion) => Refused::Permanent(in_words(&error)),
        _ => Refused::Temporary(in_words(&error)),
    }
}

/// An error with what is behind it.
pub(super) fn in_words(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !words.contains(&more) {
            words = format!("{words}: {more}");
        }
        cause = error.source();
    }
    words
}

fn said(response: &Response) -> String {
    let text: Vec<&str> = response.message().collect();
    format!("{} {}", response.code(), text.join(" "))
        .trim()
        .to_string()
}

/// Whole or not at all, and never over another one. The envelope sender, which tells what a bounce is about, stands in the first line, as
/// `Return-Path` (RFC 5321 section 4.4): who hands the file over gives it on, and takes the line out.
fn file(directory: &PathBuf, message: &Message, name: &str) -> Result<String, Refused> {
    let path = directory.join(format!("{name}.eml"));
    let unable = |error: std::io::Error| {
        Refused::Unable(format!("cannot write {}: {error}", path.display()))
    };
    let failed = |error: std::io::Error| match error.kind() {
        // That letter waits; it is no reason to keep the others.
        std::io::ErrorKind::AlreadyExists => {
            Refused::Temporary(format!("{} is there already", path.display()))
        }
        _ => unable(error),
    };
    std::fs::create_dir_all(directory).map_err(unable)?;
    let part = directory.join(format!(".{name}.part"));
    let sender = message.envelope.from().map(ToString::to_string);
    let mut bytes = format!("Return-Path: <{}>\r\n", sender.unwrap_or_default()).into_bytes();
    bytes.extend_from_slice(&message.bytes);
    let write = || {
        std::fs::write(&part, &bytes)?;
        // A link, unlike a rename, does not replace what is there.
        std::fs::hard_link(&part, &path)
    };
    let written = write();
    std::fs::remove_file(&part).ok();
    written.map_err(failed)?;
    Ok(path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::message::tests::draft;
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;
    use std::os::unix::fs::PermissionsExt;

    fn message() -> Message {
        Message::build(&draft()).unwrap()
    }

    /// A server that answers each command with the next of `answers`; where one is empty it hangs up. What it was told is given back.
    fn against(answers: &'static [&'static str]) -> (Result<String, Refused>, Vec<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let mut heard = Vec::new();
            for answer in answers {
                if answer.is_empty() {
                    break;
                }
                stream
                    .write_all(format!("{answer}\r\n").as_bytes())
                    .unwrap();
                let in_text = answer.starts_with("354");
                while let Some(Ok(line)) = lines.next() {
                    let ends = !in_text || line == ".";
                    heard.push(line);
                    if ends {
                        break;
                    }
                }
            }
            heard
        });
        let server = Server {
            host: "127.0.0.1".into(),
            port,
            security: Security::None,
            login: None,
            helo: "mail.us.example".into(),
            patience: Duration::from_secs(1),
        };
        let result = Outbox::Smtp(server).send(&message(), "x");
        (result, thread.join().unwrap())
    }

    #[test]
    fn a_server_takes_it() {
        let (result, heard) = against(&[
            "220 hi",
            "250 mx",
            "250 ok",
            "250 ok",
            "354 go",
            "250 2.0.0 taken as 7",
            "221 bye",
        ]);
        assert_eq!(result.unwrap(), "250 2.0.0 taken as 7");
        assert_eq!(heard[0], "EHLO mail.us.example");
        assert!(
            heard[1].starts_with("MAIL FROM:<ann+tlsnag-4f2a91c0@us.example>"),
            "{heard:?}"
        );
        assert_eq!(heard[2], "RCPT TO:<postmaster@a.example>");
    }

    #[test]
    fn what_may_be_tried_again_and_what_not() {
        let kind = |answers| match against(answers).0 {
            Ok(_) => "taken",
            Err(Refused::Temporary(_)) => "temporary",
            Err(Refused::Permanent(_)) => "permanent",
            Err(Refused::Unclear(_)) => "unclear",
            Err(Refused::Unable(_)) => "unable",
        };
        for (answers, expected) in [
            (
                &[
                    "220 hi",
                    "250 mx",
                    "250 ok",
                    "451 4.7.1 greylisted",
                    "221 bye",
                ] as &'static [&'static str],
                "temporary",
            ),
            (
                &[
                    "220 hi",
                    "250 mx",
                    "250 ok",
                    "550 5.1.1 no postmaster here",
                    "221 bye",
                ],
                "permanent",
            ),
            (
                &[
                    "220 hi",
                    "250 mx",
                    "250 ok",
                    "250 ok",
                    "354 go",
                    "550 5.7.1 spam",
                    "221 bye",
                ],
                "permanent",
            ),
            (
                &[
                    "220 hi",
                    "250 mx",
                    "250 ok",
                    "250 ok",
                    "354 go",
                    "450 4.7.1 later",
                    "221 bye",
                ],
                "temporary",
            ),
            (
                &["220 hi", "250 mx", "250 ok", "250 ok", "354 go", ""],
                "unclear",
            ),
            (&["220 hi", "250 mx", "250 ok", ""], "temporary"),
            (&["421 too busy", ""], "temporary"),
            (&[""], "temporary"),
        ] {
            assert_eq!(kind(answers), expected, "{answers:?}");
        }
    }

    /// Else one wrong setting would close the case of everybody in the plan.
    #[test]
    fn what_a_server_has_against_us_is_not_held_against_a_letter() {
        for answers in [
            &["554 not you", ""] as &'static [&'static str],
            &[
                "220 hi",
                "250 mx",
                "530 5.7.0 Must issue a STARTTLS command first",
            ],
            &["220 hi", "250 mx", "553 5.7.1 sender not allowed"],
            &["220 hi", "250 mx", "250 ok", "530 5.7.0 log in first"],
            &[
                "220 hi",
                "250 mx",
                "250 ok",
                "554 5.7.1 <postmaster@a.example>: Relay access denied",
            ],
            &["220 hi", "250 mx", "250 ok", "550 5.7.1 Relaying denied"],
        ] {
            let result = against(answers).0;
            assert!(
                matches!(&result, Err(Refused::Unable(said)) if said.contains("[campaign]")),
                "{answers:?}: {result:?}"
            );
        }
    }

    #[test]
    fn sendmails_exit_status_says_what_became_of_it() {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("sendmail");
        let run = |script: &str| {
            std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
            std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
            // Another test may have forked while the file was open for writing.
            (0..50)
                .map(|_| Outbox::Sendmail(program.clone()).send(&message(), "x"))
                .find(|r| !matches!(r, Err(Refused::Unable(said)) if said.contains("busy")))
                .unwrap()
        };
        let out = directory.path().join("out");
        assert!(run(&format!("echo \"$@\" > {0}; cat >> {0}", out.display())).is_ok());
        let taken = std::fs::read_to_string(&out).unwrap();
        assert!(
            taken.starts_with("-i -f ann+tlsnag-4f2a91c0@us.example -- postmaster@a.example\n"),
            "{taken}"
        );
        assert!(!taken.contains('\r'));
        assert!(matches!(
            run("cat >/dev/null; exit 75"),
            Err(Refused::Temporary(_))
        ));
        assert!(
            matches!(run("cat >/dev/null; echo no user >&2; exit 67"), Err(Refused::Permanent(said)) if said.contains("no user"))
        );
        for ours in [64, 77, 78] {
            let result = run(&format!("cat >/dev/null; exit {ours}"));
            assert!(matches!(result, Err(Refused::Unable(_))), "{result:?}");
        }
        assert!(matches!(
            run("cat >/dev/null; exit 3"),
            Err(Refused::Unclear(_))
        ));
        assert!(matches!(
            run("cat >/dev/null; kill -9 $$"),
            Err(Refused::Unclear(_))
        ));
        let none = Outbox::Sendmail(directory.path().join("none")).send(&message(), "x");
        assert!(matches!(none, Err(Refused::Unable(said)) if said.contains("[campaign]")));
    }

    #[test]
    fn a_file_is_not_written_over() {
        let directory = tempfile::tempdir().unwrap();
        let outbox = Outbox::Directory(directory.path().join("new"));
        assert!(
            outbox
                .send(&message(), "4F2A")
                .unwrap()
                .ends_with("new/4F2A.eml")
        );
        assert!(matches!(
            outbox.send(&message(), "4F2A"),
            Err(Refused::Temporary(_))
        ));
        assert_eq!(
            std::fs::read_dir(directory.path().join("new"))
                .unwrap()
                .count(),
            1
        );
    }
}
