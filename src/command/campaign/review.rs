//! `campaign review` and `campaign approve`: the letters to persons that are drafted, why to each, and which of them may go out.
//!
//! Nothing is sent here. An approval is for one letter as it stands: planned anew with another word in it, it waits again.

use anyhow::bail;
use clap::Args;

use crate::outcome::day_of;
use crate::query::Scope;
use crate::query::people::{Person, find_people};
use crate::report::{Column, Kind, Note, Section, Table, Value};
use crate::store::Store;
use crate::store::outreach::{Audience, Notice};

use super::super::period::date;
use super::super::report::{PrintArgs, write};
use super::preview::drafts;
use super::{Environment, Status, last_days};

/// Arguments of `campaign review`.
#[derive(Debug, Args)]
pub struct ReviewArgs {
    /// How to print it.
    #[command(flatten)]
    pub print: PrintArgs,
}

/// Arguments of `campaign approve`.
#[derive(Debug, Args)]
pub struct ApproveArgs {
    /// Addresses, as `campaign review` shows them
    #[arg(required = true, value_name = "ADDRESS")]
    pub addresses: Vec<String>,
    /// Take it back
    #[arg(long)]
    pub withdraw: bool,
}

const COLUMNS: &[Column] = &[
    Column::both("token", "token", Kind::Text),
    Column::both("address", "to", Kind::Text),
    Column::both("letter", "letter", Kind::Text),
    Column::both("state", "state", Kind::Text),
    Column::both("approved", "approved", Kind::Date),
    Column::both("messages", "our mails in clear", Kind::Number),
    Column::both("days", "on days", Kind::Number),
    Column::both("subject", "", Kind::Detail),
];

/// `campaign review`.
pub(super) fn run(args: &ReviewArgs, environment: &Environment) -> anyhow::Result<Status> {
    let store = Store::open_existing(&environment.store)?;
    let drafts = to_persons(&store)?;
    let today = day_of(store.newest()?.min(environment.now));
    let scope = last_days(today, environment.settings.campaign.days);
    let people = find_people(&store, &scope)?;
    let waiting = drafts.iter().filter(|(_, notice)| notice.waits()).count();
    let table = Table {
        headline: match (drafts.len(), waiting) {
            (0, _) => "No letter to a person is drafted: tlsnag campaign plan --to correspondents"
                .to_string(),
            (all, 0) => format!("All letters to persons are approved: {all}."),
            (all, n) => format!("Letters to persons: {all}; not approved: {n}."),
        },
        to_do: waiting,
        sections: vec![Section {
            title: "",
            columns: COLUMNS,
            rows: drafts
                .iter()
                .map(|(token, notice)| cells(token, notice, &people))
                .collect(),
        }],
        notes: match waiting {
            0 => Vec::new(),
            _ => vec![
                Note::Item("read them: tlsnag campaign preview TOKEN".into()),
                Note::Item(
                    "what is known of their server, with the log lines: tlsnag peer DOMAIN".into(),
                ),
                Note::Item("let one go out: tlsnag campaign approve ADDRESS".into()),
            ],
        },
    };
    write(&table, "review", &Scope::ALL, &args.print, environment)
}

fn cells(token: &str, notice: &Notice, people: &[Person]) -> Vec<Value> {
    let mails = people
        .iter()
        .filter(|person| person.address.eq_ignore_ascii_case(&notice.address))
        .flat_map(|person| &person.mails);
    let mut days: Vec<i32> = mails.clone().map(|mail| mail.day).collect();
    days.sort_unstable();
    days.dedup();
    vec![
        Value::text(token),
        Value::text(&notice.address),
        Value::text(&notice.kind),
        Value::text(if notice.waits() { "waits" } else { "approved" }),
        match notice.approved {
            0 => Value::text(""),
            at => Value::Time(at),
        },
        Value::Number(mails.map(|mail| mail.mails).sum()),
        Value::Number(days.len() as u64),
        Value::text(&notice.subject),
    ]
}

/// `campaign approve`. All addresses are looked at before any is approved.
pub(super) fn approve(args: &ApproveArgs, environment: &Environment) -> anyhow::Result<Status> {
    let mut store = Store::open_existing(&environment.store)?;
    let drafts = to_persons(&store)?;
    let mut chosen = Vec::new();
    for address in &args.addresses {
        let of: Vec<&(String, Notice)> = drafts
            .iter()
            .filter(|(_, notice)| notice.address.eq_ignore_ascii_case(address.trim()))
            .collect();
        if of.is_empty() {
            bail!(
                "no letter to `{}` is drafted, so nothing was changed; `tlsnag campaign review` lists those that are",
                address.escape_debug()
            );
        }
        chosen.extend(of);
    }
    let at = if args.withdraw { 0 } else { environment.now };
    let mut text = String::new();
    for (token, notice) in chosen {
        store.approve(notice.id, at)?;
        let (kind, address) = (&notice.kind, &notice.address);
        text.push_str(&match args.withdraw {
            true => format!("{token} {address}: {kind}, waits again\n"),
            false => format!(
                "{token} {address}: {kind}, approved on {}\n",
                date(day_of(at))
            ),
        });
    }
    environment.printer.result(&text)?;
    Ok(Status::Done)
}

/// The drafts that are to go to persons.
fn to_persons(store: &Store) -> anyhow::Result<Vec<(String, Notice)>> {
    let all = drafts(store)?.into_iter();
    Ok(all
        .filter(|(_, notice)| notice.audience == Audience::Correspondents)
        .collect())
}
