//! `campaign history`: what happened in a case, in order: letters, answers, what the operator said of them, what the log showed.

use anyhow::bail;
use clap::Args;

use crate::query::Scope;
use crate::report::{Column, Kind, Section, Table, Value};
use crate::store::Store;
use crate::store::addressees::plain_name;
use crate::store::outreach::{Case, Event};

use super::super::report::{PrintArgs, write};
use super::{Environment, Status};

/// Arguments of `campaign history`.
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// The token of a case, an organisation, a domain, a host or an address that was written to
    pub name: String,
    /// How to print it.
    #[command(flatten)]
    pub print: PrintArgs,
}

const COLUMNS: &[Column] = &[
    Column::both("at", "at", Kind::Date),
    Column::both("token", "token", Kind::Text),
    Column::both("organisation", "organisation", Kind::Text),
    Column::both("what", "what", Kind::Text),
    Column::both("note", "note", Kind::Detail),
];

/// Runs the command.
pub(super) fn run(args: &HistoryArgs, environment: &Environment) -> anyhow::Result<Status> {
    let store = Store::open_existing(&environment.store)?;
    let mut cases = store.cases()?;
    cases.retain(|case| is_about(case, &args.name));
    if cases.is_empty() {
        bail!(
            "there is no case about `{}`; `tlsnag campaign status` lists them",
            args.name.escape_debug()
        );
    }
    let rows: Vec<Vec<Value>> = store
        .outreach_events()?
        .iter()
        .filter_map(|event| {
            let case = cases.iter().find(|case| case.token == event.token)?;
            Some(cells(case, event))
        })
        .collect();
    let table = Table {
        headline: match cases.as_slice() {
            [case] => format!(
                "{} about {}: {}.",
                case.token,
                case.organisation,
                case.state.name()
            ),
            cases => format!("{} cases.", cases.len()),
        },
        to_do: 0,
        sections: vec![Section {
            title: "",
            columns: COLUMNS,
            rows: rows.into(),
        }],
        notes: Vec::new(),
    };
    write(&table, "history", &Scope::ALL, &args.print, environment)
}

fn is_about(case: &Case, name: &str) -> bool {
    let token = name.trim().trim_start_matches("tlsnag-");
    let name = plain_name(name);
    let mut letters = case.notices.iter();
    case.token.eq_ignore_ascii_case(token)
        || case.organisation == name
        || case.peers.iter().any(|(d, h)| *d == name || *h == name)
        || case.address.eq_ignore_ascii_case(&name)
        || letters.any(|letter| letter.address.eq_ignore_ascii_case(&name))
}

fn cells(case: &Case, event: &Event) -> Vec<Value> {
    // What names the mail of an answer is for us alone.
    let note = match event.what.starts_with("reply-") {
        true => event.note.rsplit_once(' ').map_or("", |(note, _)| note),
        false => &event.note,
    };
    vec![
        Value::Time(event.at),
        Value::text(&case.token),
        Value::text(&case.organisation),
        Value::text(&event.what),
        Value::text(note),
    ]
}
