//! `campaign replies`: takes in what came back. Bounces and opt-outs are acted upon at once; what a human wrote is shown, and labelled by
//! hand. What an answer does is one transaction with the note that it was seen.

use std::collections::BTreeSet;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use crate::campaign::contact::is_address;
use crate::campaign::never::{is_giant, is_within};
use crate::campaign::optout::{recipients, silenced};
use crate::mail::mailbox;
use crate::mail::reply::{self, Kind, Known, Reply};
use crate::store::Store;
use crate::store::answered::Effects;
use crate::store::outreach::{Audience, Case, State};

use super::{Environment, Status};

/// Arguments of `campaign replies`.
#[derive(Debug, Args)]
pub struct RepliesArgs {
    /// A Maildir, an mbox, a file with one mail, or - for standard input
    #[arg(value_name = "MAILBOX")]
    pub mailbox: PathBuf,
}

/// Runs the command.
pub(super) fn run(args: &RepliesArgs, environment: &Environment) -> anyhow::Result<Status> {
    let mut store = Store::open_existing(&environment.store)?;
    let mut cases = store.cases()?;
    let (mut shown, mut unrelated, mut own) = (0, 0, 0);
    for (digest, reply) in read(args, &cases, environment)? {
        let mut said = String::new();
        match (answered(&cases, &reply).as_slice(), &reply.kind) {
            (_, Kind::Own) => own += 1,
            ([], Kind::OurSide) => said = our_side(&reply),
            ([], Kind::OptOut) => said = stop_of_a_stranger(&mut store, &reply, environment.now)?,
            ([], _) => unrelated += 1,
            (about, _) => {
                for case in about {
                    let (effects, words) = effects(case, &reply);
                    if store.take_in(case.id, &digest, &effects, environment.now)? {
                        said.push_str(&in_words(case, &reply, words));
                    }
                }
            }
        }
        if said.is_empty() {
            continue;
        }
        // At once: what was taken in is not shown again, and the next one may fail.
        environment.printer.result(&said)?;
        shown += 1;
        // The next one may be about the same case.
        cases = store.cases()?;
    }
    let mut rest = String::new();
    for (n, words) in [
        (usize::from(shown == 0), "Nothing new.\n".to_string()),
        (unrelated, format!("Not about our letters: {unrelated}.\n")),
        (own, format!("Written by ourselves: {own}.\n")),
    ] {
        rest.push_str(if n > 0 { &words } else { "" });
    }
    environment.printer.result(&rest)?;
    Ok(Status::Done)
}

/// All messages, each with a number for it.
fn read(
    args: &RepliesArgs,
    cases: &[Case],
    environment: &Environment,
) -> anyhow::Result<Vec<(String, Reply)>> {
    let known = known(cases);
    let settings = &environment.settings.campaign;
    let mut own = vec![settings.address.as_str()];
    own.extend(settings.reply_to.as_deref());
    let mut replies = Vec::new();
    let mut take = |message: Vec<u8>| {
        let reply = reply::read(&message, &known, &own);
        replies.extend(reply.map(|reply| (digest(&message), reply)));
    };
    if args.mailbox == Path::new("-") {
        mailbox::stream(BufReader::new(std::io::stdin().lock()), &mut take)?;
    } else {
        let path = &args.mailbox;
        mailbox::each(path, &mut take)
            .with_context(|| format!("cannot read {}", path.display()))?;
    }
    Ok(replies)
}

/// Every letter that went out.
fn known(cases: &[Case]) -> Vec<Known> {
    let of = |case: &Case| {
        let letters = case.notices.iter().filter(|n| n.progress.may_have_left());
        let token = case.token.clone();
        letters
            .map(move |n| Known {
                token: token.clone(),
                message_id: n.message_id.clone(),
            })
            .collect::<Vec<_>>()
    };
    cases.iter().flat_map(of).collect()
}

/// The case whose token an answer has. What somebody we wrote to says without one, "stop" or anything to be read, is about all that went to them; but of people,
/// whose everyday mail lies here too, only "stop" is.
fn answered<'c>(cases: &'c [Case], reply: &Reply) -> Vec<&'c Case> {
    if let Some(token) = &reply.token {
        return cases.iter().filter(|case| case.token == *token).collect();
    }
    let went_to = |case: &&Case| {
        let mut letters = case.notices.iter().filter(|n| n.progress.may_have_left());
        letters.any(|letter| letter.address.eq_ignore_ascii_case(&reply.from))
    };
    match reply.kind {
        Kind::OptOut => cases.iter().filter(went_to).collect(),
        Kind::Human => {
            let offices = cases.iter().filter(|c| c.audience == Audience::Postmaster);
            offices.filter(went_to).collect()
        }
        _ => Vec::new(),
    }
}

/// Names a message, so that the same mailbox can be read again.
fn digest(message: &[u8]) -> String {
    let number = message.iter().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| {
        (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3)
    });
    format!("{number:016x}")
}

/// The state an answer brings a case into. Who has declined has declined, whatever else they write or whatever comes back, until the operator
/// says otherwise; a case that was answered is not one that reached nobody.
fn next_state(case: &Case, kind: &Kind) -> Option<State> {
    use State::{
        Answered, Bounced, Control, Declined, GivenUp, Left, NotTheirs, Planned, Sent, WillFix,
    };
    let moves: &[State] = match kind {
        Kind::Bounce(_) => &[Sent, Left],
        Kind::Human | Kind::OurSide => &[Sent, Bounced, GivenUp, Left, NotTheirs, WillFix],
        Kind::OptOut => &[
            Sent, Bounced, GivenUp, Left, NotTheirs, WillFix, Answered, Planned, Control,
        ],
        Kind::Delay(_) | Kind::Robot | Kind::Own => &[],
    };
    let next = match kind {
        Kind::Bounce(_) => Bounced,
        Kind::OptOut => Declined,
        _ => Answered,
    };
    moves.contains(&case.state).then_some(next)
}

/// What follows from an answer, and what is said of it.
fn effects(case: &Case, reply: &Reply) -> (Effects, &'static str) {
    let to = recipients(case, reply.message_id.as_deref(), &reply.from);
    let mut effects = Effects {
        what: format!("reply-{}", reply.kind.name()),
        note: format!("from {}", clean(&reply.from)),
        ..Effects::default()
    };
    let mut words = String::new();
    let said = match &reply.kind {
        Kind::Bounce(code) if code.starts_with('4') => {
            words.clone_from(code);
            "it waited until it was given up, and reached nobody; letters too are held back where our own server requires TLS"
        }
        Kind::Bounce(code) => {
            words.clone_from(code);
            let last = to
                .last()
                .map(|to| (to.to_string(), format!("bounced {code}")));
            effects.suppressed.extend(last);
            "it came back for good; where to look for another address: tlsnag campaign contact NAME"
        }
        Kind::OptOut => {
            words.push_str("opt-out");
            let mut names: BTreeSet<String> = to.iter().flat_map(|to| silenced(case, to)).collect();
            names.extend(speaker(reply, &names));
            let named = |name| (name, words.clone());
            effects.suppressed = names.into_iter().map(named).collect();
            // A person speaks for themselves, not for those who run the server; yet no other person there is asked.
            match case.audience {
                Audience::Correspondents => {
                    "they are not written to any more, nor are others there"
                }
                Audience::Postmaster => {
                    "neither they nor what they can speak for is written to any more"
                }
            }
        }
        Kind::Delay(_) => "late; nothing to do",
        Kind::Robot => "a robot; nothing to do",
        Kind::Human | Kind::OurSide | Kind::Own => {
            "to be read and answered by you, then: tlsnag campaign label"
        }
    };
    effects.state = next_state(case, &reply.kind).map(|state| (state, words));
    (effects, said)
}

/// Who says "stop" in another's place, say of a customer they work for: they may be the contact of others too, and have had enough. `None` if
/// they are silenced already.
fn speaker(reply: &Reply, names: &BTreeSet<String>) -> Option<String> {
    let address = reply.from.to_lowercase();
    let (_, domain) = address.rsplit_once('@')?;
    let is_silenced = names.contains(&address) || names.iter().any(|name| is_within(domain, name));
    (is_address(&address) && !is_silenced).then_some(address)
}

fn in_words(case: &Case, reply: &Reply, said: &str) -> String {
    let (token, organisation) = (&case.token, &case.organisation);
    let mut text = format!("{token} {organisation} {}: {said}\n", reply.kind.name());
    if matches!(reply.kind, Kind::Human | Kind::OurSide) {
        let (from, subject) = (clean(&reply.from), clean(&reply.subject));
        text.push_str(&format!("    from {from}: {subject}\n"));
        let lines = reply.excerpt.lines().take(6);
        text.extend(lines.map(|line| format!("    | {}\n", clean(line))));
    }
    text
}

/// Somebody wants no more mail, and we know of none to them: the letter may have gone to another address, or be forgotten. Nobody is harmed if
/// they are not written to; who answers a letter may have read it for their whole domain. Empty if they were heard before.
fn stop_of_a_stranger(store: &mut Store, reply: &Reply, now: i64) -> anyhow::Result<String> {
    let from = clean(&reply.from);
    if !is_address(&reply.from) {
        return Ok(format!(
            "opt-out from {from}, of no letter that is known here; if it is about ours: tlsnag campaign suppress ADDRESS\n"
        ));
    }
    let address = reply.from.to_lowercase();
    let (_, domain) = address.rsplit_once('@').unwrap_or_default();
    let is_whole = reply.bears_token && !is_giant(domain);
    let mut is_new = store.suppress(&address, "opt-out", now)?;
    if is_whole {
        is_new |= store.suppress(domain, "opt-out", now)?;
    }
    let whom = match is_whole {
        true => "nobody at their domain is",
        false => "they are not",
    };
    Ok(match is_new {
        true => format!(
            "opt-out from {from}, of no letter that is known here: {whom} written to any more\n"
        ),
        false => String::new(),
    })
}

fn our_side(reply: &Reply) -> String {
    let from = match clean(&reply.from) {
        from if from.is_empty() => "this text".to_string(),
        from => format!("from {from}"),
    };
    format!(
        "{from}: mail to us seems to fail because of TLS. Look at our own side first: tlsnag doctor; tlsnag report failures --direction in\n"
    )
}

/// What strangers wrote, fit for a terminal.
fn clean(text: &str) -> String {
    crate::campaign::visible(text)
}
