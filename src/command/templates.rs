//! The templates of pages: the built-in ones, and those an operator has put in their place.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::Context;

use crate::report::format::html::{Templates, template_names};

use super::Environment;

/// Looked into if the settings name no other, and if it exists.
const DIRECTORY: &str = "/etc/tlsnag/templates";

/// All of them.
pub(super) fn load(environment: &Environment) -> anyhow::Result<Templates> {
    let named = environment.settings.templates.as_deref();
    let directory = named.unwrap_or(Path::new(DIRECTORY)).join("html");
    if named.is_some() && !directory.is_dir() {
        anyhow::bail!(
            "expected a directory {} with templates (setting `templates`), found none",
            directory.display()
        );
    }
    let mut own = BTreeMap::new();
    for name in template_names() {
        let path = directory.join(format!("{name}.hbs"));
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                own.insert(name.to_string(), text);
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        }
    }
    Templates::new(&own).with_context(|| format!("in {}", directory.display()))
}

/// Reads a file that the operator has named.
pub(super) fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
