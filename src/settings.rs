//! What the operator has set: the configuration file, and where the store lies.
//!
//! Flags win over the environment, the environment over the file. Unknown keys are refused: a misspelt setting must not pass
//! for a set one.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
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
    /// Zone of stamps that name none: `local` (default), `utc` or an offset such as `+01:00`.
    pub timezone: Option<String>,
    /// Days to keep log lines as evidence; 90 by default, 0 keeps none.
    pub evidence_days: Option<u32>,
    /// A directory with templates of the operator's own: `html/NAME.hbs` takes the place of the built-in one.
    pub templates: Option<PathBuf>,
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
        Ok(toml::from_str(text)?)
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
