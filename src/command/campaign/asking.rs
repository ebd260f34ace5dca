//! Asks the servers that a letter is about, as a client would, whether they do what it says. It is done when letters are planned, and
//! again before they go out if that was longer ago than a day.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use crate::campaign::reason::Reason;
use crate::campaign::{Asked, Kind, Plan, Planned, Problem};
use crate::mail::probe::{self, Answer};
use crate::outcome::Direction;

use super::{Environment, letters};

/// What each server answered: several letters may be about one, which is asked once.
pub(super) type Answers = BTreeMap<(IpAddr, u16), Answer>;

/// What is to be asked of whom.
pub(super) struct Question<'a> {
    /// Which way the mail goes.
    pub(super) direction: Direction,
    /// What the letter is to say.
    pub(super) problem: Problem,
    /// Where the hosts that it names were met.
    pub(super) places: Vec<(IpAddr, u16)>,
    /// Who we say we are.
    pub(super) helo: &'a str,
}

/// How we greet other servers.
pub(super) fn helo(environment: &Environment) -> &str {
    match environment.settings.campaign.host.as_str() {
        "" => "localhost",
        host => host,
    }
}

/// Asks the servers of each letter, and of those that are left alone for comparison. Where one of them does what the letter says it does
/// not, or cannot be asked, there is no letter.
pub(super) fn ask(plan: &mut Plan, environment: &Environment) {
    let mut answers = Answers::new();
    for mut letter in std::mem::take(&mut plan.letters) {
        if letter.kind == Kind::ThankYou {
            plan.letters.push(letter);
            continue;
        }
        match settled(&question(&letter, helo(environment)), &mut answers) {
            Ok(None) => plan.letters.push(letter),
            Ok(Some((problem, heard))) => {
                letter.problem = problem;
                letter.asked = Some(Asked {
                    at: environment.now,
                    heard,
                });
                plan.letters.push(letter);
            }
            Err((reason, detail)) => plan.skip(letter.skipped(reason, detail)),
        }
    }
}

fn question<'a>(letter: &Planned, helo: &'a str) -> Question<'a> {
    Question {
        direction: letter.direction,
        problem: letter.problem,
        places: letters::places(&letter.charge, |_| true),
        helo,
    }
}

/// What a look at all servers of a letter says it is to be about, and what the first of them said; or what speaks against it. `None` if
/// it is about nothing that can be seen so.
pub(super) fn settled(
    question: &Question<'_>,
    answers: &mut Answers,
) -> Result<Option<(Problem, String)>, (Reason, String)> {
    if question.direction == Direction::Inbound || !question.problem.is_like(Problem::Unclear) {
        return Ok(None);
    }
    if question.places.is_empty() {
        return Err((Reason::NotProbed, "no address is known".into()));
    }
    let mut found = question.problem;
    let mut heard = String::new();
    for (address, port) in question.places.iter().copied() {
        let answer = answers
            .entry((address, port))
            .or_insert_with(|| probe::ask(address, port, question.helo));
        let (seen, said) = match answer {
            Answer::NotOffered => (Problem::NotOffered, "STARTTLS is not offered".to_string()),
            Answer::Refused(said) => (Problem::Refused, format!("STARTTLS is refused: {said}")),
            Answer::HandshakeFailed(said) => {
                (Problem::Handshake, format!("the handshake fails: {said}"))
            }
            Answer::Works => return Err((Reason::Contradicted, format!("{address}: TLS works"))),
            Answer::Unreachable(said) => {
                return Err((Reason::NotProbed, format!("{address}: {said}")));
            }
        };
        // What we ask with speaks TLS 1.2 and newer, and few ciphers: that it alone comes to no terms with them proves nothing.
        if question.problem == Problem::Unclear && seen == Problem::Handshake {
            let detail =
                format!("{address}, asked today: {said}, which the log does not say of this mail");
            return Err((Reason::Undecided, detail));
        }
        // The first answer explains what the log does not; every other one must be the same.
        if found != seen && found != Problem::Unclear {
            return Err((Reason::Contradicted, format!("{address}: {said}")));
        }
        found = seen;
        if heard.is_empty() {
            heard = transcript(SocketAddr::new(address, port), answer);
        }
    }
    Ok(Some((found, heard)))
}

/// The answer as a line of proof, in no language but SMTP.
fn transcript(place: SocketAddr, answer: &Answer) -> String {
    match answer {
        Answer::NotOffered => format!("{place} EHLO: 250 (STARTTLS: -)"),
        Answer::Refused(said) => format!("{place} STARTTLS: {said}"),
        Answer::HandshakeFailed(said) => format!("{place} STARTTLS: 220, TLS: {said}"),
        Answer::Works | Answer::Unreachable(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::{self, Rules, Standing};
    use crate::outcome::Class;
    use crate::query::sightings::Sighting;

    const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    /// The letter of somebody to whom mail goes in clear like this.
    fn letter(class: Class, fault: &str) -> Planned {
        let on = |day: i32, domain: &str| Sighting {
            day,
            direction: Direction::Outbound,
            domain: domain.into(),
            host: format!("mx.{domain}"),
            address: ADDRESS.to_string(),
            port: 25,
            organisation: domain.into(),
            tls: "plaintext".into(),
            class,
            cause: String::new(),
            fault: fault.into(),
            delivery: "sent".into(),
            protocol: String::new(),
            mails: 2,
            n: 2,
            last: i64::from(day) * 86_400,
        };
        // Others do better: it is not us.
        let fine = ["b.example", "c.example"].map(|domain| Sighting {
            tls: "encrypted".into(),
            class: Class::TlsTrusted,
            fault: "nobody".into(),
            ..on(99, domain)
        });
        let rules = Rules {
            probing: true,
            ..Rules::default()
        };
        let seen = [
            vec![on(98, "a.example"), on(99, "a.example")],
            fine.to_vec(),
        ]
        .concat();
        let mut plan = campaign::plan(&seen, &Standing::default(), &rules, 100, 14);
        plan.letters.remove(0)
    }

    fn asked(letter: &Planned, answer: Answer) -> Result<Problem, Reason> {
        let mut answers = Answers::from([((ADDRESS, 25), answer)]);
        match settled(&question(letter, "us.example"), &mut answers) {
            Ok(found) => Ok(found.unwrap().0),
            Err((reason, _)) => Err(reason),
        }
    }

    #[test]
    fn what_the_log_does_not_explain_is_explained_by_the_server() {
        let unclear = letter(Class::PlaintextCauseUnknown, "either");
        assert_eq!(unclear.problem, Problem::Unclear);
        assert_eq!(asked(&unclear, Answer::NotOffered), Ok(Problem::NotOffered));
        let refused = Answer::Refused("454 no".into());
        assert_eq!(asked(&unclear, refused), Ok(Problem::Refused));
        assert_eq!(asked(&unclear, Answer::Works), Err(Reason::Contradicted));
    }

    /// A server that speaks TLS 1.0 only, or only ciphers that our probe has not, does TLS with our mail server.
    #[test]
    fn that_our_probe_comes_to_no_terms_with_a_server_accuses_nobody() {
        let failed = || Answer::HandshakeFailed("received fatal alert: ProtocolVersion".into());
        let unclear = letter(Class::PlaintextCauseUnknown, "either");
        assert_eq!(asked(&unclear, failed()), Err(Reason::Undecided));
        let not_offered = letter(Class::PlaintextNotOffered, "peer");
        assert_eq!(asked(&not_offered, failed()), Err(Reason::Contradicted));
        // The log has seen it fail with our own server too.
        let failing = letter(Class::PlaintextAfterFailedHandshake, "peer");
        assert_eq!(asked(&failing, failed()), Ok(Problem::Handshake));
    }

    #[test]
    fn what_cannot_be_seen_so_is_not_said_to_have_been_asked() {
        let not_offered = letter(Class::PlaintextNotOffered, "peer");
        let mut nobody = Answers::new();
        for (direction, problem) in [
            (Direction::Inbound, Problem::InboundClear),
            (Direction::Outbound, Problem::Certificate),
            (Direction::Outbound, Problem::OldProtocol),
        ] {
            let question = Question {
                direction,
                problem,
                ..question(&not_offered, "us.example")
            };
            assert_eq!(settled(&question, &mut nobody), Ok(None));
        }
        assert!(nobody.is_empty());
        let mut answers = Answers::from([((ADDRESS, 25), Answer::Refused("454 no".into()))]);
        let refused = Question {
            problem: Problem::Refused,
            ..question(&not_offered, "us.example")
        };
        let heard = "192.0.2.1:25 STARTTLS: 454 no".to_string();
        assert_eq!(
            settled(&refused, &mut answers),
            Ok(Some((Problem::Refused, heard)))
        );
    }
}
