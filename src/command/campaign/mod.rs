//! `tlsnag campaign`: the outreach, step by step. Nothing leaves but through `send`, and nothing is sent that was not planned and could not be
//! read before.
//!
//! | file | command |
//! |---|---|
//! | `plan` | who would be written to and who not; drafts the letters |
//! | `asking` | asks the servers concerned |
//! | `letters` | from a planned case to its letter |
//! | `preview` | the letters as they would be sent |
//! | `review` | which letters to persons wait, and which may go out |
//! | `send` | hands them over, one by one |
//! | `deadline` | the day that letters name |
//! | `replies` | reads what came back |
//! | `status` | where each case stands, and what came of it |
//! | `history` | what happened in a case, in order |
//! | `enforce` | the way to requiring TLS |
//! | `people` | contacts, suppressions and labels, by hand |

mod asking;
mod deadline;
mod enforce;
mod history;
mod letters;
mod people;
mod plan;
mod preview;
mod replies;
mod review;
pub(super) mod send;
mod status;

use anyhow::bail;
use clap::{Args, Subcommand};

use crate::campaign::follow;
use crate::outcome::day_of;
use crate::query::sightings::find_sightings;
use crate::query::{Period, Scope};
use crate::store::Store;

use super::{Environment, Status};

/// Arguments of `campaign`.
#[derive(Debug, Args)]
#[command(after_help = STEPS)]
pub struct CampaignArgs {
    /// Which step.
    #[command(subcommand)]
    pub step: Step,
}

const STEPS: &str = "In this order:
  tlsnag campaign plan                        who would be written to, and who not, with the reasons
  tlsnag campaign preview                     the letters, to be read one by one
  tlsnag campaign send --plan HASH --yes      sends them, some each day
  tlsnag campaign replies ~/Maildir           bounces, robots, opt-outs; shows what humans wrote
  tlsnag campaign status                      where each case stands, and what came of it
  tlsnag campaign history NAME                what happened there, in order
In place of the postmasters, people there whom our users exchange mail with can be asked (plan --to correspondents): then
  tlsnag campaign review                      whom, and why
  tlsnag campaign approve ADDRESS...          each by name, before send
Who writes is set in the section [campaign] of the configuration file: docs/outreach.md.";

/// The steps.
#[derive(Debug, Subcommand)]
pub enum Step {
    /// Decide who is written to and why, and who is not and why not; draft the letters
    Plan(plan::PlanArgs),
    /// Show the letters as they would be sent
    Preview(preview::PreviewArgs),
    /// Show the letters to persons that are drafted, and why; nothing is sent to a person who is not approved by name
    Review(review::ReviewArgs),
    /// Approve the drafted letters to persons, by their addresses
    Approve(review::ApproveArgs),
    /// Send the letters of a plan
    Send(send::SendArgs),
    /// Read what came back: a Maildir, an mbox, a file, or - for standard input
    Replies(replies::RepliesArgs),
    /// Say what a human has answered, or how a case ended
    Label(people::LabelArgs),
    /// Print an answer to what is often said against it, to be sent by hand
    Answer(people::AnswerArgs),
    /// Where each case stands, and what came of it
    Status(status::StatusArgs),
    /// What happened with an organisation, a domain or a case, in order: letters, answers and what was said of them
    History(history::HistoryArgs),
    /// The way to requiring TLS, step by step: whom it hits, who knows of it, what to set, how to go back
    Enforce(enforce::EnforceArgs),
    /// Whom to write to about a domain or an organisation
    Contact(people::ContactArgs),
    /// Never write to an address, a domain, a host or an organisation again
    Suppress(people::SuppressArgs),
    /// Take a suppression back
    Unsuppress(people::UnsuppressArgs),
}

/// Runs the command.
pub(super) fn run(args: &CampaignArgs, environment: &Environment) -> anyhow::Result<Status> {
    match &args.step {
        Step::Plan(args) => plan::run(args, environment),
        Step::Preview(args) => preview::run(args, environment),
        Step::Review(args) => review::run(args, environment),
        Step::Approve(args) => review::approve(args, environment),
        Step::Send(args) => send::run(args, environment),
        Step::Replies(args) => replies::run(args, environment),
        Step::Label(args) => people::label(args, environment),
        Step::Answer(args) => people::answer(args, environment),
        Step::Status(args) => status::run(args, environment),
        Step::History(args) => history::run(args, environment),
        Step::Enforce(args) => enforce::run(args, environment),
        Step::Contact(args) => people::contact(args, environment),
        Step::Suppress(args) => people::suppress(args, environment),
        Step::Unsuppress(args) => people::unsuppress(args, environment),
    }
}

/// What the audit does for the outreach: moves cases on, and thanks by itself where that is set. Nothing else is ever sent by itself.
pub(super) fn after_import(store: &mut Store, environment: &Environment) -> anyhow::Result<()> {
    for moved in follow_up(store, environment)? {
        environment.printer.remark(&moved);
    }
    let settings = &environment.settings.campaign;
    if settings.auto_thank && settings.thanks {
        let thanked = plan::draft_thanks(store, environment)
            .and_then(|()| send::send_thanks(store, environment));
        // What the audit has to tell does not hang on a mail server that is down.
        match thanked {
            Ok(0) => {}
            Ok(sent) => environment
                .printer
                .remark(&format!("Thank-yous sent: {sent}.")),
            Err(error) => environment
                .printer
                .warning(&format!("Thank-yous wait for the next run: {error:#}")),
        }
    }
    Ok(())
}

/// How far back it is looked to see what became of a case.
const FOLLOWED_DAYS: i32 = 365;

/// Moves cases on by what the log says of them. Gives back what changed, for people.
pub(super) fn follow_up(
    store: &mut Store,
    environment: &Environment,
) -> anyhow::Result<Vec<String>> {
    let cases = store.cases()?;
    if cases.is_empty() {
        return Ok(Vec::new());
    }
    let newest = store.newest()?.min(environment.now);
    let today = day_of(newest);
    let sightings = find_sightings(store, &last_days(today, FOLLOWED_DAYS))?;
    let wait = environment.settings.campaign.will_fix_days;
    let moves = follow::follow(&cases, &sightings, today, wait);
    let mut said = Vec::new();
    for step in moves {
        // When it was mended does not hang on when it is looked at.
        let end_of_day = i64::from(step.day + 1) * 86_400 - 1;
        store.move_case(step.case, step.state, newest.min(end_of_day), &step.note)?;
        let organisation = cases
            .iter()
            .find(|c| c.id == step.case)
            .map_or("", |c| &c.organisation);
        said.push(format!(
            "{} {organisation}: {}, {}",
            step.token,
            step.state.name(),
            step.note
        ));
    }
    Ok(said)
}

/// So many days up to this one.
fn last_days(today: i32, days: i32) -> Scope {
    Scope {
        period: Period {
            from_day: Some(today - days + 1),
            to_day: Some(today),
        },
        direction: None,
        all: true,
    }
}

/// The case of this token.
fn case_of(store: &Store, token: &str) -> anyhow::Result<crate::store::outreach::Case> {
    let wanted = token.trim().trim_start_matches("tlsnag-").to_uppercase();
    let mut cases = store.cases()?;
    match cases.iter().position(|case| case.token == wanted) {
        Some(at) => Ok(cases.swap_remove(at)),
        None => bail!(
            "there is no case `{}`; `tlsnag campaign status` lists them",
            token.escape_debug()
        ),
    }
}
