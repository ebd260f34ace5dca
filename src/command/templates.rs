//! The templates of pages and letters: the built-in ones, and those an operator has put in their place.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::campaign::letter::Letters;
use crate::report::format::html::{Templates, template_names};

use super::Environment;

/// Looked into if the settings name no other, and if it exists.
const DIRECTORY: &str = "/etc/tlsnag/templates";

/// What may stand in a file of a template's name.
const SUFFIX: &str = "hbs";

/// Those of pages.
pub(super) fn load(environment: &Environment) -> anyhow::Result<Templates> {
    let directory = directory(environment)?.join("html");
    let mut own = BTreeMap::new();
    for name in template_names() {
        if let Some(text) = find(&directory.join(name).with_extension(SUFFIX))? {
            own.insert(name.to_string(), text);
        }
    }
    Templates::new(&own).with_context(|| format!("in {}", directory.display()))
}

/// Those of letters: whatever is below `mail`, since a file may bring a letter or a language of its own.
pub(super) fn load_letters(environment: &Environment) -> anyhow::Result<Letters> {
    let directory = directory(environment)?.join("mail");
    let mut own = BTreeMap::new();
    for path in files_below(&directory)? {
        let name = path.strip_prefix(&directory)?.with_extension("");
        own.insert(name.to_string_lossy().into_owned(), read(&path)?);
    }
    Letters::new(&own).with_context(|| format!("in {}", directory.display()))
}

/// Where the operator's own are. One that the settings name must be there.
fn directory(environment: &Environment) -> anyhow::Result<PathBuf> {
    let named = environment.settings.templates.as_deref();
    let directory = named.unwrap_or(Path::new(DIRECTORY));
    if named.is_some()
        && !["html", "mail"]
            .iter()
            .any(|part| directory.join(part).is_dir())
    {
        bail!(
            "expected templates in {0}/html or {0}/mail (setting `templates`), found neither directory",
            directory.display()
        );
    }
    Ok(directory.to_path_buf())
}

/// The templates in a directory and those within it, in order. What an editor leaves behind is none.
fn files_below(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut left = vec![directory.to_path_buf()];
    while let Some(next) = left.pop() {
        let entries = match std::fs::read_dir(&next) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", next.display()));
            }
        };
        for entry in entries {
            let entry = entry.with_context(|| format!("cannot read {}", next.display()))?;
            let path = entry.path();
            let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            // Not of what a link leads to: links in circles have no end.
            match entry.file_type()?.is_dir() {
                true if !is_hidden => left.push(path),
                false if !is_hidden && path.extension().is_some_and(|e| e == SUFFIX) => {
                    found.push(path)
                }
                _ => {}
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Reads a file that the operator has named.
pub(super) fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Reads a template, if it is there.
fn find(path: &Path) -> anyhow::Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::Problem;
    use crate::output::Printer;
    use crate::settings::Settings;

    fn environment(templates: &Path) -> Environment {
        Environment {
            settings: Settings {
                templates: Some(templates.to_path_buf()),
                ..Settings::default()
            },
            store: PathBuf::new(),
            printer: Printer { quiet: true },
            progress: false,
            now: 0,
        }
    }

    fn write(root: &Path, name: &str, text: &str) {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn a_file_below_mail_brings_a_letter_and_what_is_no_template_is_left_alone() {
        let root = tempfile::tempdir().unwrap();
        write(
            root.path(),
            "mail/not-offered/fr.hbs",
            "Subject: {{> fr/hello}}\n\nSalut\n",
        );
        write(root.path(), "mail/partials/fr/hello.hbs", "bonjour\n");
        write(root.path(), "mail/README", "ours");
        write(root.path(), "mail/not-offered/.en.hbs.swp", "x");
        write(root.path(), "mail/.git/config.hbs", "x");
        let letters = load_letters(&environment(root.path())).unwrap();
        assert_eq!(letters.languages(Problem::NotOffered), ["de", "en", "fr"]);
        // pages are as they were
        assert!(load(&environment(root.path())).is_ok());
    }

    #[test]
    fn a_template_nobody_asks_for_is_named_with_its_directory() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "mail/notoffered/fr.hbs", "x");
        let error = load_letters(&environment(root.path())).err().unwrap();
        let said = format!("{error:#}");
        assert!(
            said.contains("/mail: expected LETTER/LANGUAGE.hbs")
                && said.contains("notoffered/fr.hbs"),
            "{said}"
        );
    }

    #[test]
    fn a_directory_the_settings_name_must_be_there() {
        let root = tempfile::tempdir().unwrap();
        for load in [
            |e: &Environment| load(e).err(),
            |e: &Environment| load_letters(e).err(),
        ] {
            let said = load(&environment(root.path())).unwrap().to_string();
            assert!(said.contains("found neither directory"), "{said}");
        }
    }
}
