//! `campaign status`: where each case stands, and what came of it all.

use anyhow::bail;
use clap::Args;

use crate::campaign::score::{Rate, Score, score};
use crate::outcome::Direction;
use crate::query::Scope;
use crate::report::{Column, Kind, Note, Section, Table, Value};
use crate::store::Store;
use crate::store::outreach::{Case, Event, Progress, State};

use super::super::report::{PrintArgs, write};
use super::{Environment, Status, follow_up};

/// Arguments of `campaign status`.
#[derive(Debug, Args)]
#[command(after_help = "What happened in one case, in order: tlsnag campaign history NAME")]
pub struct StatusArgs {
    /// Of one case the history is asked for.
    #[arg(hide = true)]
    pub name: Option<String>,
    /// How to print it.
    #[command(flatten)]
    pub print: PrintArgs,
}

const COLUMNS: &[Column] = &[
    Column::both("token", "token", Kind::Text),
    Column::both("organisation", "organisation", Kind::Text),
    Column::both("problem", "about", Kind::Text),
    Column::both("direction", "way", Kind::Text),
    Column::both("state", "state", Kind::Text),
    Column::both("changed", "since", Kind::Date),
    Column::both("letters", "letters", Kind::Number),
    Column::both("last_letter", "last letter", Kind::Date),
    Column::both("contact", "to", Kind::Text),
    Column::field("mode", Kind::Text),
    Column::both("remark", "remark", Kind::Detail),
];

/// Runs the command.
pub(super) fn run(args: &StatusArgs, environment: &Environment) -> anyhow::Result<Status> {
    if let Some(name) = &args.name {
        bail!(
            "`status` shows all cases; what happened in one is told by: tlsnag campaign history {}",
            name.escape_debug()
        );
    }
    let mut store = Store::open_existing(&environment.store)?;
    for moved in follow_up(&mut store, environment)? {
        environment.printer.remark(&moved);
    }
    let cases = store.cases()?;
    let events = store.outreach_events()?;
    let score = score(&cases, &events);
    let table = Table {
        headline: headline(&cases, &score),
        to_do: cases
            .iter()
            .filter(|case| case.state.name() == "answered")
            .count(),
        sections: vec![Section {
            title: "",
            columns: COLUMNS,
            rows: cases.iter().map(|case| cells(case, &events)).collect(),
        }],
        notes: notes(&score),
    };
    write(&table, "status", &Scope::ALL, &args.print, environment)
}

fn headline(cases: &[Case], score: &Score) -> String {
    match (cases.len(), score.written.all) {
        (0, _) => {
            "Nobody was written to yet: `tlsnag campaign plan` says who could be.".to_string()
        }
        (n, 0) => format!("{n} cases; nobody was written to yet."),
        (_, _) => format!(
            "{} of {} who were written to have mended it.",
            score.written.fixed, score.written.all
        ),
    }
}

fn cells(case: &Case, events: &[Event]) -> Vec<Value> {
    let left = || case.notices.iter().filter(|n| n.progress.may_have_left());
    let unclear = case
        .notices
        .iter()
        .any(|n| matches!(n.progress, Progress::Unclear | Progress::Sending));
    let remark = match unclear {
        true => "a letter may or may not have gone out: look into the mail server's log",
        false => why(case, events),
    };
    let way = match case.direction {
        Direction::Outbound => "sent",
        Direction::Inbound => "received",
    };
    vec![
        Value::text(&case.token),
        Value::text(&case.organisation),
        Value::text(&case.problem),
        Value::text(way),
        Value::text(case.state.name()),
        Value::Time(case.changed),
        Value::Number(left().count() as u64),
        left()
            .map(|n| n.sent)
            .max()
            .map_or(Value::text(""), Value::Time),
        Value::text(&case.address),
        Value::text(case.audience.name()),
        Value::text(remark),
    ]
}

/// What brought a case to where it is: what a human said, theirs or the operator's own words with the label; or what the log shows.
fn why<'e>(case: &Case, events: &'e [Event]) -> &'e str {
    let is_said = matches!(
        case.state,
        State::Answered
            | State::NotTheirs
            | State::WillFix
            | State::Declined
            | State::Exempt
            | State::Bounced
            | State::Left
    );
    let of_case = events.iter().filter(|event| event.token == case.token);
    let mut last = of_case.filter(|event| event.what == case.state.name());
    last.next_back()
        .filter(|_| is_said)
        .map_or("", |event| &event.note)
}

fn notes(score: &Score) -> Vec<Note> {
    let rate = |what: &str, rate: Rate| {
        let (low, high) = rate.interval();
        Note::Item(format!(
            "{what}: {} of {} mended it (19 times in 20 the true share lies between {:.0} % and {:.0} %)",
            rate.fixed,
            rate.all,
            100.0 * low,
            100.0 * high
        ))
    };
    let mut notes = Vec::new();
    if score.written.all > 0 {
        notes.push(rate("Written to", score.written));
    }
    if score.control.all > 0 {
        notes.push(rate("Left alone for comparison", score.control));
    }
    if let Some(days) = score.median_days {
        notes.push(Note::Item(format!(
            "From the first letter to TLS on two days: {days} {} (median)",
            if days == 1.0 { "day" } else { "days" }
        )));
        notes.push(Note::Item(format!(
            "Mails a day that go over TLS now: {:.1}",
            score.daily
        )));
    }
    for (n, what) in [
        (score.answered, "Answered"),
        (score.bounced, "Came back"),
        (
            score.left,
            "Left by their customers, and counted as not mended",
        ),
    ] {
        if n > 0 {
            notes.push(Note::Item(format!("{what}: {n}")));
        }
    }
    notes
}
