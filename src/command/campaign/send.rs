//! `campaign send`: hands the letters of a plan over, one by one. `send_one` is the only way out.
//!
//! Before a letter leaves, the store marks it as being sent, in a transaction of its own that also looks for suppressions; after it has
//! left, the store notes what was said. A run that dies in between leaves it marked: it is not sent again, and `status` shows it.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;

use crate::campaign::{Charge, Kind, Problem, follow};
use crate::mail::{Outbox, Refused, Security, Server};
use crate::outcome::day_of;
use crate::query::sightings::find_sightings;
use crate::settings::Campaign;
use crate::store::Store;
use crate::store::outreach::{ASKED, Case, Notice, Progress, Release};

use super::super::intake;
use super::super::period::date;
use super::asking::{self, Answers, Question};
use super::preview::drafts;
use super::{Environment, Status, deadline, follow_up, last_days, letters};

/// A log that ended longer ago is no reason to write to anybody, in days.
const STALE_DAYS: i32 = 7;
/// No plan looks at more days (`campaign plan --days`).
const LONGEST_DAYS: i32 = 366;
/// What a server said is good for so long, in seconds.
const DAY: i64 = 86_400;

/// Arguments of `campaign send`.
#[derive(Debug, Args)]
pub struct SendArgs {
    /// The plan that was read, as `campaign plan` named it
    #[arg(long, value_name = "HASH")]
    pub plan: Option<String>,
    /// Really send; without it, only say what would be sent
    #[arg(long)]
    pub yes: bool,
    /// At most so many today, those sent before included [default: 10]
    #[arg(long, value_name = "N")]
    pub per_day: Option<usize>,
    /// Hand them over by this program instead of the one in the settings
    #[arg(long, value_name = "PROGRAM", group = "way")]
    pub sendmail: Option<PathBuf>,
    /// Hand them over to this SMTP server
    #[arg(long, value_name = "HOST:PORT", group = "way")]
    pub smtp: Option<String>,
    /// Write them as files into this directory, for another program to send
    #[arg(long, value_name = "DIR", group = "way")]
    pub directory: Option<PathBuf>,
}

/// What a run did.
#[derive(Default)]
struct Tally {
    sent: usize,
    later: usize,
    refused: usize,
    unclear: usize,
    unwanted: usize,
    too_soon: usize,
    waiting: usize,
    aside: Aside,
}

/// What is not sent, and is to be planned anew.
#[derive(Clone, Copy, Default)]
struct Aside {
    /// Not true any more, or not of all that the letter names.
    mended: usize,
    /// Drafted too long ago.
    old: usize,
    /// Servers that were asked when it was planned could not be asked again, or say something else now.
    unsure: usize,
    /// About a day that is gone by, or is another by now.
    late: usize,
}

impl Aside {
    fn count(self) -> usize {
        self.mended + self.old + self.unsure + self.late
    }
}

/// Runs the command.
pub(super) fn run(args: &SendArgs, environment: &Environment) -> anyhow::Result<Status> {
    letters::require_identity(&environment.settings.campaign)?;
    let mut store = Store::open_existing(&environment.store)?;
    // Two at once would each count the other's letters too late.
    let _lock = intake::lock(&environment.store)?;
    // A case that has moved on has no letter waiting any more.
    for moved in follow_up(&mut store, environment)? {
        environment.printer.remark(&moved);
    }
    let drafts = of_plan(&store, args)?;
    let outbox = outbox(args, &environment.settings.campaign)?;
    let newest = day_of(store.newest()?.min(environment.now));
    let age = day_of(environment.now) - newest;
    if age > STALE_DAYS {
        bail!(
            "the log ends on {}, {age} days ago: what was true then may be mended; import newer logs and plan anew",
            date(newest)
        );
    }
    let (drafts, aside) = still_true(&store, drafts, newest, args.yes, environment)?;
    let settings = &environment.settings.campaign;
    let most = args.per_day.unwrap_or(settings.per_day);
    let room = room(&store, most, environment)?;
    if !args.yes {
        environment
            .printer
            .result(&would_send(&drafts, aside, room))?;
        return Ok(Status::Done);
    }
    let all = drafts.len() + aside.count();
    let ready: Vec<_> = drafts
        .into_iter()
        .filter(|(_, notice)| !notice.waits())
        .collect();
    let waiting = all - aside.count() - ready.len();
    let mut tally = send_all(&mut store, &ready, &outbox, room, environment)?;
    (tally.aside, tally.waiting) = (aside, waiting);
    environment.printer.result(&tally.in_words(all))?;
    Ok(Status::Done)
}

/// What there is to send, for who did not say `--yes`.
fn would_send(drafts: &[(String, Notice)], aside: Aside, room: usize) -> String {
    let mut list = String::new();
    for (token, notice) in drafts {
        let remark = match notice.waits() {
            true => "  (waits to be approved)",
            false => "",
        };
        let (kind, address) = (&notice.kind, &notice.address);
        list.push_str(&format!("{token}  {kind:13} {address}{remark}\n"));
    }
    match aside.count() {
        0 => {}
        n => list.push_str(&format!(
            "To be planned anew, since they are old or not all of it holds still: {n}.\n"
        )),
    }
    let ready = drafts.iter().filter(|(_, notice)| !notice.waits()).count();
    format!(
        "{list}Nothing was sent: that takes --yes. Today there is room for {}.\n",
        room.min(ready)
    )
}

/// The drafts that hold by the latest of the log and, where their servers were asked, by what these say now; and how many do not. A
/// thank-you was never held against the log of the last days, nor its servers asked. `asks`: without it nobody is asked.
fn still_true(
    store: &Store,
    drafts: Vec<(String, Notice)>,
    newest: i32,
    asks: bool,
    environment: &Environment,
) -> anyhow::Result<(Vec<(String, Notice)>, Aside)> {
    let settings = &environment.settings.campaign;
    // As far back as a plan may have looked.
    let sightings = find_sightings(store, &last_days(newest, LONGEST_DAYS))?;
    let cases = store.cases()?;
    let events = store.outreach_events()?;
    let mut aside = Aside::default();
    let mut answers = Answers::new();
    let mut left = Vec::new();
    for (token, notice) in drafts {
        let case = cases.iter().find(|case| case.id == notice.case);
        let charge = case.and_then(|case| Some((case, follow::charge_of(case, &sightings)?)));
        let asked = events.iter().find(|e| e.token == token && e.what == ASKED);
        let is_due = asks && asked.is_some_and(|asked| environment.now - asked.at > DAY);
        let counter = match charge {
            _ if notice.kind == Kind::ThankYou.name() => None,
            _ if !deadline::holds(&notice, settings, environment.now) => Some(&mut aside.late),
            _ if environment.now - notice.planned > i64::from(settings.draft_days) * DAY => {
                Some(&mut aside.old)
            }
            None => Some(&mut aside.mended),
            Some((case, charge))
                if is_due && !says_so(case, &charge, &mut answers, environment) =>
            {
                Some(&mut aside.unsure)
            }
            Some(_) => None,
        };
        match counter {
            None => left.push((token, notice)),
            Some(counter) => *counter += 1,
        }
    }
    Ok((left, aside))
}

/// Whether the servers that a letter names still do what it says.
fn says_so(case: &Case, charge: &Charge, answers: &mut Answers, environment: &Environment) -> bool {
    let Some(problem) = Problem::from_name(&case.problem) else {
        return false;
    };
    let is_named = |host: &str| case.peers.iter().any(|(_, named)| named == host);
    let question = Question {
        direction: case.direction,
        problem,
        places: letters::places(charge, is_named),
        helo: asking::helo(environment),
    };
    asking::settled(&question, answers).is_ok()
}

impl Tally {
    fn in_words(&self, all: usize) -> String {
        let done = self.sent
            + self.later
            + self.refused
            + self.unclear
            + self.unwanted
            + self.too_soon
            + self.aside.count()
            + self.waiting;
        let mut text = format!("Sent: {}", self.sent);
        for (n, what) in [
            (self.later, "refused for now, to be sent by the next run"),
            (self.refused, "refused for good"),
            (self.unclear, "perhaps sent, perhaps not: never sent again"),
            (self.unwanted, "not wanted any more"),
            (
                self.too_soon,
                "put off, since somebody there was written to lately",
            ),
            (
                self.aside.mended,
                "not true any more, by the latest log, or not of all they name",
            ),
            (self.aside.old, "drafted too long ago, to be planned anew"),
            (
                self.aside.unsure,
                "whose servers say something else now, or cannot be asked",
            ),
            (
                self.aside.late,
                "about a day that is gone by or no longer set, to be planned anew",
            ),
            (
                self.waiting,
                "waiting to be approved with tlsnag campaign approve",
            ),
            (all - done, "left for another day"),
        ] {
            if n > 0 {
                text.push_str(&format!("; {what}: {n}"));
            }
        }
        text + ".\n"
    }
}

/// The drafts, if they are those of the plan that was read.
fn of_plan(store: &Store, args: &SendArgs) -> anyhow::Result<Vec<(String, Notice)>> {
    let mut drafts = drafts(store)?;
    let Some((_, first)) = drafts.first() else {
        bail!("there is nothing to send; `tlsnag campaign plan` drafts letters");
    };
    let present = first.plan.clone();
    match &args.plan {
        Some(hash) => drafts.retain(|(_, notice)| notice.plan == *hash),
        None if !args.yes => {}
        None => {
            bail!("expected --plan HASH, the plan that was read; `tlsnag campaign plan` names it")
        }
    }
    if drafts.is_empty() {
        bail!(
            "the plan is {present} now, not {}: read it again with `tlsnag campaign preview`",
            args.plan.as_deref().unwrap_or_default().escape_debug()
        );
    }
    Ok(drafts)
}

/// How many may go out today, of so many a day: whatever went out counts.
fn room(store: &Store, most: usize, environment: &Environment) -> anyhow::Result<usize> {
    let today = day_of(environment.now);
    let sent = store
        .notices()?
        .into_iter()
        .filter(|n| n.progress.may_have_left() && day_of(n.sent) == today);
    Ok(most.saturating_sub(sent.count()))
}

fn send_all(
    store: &mut Store,
    drafts: &[(String, Notice)],
    outbox: &Outbox,
    room: usize,
    environment: &Environment,
) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    let mut written_to = BTreeSet::new();
    let (mut left, mut pause) = (room, false);
    for (token, notice) in drafts {
        if left == 0 {
            break;
        }
        // One address may stand for several organisations.
        if !written_to.insert(notice.address.to_lowercase()) {
            continue;
        }
        if pause && !matches!(outbox, Outbox::Directory(_)) {
            std::thread::sleep(Duration::from_secs(environment.settings.campaign.pace));
        }
        // A letter that nobody wants takes no other's place.
        pause = send_one(store, token, notice, outbox, environment, &mut tally)?;
        left -= usize::from(pause);
    }
    Ok(tally)
}

/// The one way out. Whether somebody may be written to is asked here, of the store, and nowhere later. `false` if they may not, and nothing was
/// handed over.
fn send_one(
    store: &mut Store,
    token: &str,
    notice: &Notice,
    outbox: &Outbox,
    environment: &Environment,
    tally: &mut Tally,
) -> anyhow::Result<bool> {
    let now = environment.now;
    let message = letters::message(notice, token, now, &environment.settings.campaign)?;
    match store.begin_sending(notice, now, environment.settings.campaign.pause_days)? {
        Release::Now => {}
        Release::TooSoon => {
            tally.too_soon += 1;
            return Ok(false);
        }
        Release::No => {
            tally.unwanted += 1;
            return Ok(false);
        }
    }
    let (progress, said) = match outbox.send(&message, &letters::file_name(notice, token)) {
        Ok(said) => (Progress::Sent, said),
        Err(Refused::Temporary(said)) => (Progress::Draft, said),
        Err(Refused::Permanent(said)) => (Progress::Refused, said),
        Err(Refused::Unclear(said)) => (Progress::Unclear, said),
        Err(Refused::Unable(said)) => {
            store.end_sending(notice, Progress::Draft, &said, now)?;
            bail!("{said}");
        }
    };
    store
        .end_sending(notice, progress, &said, now)
        .with_context(|| {
            format!(
                "{token} was handed over ({}), which could not be noted",
                progress.name()
            )
        })?;
    environment.printer.remark(&format!(
        "{token} {}: {}, {said}",
        notice.address,
        progress.name()
    ));
    match progress {
        Progress::Sent => tally.sent += 1,
        Progress::Refused => tally.refused += 1,
        Progress::Unclear => tally.unclear += 1,
        Progress::Draft | Progress::Sending => tally.later += 1,
    }
    Ok(true)
}

/// Thank-yous that are drafted, for the audit that may send them by itself.
pub(super) fn send_thanks(store: &mut Store, environment: &Environment) -> anyhow::Result<usize> {
    // Two at once would each count the other's letters too late.
    let _lock = intake::lock(&environment.store)?;
    let drafts: Vec<_> = drafts(store)?
        .into_iter()
        .filter(|(_, notice)| notice.kind == Kind::ThankYou.name() && !notice.waits())
        .collect();
    let settings = &environment.settings.campaign;
    let outbox = settings_outbox(settings)?;
    let room = room(store, settings.per_day, environment)?;
    let tally = send_all(store, &drafts, &outbox, room, environment)?;
    Ok(tally.sent)
}

fn outbox(args: &SendArgs, settings: &Campaign) -> anyhow::Result<Outbox> {
    Ok(match (&args.sendmail, &args.smtp, &args.directory) {
        (Some(program), ..) => Outbox::Sendmail(program.clone()),
        (_, Some(server), _) => Outbox::Smtp(server_of(server, settings)?),
        (.., Some(directory)) => Outbox::Directory(directory.clone()),
        _ => settings_outbox(settings)?,
    })
}

/// Where mail goes by the settings.
pub(in super::super) fn settings_outbox(settings: &Campaign) -> anyhow::Result<Outbox> {
    match &settings.smtp {
        Some(server) => Ok(Outbox::Smtp(server_of(server, settings)?)),
        None => Ok(Outbox::Sendmail(settings.sendmail.clone())),
    }
}

fn server_of(text: &str, settings: &Campaign) -> anyhow::Result<Server> {
    let parsed = text
        .rsplit_once(':')
        .and_then(|(host, port)| Some((host, port.parse().ok()?)));
    let Some((host, port)) = parsed else {
        bail!(
            "expected an SMTP server as HOST:PORT, found `{}`",
            text.escape_debug()
        );
    };
    let security = match settings.smtp_security.as_str() {
        "starttls" => Security::Starttls,
        "tls" => Security::Tls,
        "none" => Security::None,
        other => bail!("smtp_security: expected starttls, tls or none, found `{other}`"),
    };
    let host = host.trim_matches(['[', ']']);
    if security == Security::None && settings.smtp_login.is_some() && !is_this_machine(host) {
        bail!(
            "the password in smtp_login would go to {host} in clear: set smtp_security to starttls or tls"
        );
    }
    let login = match &settings.smtp_login {
        None => None,
        Some(path) => {
            let text = super::super::templates::read(path)?;
            let pair = text.trim_end_matches(['\r', '\n']).split_once(':');
            let Some((user, password)) = pair else {
                bail!(
                    "expected `user:password` in {}, found no colon",
                    path.display()
                );
            };
            Some((user.to_string(), password.to_string()))
        }
    };
    Ok(Server {
        host: host.to_string(),
        port,
        security,
        login,
        helo: settings.host.clone(),
        // No time at all is no time to answer in.
        patience: Duration::from_secs(settings.smtp_timeout.max(1)),
    })
}

fn is_this_machine(host: &str) -> bool {
    let address: Result<IpAddr, _> = host.parse();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}
