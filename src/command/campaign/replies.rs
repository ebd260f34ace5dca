//! `campaign replies`: takes in what came back. Bounces and opt-outs are acted upon at once; what a human wrote is shown, and labelled by
//! hand.

use std::io::BufReader;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use crate::mail::mailbox;
use crate::mail::reply::{self, Kind, Known, Reply};
use crate::store::Store;
use crate::store::outreach::{Audience, Case, Notice, State};

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
    let cases = store.cases()?;
    let known = known(&cases);
    let mut replies = Vec::new();
    let mut take = |message: Vec<u8>| {
        replies.extend(reply::read(&message, &known).map(|reply| (digest(&message), reply)))
    };
    if args.mailbox == Path::new("-") {
        mailbox::stream(BufReader::new(std::io::stdin().lock()), &mut take)?;
    } else {
        let path = &args.mailbox;
        mailbox::each(path, &mut take)
            .with_context(|| format!("cannot read {}", path.display()))?;
    }
    let mut shown = String::new();
    let mut unrelated = 0;
    for (digest, reply) in replies {
        match answered(&cases, &reply) {
            Some(case) => {
                if let Some(line) = take_in(&mut store, case, &reply, &digest, environment.now)? {
                    shown.push_str(&line);
                }
            }
            None if reply.kind == Kind::OurSide => shown.push_str(&our_side(&reply)),
            None => unrelated += 1,
        }
    }
    if shown.is_empty() {
        shown.push_str("Nothing new.\n");
    }
    if unrelated > 0 {
        shown.push_str(&format!("Not about our letters: {unrelated}.\n"));
    }
    environment.printer.result(&shown)?;
    Ok(Status::Done)
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

fn answered<'c>(cases: &'c [Case], reply: &Reply) -> Option<&'c Case> {
    let token = reply.token.as_ref()?;
    cases.iter().find(|case| case.token == *token)
}

/// Names a message, so that the same mailbox can be read again.
fn digest(message: &[u8]) -> String {
    let number = message.iter().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| {
        (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3)
    });
    format!("{number:016x}")
}

/// Acts upon an answer, once. What is given back is shown; nothing if it was taken in before.
fn take_in(
    store: &mut Store,
    case: &Case,
    reply: &Reply,
    digest: &str,
    now: i64,
) -> anyhow::Result<Option<String>> {
    let seen = store.outreach_events()?;
    if seen
        .iter()
        .any(|event| event.token == case.token && event.note.ends_with(digest))
    {
        return Ok(None);
    }
    let what = format!("reply-{}", reply.kind.name());
    store.note_event(
        case.id,
        now,
        &what,
        &format!("from {} {digest}", clean(&reply.from)),
    )?;
    let stays = matches!(case.state, State::Control | State::Planned | State::Exempt);
    let moves = case.state.is_open() && !stays;
    let done = match &reply.kind {
        Kind::Bounce(code) => {
            store.suppress(recipient(case, reply), &format!("bounced {code}"), now)?;
            if moves {
                store.move_case(case.id, State::Bounced, now, code)?;
            }
            "it came back for good; where to look for another address: tlsnag campaign contact NAME"
        }
        Kind::OptOut => {
            store.suppress(&case.address, "opt-out", now)?;
            // A person speaks for themselves, not for those who run the server; yet no other person there is asked.
            let said = match case.audience {
                Audience::Correspondents => {
                    "they are not written to any more, nor are others there"
                }
                Audience::Postmaster => {
                    store.suppress(&case.organisation, "opt-out", now)?;
                    "nobody there is written to any more"
                }
            };
            if moves {
                store.move_case(case.id, State::Declined, now, "opt-out")?;
            }
            said
        }
        Kind::Delay(_) => "late; nothing to do",
        Kind::Robot => "a robot; nothing to do",
        Kind::Human | Kind::OurSide => {
            if moves {
                store.move_case(case.id, State::Answered, now, "")?;
            }
            "to be read and answered by you, then: tlsnag campaign label"
        }
    };
    let mut line = format!(
        "{} {} {}: {done}\n",
        case.token,
        case.organisation,
        reply.kind.name()
    );
    if matches!(reply.kind, Kind::Human | Kind::OurSide) {
        line.push_str(&format!(
            "    from {}: {}\n",
            clean(&reply.from),
            clean(&reply.subject)
        ));
        line.extend(
            reply
                .excerpt
                .lines()
                .take(6)
                .map(|text| format!("    | {}\n", clean(text))),
        );
    }
    Ok(Some(line))
}

/// Whom the letter went to that came back: another address may be the contact by now.
fn recipient<'c>(case: &'c Case, reply: &Reply) -> &'c str {
    let is_it = |letter: &&Notice| reply.message_id.as_ref() == Some(&letter.message_id);
    let letter = case.notices.iter().find(is_it);
    letter.map_or(&case.address, |letter| &letter.address)
}

fn our_side(reply: &Reply) -> String {
    format!(
        "from {}: mail to us seems to fail because of TLS. Look at our own side first: tlsnag doctor; tlsnag report failures --direction in\n",
        clean(&reply.from)
    )
}

/// What strangers wrote, fit for a terminal.
fn clean(text: &str) -> String {
    crate::campaign::visible(text)
}
