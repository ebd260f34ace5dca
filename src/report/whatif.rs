//! `whatif`: whom we would lose if we required more of TLS, what becomes of their mail then, and how it would be set.

use crate::outcome::{Class, Direction};
use crate::query::Scope;
use crate::query::servers::{Servers, find_servers};
use crate::query::whatif::{
    Answer, CipherClass, Fate, Loss, Person, Question, Requirement, find_losses,
};
use crate::store::{Result, Store};

use super::advice::advice;
use super::table::{Column, Kind, Note, Section, Table, Value};
use super::words::{count, way, what, whose};

/// How many peers people see; programs see all.
const MOST_ENTRIES: usize = 25;

const FIELDS: &[Column] = &[
    Column::field("item", Kind::Text),
    Column::field("direction", Kind::Text),
    Column::field("name", Kind::Text),
    Column::field("lost", Kind::Number),
    Column::field("unknown", Kind::Number),
    Column::field("kept", Kind::Number),
    Column::field("class", Kind::Text),
    Column::field("cause", Kind::Text),
    Column::field("fault", Kind::Text),
    Column::field("certainty", Kind::Text),
    Column::field("last_lost", Kind::Date),
    Column::field("last_kept", Kind::Date),
];

const LOSSES: &[Column] = &[
    Column::prose("peer"),
    Column::prose("mail"),
    number("lost"),
    number("kept"),
    number("?"),
    Column::detail("why"),
    Column::prose("fault"),
    Column::detail("how sure"),
    Column {
        name: "",
        title: "last lost",
        kind: Kind::Date,
    },
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
    Column {
        name: "",
        title: "last",
        kind: Kind::Date,
    },
];

const fn number(title: &'static str) -> Column {
    Column {
        name: "",
        title,
        kind: Kind::Number,
    }
}

/// The answer as a table.
pub fn build(store: &Store, scope: &Scope, question: &Question) -> Result<Table> {
    let answer = find_losses(store, scope, question)?;
    let servers = find_servers(store)?;
    let limit = if scope.all { usize::MAX } else { MOST_ENTRIES };
    let sections = vec![
        Section {
            title: "",
            columns: FIELDS,
            rows: fields(&answer),
        },
        Section {
            title: "Who would be lost, in whole or in part",
            columns: LOSSES,
            rows: answer.losses.iter().take(limit).map(loss_row).collect(),
        },
        Section {
            title: "Persons among them",
            columns: PEOPLE,
            rows: answer.people.iter().take(limit).map(person_row).collect(),
        },
        Section {
            title: "Of whom the log cannot tell",
            columns: UNKNOWN,
            rows: answer.unknown.iter().take(limit).map(unknown_row).collect(),
        },
    ];
    let mut notes = Vec::new();
    let more =
        answer.losses.len().saturating_sub(limit) + answer.unknown.len().saturating_sub(limit);
    if more > 0 {
        notes.push(Note::Paragraph(format!(
            "... and {more} more (--all shows them)."
        )));
    }
    if answer.totals.iter().any(|(_, fate)| fate.total() > 0) {
        notes.extend(keeping(&answer, servers));
        notes.extend(consequences(&answer, question, servers));
        notes.extend(settings(&answer, question, servers));
        notes.extend(doubts(scope, &answer, question)?);
    }
    Ok(Table {
        headline: headline(&answer, question),
        to_do: answer.losses.len(),
        sections,
        notes,
    })
}

/// What would be required, as one says it.
fn requirement(question: &Question) -> String {
    match question.require {
        Requirement::Tls => "TLS".into(),
        Requirement::Version(protocol) => format!("{} or newer", protocol.name()),
        Requirement::Verified => "a verified certificate".into(),
        Requirement::Dane => "DANE".into(),
    }
}

fn headline(answer: &Answer, question: &Question) -> String {
    let parts: Vec<String> = answer
        .totals
        .iter()
        .filter(|(_, fate)| fate.total() > 0)
        .map(|(direction, fate)| part_of_headline(answer, *direction, fate))
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

fn part_of_headline(answer: &Answer, direction: Direction, fate: &Fate) -> String {
    let peers = answer.losses.iter().filter(|l| l.direction == direction);
    let (way, who) = match direction {
        Direction::Outbound => ("sent", ("domain", "domains")),
        Direction::Inbound => (
            "received",
            ("sender's organisation", "senders' organisations"),
        ),
    };
    let of = count(fate.total(), "message", "messages");
    let unknown = match fate.unknown {
        0 => String::new(),
        n => format!(" (of {n} more the log cannot tell)"),
    };
    match fate.lost {
        0 => format!("none of {of} {way}{unknown}"),
        n => format!(
            "{n} of {of} {way}, with {}{unknown}",
            count(peers.count() as u64, who.0, who.1)
        ),
    }
}

fn loss_row(l: &Loss) -> Vec<Value> {
    vec![
        Value::text(&l.peer),
        Value::text(way(l.direction)),
        Value::Number(l.fate.lost),
        Value::Number(l.fate.kept),
        Value::Number(l.fate.unknown),
        Value::text(why(l)),
        Value::text(whose(&l.problem.fault)),
        Value::text(l.certainty.words()),
        Value::Time(l.last_lost),
    ]
}

/// Why mail would be lost: as it crossed in clear, or with what was too little.
fn why(l: &Loss) -> String {
    let class = l.problem.class.unwrap_or(Class::Unknown);
    let reason = match is_in_clear(class) {
        true => what(Some(class), &l.problem.cause),
        false => "its TLS is less than would be required".into(),
    };
    match l.last_kept > l.last_lost {
        true => format!("{reason}; its latest mail would have been kept"),
        false => reason,
    }
}

fn is_in_clear(class: Class) -> bool {
    class.name().starts_with("plaintext")
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
        Value::Number(p.lost),
        Value::Time(p.last_lost),
    ]
}

/// What it would take to keep those who would be lost.
fn keeping(answer: &Answer, servers: Servers) -> Vec<Note> {
    let mut items: Vec<String> = Vec::new();
    for loss in &answer.losses {
        let Some(class) = loss.problem.class.filter(|c| is_in_clear(*c)) else {
            continue;
        };
        let advice = advice(class, &loss.problem.cause, servers);
        let item = format!("{}: {advice}", what(Some(class), &loss.problem.cause));
        if !advice.is_empty() && !items.contains(&item) {
            items.push(item);
        }
    }
    if items.is_empty() {
        return Vec::new();
    }
    let heading = Note::Paragraph("What it would take to keep them:".into());
    [heading]
        .into_iter()
        .chain(items.into_iter().map(Note::Item))
        .collect()
}

/// What becomes of mail that does not meet the requirement.
fn consequences(answer: &Answer, question: &Question, servers: Servers) -> Vec<Note> {
    let mut notes = Vec::new();
    let has = |direction| {
        answer
            .totals
            .iter()
            .any(|(d, f)| *d == direction && f.total() > 0)
    };
    if has(Direction::Outbound) {
        let text = match (servers.postfix, servers.sendmail) {
            (false, true) => {
                "Sent mail that does not meet it would wait in the queue and go back to its sender after confTO_QUEUERETURN (5 days)."
            }
            _ => {
                "Sent mail that does not meet it would wait in the queue and go back to its sender after maximal_queue_lifetime (5 days)."
            }
        };
        notes.push(Note::Paragraph(text.into()));
    }
    if has(Direction::Inbound) {
        notes.push(Note::Paragraph(
            "Clients that do not meet it would be refused (530 5.7.0 Must issue a STARTTLS command first); their servers return the mail to its sender."
                .into(),
        ));
    }
    if !question.deny.is_empty() {
        notes.push(Note::Paragraph(
            "Whether a peer has another cipher is not in the log, so mail that used a denied one is counted under \"cannot tell\". Where TLS is not \
             required (smtp_tls_exclude_ciphers), a handshake that fails for want of a cipher ends in clear text, not in loss."
                .into(),
        ));
    }
    notes
}

/// How the decision would be set, with the exceptions it needs.
fn settings(answer: &Answer, question: &Question, servers: Servers) -> Vec<Note> {
    let mut notes = Vec::new();
    let has = |direction| {
        answer
            .totals
            .iter()
            .any(|(d, f)| *d == direction && f.total() > 0)
    };
    let (postfix, sendmail) = match (servers.postfix, servers.sendmail) {
        (false, false) => (true, false),
        seen => seen,
    };
    if postfix && has(Direction::Outbound) {
        notes.extend(postfix_outbound(answer, question));
    }
    if postfix && has(Direction::Inbound) {
        notes.extend(postfix_inbound(question));
    }
    if sendmail && has(Direction::Outbound) {
        notes.push(Note::Paragraph(
            "In Sendmail, require it of the servers that have shown it, one by one, in the access map (a server without an entry stays opportunistic):".into(),
        ));
        let value = match question.require {
            Requirement::Verified => "VERIFY",
            _ => "ENCR:112",
        };
        notes.push(Note::Line(format!("TLS_Srv:mx.example.org {value}")));
    }
    notes
}

fn postfix_outbound(answer: &Answer, question: &Question) -> Vec<Note> {
    let lines: &[&str] = match question.require {
        Requirement::Tls | Requirement::Version(_) => &["smtp_tls_security_level=encrypt"],
        Requirement::Verified => &[
            "smtp_tls_security_level=secure",
            "smtp_tls_CApath=/etc/ssl/certs",
        ],
        Requirement::Dane => &[
            "smtp_dns_support_level=dnssec",
            "smtp_tls_security_level=dane-only",
        ],
    };
    let mut notes = vec![Note::Paragraph("For sent mail, in Postfix:".into())];
    notes.extend(
        lines
            .iter()
            .map(|l| Note::Line(format!("postconf -e '{l}'"))),
    );
    if let Requirement::Version(protocol) = question.require {
        notes.push(Note::Line(format!(
            "postconf -e 'smtp_tls_mandatory_protocols=>={}'",
            protocol.name()
        )));
    }
    notes.extend(cipher_line("smtp", question));
    let exceptions: Vec<&Loss> = answer
        .losses
        .iter()
        .filter(|l| l.direction == Direction::Outbound && is_domain(&l.peer))
        .collect();
    if !exceptions.is_empty() {
        notes.push(Note::Paragraph(
            "To go on reaching those who would be lost, an exception for each, in the table that smtp_tls_policy_maps names:".into(),
        ));
        let shown = exceptions.iter().take(MOST_ENTRIES);
        notes.extend(shown.map(|l| Note::Line(format!("{} may", l.peer))));
        if exceptions.len() > MOST_ENTRIES {
            let more = exceptions.len() - MOST_ENTRIES;
            notes.push(Note::Paragraph(format!("... and {more} more.")));
        }
    }
    notes
}

fn postfix_inbound(question: &Question) -> Vec<Note> {
    let mut notes = vec![
        Note::Paragraph(
            "For received mail, in Postfix (RFC 3207 forbids it to servers that strangers have to reach; an exception for one client takes a listener of its own):".into(),
        ),
        Note::Line("postconf -e 'smtpd_tls_security_level=encrypt'".into()),
    ];
    if let Requirement::Version(protocol) = question.require {
        notes.push(Note::Line(format!(
            "postconf -e 'smtpd_tls_mandatory_protocols=>={}'",
            protocol.name()
        )));
    }
    notes.extend(cipher_line("smtpd", question));
    notes
}

fn cipher_line(side: &str, question: &Question) -> Option<Note> {
    let names: Vec<&str> = question
        .deny
        .iter()
        .map(|class| match class {
            CipherClass::Anonymous => "aNULL",
            CipherClass::TripleDes => "3DES",
            CipherClass::Rc4 => "RC4",
            CipherClass::Cbc => "SHA1, SHA256, SHA384",
            CipherClass::Dhe => "kDHE",
        })
        .collect();
    (!names.is_empty()).then(|| {
        Note::Line(format!(
            "postconf -e '{side}_tls_mandatory_exclude_ciphers={}'",
            names.join(", ")
        ))
    })
}

/// Whether a name can stand in a table without meaning anything else.
fn is_domain(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    !name.is_empty() && !name.starts_with(['.', '-']) && name.chars().all(allowed)
}

/// What the answer does not hold.
fn doubts(scope: &Scope, answer: &Answer, question: &Question) -> Result<Vec<Note>> {
    let mut notes = Vec::new();
    let mut say = |text: String| notes.push(Note::Paragraph(text));
    if let Some(relay) = &answer.smart_host {
        say(format!(
            "Nearly all mail leaves through one smart host, {relay}: what is required of it says nothing about the domains behind it."
        ));
    }
    if question.require == Requirement::Verified {
        say("Where no policy demands it, Postfix checks the chain and not the name, so mail over a trusted chain is counted under \"cannot tell\". \
             The level verify or secure for one domain, for a day, tells."
            .into());
    }
    if question.require == Requirement::Dane {
        say("Whether a domain has TLSA records that work is in the DNS, not in the log; nothing here can be told from the log alone.".into());
    }
    if !question.require.concerns(Direction::Inbound) && scope.includes(Direction::Inbound) {
        say("Received mail is not judged: clients show no certificate.".into());
    }
    if answer.strangers > 0 {
        say(format!(
            "Not counted: {} in clear that never brought a message we accepted, mostly spam and scanners.",
            count(answer.strangers, "session", "sessions")
        ));
    }
    say("Peers not heard of in this period are in no number here.".into());
    Ok(notes)
}

/// Everything in one shape, for programs.
fn fields(answer: &Answer) -> Vec<Vec<Value>> {
    let plain = |item: &str, direction: Direction, name: &str, fate: Fate, last: (i64, i64)| {
        vec![
            Value::text(item),
            Value::text(direction.name()),
            Value::text(name),
            Value::Number(fate.lost),
            Value::Number(fate.unknown),
            Value::Number(fate.kept),
            Value::text(""),
            Value::text(""),
            Value::text(""),
            Value::text(""),
            Value::Time(last.0),
            Value::Time(last.1),
        ]
    };
    let mut rows: Vec<Vec<Value>> = answer
        .totals
        .iter()
        .map(|(direction, fate)| plain("mail", *direction, "", *fate, (0, 0)))
        .collect();
    for loss in answer.losses.iter().chain(&answer.unknown) {
        let last = (loss.last_lost, loss.last_kept);
        let mut row = plain("peer", loss.direction, &loss.peer, loss.fate, last);
        row[6] = Value::text(loss.problem.class_name());
        row[7] = Value::text(&loss.problem.cause);
        row[8] = Value::text(&loss.problem.fault);
        row[9] = Value::text(loss.certainty.words());
        rows.push(row);
    }
    rows.extend(answer.people.iter().map(|person| {
        let fate = Fate {
            lost: person.lost,
            ..Fate::default()
        };
        plain(
            "person",
            person.direction,
            &person.address,
            fate,
            (person.last_lost, 0),
        )
    }));
    rows
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
        assert_eq!(
            lines,
            [
                "postconf -e 'smtp_tls_security_level=encrypt'",
                "clear.example may"
            ]
        );
    }
}
