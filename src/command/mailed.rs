//! A report as mail: for cron, and for whoever reads mail rather than terminals. It goes where the settings say letters go.

use anyhow::{Context, anyhow, bail};

use crate::mail::{self, Message};

use super::Environment;
use super::campaign::send::settings_outbox;

/// A longer subject is cut.
const SUBJECT: usize = 120;

/// What is mailed.
pub(super) struct Report<'r> {
    /// The subject.
    pub(super) headline: &'r str,
    /// The text.
    pub(super) text: &'r str,
    /// The page that goes with it.
    pub(super) page: &'r str,
}

/// Why some of those who should have had a mail did not get it, though others did.
#[derive(Debug, Default)]
#[must_use]
pub(super) struct Missed(Vec<anyhow::Error>);

impl Missed {
    /// These and those.
    pub(super) fn and(&mut self, others: Missed) {
        self.0.extend(others.0);
    }

    /// To be called when all the rest is done: an error if anybody was missed.
    pub(super) fn into_result(self) -> anyhow::Result<()> {
        let said: Vec<String> = self.0.iter().map(|error| format!("{error:#}")).collect();
        match said.is_empty() {
            true => Ok(()),
            false => bail!(said.join("; ")),
        }
    }
}

/// Mails it to each address: one that is refused keeps it from no other. An error if nobody got it.
pub(super) fn send_all(
    report: &Report<'_>,
    addresses: &[String],
    environment: &Environment,
) -> anyhow::Result<Missed> {
    let sent = addresses.iter().map(|to| send(report, to, environment));
    let missed = Missed(sent.filter_map(anyhow::Result::err).collect());
    match missed.0.len() == addresses.len() {
        true => missed.into_result().map(|()| Missed::default()),
        false => Ok(missed),
    }
}

/// Mails it to one address; a name without a domain is a mailbox of this machine.
fn send(report: &Report<'_>, address: &str, environment: &Environment) -> anyhow::Result<()> {
    let settings = &environment.settings;
    let to = match address.contains('@') {
        true => address.to_string(),
        false => format!("{address}@localhost"),
    };
    let from = settings.mail_from.clone().unwrap_or_else(|| to.clone());
    let domain = from.rsplit('@').next().unwrap_or("localhost").to_string();
    let subject: String = report
        .headline
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    let draft = mail::Draft {
        from: ("tlsnag".to_string(), from.clone()),
        to,
        sender: from,
        subject: format!(
            "tlsnag: {}",
            subject.chars().take(SUBJECT).collect::<String>()
        ),
        body: report.text.to_string(),
        message_id: format!(
            "<tlsnag.report.{}.{}@{domain}>",
            environment.now,
            std::process::id()
        ),
        date: environment.now,
        unattended: true,
        page: Some(("tlsnag.html".to_string(), report.page.to_string())),
        ..mail::Draft::default()
    };
    let message = Message::build(&draft).context("--mail-to")?;
    let said = settings_outbox(&settings.campaign)?
        .send(&message, "report")
        .map_err(|refused| {
            anyhow!(
                "the report to {} was not taken: {}",
                address.escape_debug(),
                refused.words()
            )
        })?;
    environment
        .printer
        .remark(&format!("Mailed to {}: {said}.", address.escape_debug()));
    Ok(())
}
