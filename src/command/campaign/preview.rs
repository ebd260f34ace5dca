//! `campaign preview`: the drafted letters as they would be sent, on standard output or as files.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;

use crate::mail::Outbox;
use crate::store::Store;
use crate::store::outreach::{Notice, Progress};

use super::{Environment, Status, letters};

/// Arguments of `campaign preview`.
#[derive(Debug, Args)]
pub struct PreviewArgs {
    /// Only the letter of this token
    pub token: Option<String>,
    /// Write each to a file preview-TOKEN-KIND.eml in this directory
    #[arg(long, short, value_name = "DIR")]
    pub output: Option<PathBuf>,
}

/// Runs the command.
pub(super) fn run(args: &PreviewArgs, environment: &Environment) -> anyhow::Result<Status> {
    let store = Store::open_existing(&environment.store)?;
    letters::require_identity(&environment.settings.campaign)?;
    let wanted = args.token.as_deref().map(str::to_uppercase);
    let drafts: Vec<(String, Notice)> = drafts(&store)?
        .into_iter()
        .filter(|(token, _)| wanted.as_ref().is_none_or(|wanted| wanted == token))
        .collect();
    if drafts.is_empty() {
        bail!("there is no such draft; `tlsnag campaign plan` makes them");
    }
    for (token, notice) in &drafts {
        let message = letters::message(
            notice,
            token,
            environment.now,
            &environment.settings.campaign,
        )?;
        if let Some(directory) = &args.output {
            // Not the name it has when it is sent: where another program sends what it finds, this is not it.
            let name = format!("preview-{}", letters::file_name(notice, token));
            Outbox::Directory(directory.clone())
                .send(&message, &name)
                .map_err(|refused| anyhow::anyhow!("{}", refused.words()))
                .context("a preview replaces nothing")?;
            continue;
        }
        let sender = message
            .envelope
            .from()
            .map(ToString::to_string)
            .unwrap_or_default();
        environment.printer.result(&format!(
            "--- {token}, envelope from <{sender}> to <{}>\n{}\n{}",
            notice.address,
            headers(&message.bytes),
            notice.body
        ))?;
        environment.printer.result("\n")?;
    }
    if let Some(directory) = &args.output {
        let n = drafts.len();
        environment
            .printer
            .remark(&format!("{n} written to {}", directory.display()));
    }
    Ok(Status::Done)
}

/// All drafts with the tokens of their cases.
pub(super) fn drafts(store: &Store) -> anyhow::Result<Vec<(String, Notice)>> {
    let cases = store.cases()?;
    let of = |case: crate::store::outreach::Case| {
        let token = case.token;
        let drafts = case
            .notices
            .into_iter()
            .filter(|n| n.progress == Progress::Draft);
        drafts
            .map(move |notice| (token.clone(), notice))
            .collect::<Vec<_>>()
    };
    let mut drafts: Vec<_> = cases.into_iter().flat_map(of).collect();
    drafts.sort_by_key(|(_, notice)| notice.id);
    Ok(drafts)
}

/// The part before the text.
fn headers(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
    text.split_once("\n\n")
        .map_or(text.clone(), |(headers, _)| format!("{headers}\n"))
}
