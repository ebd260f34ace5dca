//! `whatif`: whom we would lose if we required more of TLS, what becomes of their mail then, and how it would be set.
//!
//! | file | says |
//! |---|---|
//! | `notes` | what it would take to keep them, what becomes of their mail, what the answer does not hold |
//! | `setting` | how it would be set, or why no setting is printed |
//! | `postfix`, `sendmail` | the lines of each, with their exceptions |
//! | `fields` | the same for programs |

mod fields;
mod notes;
mod postfix;
mod sendmail;
mod setting;

use std::collections::BTreeSet;

use crate::outcome::{Class, Direction};
use crate::query::Scope;
use crate::query::limits::{Limits, find_limits};
use crate::query::servers::{Servers, find_servers};
use crate::query::tally::Problem;
use crate::query::whatif::{
    Answer, CipherClass, Fate, Loss, Person, Question, Requirement, Total, find_losses,
};
use crate::store::{Result, Store};

use super::advice::advice;
use super::format::date;
use super::table::{Column, Kind, Note, Section, Table, Value};
use super::words::{count, way, what, whose};

/// How many peers people see; programs see all.
const MOST_ENTRIES: usize = 25;

const LOSSES: &[Column] = &[
    Column::prose("peer"),
    Column::prose("mail"),
    number("lost"),
    number("kept"),
    number("?"),
    Column::detail("why"),
    Column::prose("fault"),
    Column::detail("how sure"),
    last("last lost"),
];

const ORGANISATIONS: &[Column] = &[
    Column::prose("organisation"),
    number("domains"),
    number("lost"),
    number("kept"),
    number("?"),
];

const UNKNOWN: &[Column] = &[
    Column::prose("peer"),
    Column::prose("mail"),
    number("?"),
    number("kept"),
];

const PEOPLE: &[Column] = &[
    Column::prose("address"),
    Column::prose("mail"),
    number("lost"),
    number("kept"),
    number("?"),
    Column::detail("why"),
    Column::detail("how sure"),
    last("last"),
];

const fn number(title: &'static str) -> Column {
    Column {
        name: "",
        title,
        kind: Kind::Number,
    }
}

const fn last(title: &'static str) -> Column {
    Column {
        name: "",
        title,
        kind: Kind::Date,
    }
}

/// What is asked, answered, and to be kept in mind.
struct Case<'c> {
    question: &'c Question,
    answer: &'c Answer,
    limits: &'c Limits,
    servers: Servers,
    scope: &'c Scope,
}

impl Case<'_> {
    /// How many entries of a list are shown.
    fn most(&self) -> usize {
        if self.scope.all {
            usize::MAX
        } else {
            MOST_ENTRIES
        }
    }

    /// What shows all entries of this period: alone it would show those of all time.
    fn option_for_all(&self) -> String {
        match self.scope.period.from_day {
            Some(day) => format!("--all --since {}", date(day)),
            None => "--all".into(),
        }
    }
}

/// The answer as a table.
pub fn build(store: &Store, scope: &Scope, question: &Question) -> Result<Table> {
    let answer = find_losses(store, scope, question)?;
    let limits = find_limits(store, scope)?;
    let case = Case {
        question,
        answer: &answer,
        limits: &limits,
        servers: find_servers(store)?,
        scope,
    };
    let mut notes = more(&case);
    if answer.totals.iter().any(|total| total.fate.total() > 0) {
        notes.extend(notes::keeping(&case));
        notes.extend(notes::consequences(&case));
        notes.extend(notes::smart_host(&case));
        notes.extend(setting::settings(&case));
        notes.extend(notes::doubts(&case));
    }
    Ok(Table {
        headline: headline(&answer, question),
        to_do: answer.losses.len(),
        sections: sections(&case),
        notes,
    })
}

fn sections(case: &Case<'_>) -> Vec<Section> {
    let (answer, most) = (case.answer, case.most());
    vec![
        Section {
            title: "",
            columns: fields::FIELDS,
            rows: fields::rows(case).into(),
        },
        Section {
            title: "Who would be lost, in whole or in part",
            columns: LOSSES,
            rows: answer.losses.iter().take(most).map(loss_row).collect(),
        },
        Section {
            title: "Organisations with several domains among them",
            columns: ORGANISATIONS,
            rows: organisation_rows(&answer.losses).into(),
        },
        Section {
            title: "Persons among them",
            columns: PEOPLE,
            rows: answer.people.iter().take(most).map(person_row).collect(),
        },
        Section {
            title: "Of whom the log cannot tell",
            columns: UNKNOWN,
            rows: answer.unknown.iter().take(most).map(unknown_row).collect(),
        },
    ]
}

/// What the lists are short of.
fn more(case: &Case<'_>) -> Vec<Note> {
    let answer = case.answer;
    let lists = [
        (
            answer.losses.len(),
            "peer that would be lost",
            "peers that would be lost",
        ),
        (answer.people.len(), "person", "persons"),
        (
            answer.unknown.len(),
            "peer of which the log cannot tell",
            "peers of which the log cannot tell",
        ),
    ];
    let short: Vec<String> = lists
        .into_iter()
        .map(|(n, one, several)| (n.saturating_sub(case.most()) as u64, one, several))
        .filter(|(n, ..)| *n > 0)
        .map(|(n, one, several)| count(n, one, several))
        .collect();
    if short.is_empty() {
        return Vec::new();
    }
    vec![Note::Paragraph(format!(
        "Not shown: {}; {} shows them.",
        short.join(", "),
        case.option_for_all()
    ))]
}

/// What would be required and denied, as one says it.
fn requirement(question: &Question) -> String {
    let required = match question.require {
        Requirement::Tls => "TLS".into(),
        Requirement::Version(protocol) => format!("{} or newer", protocol.name()),
        Requirement::Verified => "a verified certificate".into(),
        Requirement::Dane => "DANE".into(),
    };
    let denied = question.deny.iter().map(|class| match class {
        CipherClass::Anonymous => "anonymous ciphers",
        CipherClass::TripleDes => "3DES",
        CipherClass::Rc4 => "RC4",
        CipherClass::Cbc => "CBC",
        CipherClass::Dhe => "DHE below 2048 bits",
    });
    match denied.collect::<Vec<&str>>().join(", ") {
        none if none.is_empty() => required,
        denied => format!("{required} and denying {denied}"),
    }
}

fn headline(answer: &Answer, question: &Question) -> String {
    let parts: Vec<String> = answer
        .totals
        .iter()
        .filter(|total| total.fate.total() > 0)
        .map(|total| part_of_headline(answer, total))
        .collect();
    if parts.is_empty() {
        return "No mail is known of in this period, so there is nothing to lose that could be named.".into();
    }
    format!(
        "Requiring {} would have cost {}.",
        requirement(question),
        parts.join(", and ")
    )
}

fn part_of_headline(answer: &Answer, total: &Total) -> String {
    let fate = &total.fate;
    let way = match total.direction {
        Direction::Outbound => "sent",
        Direction::Inbound => "received",
    };
    let of = count(fate.total(), "message", "messages");
    let mut aside = Vec::new();
    if fate.unknown > 0 {
        let more = if fate.lost > 0 { "more " } else { "" };
        aside.push(format!(
            "of {} {more}of them the log cannot tell",
            fate.unknown
        ));
    }
    if fate.spared > 0 {
        aside.push(format!(
            "{} went in clear by an entry of your own, which would stay",
            fate.spared
        ));
    }
    let aside = match aside.is_empty() {
        true => String::new(),
        false => format!(" ({})", aside.join("; ")),
    };
    let least = if fate.unknown > 0 { "at least " } else { "" };
    match fate.lost {
        0 => format!("none of {of} {way}{aside}"),
        n => format!(
            "{least}{n} of {of} {way}, with {}{aside}",
            whom(answer, total.direction)
        ),
    }
}

/// With how many peers mail would be lost, and how many organisations they are of.
fn whom(answer: &Answer, direction: Direction) -> String {
    let peers = || answer.losses.iter().filter(|l| l.direction == direction);
    let n = peers().count() as u64;
    if direction == Direction::Inbound {
        return count(n, "sender's organisation", "senders' organisations");
    }
    let organisations: BTreeSet<&str> = peers().map(|l| l.organisation.as_str()).collect();
    let domains = count(n, "domain", "domains");
    match organisations.len() as u64 {
        of if of == n => domains,
        of => format!(
            "{domains} of {}",
            count(of, "organisation", "organisations")
        ),
    }
}

fn loss_row(l: &Loss) -> Vec<Value> {
    let mut why = why(&l.problem);
    if l.last_kept > l.last_lost {
        why.push_str("; its latest mail would have been kept");
    }
    if l.is_own_entry {
        why.push_str("; rather by an entry of our own, see below");
    }
    vec![
        Value::text(&l.peer),
        Value::text(way(l.direction)),
        Value::Number(l.fate.lost),
        Value::Number(l.fate.kept),
        Value::Number(l.fate.unknown),
        Value::text(why),
        Value::text(whose(&l.problem.fault)),
        Value::text(l.certainty.words()),
        Value::Time(l.last_lost),
    ]
}

/// Why mail would be lost: as it crossed in clear, or with what was too little.
fn why(problem: &Problem) -> String {
    let class = problem.class.unwrap_or(Class::Unknown);
    match is_in_clear(class) {
        true => what(Some(class), &problem.cause),
        false => "its TLS is less than would be required".into(),
    }
}

fn is_in_clear(class: Class) -> bool {
    class.name().starts_with("plaintext")
}

/// Organisations that would be lost with more than one domain, by how much.
fn organisation_rows(losses: &[Loss]) -> Vec<Vec<Value>> {
    let mut of: Vec<(&str, u64, Fate)> = Vec::new();
    for loss in losses.iter().filter(|l| l.direction == Direction::Outbound) {
        if !of.iter().any(|(name, ..)| *name == loss.organisation) {
            of.push((&loss.organisation, 0, Fate::default()));
        }
        for (name, domains, fate) in &mut of {
            if *name == loss.organisation {
                *domains += 1;
                fate.lost += loss.fate.lost;
                fate.kept += loss.fate.kept;
                fate.unknown += loss.fate.unknown;
            }
        }
    }
    of.retain(|(_, domains, _)| *domains > 1);
    of.sort_by_key(|(_, _, fate)| std::cmp::Reverse(fate.lost));
    let row = |(name, domains, fate): (&str, u64, Fate)| {
        let numbers = [domains, fate.lost, fate.kept, fate.unknown];
        let numbers = numbers.into_iter().map(Value::Number);
        [Value::text(name)].into_iter().chain(numbers).collect()
    };
    of.into_iter().map(row).collect()
}

fn unknown_row(l: &Loss) -> Vec<Value> {
    vec![
        Value::text(&l.peer),
        Value::text(way(l.direction)),
        Value::Number(l.fate.unknown),
        Value::Number(l.fate.kept),
    ]
}

fn person_row(p: &Person) -> Vec<Value> {
    vec![
        Value::text(&p.address),
        Value::text(way(p.direction)),
        Value::Number(p.fate.lost),
        Value::Number(p.fate.kept),
        Value::Number(p.fate.unknown),
        Value::text(why(&p.problem)),
        Value::text(p.certainty.words()),
        Value::Time(p.last_lost),
    ]
}

/// What would keep who would be lost; empty where nothing would be.
fn to_keep(problem: &Problem, case: &Case<'_>) -> String {
    match (problem.class, case.question.require) {
        (None, _) => String::new(),
        (Some(class), _) if is_in_clear(class) => advice(class, &problem.cause, case.servers),
        (_, Requirement::Version(least)) => format!(
            "ask the postmaster for {} or newer: the software is old, or its settings are",
            least.name()
        ),
        (_, Requirement::Verified) => {
            "ask the postmaster for a certificate in date, with its whole chain, from an authority that everybody knows".into()
        }
        (_, Requirement::Tls | Requirement::Dane) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::fixture::{self, outbound};
    use maillog::Protocol;

    fn table(require: Requirement) -> Table {
        let store = fixture::store([
            outbound("good.example")
                .encrypted(Protocol::Tls13)
                .times(9)
                .build(),
            outbound("clear.example")
                .plaintext(Class::PlaintextNotOffered)
                .build(),
            outbound("b.example d")
                .plaintext(Class::PlaintextNotOffered)
                .build(),
        ]);
        let question = Question {
            require,
            deny: Vec::new(),
        };
        build(&store, &Scope::ALL, &question).unwrap()
    }

    #[test]
    fn the_headline_answers_the_question() {
        assert_eq!(
            table(Requirement::Tls).headline,
            "Requiring TLS would have cost 2 of 11 messages sent, with 2 domains."
        );
        let nothing = Question {
            require: Requirement::Tls,
            deny: Vec::new(),
        };
        let empty = build(&fixture::store([]), &Scope::ALL, &nothing).unwrap();
        assert!(empty.headline.starts_with("No mail is known of"));
        assert!(empty.notes.is_empty());
    }

    #[test]
    fn exceptions_are_lines_for_the_table_and_a_name_that_is_none_is_left_out() {
        let lines: Vec<String> = table(Requirement::Tls)
            .notes
            .into_iter()
            .filter_map(|note| match note {
                Note::Line(text) => Some(text),
                Note::Paragraph(_) | Note::Item(_) => None,
            })
            .collect();
        // The exceptions first, then what holds for all.
        let places = [
            "clear.example may",
            "postmap ",
            "postconf -e ",
            "postfix reload",
        ];
        assert_eq!(lines.len(), places.len(), "{lines:?}");
        for (line, start) in lines.iter().zip(places) {
            assert!(line.starts_with(start), "{lines:?}");
        }
    }
}
