//! `campaign enforce`: the way to requiring TLS, step by step, with what stands against each step today. It changes nothing.

use clap::Args;

use crate::outcome::{Direction, day_of};
use crate::query::servers::find_servers;
use crate::query::whatif::{Loss, Question, Requirement, find_losses};
use crate::store::Store;
use crate::store::outreach::{Case, State};

use super::super::period::{date, parse_day};
use super::super::report::newest_day;
use super::deadline::NOTICE_DAYS;
use super::{Environment, Status, deadline, last_days};

/// Days that are looked at.
const DAYS: i32 = 30;
/// Losses that are named.
const NAMED: usize = 12;

/// Arguments of `campaign enforce`.
#[derive(Debug, Args)]
pub struct EnforceArgs {
    /// The day from which TLS is to be required [default: the setting enforce_on]
    #[arg(long, value_name = "DAY")]
    pub on: Option<String>,
    /// A page about it, for the refusals
    #[arg(long, value_name = "URL", default_value = "https://example.org/tls")]
    pub url: String,
}

/// Runs the command.
pub(super) fn run(args: &EnforceArgs, environment: &Environment) -> anyhow::Result<Status> {
    let store = Store::open_existing(&environment.store)?;
    let today = day_of(environment.now);
    let newest = newest_day(&store)?.unwrap_or(today).min(today);
    let wanted = args
        .on
        .as_ref()
        .or(environment.settings.campaign.enforce_on.as_ref());
    let on = wanted.map(|text| parse_day(text, today)).transpose()?;
    let scope = last_days(newest, DAYS);
    let question = Question {
        require: Requirement::Tls,
        deny: Vec::new(),
    };
    let answer = find_losses(&store, &scope, &question)?;
    let cases = store.cases()?;
    let servers = find_servers(&store)?;
    let server = if servers.sendmail && !servers.postfix {
        "sendmail"
    } else {
        "postfix"
    };
    let mut text = first_step(&answer.losses, answer.unknown.len());
    text.push_str(&second_step(&answer.losses, &cases, on, today));
    text.push_str(&further_steps(server, &args.url, on));
    environment.printer.result(&text)?;
    Ok(Status::Done)
}

fn first_step(losses: &[Loss], unknown: usize) -> String {
    let mut text = format!("1. Whom it hits, by the last {DAYS} days of the log\n");
    for (way, direction) in [
        ("sent", Direction::Outbound),
        ("received", Direction::Inbound),
    ] {
        let of: Vec<&Loss> = losses
            .iter()
            .filter(|loss| loss.direction == direction)
            .collect();
        let mails: u64 = of.iter().map(|loss| loss.fate.lost).sum();
        text.push_str(&format!(
            "   mail {way}: {} would lose {mails} mails\n",
            peers(of.len())
        ));
        for loss in of.iter().take(NAMED) {
            text.push_str(&format!(
                "     {}: {}\n",
                crate::campaign::visible(&loss.peer),
                loss.fate.lost
            ));
        }
        if of.len() > NAMED {
            text.push_str(&format!("     and {} more\n", of.len() - NAMED));
        }
    }
    if unknown > 0 {
        text.push_str(&format!("   of {} the log cannot tell\n", peers(unknown)));
    }
    text + "   All of it, with persons and certainty: tlsnag whatif --require tls\n\n"
}

fn peers(n: usize) -> String {
    match n {
        1 => "1 peer".to_string(),
        n => format!("{n} peers"),
    }
}

/// Whether they know of it: of the very day, if one is set. Who was written to before there was one does not.
fn second_step(losses: &[Loss], cases: &[Case], on: Option<i32>, today: i32) -> String {
    let of = |loss: &Loss, counts: &dyn Fn(&Case) -> bool| {
        let mut theirs = cases.iter().filter(|case| is_about(case, loss));
        theirs.any(counts)
    };
    let is_written = |loss: &Loss| of(loss, &Case::was_written);
    let is_told = |loss: &Loss| match on.map(date) {
        None => is_written(loss),
        Some(day) => of(loss, &|case| {
            let mut letters = case.notices.iter();
            letters.any(|letter| deadline::has_told(case, letter, &day))
        }),
    };
    let count = |counts: &dyn Fn(&Loss) -> bool| losses.iter().filter(|loss| counts(loss)).count();
    let (all, told) = (peers(losses.len()), count(&is_told));
    let refused = count(&|loss| of(loss, &|case| case.state == State::Declined));
    let known = match on.map(date) {
        None => format!("written to so far: {told} of {all}"),
        Some(day) => format!(
            "told of {day}: {told} of {all}; written to, but not of that day: {}",
            count(&|loss| is_written(loss) && !is_told(loss))
        ),
    };
    let mut text = format!("2. Tell them\n   {known}; will not change it: {refused}\n");
    let untold: Vec<&Loss> = losses.iter().filter(|loss| !is_told(loss)).collect();
    text.push_str(&not_told(&untold));
    text.push_str(&match on {
        None => "   no day is set: enforce_on = \"2027-03-01\" in the section [campaign] puts it into the letters\n".to_string(),
        Some(day) if day - today < NOTICE_DAYS => format!(
            "   the day is {}, in {} days: less than the {NOTICE_DAYS} that people need\n",
            date(day),
            day - today
        ),
        Some(day) => format!("   the day is {}, in {} days\n", date(day), day - today),
    });
    text + "   Letters that name the day: tlsnag campaign plan, preview, send\n\n"
}

/// Whether a case is about a peer that would lose mail.
fn is_about(case: &Case, loss: &Loss) -> bool {
    let mut names = case.peers.iter().flat_map(|(domain, host)| [domain, host]);
    case.organisation == loss.peer || names.any(|name| *name == loss.peer)
}

/// Who is still to be told. `campaign plan` says why somebody gets no letter.
fn not_told(untold: &[&Loss]) -> String {
    let names: Vec<String> = untold
        .iter()
        .take(NAMED)
        .map(|loss| crate::campaign::visible(&loss.peer))
        .collect();
    match untold.len().saturating_sub(NAMED) {
        _ if names.is_empty() => String::new(),
        0 => format!("   not told: {}\n", names.join(", ")),
        more => format!("   not told: {} and {more} more\n", names.join(", ")),
    }
}

fn further_steps(server: &str, url: &str, on: Option<i32>) -> String {
    let day = on.map_or_else(|| "the day".to_string(), date);
    format!(
        "3. Before {day}: the exceptions, and what clients will be told
   tlsnag policy --for {server} --base encrypt
   tlsnag policy --for {server} --reject-text {url}
   The first phase puts mail off and tells its sender why; the second refuses it. Put two weeks between them.

4. On {day}: switch it on, as the two commands above print it.

5. Watch it, each morning of the first weeks
   tlsnag audit --mail-to postmaster --only-if-action
   tlsnag report failures --since 2d
   The queue tells what waits: {queue}

6. Back, at any time: the last lines of what the two commands print. Mail that waits then goes as before.
",
        queue = if server == "postfix" { "postqueue -p" } else { "mailq" }
    )
}
