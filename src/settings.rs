//! What the operator has set: the configuration file, and where the store lies.
//!
//! Flags win over the environment, the environment over the file. Unknown keys are refused: a misspelt setting must not pass
//! for a set one.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use chrono::{NaiveDate, TimeDelta};
use serde::Deserialize;

/// Read if `--config` is not given and it exists.
const DEFAULT_FILE: &str = "/etc/tlsnag.toml";

/// The configuration file. Every key may be left out.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The store.
    pub store: Option<PathBuf>,
    /// Logs to read when none are named: files, directories, patterns, `-`.
    pub logs: Vec<PathBuf>,
    /// Read the systemd journal when no logs are named.
    pub journal: bool,
    /// Networks whose hosts are not correspondents. Replaces loopback and the log host itself.
    pub own_networks: Vec<String>,
    /// Domains we receive mail for.
    pub own_domains: Vec<String>,
    /// Keep full addresses of correspondents.
    pub correspondents: bool,
    /// So many mails in the period, in both directions together, are regular: `report correspondents`; 3 by default.
    pub regular_messages: Option<u64>,
    /// Zone of stamps that name none: `local` (default), `utc` or an offset such as `+01:00`.
    pub timezone: Option<String>,
    /// Days to keep log lines as evidence; 90 by default, 0 keeps none.
    pub evidence_days: Option<u32>,
    /// A directory with templates of the operator's own: `html/NAME.hbs` takes the place of the built-in one.
    pub templates: Option<PathBuf>,
    /// Who reports come from, with `--mail-to`; else the recipient.
    pub mail_from: Option<String>,
    /// The outreach: section `[campaign]`.
    pub campaign: Campaign,
}

/// The section `[campaign]`: who writes, how, and when.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Campaign {
    /// The person who writes, and answers.
    pub name: String,
    /// Their address.
    pub address: String,
    /// What they write for: `Example Institute`.
    pub organisation: String,
    /// Our mail server, as others know it.
    pub host: String,
    /// Where answers go, if not to `address`.
    pub reply_to: Option<String>,
    /// A page about it.
    pub url: String,
    /// What stands between a mailbox and its extension, so that bounces tell what they are about; empty if ours has none.
    pub delimiter: String,
    /// The language of letters.
    pub language: String,
    /// First letters about STARTTLS that is not offered are light-hearted, where there are such.
    pub light_hearted: bool,
    /// So many mails at least, on so many days, within so many days.
    pub min_messages: u64,
    /// See `min_messages`.
    pub min_days: usize,
    /// See `min_messages`.
    pub days: i32,
    /// No two letters to one organisation, address or domain within so many days.
    pub pause_days: i32,
    /// Who has said that they will mend it (label `will-fix`) is waited for so many days, then reminded once.
    pub will_fix_days: i32,
    /// A reminder so many days after the first letter, and the last one when as many more have passed as lie between these.
    pub reminder_days: [i32; 2],
    /// A draft older than so many days is not sent any more.
    pub draft_days: i32,
    /// A fault that more organisations than this share is rather our own, if they are more than `local_share` of a hundred we exchange mail
    /// with that way; or `local_habit_share` if it is one that many have (STARTTLS not offered, old TLS).
    pub local_peers: usize,
    /// See `local_peers`.
    pub local_share: u64,
    /// See `local_peers`.
    pub local_habit_share: u64,
    /// Of people to be written to: only those our users wrote to so many times in these days, in clear.
    pub correspondent_messages: u64,
    /// ... and at most so many of them in one organisation.
    pub correspondents_per_organisation: usize,
    /// So many letters in a plan at most.
    pub per_plan: usize,
    /// So many letters a day at most.
    pub per_day: usize,
    /// Seconds between two letters.
    pub pace: u64,
    /// Of a hundred organisations, so many are left alone for comparison.
    pub control: u64,
    /// Write about TLS older than 1.2 too.
    pub old_tls: bool,
    /// Plan a thank-you for who has mended it.
    pub thanks: bool,
    /// The audit sends thank-yous by itself.
    pub auto_thank: bool,
    /// The day from which we require TLS: `2027-03-01`.
    pub enforce_on: Option<String>,
    /// The program that takes mail.
    pub sendmail: PathBuf,
    /// In its place an SMTP server, `host:port`.
    pub smtp: Option<String>,
    /// How the connection to it is encrypted: `starttls`, `tls` or `none`.
    pub smtp_security: String,
    /// A file with `user:password` for it.
    pub smtp_login: Option<PathBuf>,
    /// Seconds to wait for each of its answers.
    pub smtp_timeout: u64,
}

impl Default for Campaign {
    fn default() -> Campaign {
        Campaign {
            name: String::new(),
            address: String::new(),
            organisation: String::new(),
            host: String::new(),
            reply_to: None,
            url: String::new(),
            delimiter: "+".into(),
            language: "en".into(),
            light_hearted: false,
            min_messages: 2,
            min_days: 2,
            days: 14,
            pause_days: 30,
            will_fix_days: 60,
            reminder_days: [30, 90],
            draft_days: 14,
            local_peers: 5,
            local_share: 20,
            local_habit_share: 50,
            correspondent_messages: 3,
            correspondents_per_organisation: 2,
            per_plan: 50,
            per_day: 10,
            pace: 5,
            control: 0,
            old_tls: false,
            thanks: true,
            auto_thank: false,
            enforce_on: None,
            sendmail: "/usr/sbin/sendmail".into(),
            smtp: None,
            smtp_security: "starttls".into(),
            smtp_login: None,
            smtp_timeout: 120,
        }
    }
}

impl Campaign {
    /// The day from which we require TLS, in days since 1970.
    pub fn enforce_day(&self) -> Option<i32> {
        let day = NaiveDate::parse_from_str(self.enforce_on.as_ref()?, "%Y-%m-%d").ok()?;
        i32::try_from((day - NaiveDate::default()).num_days()).ok()
    }

    /// Refuses what would go into letters as it stands, and be wrong there.
    fn check(&self) -> anyhow::Result<()> {
        if !self.host.is_empty() && !is_host(&self.host) {
            bail!(
                "`host` in the section [campaign]: expected the name of our mail server as the DNS has it, such as mail.example.org (with \
                 letters beyond ASCII as xn--...), found `{}`",
                self.host.escape_debug()
            );
        }
        self.check_numbers()?;
        let day = self.enforce_day().map(day_text);
        match &self.enforce_on {
            Some(text) if day.as_ref() != Some(text) => bail!(
                "`enforce_on` in the section [campaign]: expected a day such as 2027-03-01, as letters are to name it, found `{}`",
                text.escape_debug()
            ),
            _ => Ok(()),
        }
    }
}

impl Campaign {
    /// Refuses thresholds that are none: one slip of a key, and somebody would be written to three days in a row.
    fn check_numbers(&self) -> anyhow::Result<()> {
        const YEAR: i32 = 366;
        let [first, second] = self.reminder_days;
        let is_delimiter = |c: char| c.is_ascii_punctuation() && !"@\"(),:;<>[\\]".contains(c);
        let mut delimiter = self.delimiter.chars();
        let of_a_year = |days: i32| (1..=YEAR).contains(&days);
        for (is_good, key, expected) in [
            (self.min_messages >= 1, "min_messages", "1 or more"),
            (self.min_days >= 1, "min_days", "1 or more"),
            (of_a_year(self.days), "days", "1 to 366"),
            (of_a_year(self.pause_days), "pause_days", "1 to 366"),
            (of_a_year(self.will_fix_days), "will_fix_days", "1 to 366"),
            (self.draft_days >= 1, "draft_days", "1 or more"),
            (
                first >= 1 && second > first,
                "reminder_days",
                "two numbers of days after the first letter, the second greater, such as [30, 90]",
            ),
            (self.control <= 90, "control", "a share of up to 90"),
            (self.local_share <= 100, "local_share", "0 to 100"),
            (
                self.local_habit_share <= 100,
                "local_habit_share",
                "0 to 100",
            ),
            (
                delimiter.next().is_none_or(is_delimiter) && delimiter.next().is_none(),
                "delimiter",
                "one character such as +, or none",
            ),
        ] {
            if !is_good {
                bail!("`{key}` in the section [campaign]: expected {expected}");
            }
        }
        Ok(())
    }
}

fn day_text(day: i32) -> String {
    let date = NaiveDate::default() + TimeDelta::days(day.into());
    date.format("%Y-%m-%d").to_string()
}

/// Whether a text is a host name (RFC 1123), which can stand in a Message-ID too.
fn is_host(text: &str) -> bool {
    let is_label = |label: &str| {
        let mut bytes = label.bytes();
        !label.is_empty()
            && !label.starts_with('-')
            && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

impl Settings {
    /// Reads the file given, or the default one if it exists.
    pub fn load(file: Option<&Path>) -> anyhow::Result<Settings> {
        let (path, required) = file.map_or((Path::new(DEFAULT_FILE), false), |f| (f, true));
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if !required && error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Settings::default());
            }
            Err(error) => {
                return Err(error).with_context(|| {
                    format!("cannot read the configuration file {}", path.display())
                });
            }
        };
        Settings::parse(&text)
            .with_context(|| format!("the configuration file {} is not valid", path.display()))
    }

    fn parse(text: &str) -> anyhow::Result<Settings> {
        let settings: Settings = toml::from_str(text)?;
        settings.campaign.check()?;
        Ok(settings)
    }

    /// Where the store lies: the flag or `TLSNAG_STORE`, the file's setting, `/var/lib/tlsnag` for root, else the XDG state
    /// directory.
    pub fn store_path(&self, flag: Option<&Path>) -> anyhow::Result<PathBuf> {
        if let Some(path) = flag.map(Path::to_path_buf).or_else(|| self.store.clone()) {
            return Ok(path);
        }
        let variable = |name: &str| {
            std::env::var_os(name)
                .filter(|v| !v.is_empty())
                .map(PathBuf::from)
        };
        if variable("USER")
            .or_else(|| variable("LOGNAME"))
            .is_some_and(|u| u == Path::new("root"))
            || is_root()
        {
            return Ok(PathBuf::from("/var/lib/tlsnag/tlsnag.db"));
        }
        let state =
            variable("XDG_STATE_HOME").or_else(|| Some(variable("HOME")?.join(".local/state")));
        match state {
            Some(directory) => Ok(directory.join("tlsnag/tlsnag.db")),
            None => {
                bail!("cannot tell where to keep the store: give --store FILE, or set TLSNAG_STORE")
            }
        }
    }
}

/// Whether this process runs as the superuser, as far as the system tells without a foreign function: the owner of its own
/// entry in the process table.
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|m| m.uid() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ok_settings() {
        let parsed = Settings::parse(
            "own_networks = [\"192.0.2.0/24\"]\ncorrespondents = true\nevidence_days = 30\n",
        );
        assert!(parsed.is_ok_and(|s| s.own_networks == ["192.0.2.0/24"]
            && s.correspondents
            && s.evidence_days == Some(30)));
        assert_eq!(Settings::parse("").ok(), Some(Settings::default()));
    }

    #[test]
    fn err_an_unknown_key_is_refused() {
        let error = Settings::parse("own_network = \"192.0.2.0/24\"\n")
            .err()
            .map(|e| e.to_string())
            .unwrap_or_default();
        assert!(error.contains("unknown field `own_network`"), "{error}");
    }

    #[test]
    fn err_what_would_be_wrong_in_letters_is_refused() {
        let set = |line: &str| Settings::parse(&format!("[campaign]\n{line}\n"));
        for (key, bad) in [
            ("enforce_on", "soon"),
            ("enforce_on", "01.03.2027"),
            ("enforce_on", "2027-3-1"),
            ("enforce_on", "2027-02-30"),
            ("host", "mail us> <x"),
            ("host", "m\u{fc}ller.example"),
            ("host", "mail..example"),
            ("host", "mail.us.example\\nBcc: x@y.example"),
        ] {
            let said = set(&format!("{key} = \"{bad}\"")).map(drop);
            let said = said.err().map(|e| e.to_string()).unwrap_or_default();
            assert!(
                said.starts_with(&format!("`{key}` in the section [campaign]: expected ")),
                "{bad}: {said}"
            );
        }
        let good = set("enforce_on = \"2027-03-01\"\nhost = \"mail.xn--mller-kva.example\"");
        let day = good
            .ok()
            .and_then(|settings| settings.campaign.enforce_day());
        assert_eq!(day, Some(20_878));
    }

    #[test]
    fn err_thresholds_that_are_none_are_refused() {
        let said = |line: &str| {
            let parsed = Settings::parse(&format!("[campaign]\n{line}\n"));
            parsed.err().map(|e| e.to_string()).unwrap_or_default()
        };
        for line in [
            "min_messages = 0",
            "min_days = 0",
            "days = 0",
            "days = 367",
            "pause_days = 0",
            "pause_days = -5",
            "will_fix_days = 0",
            "draft_days = 0",
            "reminder_days = [0, 0]",
            "reminder_days = [90, 30]",
            "control = 91",
            "local_share = 101",
            "local_habit_share = 101",
            "delimiter = \"@\"",
            "delimiter = \"++\"",
        ] {
            let key = line.split(' ').next().unwrap_or_default();
            let expected = format!("`{key}` in the section [campaign]: expected ");
            assert!(said(line).starts_with(&expected), "{line}: {}", said(line));
        }
        let least = "min_messages = 1\nmin_days = 1\ndays = 1\npause_days = 1\nreminder_days = [1, 2]\ncontrol = 90\ndelimiter = \"\"";
        assert_eq!(said(least), "");
    }

    #[test]
    fn the_flag_wins_over_the_file() {
        let settings = Settings {
            store: Some("/a.db".into()),
            ..Settings::default()
        };
        assert_eq!(
            settings.store_path(Some(Path::new("/b.db"))).ok(),
            Some(PathBuf::from("/b.db"))
        );
        assert_eq!(settings.store_path(None).ok(), Some(PathBuf::from("/a.db")));
    }
}
