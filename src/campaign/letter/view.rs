//! What a template sees of the facts, and how much of them there is room for.

use std::collections::BTreeMap;

use maillog::Cause;
use serde::Serialize;

use crate::outcome::Direction;
use crate::query::software::Software;

use super::super::problem::{Kind, Problem};
use super::super::redact::{GONE, fold, fold_shortened, redact, visible};
use super::facts::{Facts, Fate, Proof, Us};

/// How wide a line of proof is, without its indentation.
const PROOF_WIDTH: usize = 74;

/// How much room there is: domains and hosts that are named before the rest is counted, and lines of proof.
#[derive(Clone, Copy)]
pub(super) struct Room {
    pub(super) named: usize,
    pub(super) proof: usize,
    pub(super) spacing: Spacing,
    /// A name longer than this is cut, and it shows.
    pub(super) name: usize,
}

/// What lies between paragraphs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Spacing {
    Wide,
    /// The closing words stand in the line before them: templates see that there is little room.
    Short,
    /// Besides, no empty line where an indented one shows the end of a paragraph as well.
    Tight,
}

const fn room(named: usize, proof: usize, spacing: Spacing, name: usize) -> Room {
    Room {
        named,
        proof,
        spacing,
        name,
    }
}

/// A letter that would be too long is tried with less: the closing first, then lines of proof beside the one that tells what went wrong, then what lies
/// between paragraphs, then names.
pub(super) const ROOMS: [Room; 15] = {
    use Spacing::{Short, Tight, Wide};
    [
        room(40, 7, Wide, 80),
        room(40, 5, Wide, 80),
        room(40, 5, Short, 80),
        room(40, 4, Wide, 80),
        room(40, 4, Short, 80),
        room(40, 5, Tight, 80),
        room(40, 3, Wide, 80),
        room(40, 3, Short, 80),
        room(40, 3, Tight, 80),
        room(12, 3, Tight, 80),
        room(6, 3, Tight, 80),
        room(2, 3, Tight, 80),
        room(1, 2, Tight, 80),
        room(1, 2, Tight, 40),
        room(1, 2, Tight, 30),
    ]
};

/// What a template sees.
#[derive(Serialize)]
pub(super) struct View<'f> {
    pub(super) us: Us,
    pub(super) token: &'f str,
    pub(super) problem: &'static str,
    pub(super) inbound: bool,
    pub(super) organisation: String,
    pub(super) domain: String,
    pub(super) domain_list: String,
    pub(super) domain_more: usize,
    pub(super) mx: String,
    pub(super) mx_list: String,
    pub(super) mx_more: usize,
    pub(super) one_mx: bool,
    pub(super) messages: u64,
    pub(super) one: bool,
    pub(super) days: usize,
    pub(super) since: &'f str,
    pub(super) last: &'f str,
    pub(super) fate: Fate,
    pub(super) sure: bool,
    pub(super) cause: &'static str,
    pub(super) is: Is,
    pub(super) protocol: String,
    pub(super) proof: Vec<String>,
    pub(super) software: &'static str,
    pub(super) fix: String,
    pub(super) checked: &'f str,
    pub(super) deadline: &'f str,
    pub(super) first_sent: &'f str,
    pub(super) to_another: bool,
    pub(super) first_to: String,
    pub(super) promised: bool,
    pub(super) last_reminder: bool,
    pub(super) fixed_on: &'f str,
    pub(super) tight: bool,
}

/// Which sort of cause it is: each has a section of its own.
#[derive(Default, Serialize)]
pub(super) struct Is {
    pub(super) dh: bool,
    pub(super) cipher: bool,
    pub(super) version: bool,
    pub(super) garbage: bool,
    pub(super) hangup: bool,
    pub(super) internal: bool,
    pub(super) library: bool,
    pub(super) certificate: bool,
}

impl Is {
    fn of(cause: Cause) -> Is {
        use Cause::*;
        let mut is = Is::default();
        let section = match cause {
            DhKeyTooSmall => &mut is.dh,
            NoSharedCipher
            | AlertHandshakeFailure
            | NoSharedGroup
            | SignatureAlgorithm
            | AlertInsufficientSecurity => &mut is.cipher,
            UnsupportedProtocol | AlertProtocolVersion => &mut is.version,
            WrongVersionNumber | NotTls | UnexpectedMessage | BadRecordMac => &mut is.garbage,
            Eof | Reset | Timeout => &mut is.hangup,
            AlertInternalError => &mut is.internal,
            UnsafeRenegotiation => &mut is.library,
            WeakCertificate | WeakPeerKey | WrongPurpose => &mut is.certificate,
            _ => return is,
        };
        *section = true;
        is
    }
}

pub(super) fn view<'f>(facts: &'f Facts, problem: Problem, kind: Kind, room: Room) -> View<'f> {
    let first = |names: &[String]| shown(names.first().unwrap_or(&facts.organisation), room);
    let more = |names: &[String]| names.len().saturating_sub(room.named);
    let us = &facts.us;
    View {
        us: Us {
            person: visible(&us.person),
            organisation: visible(&us.organisation),
            host: shown(&us.host, room),
            url: visible(&us.url),
        },
        token: &facts.token,
        problem: problem.name(),
        inbound: facts.direction == Direction::Inbound,
        organisation: shown(&facts.organisation, room),
        domain: first(&facts.domains),
        domain_list: list(&facts.domains, &facts.organisation, room),
        domain_more: more(&facts.domains),
        mx: first(&facts.hosts),
        mx_list: list(&facts.hosts, &facts.organisation, room),
        mx_more: more(&facts.hosts),
        one_mx: facts.hosts.len() <= 1,
        messages: facts.messages,
        one: facts.messages == 1,
        days: facts.days,
        since: &facts.since,
        last: &facts.last,
        fate: facts.fate,
        sure: facts.is_certain,
        cause: match facts.cause {
            Cause::Unknown => "",
            cause => cause.name(),
        },
        is: Is::of(facts.cause),
        protocol: facts.protocols.join(", "),
        proof: proof(facts, room),
        software: facts.software.map_or("any", Software::name),
        fix: String::new(),
        checked: &facts.checked,
        deadline: &facts.deadline,
        first_sent: &facts.first_sent,
        to_another: facts.to_another,
        // Where there is room for one name only, it is not this.
        first_to: match room.named > 1 {
            true => visible(&facts.first_to),
            false => String::new(),
        },
        promised: facts.promised,
        last_reminder: kind == Kind::LastReminder,
        fixed_on: &facts.fixed_on,
        tight: room.spacing != Spacing::Wide,
    }
}

/// What the server said, the log line that tells what went wrong, and of the others those that there is room for. They are shown in the
/// order of the log.
fn proof(facts: &Facts, room: Room) -> Vec<String> {
    let domains: Vec<&str> = facts.domains.iter().map(String::as_str).collect();
    let heard = redact(&facts.heard, &domains);
    let mut heard = match heard.as_str() {
        "" => Vec::new(),
        heard => fold_shortened(heard, PROOF_WIDTH, 2),
    };
    let none = Proof::default();
    let proof = facts.proof.as_ref().unwrap_or(&none);
    let last = proof.lines.len().saturating_sub(1);
    // What follows upon it says more of it; what went before, less.
    let after = proof.telling + 1..last;
    let before = (0..proof.telling.min(last)).rev();
    let order = [proof.telling]
        .into_iter()
        .chain(after)
        .chain([last])
        .chain(before);
    let mut shown: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    let mut left = room.proof;
    for at in order {
        let Some(line) = proof.lines.get(at) else {
            continue;
        };
        if shown.contains_key(&at) || left == 0 {
            continue;
        }
        let line = redact(line, &domains);
        let pieces = match shown.is_empty() {
            true => fold_shortened(&line, PROOF_WIDTH, left),
            false => fold(&line, PROOF_WIDTH, usize::MAX),
        };
        if pieces.len() <= left {
            left -= pieces.len();
            shown.insert(at, pieces);
        }
    }
    let mut lines: Vec<String> = shown.into_values().flatten().collect();
    if heard.len() <= left {
        lines.append(&mut heard);
    }
    lines
}

/// Names, as many as there is room for.
fn list(names: &[String], otherwise: &str, room: Room) -> String {
    let named: Vec<String> = names
        .iter()
        .take(room.named)
        .map(|name| shown(name, room))
        .collect();
    match named.is_empty() {
        true => shown(otherwise, room),
        false => named.join(", "),
    }
}

/// The name of a domain or a host as it is shown. What no such name has, a stranger has put there: it comes out as an escape, and makes
/// neither a sentence nor a link.
fn shown(name: &str, room: Room) -> String {
    let is_usual = |c: char| c.is_alphanumeric() || ".-_:[]".contains(c);
    let mut out = String::new();
    for c in visible(name).chars() {
        match is_usual(c) || "\\{}".contains(c) {
            true => out.push(c),
            false => out.extend(c.escape_unicode()),
        }
    }
    match out.char_indices().nth(room.name) {
        Some((at, _)) => format!("{}{GONE}", &out[..at]),
        None => out,
    }
}
