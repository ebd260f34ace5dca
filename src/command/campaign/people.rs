//! What the operator sets by hand: contacts, who is not to be written to, what an answer meant.

use anyhow::bail;
use clap::{Args, ValueEnum};

use crate::campaign::answers;
use crate::campaign::contact::is_address;
use crate::campaign::never::is_public;
use crate::campaign::optout::{recipients, silenced};
use crate::store::Store;
use crate::store::addressees::{Contact, plain_name};
use crate::store::answered::Effects;
use crate::store::outreach::State;

use super::{Environment, Status, case_of};

/// Arguments of `campaign contact`.
#[derive(Debug, Args)]
pub struct ContactArgs {
    /// A domain or an organisation; without it, all contacts are listed. Alone and without a contact: where to look for one
    pub name: Option<String>,
    /// Whom to write to about it; `-` takes the contact away
    #[arg(requires = "name")]
    pub address: Option<String>,
    /// Your own words about it
    #[arg(long, default_value = "", value_name = "TEXT")]
    pub note: String,
    /// Take many in from a file with lines `name,address` or `name,address,note`
    #[arg(long, value_name = "CSV", conflicts_with = "name")]
    pub import: Option<std::path::PathBuf>,
}

/// Arguments of `campaign suppress`.
#[derive(Debug, Args)]
pub struct SuppressArgs {
    /// An address, a domain with all below it, a host or an organisation; without it, all are listed
    pub name: Option<String>,
    /// Why
    #[arg(long, default_value = "by hand", value_name = "TEXT")]
    pub reason: String,
}

/// Arguments of `campaign unsuppress`.
#[derive(Debug, Args)]
pub struct UnsuppressArgs {
    /// As it was suppressed
    pub name: String,
}

/// Arguments of `campaign label`.
#[derive(Debug, Args)]
pub struct LabelArgs {
    /// The token of the case
    pub token: String,
    /// What the answer was
    #[arg(value_enum)]
    pub label: LabelArg,
    /// Your own words about it
    #[arg(long, default_value = "", value_name = "TEXT")]
    pub note: String,
}

/// Arguments of `campaign answer`.
#[derive(Debug, Args)]
pub struct AnswerArgs {
    /// What was said; without it, all are listed
    pub objection: Option<String>,
    /// The language [default: the setting]
    #[arg(long, value_name = "LANGUAGE")]
    pub language: Option<String>,
}

/// `campaign answer`.
pub(super) fn answer(args: &AnswerArgs, environment: &Environment) -> anyhow::Result<Status> {
    let list = || answers::objections().map(|(word, said)| format!("{word:13} {said}\n"));
    let language = args
        .language
        .as_ref()
        .unwrap_or(&environment.settings.campaign.language);
    let text = match &args.objection {
        None => list().collect(),
        Some(word) => match answers::answer(word, language) {
            Some(text) => text,
            None => bail!(
                "there is no answer to `{}`; there are:\n{}",
                word.escape_debug(),
                list().collect::<String>()
            ),
        },
    };
    environment.printer.result(&text)?;
    Ok(Status::Done)
}

/// What an answer was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LabelArg {
    /// Thanks
    Grateful,
    /// Anger: nobody there is written to again
    Annoyed,
    /// Not their server: once another contact is set, that one gets a first letter
    NotMyServer,
    /// They will mend it: they are waited for, then reminded once
    WillFix,
    /// They will not
    WillNotChange,
    /// A robot after all: the case goes on
    AutoReply,
    /// Nothing is to be done about this case
    Exempt,
}

/// Each label, the state it leads to, and whether nobody there is written to any more.
const LABELS: &[(LabelArg, State, bool)] = &[
    (LabelArg::Grateful, State::Answered, false),
    (LabelArg::Annoyed, State::Declined, true),
    (LabelArg::NotMyServer, State::NotTheirs, false),
    (LabelArg::WillFix, State::WillFix, false),
    (LabelArg::WillNotChange, State::Declined, false),
    (LabelArg::AutoReply, State::Sent, false),
    (LabelArg::Exempt, State::Exempt, false),
];

/// `campaign label`.
pub(super) fn label(args: &LabelArgs, environment: &Environment) -> anyhow::Result<Status> {
    let mut store = Store::open_existing(&environment.store)?;
    let case = case_of(&store, &args.token)?;
    let Some((_, state, ends)) = LABELS.iter().find(|(label, ..)| *label == args.label) else {
        return Ok(Status::Done);
    };
    if *state == State::Sent && !case.was_written() {
        bail!(
            "no letter of {} has gone out that a robot could have answered",
            case.token
        );
    }
    let value = args.label.to_possible_value();
    let name = value.as_ref().map_or("", |value| value.get_name());
    let words = format!("{name} {}", args.note).trim_end().to_string();
    // What is mended stays so, whatever they say to it.
    let moves = case.state.is_open() || *state == State::Exempt;
    let mut effects = Effects {
        what: "label".into(),
        note: words.clone(),
        state: moves.then_some((*state, words)),
        ..Effects::default()
    };
    if *ends {
        let names = recipients(&case, None, "");
        let names = names.iter().flat_map(|to| silenced(&case, to));
        effects.suppressed = names.map(|of| (of, name.to_string())).collect();
    }
    store.settle(case.id, &effects, environment.now)?;
    let state = effects.state.map_or(case.state, |(state, _)| state);
    let (token, organisation) = (&case.token, &case.organisation);
    environment
        .printer
        .result(&format!("{token} {organisation}: {}\n", state.name()))?;
    Ok(Status::Done)
}

/// `campaign contact`.
pub(super) fn contact(args: &ContactArgs, environment: &Environment) -> anyhow::Result<Status> {
    let mut store = Store::open_existing(&environment.store)?;
    if let Some(path) = &args.import {
        let text = super::super::templates::read(path)?;
        let rows = rows(&text)?;
        for (name, address, note) in &rows {
            store.set_contact(name, address, note, environment.now)?;
        }
        environment
            .printer
            .result(&format!("Contacts taken in: {}.\n", rows.len()))?;
        return Ok(Status::Done);
    }
    let text = match (&args.name, &args.address) {
        (Some(name), Some(address)) => {
            set_contact(&mut store, name, address, &args.note, environment.now)?
        }
        (wanted, _) => shown_contacts(&store.contacts()?, wanted.as_deref()),
    };
    environment.printer.result(&text)?;
    Ok(Status::Done)
}

/// Sets a contact, or takes it away, and says which.
fn set_contact(
    store: &mut Store,
    name: &str,
    address: &str,
    note: &str,
    now: i64,
) -> anyhow::Result<String> {
    let name = checked_name(name)?;
    if address == "-" {
        return Ok(match store.set_contact(&name, "", "", now)? {
            true => format!("{name} has no contact any more: letters go to the postmaster.\n"),
            false => {
                format!("No contact was set for {name}; tlsnag campaign contact lists them.\n")
            }
        });
    }
    check(address)?;
    store.set_contact(&name, address, note, now)?;
    Ok(format!(
        "Letters about {name} go to {address}, from the next plan on.\n"
    ))
}

fn shown_contacts(all: &[Contact], wanted: Option<&str>) -> String {
    let wanted = wanted.map(plain_name);
    let is_wanted = |name: &str| wanted.as_ref().is_none_or(|wanted| wanted == name);
    let shown: String = all
        .iter()
        .filter(|contact| is_wanted(&contact.name))
        .map(|c| format!("{}  {}  {}\n", c.name, c.address, c.note))
        .collect();
    match (shown.is_empty(), wanted) {
        (false, _) => shown,
        (true, None) => "No contacts are set: letters go to the postmaster.\n".to_string(),
        (true, Some(name)) => where_to_look(&name),
    }
}

/// Where the one who runs a domain may have said how to be reached, as commands to run: nothing is asked from here.
fn where_to_look(name: &str) -> String {
    if !is_public(name) {
        return format!(
            "No contact is set for {}, and it is no public name to look one up for.\n",
            name.escape_debug()
        );
    }
    format!(
        "No contact is set for {name}: letters go to the postmaster. If that comes back, look here:
  curl -sL https://{name}/.well-known/security.txt   a line `Contact: mailto:...` (RFC 9116)
  dig +short SOA {name}   the second name is a mailbox: hostmaster.{name}. is hostmaster@{name} (RFC 1035)
  curl -sL https://rdap.org/domain/{name}   \"technical\" and \"abuse\" of the registration, as far as they are shown
  their website, or somebody you know there
Then: tlsnag campaign contact {name} ADDRESS
"
    )
}

/// A name as logs have it, of one that was typed. One that stands for nobody would seem to be heeded, and change nothing.
fn checked_name(text: &str) -> anyhow::Result<String> {
    let name = plain_name(text);
    let (local, domain) = name.rsplit_once('@').unwrap_or(("", &name));
    // Hosts are called so too, against the rules.
    let is_name = is_public(&domain.replace('_', "x"));
    let is_mailbox = |c: char| !c.is_whitespace() && !c.is_control() && !"<>,;\"@".contains(c);
    if !is_name || !local.chars().all(is_mailbox) {
        let found = match text.trim() {
            "" => "nothing".to_string(),
            _ => format!("`{}`", text.escape_debug()),
        };
        bail!(
            "expected an address, a domain, a host or an organisation, such as postmaster@example.org or example.org, found {found}"
        );
    }
    Ok(name)
}

fn check(address: &str) -> anyhow::Result<()> {
    if !is_address(address) {
        bail!(
            "expected a mail address such as postmaster@example.org, found `{}`",
            address.escape_debug()
        );
    }
    Ok(())
}

/// Name, address and note of each line, all of them checked before any is written.
fn rows(text: &str) -> anyhow::Result<Vec<(String, String, String)>> {
    let mut rows = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut cells = line
            .splitn(3, ',')
            .map(|cell| cell.trim().trim_matches('"').to_string());
        let (name, address) = (
            cells.next().unwrap_or_default(),
            cells.next().unwrap_or_default(),
        );
        // A line of headings; a contact with a slip in it is none.
        if at == 0 && !line.contains(['@', '.']) {
            continue;
        }
        if checked_name(&name).is_err() || !is_address(&address) {
            bail!(
                "line {}: expected `name,address`, found `{}`",
                at + 1,
                line.escape_debug()
            );
        }
        rows.push((name, address, cells.next().unwrap_or_default()));
    }
    Ok(rows)
}

/// `campaign suppress`.
pub(super) fn suppress(args: &SuppressArgs, environment: &Environment) -> anyhow::Result<Status> {
    let mut store = Store::open_existing(&environment.store)?;
    let text = match &args.name {
        Some(name) => {
            let name = checked_name(name)?;
            match store.suppress(&name, &args.reason, environment.now)? {
                false => format!("{name} was suppressed already.\n"),
                true if name.contains('@') => format!("{name} is not written to any more.\n"),
                true => format!("Nobody at {name} is written to any more.\n"),
            }
        }
        None => {
            let all = store.suppressions()?;
            let day = |at| super::super::period::date(crate::outcome::day_of(at));
            let lines = all
                .iter()
                .map(|s| format!("{}  {}  {}\n", day(s.at), s.name, s.reason));
            match all.is_empty() {
                true => "Nobody is suppressed.\n".to_string(),
                false => lines.collect(),
            }
        }
    };
    environment.printer.result(&text)?;
    Ok(Status::Done)
}

/// `campaign unsuppress`.
pub(super) fn unsuppress(
    args: &UnsuppressArgs,
    environment: &Environment,
) -> anyhow::Result<Status> {
    let mut store = Store::open_existing(&environment.store)?;
    if !store.unsuppress(&args.name)? {
        bail!(
            "{} is not suppressed; `tlsnag campaign suppress` lists who is",
            args.name.escape_debug()
        );
    }
    environment.printer.result(&format!(
        "{} may be written to again.\n",
        args.name.escape_debug()
    ))?;
    Ok(Status::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ok_contacts_from_a_file() {
        let found = rows("name,address,note\n# x\na.example, ann@a.example, by phone, twice\nb.example,\"b@b.example\"\n").unwrap();
        let of = |a: &str, b: &str, c: &str| (a.to_string(), b.to_string(), c.to_string());
        assert_eq!(
            found,
            [
                of("a.example", "ann@a.example", "by phone, twice"),
                of("b.example", "b@b.example", "")
            ]
        );
    }

    #[test]
    fn err_a_slip_in_the_first_line_is_no_heading() {
        for line in [
            "a.example,ann",
            "a.example,\"=1+1\"",
            "a.example;ann@a.example",
        ] {
            let said = rows(line).map(drop).unwrap_err().to_string();
            assert!(said.starts_with("line 1: expected"), "{line}: {said}");
        }
    }

    #[test]
    fn what_is_to_be_typed_is_a_name_and_nothing_else() {
        assert!(where_to_look("a.example").contains("dig +short SOA a.example "));
        for name in ["a.example; rm -rf /", "$(id).example", "-a.example", "a"] {
            let said = where_to_look(name);
            assert!(!said.contains("dig") && !said.contains("curl"), "{said}");
        }
    }

    #[test]
    fn err_a_line_that_is_no_contact() {
        let said = rows("a.example,ann@a.example\nb.example\n")
            .unwrap_err()
            .to_string();
        assert!(
            said.starts_with("line 2: expected `name,address`"),
            "{said}"
        );
    }
}
