//! From a planned case to its letter: the evidence out of the store, the templates from their place, the words.

use std::net::IpAddr;

use anyhow::bail;
use maillog::Cause;

use crate::campaign::contact::is_known;
use crate::campaign::letter::{Facts, Fate, Letters, Proof, Style, Us};
use crate::campaign::{Charge, Kind, Planned, Problem};
use crate::mail::{self, Message};
use crate::outcome::{Class, day_of};
use crate::query::software::Software;
use crate::settings::Campaign;
use crate::store::outreach::{Case, DraftLetter, Notice, State};
use crate::store::{Claim, Store};

use super::super::period::date;
use super::{Environment, deadline};

/// Where mail servers take mail, if the log does not say.
const SMTP: u16 = 25;

/// Which settings are missing for letters to say who writes.
pub(super) fn missing(settings: &Campaign) -> Vec<&'static str> {
    [
        ("name", &settings.name),
        ("address", &settings.address),
        ("organisation", &settings.organisation),
        ("host", &settings.host),
    ]
    .into_iter()
    .filter(|(_, value)| value.trim().is_empty())
    .map(|(name, _)| name)
    .collect()
}

/// Fails with what to set if letters could not say who writes.
pub(super) fn require_identity(settings: &Campaign) -> anyhow::Result<()> {
    match missing(settings).as_slice() {
        [] => Ok(()),
        names => bail!(
            "letters must say who writes: set {} in the section [campaign] of the configuration file",
            names.join(", ")
        ),
    }
}

/// The claims of the store that a planned letter rests on, newest first.
pub(super) fn evidence(store: &Store, planned: &Planned) -> anyhow::Result<Vec<Claim>> {
    let mut claims = Vec::new();
    for (domain, host) in &planned.charge.peers {
        let name = if domain.is_empty() { host } else { domain };
        claims.extend(store.claims(name)?.into_iter().filter(|claim| {
            claim.direction == planned.direction.name()
                && claim.host == *host
                && claim.domain == *domain
                && is_of(claim, planned)
        }));
    }
    claims.sort_by_key(|claim| std::cmp::Reverse(claim.at));
    claims.dedup();
    Ok(claims)
}

/// Whether an occurrence is one of those that a letter speaks of.
fn is_of(claim: &Claim, planned: &Planned) -> bool {
    let what = (claim.class.name(), claim.cause.clone());
    // Mail that crossed over TLS has lines of its own for other reasons too, and the version stands nowhere else.
    let is_old = |line: &str| {
        let mut versions = planned.charge.protocols.iter();
        versions.any(|version| names_version(line, version))
    };
    planned.charge.classes.contains_key(&what)
        && (planned.problem != Problem::OldProtocol
            || claim.lines.iter().any(|line| is_old(&line.text)))
}

/// Whether a line names this TLS version: `TLSv1`, which is not `TLSv1.3`.
fn names_version(line: &str, version: &str) -> bool {
    let mut found = line.match_indices(version);
    found.any(|(at, _)| {
        let next = line[at + version.len()..].chars().next();
        next.is_none_or(|c| c != '.' && !c.is_ascii_digit())
    })
}

/// What tells what went wrong, in the words of mail servers, for problems that the line about the delivery does not tell.
const TELLING: &[(Problem, &[&str])] = &[
    (
        Problem::Handshake,
        &[
            "SSL_connect error",
            "STARTTLS=client, error",
            "handshake failed",
            "during TLS",
        ],
    ),
    (Problem::Refused, &["STARTTLS", "454 "]),
    (Problem::Certificate, &["verification failed", "verify="]),
    (
        Problem::OldProtocol,
        &["TLS connection established", "STARTTLS=client"],
    ),
    (Problem::Sts, &["does not match STS"]),
];

/// The lines of an occurrence, with the one that tells what went wrong first.
fn proof(claim: &Claim, problem: Problem) -> Proof {
    let lines: Vec<String> = claim.lines.iter().map(|line| line.text.clone()).collect();
    let words = TELLING.iter().find(|(of, _)| *of == problem);
    let words = words.map_or(&[][..], |(_, words)| *words);
    let telling = words
        .iter()
        .find_map(|word| lines.iter().rposition(|line| line.contains(word)));
    // The line that settled it stands last.
    let telling = telling.unwrap_or(lines.len().saturating_sub(1));
    Proof { lines, telling }
}

/// Writes the letter of a planned case.
pub(super) fn write(
    letters: &Letters,
    store: &Store,
    planned: &Planned,
    cases: &[Case],
    environment: &Environment,
) -> anyhow::Result<DraftLetter> {
    let settings = &environment.settings.campaign;
    let facts = facts(store, planned, cases, environment)?;
    let style = match settings.light_hearted {
        true => Style::LightHearted,
        false => Style::Plain,
    };
    let letter = letters.render(
        planned.problem,
        planned.kind,
        &settings.language,
        style,
        &facts,
    )?;
    Ok(DraftLetter {
        kind: planned.kind.name().to_string(),
        address: planned.contact.0.clone(),
        subject: letter.subject,
        body: letter.body,
        message_id: format!(
            "<tlsnag.{}.{}@{}>",
            planned.token,
            planned.kind.name(),
            settings.host
        ),
    })
}

fn facts(
    store: &Store,
    planned: &Planned,
    cases: &[Case],
    environment: &Environment,
) -> anyhow::Result<Facts> {
    let settings = &environment.settings.campaign;
    let claims = evidence(store, planned)?;
    let asked = planned.asked.as_ref();
    let before = Before::of(planned, cases);
    let mut software = claims.iter().flat_map(|claim| {
        let lines = claim.lines.iter();
        lines.filter_map(|line| Software::of_line(&line.text, &claim.address))
    });
    let day_or_nothing = |day: Option<&i32>| day.map_or_else(String::new, |day| date(*day));
    Ok(Facts {
        us: Us {
            person: settings.name.clone(),
            organisation: settings.organisation.clone(),
            host: settings.host.clone(),
            url: settings.url.clone(),
        },
        token: planned.token.clone(),
        direction: planned.direction,
        audience: planned.audience,
        organisation: planned.organisation.clone(),
        domains: planned
            .domains()
            .into_iter()
            .filter(|d| !d.is_empty())
            .map(str::to_string)
            .collect(),
        hosts: planned
            .charge
            .hosts
            .keys()
            .filter(|host| !host.is_empty())
            .cloned()
            .collect(),
        messages: planned.charge.mails,
        fate: Fate::of(
            planned
                .charge
                .classes
                .keys()
                .filter_map(|(class, _)| Class::from_name(class)),
        ),
        days: planned.charge.days.len(),
        since: day_or_nothing(planned.charge.days.first()),
        last: day_or_nothing(planned.charge.days.last()),
        is_certain: matches!(
            planned.main.0,
            Class::PlaintextNotOffered | Class::TlsRequiredNotOffered
        ) || asked.is_some(),
        cause: Cause::from_name(&planned.main.1).unwrap_or(Cause::Unknown),
        protocols: planned.charge.protocols.iter().cloned().collect(),
        proof: claims
            .iter()
            .find(|claim| !claim.lines.is_empty())
            .map(|claim| proof(claim, planned.problem)),
        heard: asked.map_or_else(String::new, |asked| asked.heard.clone()),
        software: software.next(),
        checked: asked.map_or_else(String::new, |asked| date(day_of(asked.at))),
        deadline: deadline::named(planned.kind, settings, environment.now)
            .unwrap_or_default()
            .to_string(),
        first_sent: before.day,
        to_another: before.to_another,
        first_to: before.to,
        promised: before.promised,
        fixed_on: date(day_of(planned.charge.last)),
    })
}

/// What a reminder says of the letter before it; nothing in any other letter.
#[derive(Default)]
struct Before {
    day: String,
    to_another: bool,
    to: String,
    promised: bool,
}

impl Before {
    /// The first letter to the same reader. Had they none, because another contact is set by now or more domains are concerned, the first to
    /// anybody. Of a letter whose recipient was forgotten nothing is said: it may have been theirs or not.
    fn of(planned: &Planned, cases: &[Case]) -> Before {
        let case = cases.iter().find(|case| case.token == planned.token);
        let reminds = matches!(planned.kind, Kind::Reminder | Kind::LastReminder);
        let Some(case) = case.filter(|_| reminds) else {
            return Before::default();
        };
        let (to, organisation) = (&planned.contact.0, &planned.organisation);
        let mut letters: Vec<&Notice> = case.notices.iter().collect();
        letters.retain(|n| n.progress.may_have_left() && !n.address.is_empty());
        letters.sort_by_key(|n| (!n.address.eq_ignore_ascii_case(to), n.sent));
        let Some(first) = letters.first() else {
            return Before::default();
        };
        let to_another = !first.address.eq_ignore_ascii_case(to);
        let may_be_told = to_another && is_known(&first.address, organisation, &planned.domains());
        Before {
            day: date(day_of(first.sent)),
            to_another,
            promised: case.state == State::WillFix && !to_another,
            to: match may_be_told {
                true => first.address.clone(),
                false => String::new(),
            },
        }
    }
}

/// The addresses at which the hosts that are `asked` were met.
pub(super) fn places(charge: &Charge, is_asked: impl Fn(&str) -> bool) -> Vec<(IpAddr, u16)> {
    let hosts = charge.hosts.iter().filter(|(host, _)| is_asked(host));
    hosts
        .flat_map(|(_, places)| places)
        .filter_map(|(address, port)| {
            let port = if *port == 0 { SMTP } else { *port };
            Some((address.parse().ok()?, port))
        })
        .collect()
}

/// What the file of a letter is called: a case may have several.
pub(super) fn file_name(notice: &Notice, token: &str) -> String {
    format!("{token}-{}", notice.kind)
}

/// A letter with its headers, as it would be sent now.
pub(super) fn message(
    notice: &Notice,
    token: &str,
    now: i64,
    settings: &Campaign,
) -> anyhow::Result<Message> {
    let answers = settings.reply_to.as_ref().unwrap_or(&settings.address);
    let draft = mail::Draft {
        from: (settings.name.clone(), settings.address.clone()),
        reply_to: settings.reply_to.clone(),
        to: notice.address.clone(),
        sender: mail::message::return_path(answers, settings.delimiter.chars().next(), token),
        subject: notice.subject.clone(),
        body: notice.body.clone(),
        message_id: notice.message_id.clone(),
        date: now,
        unattended: notice.kind == Kind::ThankYou.name() && settings.auto_thank,
        unsubscribe: format!("mailto:{answers}?subject=stop%20{token}"),
        tls_optional: true,
        page: None,
    };
    Ok(Message::build(&draft)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_not_found_in_a_newer_one() {
        for (line, found) in [
            (
                "established to mx[192.0.2.1]:25: TLSv1 with cipher AES",
                true,
            ),
            ("relay=mx., version=TLSv1, verify=OK", true),
            (
                "established to mx[192.0.2.1]:25: TLSv1.3 with cipher AES",
                false,
            ),
            ("version=TLSv1.1", false),
        ] {
            assert_eq!(names_version(line, "TLSv1"), found, "{line}");
        }
    }
}
