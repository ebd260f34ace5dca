//! Writes letters: the facts of a case, put into the words of a template.
//!
//! The templates are in `templates/mail`: a directory for each problem with a file for each language, and `partials`. An operator's own take
//! the place of any of them, and a new file brings a new language. What a template sees is documented in `docs/letters.md`. The
//! first line is the subject, the rest the body, in which paragraphs are wrapped, indented lines stay as they are, and a backslash at the
//! end of a line breaks it. Nothing is sent here.

use std::collections::BTreeMap;

use handlebars::Handlebars;

use crate::store::outreach::Audience;

use super::problem::{Kind, Problem};

mod facts;
#[cfg(test)]
mod tests;
pub(super) mod text;
mod view;

pub use facts::{Facts, Fate, Proof, Us};
use text::finish;
use view::{ROOMS, View, view};

/// The language whose pieces stand in where another has none.
const FALLBACK: &str = "en";

macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../templates/mail/", $name, ".hbs")))),*]
    };
}

/// All that come with the program.
const TEMPLATES: &[(&str, &str)] = built_in![
    "not-offered/en",
    "not-offered/de",
    "refused/en",
    "refused/de",
    "handshake/en",
    "handshake/de",
    "certificate/en",
    "certificate/de",
    "old-protocol/en",
    "old-protocol/de",
    "dane/en",
    "dane/de",
    "sts/en",
    "sts/de",
    "inbound-clear/en",
    "inbound-clear/de",
    "thank-you/en",
    "thank-you/de",
    "light-hearted/en",
    "light-hearted/de",
    "correspondent/en",
    "correspondent/de",
    "correspondent-thanks/en",
    "correspondent-thanks/de",
    "partials/en/opening",
    "partials/de/opening",
    "partials/en/domains",
    "partials/de/domains",
    "partials/en/hosts",
    "partials/de/hosts",
    "partials/en/mails",
    "partials/de/mails",
    "partials/en/when",
    "partials/de/when",
    "partials/en/became",
    "partials/de/became",
    "partials/en/cause",
    "partials/de/cause",
    "partials/en/proof",
    "partials/de/proof",
    "partials/en/closing",
    "partials/de/closing",
    "partials/en/check",
    "partials/de/check",
    "partials/en/server/postfix",
    "partials/de/server/postfix",
    "partials/en/server/sendmail",
    "partials/de/server/sendmail",
    "partials/en/server/exim",
    "partials/de/server/exim",
    "partials/en/server/opensmtpd",
    "partials/de/server/opensmtpd",
    "partials/en/server/exchange",
    "partials/de/server/exchange",
    "partials/en/server/cisco",
    "partials/de/server/cisco",
    "partials/en/server/any",
    "partials/de/server/any",
    "partials/en/client/postfix",
    "partials/de/client/postfix",
    "partials/en/client/any",
    "partials/de/client/any",
];

/// A letter as it would be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// One line.
    pub subject: String,
    /// Lines of at most 78 columns, each with its end.
    pub body: String,
}

/// What is wrong with a template, or with what it makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetterError(String);

impl std::fmt::Display for LetterError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for LetterError {}

/// All templates, ready for use.
pub struct Letters(Handlebars<'static>);

impl Letters {
    /// The built-in ones, with those of `own` (by name, without `.hbs`) in their places and beside them. Fails if one is no template,
    /// or has a name that none is looked for by.
    pub fn new(own: &BTreeMap<String, String>) -> Result<Letters, LetterError> {
        let mut engine = Handlebars::new();
        engine.set_strict_mode(true);
        engine.register_escape_fn(handlebars::no_escape);
        let built_in = TEMPLATES.iter().map(|(name, text)| (*name, *text));
        let own = own
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()));
        for (file, text) in built_in.chain(own) {
            let name = known_name(file)?;
            // A piece of one line that is not indented stands within a sentence.
            let text = match text.trim_end() {
                line if !line.contains('\n') && !line.starts_with("  ") => line,
                _ => text,
            };
            engine
                .register_template_string(name, text)
                .map_err(|error| LetterError(format!("the template {file}.hbs: {error}")))?;
        }
        Ok(Letters(engine))
    }

    /// The languages in which there are letters about this.
    pub fn languages(&self, problem: Problem) -> Vec<String> {
        self.languages_of(problem.name())
    }

    fn languages_of(&self, directory: &str) -> Vec<String> {
        let names = self.0.get_templates().keys();
        let mut found: Vec<String> = names
            .filter_map(|name| name.strip_prefix(directory)?.strip_prefix('/'))
            .map(str::to_string)
            .collect();
        found.sort();
        found
    }

    /// Writes a letter. Fails if there is none in this language, if an operator's own template asks for what there is not, or if what
    /// comes out is no letter.
    pub fn render(
        &self,
        problem: Problem,
        kind: Kind,
        language: &str,
        style: Style,
        facts: &Facts,
    ) -> Result<Letter, LetterError> {
        let to_person = facts.audience == Audience::Correspondents;
        let directory = match (kind, style, problem) {
            (Kind::ThankYou, ..) if to_person => "correspondent-thanks",
            _ if to_person => "correspondent",
            (Kind::ThankYou, ..) => "thank-you",
            (Kind::Notice, Style::LightHearted, Problem::NotOffered) if facts.fate.in_clear => {
                "light-hearted"
            }
            _ => problem.name(),
        };
        let name = format!("{directory}/{language}");
        if !self.0.has_template(&name) {
            return Err(LetterError(format!(
                "expected a template {name}.hbs, found none; languages with one: {}",
                self.languages_of(directory).join(", ")
            )));
        }
        let mut letter = Err(LetterError(String::new()));
        for room in ROOMS {
            let text = self.fill(&name, language, view(facts, problem, kind, room))?;
            letter = finish(&name, &text, room);
            if letter.is_ok() {
                break;
            }
        }
        letter
    }

    /// The text of a template, with the fix for this software, or for all.
    fn fill(&self, name: &str, language: &str, mut view: View<'_>) -> Result<String, LetterError> {
        let group = match view.inbound {
            true => "client",
            false => "server",
        };
        let fix = [language, FALLBACK].into_iter().find_map(|language| {
            [view.software, "any"]
                .map(|software| format!("{language}/{group}/{software}"))
                .into_iter()
                .find(|name| self.0.has_template(name))
        });
        if let Some(fix) = fix {
            view.fix = self.text(&fix, &view)?.trim_end().to_string();
        }
        self.text(name, &view)
    }

    fn text(&self, name: &str, view: &View<'_>) -> Result<String, LetterError> {
        self.0
            .render(name, view)
            .map_err(|error| LetterError(format!("the template {name}.hbs: {error}")))
    }
}

/// In what spirit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// Plain and friendly.
    #[default]
    Plain,
    /// With a smile; never unless asked for.
    LightHearted,
}

/// The name by which a file is looked for: `PROBLEM/LANGUAGE`, or `LANGUAGE/PIECE` for `partials/LANGUAGE/PIECE`.
fn known_name(file: &str) -> Result<&str, LetterError> {
    let (directory, rest) = file.split_once('/').unwrap_or((file, ""));
    let built_in = TEMPLATES
        .iter()
        .filter_map(|(name, _)| name.split_once('/'));
    let mut letters: Vec<&str> = built_in.map(|(directory, _)| directory).collect();
    letters.dedup();
    match directory {
        "partials" if rest.contains('/') => Ok(rest),
        "partials" => Err(LetterError(format!(
            "expected partials/LANGUAGE/PIECE.hbs, found {file}.hbs"
        ))),
        _ if letters.contains(&directory) && !rest.is_empty() && !rest.contains('/') => Ok(file),
        _ => Err(LetterError(format!(
            "expected LETTER/LANGUAGE.hbs with one of the letters {}, found {file}.hbs",
            letters
                .iter()
                .filter(|name| **name != "partials")
                .copied()
                .collect::<Vec<_>>()
                .join(", ")
        ))),
    }
}
