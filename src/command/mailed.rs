//! A report as mail: for cron, and for whoever reads mail rather than terminals. It goes where the settings say letters go.

use anyhow::{Context, anyhow};

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

/// Mails it to one address; a name without a domain is a mailbox of this machine.
pub(super) fn send(
    report: &Report<'_>,
    address: &str,
    environment: &Environment,
) -> anyhow::Result<()> {
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
