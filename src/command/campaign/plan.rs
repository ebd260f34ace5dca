//! `campaign plan`: decides, asks the servers concerned whether it is still so, drafts the letters, and shows all of it.

use std::collections::BTreeMap;

use anyhow::bail;
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::campaign::mended::{Mended, to_thank_for};
use crate::campaign::plan::{Rules, Skipped, Standing};
use crate::campaign::reason::Reason;
use crate::campaign::{self, Kind, Plan, Planned, Problem};
use crate::cli::FormatArg;
use crate::outcome::{Direction, day_of};
use crate::query::limits::find_limits;
use crate::query::people::find_people;
use crate::query::sightings::find_sightings;
use crate::report::{Column, Kind as CellKind, Note, Section, Table, Value};
use crate::settings::Campaign;
use crate::store::outreach::{Audience, Case, Draft, State};
use crate::store::{Store, registrable};

use super::super::period::date;
use super::super::report::{PrintArgs, put, write};
use super::super::templates::load_letters;
use super::{Environment, FOLLOWED_DAYS, Status, asking, deadline, follow_up, last_days, letters};

/// Arguments of `campaign plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Whom to write to
    #[arg(long, value_enum, default_value_t, value_name = "WHOM")]
    pub to: ToArg,
    /// Write only where at least so many mails are concerned [default: 2]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub min_messages: Option<u64>,
    /// ... on at least so many days [default: 2]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=366))]
    pub min_days: Option<u16>,
    /// ... of so many days before the newest record [default: 14]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(1..=366))]
    pub days: Option<u16>,
    /// Do not ask the servers today whether it is still so; the letters then speak of the log of its day
    #[arg(long)]
    pub no_probe: bool,
    /// Leave so many of a hundred organisations alone, to compare with: 20%
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub control: Option<u64>,
    /// Write about TLS older than 1.2 too
    #[arg(long)]
    pub old_tls: bool,
    /// How to print it.
    #[command(flatten)]
    pub print: PrintArgs,
}

/// Whom to write to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ToArg {
    /// Those who run the servers
    #[default]
    Postmaster,
    /// In their place people there whom our users exchange mail with, so that they ask; each is to be approved by name
    Correspondents,
}

impl ToArg {
    fn audience(self) -> Audience {
        match self {
            ToArg::Postmaster => Audience::Postmaster,
            ToArg::Correspondents => Audience::Correspondents,
        }
    }
}

fn percent(text: &str) -> Result<u64, String> {
    let number = text.strip_suffix('%').unwrap_or(text);
    match number.parse() {
        Ok(percent) if percent <= 90 => Ok(percent),
        _ => Err(format!(
            "expected a share such as 20%, up to 90%, found `{text}`"
        )),
    }
}

/// Runs the command.
pub(super) fn run(args: &PlanArgs, environment: &Environment) -> anyhow::Result<Status> {
    let asks_people = args.to == ToArg::Correspondents;
    if asks_people && !environment.settings.correspondents {
        bail!(
            "whom our users exchange mail with is not kept: set correspondents = true at the top of the configuration file; it works from \
             then on, for the mail that is read into the store with it"
        );
    }
    let mut store = Store::open_existing(&environment.store)?;
    for moved in follow_up(&mut store, environment)? {
        environment.printer.remark(&moved);
    }
    let settings = &environment.settings.campaign;
    let days = args.days.map_or(settings.days, i32::from);
    let today = day_of(store.newest()?.min(environment.now));
    let scope = last_days(today, days);
    let cases = store.cases()?;
    let standing = Standing {
        contacts: store.contacts()?,
        suppressions: store.suppressions()?,
        smart_host: find_limits(&store, &scope)?.smart_host,
        people: match asks_people {
            true => find_people(&store, &scope)?,
            false => Vec::new(),
        },
        secret: store.secret()?,
        unread: store.unread()?,
        mended: seen_mended(&store, &cases, environment)?,
        cases,
    };
    let mut plan = campaign::plan(
        &find_sightings(&store, &scope)?,
        &standing,
        &rules(args, environment),
        today,
        days,
    );
    if !args.no_probe {
        asking::ask(&mut plan, environment);
    }
    prove(&mut plan, &store)?;
    plan.limit(settings.per_plan);
    plan.set_apart();
    if plan
        .letters
        .iter()
        .any(|letter| deadline::is_news(letter, &standing.cases, settings))
    {
        deadline::require_time(settings, environment.now)?;
    }
    let drafts = drafts_of(&store, &plan, &standing.cases, environment)?;
    let drafted = drafts.is_some();
    let drafts = drafts.unwrap_or_default();
    let hash = plan.hash(&drafts);
    store.replace_drafts(&hash, &drafts, environment.now)?;
    let shown = Shown {
        store: &store,
        plan: &plan,
        hash: &hash,
        settings,
        drafted,
    };
    if args.print.format == FormatArg::Json {
        return put(
            &shown.json(&scope)?,
            plan.letters.len(),
            &args.print,
            environment,
        );
    }
    write(&shown.table(), "plan", &scope, &args.print, environment)
}

fn rules(args: &PlanArgs, environment: &Environment) -> Rules {
    let settings = &environment.settings.campaign;
    Rules {
        audience: args.to.audience(),
        min_written: settings.correspondent_messages,
        people_each: settings.correspondents_per_organisation,
        min_messages: args.min_messages.unwrap_or(settings.min_messages),
        min_days: args.min_days.map_or(settings.min_days, usize::from),
        control: args.control.unwrap_or(settings.control),
        old_protocols: args.old_tls || settings.old_tls,
        probing: !args.no_probe,
        thanks: settings.thanks,
        deadline: settings.enforce_on.clone(),
        own_domains: own_domains(environment),
        pause_days: settings.pause_days,
        will_fix_days: settings.will_fix_days,
        reminder_days: settings.reminder_days,
        local_peers: settings.local_peers,
        local_share: settings.local_share as f64 / 100.0,
        local_habit_share: settings.local_habit_share as f64 / 100.0,
    }
}

/// Whose servers are ours: the domains that are set, that of who writes, and that of the server which letters say is ours. A relay of our own is
/// never a correspondent, whether somebody has thought of setting it or not.
fn own_domains(environment: &Environment) -> Vec<String> {
    let settings = &environment.settings.campaign;
    let addresses = [Some(&settings.address), settings.reply_to.as_ref()];
    let writers = addresses
        .into_iter()
        .flatten()
        .filter_map(|address| address.rsplit_once('@'))
        .map(|(_, domain)| domain.to_string());
    let set = environment.settings.own_domains.iter().cloned();
    let plain = |name: String| name.trim_matches('.').to_ascii_lowercase();
    let host = registrable(&settings.host).map(str::to_owned);
    let all = set.chain(writers).chain(host);
    all.map(plain).filter(|name| !name.is_empty()).collect()
}

/// Takes out the letters that would have to do without proof: neither lines of the log, whose time may be up, nor what a server said.
fn prove(plan: &mut Plan, store: &Store) -> anyhow::Result<()> {
    for letter in std::mem::take(&mut plan.letters) {
        let is_proven = letter.kind == Kind::ThankYou
            || letter.asked.is_some()
            || letters::evidence(store, &letter)?
                .iter()
                .any(|claim| !claim.lines.is_empty());
        match is_proven {
            true => plan.letters.push(letter),
            false => plan.skip(letter.skipped(Reason::NoProof, String::new())),
        }
    }
    Ok(())
}

/// The letters of a plan, for the store; `None` if they cannot be written because nobody is set who writes them.
fn drafts_of(
    store: &Store,
    plan: &Plan,
    cases: &[Case],
    environment: &Environment,
) -> anyhow::Result<Option<Vec<Draft>>> {
    if !letters::missing(&environment.settings.campaign).is_empty() {
        return Ok(None);
    }
    let letters = load_letters(environment)?;
    let mut drafts = Vec::new();
    for planned in &plan.letters {
        let letter = letters::write(&letters, store, planned, cases, environment)?;
        drafts.push(Draft {
            letter: Some(letter),
            ..draft_of(planned)
        });
    }
    drafts.extend(plan.controls.iter().map(draft_of));
    Ok(Some(drafts))
}

/// Drafts the thank-yous that are due, beside what is drafted already.
pub(super) fn draft_thanks(store: &mut Store, environment: &Environment) -> anyhow::Result<()> {
    letters::require_identity(&environment.settings.campaign)?;
    let cases = store.cases()?;
    let standing = Standing {
        suppressions: store.suppressions()?,
        unread: store.unread()?,
        mended: seen_mended(store, &cases, environment)?,
        cases,
        ..Standing::default()
    };
    let today = day_of(environment.now);
    let thanks = campaign::plan(&[], &standing, &Rules::default(), today, 1);
    let drafts = drafts_of(store, &thanks, &standing.cases, environment)?;
    Ok(store.add_drafts("thanks", &drafts.unwrap_or_default(), environment.now)?)
}

/// What the log shows of the cases that are mended. Few are at any time, and without one it is not looked.
fn seen_mended(
    store: &Store,
    cases: &[Case],
    environment: &Environment,
) -> anyhow::Result<BTreeMap<String, Mended>> {
    if !cases.iter().any(|case| case.state == State::Fixed) {
        return Ok(BTreeMap::new());
    }
    let today = day_of(store.newest()?.min(environment.now));
    let sightings = find_sightings(store, &last_days(today, FOLLOWED_DAYS))?;
    Ok(to_thank_for(cases, &sightings))
}

fn draft_of(planned: &Planned) -> Draft {
    Draft {
        token: planned.token.clone(),
        direction: planned.direction,
        organisation: planned.organisation.clone(),
        problem: planned.problem.name().to_string(),
        audience: planned.audience,
        daily: planned.daily,
        peers: planned.charge.peers.iter().cloned().collect(),
        asked: planned.asked.as_ref().map(|asked| asked.heard.clone()),
        letter: None,
    }
}

/// A plan to be shown.
struct Shown<'a> {
    store: &'a Store,
    plan: &'a Plan,
    hash: &'a str,
    settings: &'a Campaign,
    drafted: bool,
}

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    plan: String,
    from: String,
    to: String,
    rows: Vec<LetterRow>,
    skipped: Vec<SkippedRow>,
}

#[derive(Serialize)]
struct LetterRow {
    token: String,
    domain: String,
    organisation: String,
    direction: &'static str,
    mx_hosts: Vec<String>,
    mode: &'static str,
    contact: String,
    contact_source: &'static str,
    reason: &'static str,
    class: &'static str,
    cause: String,
    certainty: &'static str,
    messages: u64,
    days: usize,
    evidence: Vec<String>,
    template: String,
    language: String,
}

#[derive(Serialize)]
struct SkippedRow {
    domain: String,
    organisation: String,
    direction: &'static str,
    problem: &'static str,
    reason: &'static str,
    words: &'static str,
    detail: String,
}

/// How many occurrences are shown as evidence.
const SHOWN: usize = 5;

impl Shown<'_> {
    /// For programs: a row for each domain of each letter, and one for each domain that gets none.
    fn json(&self, scope: &crate::query::Scope) -> anyhow::Result<String> {
        let mut rows = Vec::new();
        for letter in &self.plan.letters {
            let evidence: Vec<String> = letters::evidence(self.store, letter)?
                .iter()
                .take(SHOWN)
                .flat_map(|claim| &claim.lines)
                .map(|line| line.text.clone())
                .collect();
            let domains = letter.domains();
            rows.extend(
                domains
                    .into_iter()
                    .map(|domain| self.letter_row(letter, domain, &evidence)),
            );
        }
        let skipped = self.plan.skipped.iter().flat_map(skipped_rows).collect();
        let day = |day: Option<i32>| day.map_or_else(String::new, date);
        let document = Document {
            schema: "tlsnag.plan/1",
            plan: self.hash.to_string(),
            from: day(scope.period.from_day),
            to: day(scope.period.to_day),
            rows,
            skipped,
        };
        Ok(serde_json::to_string_pretty(&document)? + "\n")
    }

    fn letter_row(&self, letter: &Planned, domain: &str, evidence: &[String]) -> LetterRow {
        LetterRow {
            token: letter.token.clone(),
            domain: domain.to_string(),
            organisation: letter.organisation.clone(),
            direction: letter.direction.name(),
            mx_hosts: letter.charge.hosts.keys().cloned().collect(),
            mode: letter.audience.name(),
            contact: letter.contact.0.clone(),
            contact_source: letter.contact.1.name(),
            reason: letter.problem.name(),
            class: letter.main.0.name(),
            cause: letter.main.1.clone(),
            certainty: letter.certainty.words(),
            messages: letter
                .charge
                .domains
                .get(domain)
                .map_or(0, |(mails, _)| *mails),
            days: letter.charge.days.len(),
            evidence: evidence.to_vec(),
            template: letter.kind.name().to_string(),
            language: self.settings.language.clone(),
        }
    }

    /// For people.
    fn table(&self) -> Table {
        let (letters, skipped) = (&self.plan.letters, &self.plan.skipped);
        let headline = match (letters.len(), skipped.len()) {
            (0, 0) => "Nobody is to be written to: nothing in clear, and nothing that fails, was seen in these days.".to_string(),
            (0, n) => format!("Nobody is to be written to; why not stands beside each of {n}."),
            (1, n) => format!("1 letter would be written; {n} would get none, and why stands beside them."),
            (l, n) => format!("{l} letters would be written; {n} would get none, and why stands beside them."),
        };
        Table {
            headline,
            to_do: letters.len(),
            sections: vec![
                Section {
                    title: "Letters",
                    columns: LETTERS,
                    rows: letters.iter().map(letter_cells).collect(),
                },
                Section {
                    title: "No letter",
                    columns: SKIPPED,
                    rows: skipped.iter().map(skipped_cells).collect(),
                },
            ],
            notes: self.notes(),
        }
    }

    fn asks_people(&self) -> bool {
        let mut letters = self.plan.letters.iter();
        letters.any(|letter| letter.audience == Audience::Correspondents)
    }

    fn notes(&self) -> Vec<Note> {
        let item = |text: String| Note::Item(text);
        match (self.plan.letters.is_empty(), self.drafted) {
            (true, _) => Vec::new(),
            (_, false) => vec![Note::Paragraph(format!(
                "No letters were drafted: they must say who writes. Set {} in the section [campaign] of the configuration file.",
                letters::missing(self.settings).join(", ")
            ))],
            (_, true) => {
                let mut notes = vec![
                    Note::Paragraph("Nothing was sent. Next:".into()),
                    item("read them: tlsnag campaign preview".into()),
                ];
                if self.asks_people() {
                    notes.push(item("to persons nothing is sent that is not approved by name: tlsnag campaign review, tlsnag campaign approve ADDRESS".into()));
                }
                notes.push(item(format!(
                    "send them: tlsnag campaign send --plan {} --yes",
                    self.hash
                )));
                notes.push(item(
                    "never write to somebody: tlsnag campaign suppress NAME".into(),
                ));
                notes
            }
        }
    }
}

const LETTERS: &[Column] = &[
    Column::both("token", "token", CellKind::Text),
    Column::both("organisation", "organisation", CellKind::Text),
    Column::both("contact", "to", CellKind::Text),
    Column::both("template", "letter", CellKind::Text),
    Column::both("messages", "mails", CellKind::Number),
    Column::both("days", "days", CellKind::Number),
    Column::field("domains", CellKind::Text),
    Column::field("mx_hosts", CellKind::Text),
    Column::field("reason", CellKind::Text),
    Column::field("mode", CellKind::Text),
    Column::both("certainty", "certainty", CellKind::Text),
    Column::detail("why"),
];

fn letter_cells(letter: &Planned) -> Vec<Value> {
    let owned = |names: Vec<&str>| Value::List(names.into_iter().map(str::to_string).collect());
    let domains = letter.domains();
    let way = match letter.direction {
        Direction::Outbound => format!("mail to {}", domains.join(", ")),
        Direction::Inbound => format!(
            "mail from {}",
            letter
                .charge
                .hosts
                .keys()
                .cloned()
                .collect::<Vec<_>>()
                .join(", ")
        ),
    };
    let what = match letter.kind {
        Kind::ThankYou => "is encrypted now".to_string(),
        _ => letter.words(),
    };
    vec![
        Value::text(&letter.token),
        Value::text(&letter.organisation),
        Value::text(&letter.contact.0),
        Value::text(letter.kind.name()),
        Value::Number(letter.charge.mails),
        Value::Number(letter.charge.days.len() as u64),
        owned(domains),
        Value::List(letter.charge.hosts.keys().cloned().collect()),
        Value::text(letter.problem.name()),
        Value::text(letter.audience.name()),
        Value::text(letter.certainty.words()),
        Value::text(format!("{way} {what}")),
    ]
}

const SKIPPED: &[Column] = &[
    Column::both("direction", "way", CellKind::Text),
    Column::both("organisation", "organisation", CellKind::Text),
    Column::field("domains", CellKind::Text),
    Column::both("problem", "about", CellKind::Text),
    Column::both("reason", "", CellKind::Text),
    Column::detail("why not"),
];

fn skipped_cells(skipped: &Skipped) -> Vec<Value> {
    let why = match skipped.detail.as_str() {
        "" => skipped.reason.words().to_string(),
        detail => format!("{} ({detail})", skipped.reason.words()),
    };
    vec![
        Value::text(match skipped.direction {
            Direction::Outbound => "sent",
            Direction::Inbound => "received",
        }),
        Value::text(&skipped.name),
        Value::List(skipped.domains.clone()),
        Value::text(skipped.problem.map_or("", Problem::name)),
        Value::text(skipped.reason.name()),
        Value::text(why),
    ]
}

fn skipped_rows(skipped: &Skipped) -> Vec<SkippedRow> {
    let row = |domain: &str| SkippedRow {
        domain: domain.to_string(),
        organisation: skipped.name.clone(),
        direction: skipped.direction.name(),
        problem: skipped.problem.map_or("", Problem::name),
        reason: skipped.reason.name(),
        words: skipped.reason.words(),
        detail: skipped.detail.clone(),
    };
    match skipped.domains.as_slice() {
        [] => vec![row("")],
        domains => domains.iter().map(|domain| row(domain)).collect(),
    }
}
