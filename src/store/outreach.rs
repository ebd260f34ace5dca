//! The memory of the outreach: cases with their history, drafts and what was sent. Whom to write to and whom not is in `addressees`.
//!
//! It decides nothing but one thing, because only the store can decide it for good: [`Store::begin_sending`] lets a draft go out at
//! most once, and never to somebody who does not want it.

use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};

use crate::outcome::{Direction, day_of};

use super::{Result, Store, addressees};

/// Where a case stands. The words are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// A letter is drafted.
    Planned,
    /// Not written to on purpose, to compare with those who are.
    Control,
    /// A letter was sent.
    Sent,
    /// It came back for good.
    Bounced,
    /// Somebody answered.
    Answered,
    /// Somebody answered that it is not their server: whoever runs it knows nothing yet.
    NotTheirs,
    /// They have said that they will mend it: it is waited for a while.
    WillFix,
    /// They will not change it.
    Declined,
    /// The operator has said that nothing is to be done.
    Exempt,
    /// All letters were sent and nothing happened.
    GivenUp,
    /// No mail goes to the hosts written about any more: whether they are mended is not known.
    Left,
    /// The log shows TLS since.
    Fixed,
    /// And they were thanked.
    Thanked,
    /// It was fixed, and came back: another case goes on from here.
    Relapsed,
}

/// Each state, its word, and whether the case is still open: whether something is to come.
pub const STATES: &[(State, &str, bool)] = &[
    (State::Planned, "planned", true),
    (State::Control, "control", true),
    (State::Sent, "sent", true),
    (State::Bounced, "bounced", true),
    (State::Answered, "answered", true),
    (State::NotTheirs, "not-theirs", true),
    (State::WillFix, "will-fix", true),
    (State::Declined, "declined", true),
    (State::Exempt, "exempt", true),
    (State::GivenUp, "given-up", true),
    (State::Left, "left", true),
    (State::Fixed, "fixed", false),
    (State::Thanked, "thanked", false),
    (State::Relapsed, "relapsed", false),
];

impl State {
    /// The word stored and shown.
    pub fn name(self) -> &'static str {
        let row = STATES.iter().find(|(state, ..)| *state == self);
        row.map_or("", |(_, name, _)| name)
    }

    /// Reads a word.
    pub fn from_name(name: &str) -> Option<State> {
        let row = STATES.iter().find(|(_, word, _)| *word == name);
        row.map(|(state, ..)| *state)
    }

    /// Whether the fault is there still, as far as known.
    pub fn is_open(self) -> bool {
        STATES
            .iter()
            .any(|(state, _, open)| *state == self && *open)
    }
}

/// Who is to read a letter. The words are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Audience {
    /// Those who run the server.
    #[default]
    Postmaster,
    /// Somebody we exchange mail with there, who can ask them. Each of these letters must be approved by name.
    Correspondents,
}

const AUDIENCES: &[(Audience, &str)] = &[
    (Audience::Postmaster, "postmaster"),
    (Audience::Correspondents, "correspondents"),
];

impl Audience {
    /// The word stored and shown.
    pub fn name(self) -> &'static str {
        let row = AUDIENCES.iter().find(|(audience, _)| *audience == self);
        row.map_or("", |(_, name)| name)
    }

    fn from_name(name: &str) -> Audience {
        let row = AUDIENCES.iter().find(|(_, word)| *word == name);
        // What is not known must be approved.
        row.map_or(Audience::Correspondents, |(audience, _)| *audience)
    }
}

/// A domain and the host that takes its mail, or the client that brings it.
pub type PeerNames = (String, String);

/// One organisation and one problem.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// Its number.
    pub id: i64,
    /// Stands in subjects and envelope senders.
    pub token: String,
    /// Which way the mail goes.
    pub direction: Direction,
    /// Who runs the hosts: a registrable domain.
    pub organisation: String,
    /// The word of a problem.
    pub problem: String,
    /// For whom its letters are.
    pub audience: Audience,
    /// Where it stands.
    pub state: State,
    /// Whom we wrote to, or are about to.
    pub address: String,
    /// Messages a day when the case was opened.
    pub daily: f64,
    /// When, in seconds since 1970 UTC.
    pub opened: i64,
    /// When it came into this state.
    pub changed: i64,
    /// What it is about.
    pub peers: Vec<PeerNames>,
    /// All that was planned or sent, oldest first.
    pub notices: Vec<Notice>,
}

impl Case {
    /// Whether a letter of it went out, or may have.
    pub fn was_written(&self) -> bool {
        self.notices.iter().any(|n| n.progress.may_have_left())
    }

    /// Whether it is one more about a matter that an earlier case of `cases` is about: several people of one organisation may be asked,
    /// or somebody else after a letter came back, and it is mended once.
    pub fn repeats(&self, cases: &[Case]) -> bool {
        let is_same = |other: &&Case| {
            (other.direction, &other.organisation, &other.problem)
                == (self.direction, &self.organisation, &self.problem)
        };
        // What was over when this one began is another story.
        let went_on = |other: &Case| other.state.is_open() || other.changed > self.opened;
        let mut others = cases.iter().filter(is_same);
        others.any(|other| other.id < self.id && other.was_written() && went_on(other))
    }
}

/// What becomes of a letter. The words are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It can be read and changed.
    Draft,
    /// It is being handed over. If it stays so, a run died then: whether it went out is not known, and it is never sent again.
    Sending,
    /// Handed over.
    Sent,
    /// Refused for good.
    Refused,
    /// The connection died when it may have been taken.
    Unclear,
}

const PROGRESS: &[(Progress, &str)] = &[
    (Progress::Draft, "draft"),
    (Progress::Sending, "sending"),
    (Progress::Sent, "sent"),
    (Progress::Refused, "refused"),
    (Progress::Unclear, "unclear"),
];

impl Progress {
    /// The word stored and shown.
    pub fn name(self) -> &'static str {
        let row = PROGRESS.iter().find(|(progress, _)| *progress == self);
        row.map_or("", |(_, name)| name)
    }

    fn from_name(name: &str) -> Progress {
        let row = PROGRESS.iter().find(|(_, word)| *word == name);
        // What is not known is not sent again.
        row.map_or(Progress::Unclear, |(progress, _)| *progress)
    }

    /// Whether it went out, or may have.
    pub fn may_have_left(self) -> bool {
        matches!(self, Progress::Sending | Progress::Sent | Progress::Unclear)
    }
}

/// One letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Its number.
    pub id: i64,
    /// The case.
    pub case: i64,
    /// The word of its kind.
    pub kind: String,
    /// The plan it belongs to.
    pub plan: String,
    /// What became of it.
    pub progress: Progress,
    /// The recipient.
    pub address: String,
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub body: String,
    /// Its Message-ID, with the angle brackets.
    pub message_id: String,
    /// When it was drafted.
    pub planned: i64,
    /// When it was handed over; 0 if it was not.
    pub sent: i64,
    /// What the mail server said to it.
    pub answer: String,
    /// For whom it is.
    pub audience: Audience,
    /// When it was approved by name; 0 if it was not. Only letters to correspondents need it.
    pub approved: i64,
}

impl Notice {
    /// Whether it is a draft that must be approved first.
    pub fn waits(&self) -> bool {
        self.progress == Progress::Draft
            && self.audience == Audience::Correspondents
            && self.approved == 0
    }
}

/// A case to be opened, or to be brought up to date, with the letter to write.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// Stands for the case, whether it is there already or not.
    pub token: String,
    /// Which way the mail goes.
    pub direction: Direction,
    /// Who runs the hosts.
    pub organisation: String,
    /// The word of a problem.
    pub problem: String,
    /// For whom the letter is.
    pub audience: Audience,
    /// Messages a day.
    pub daily: f64,
    /// What it is about.
    pub peers: Vec<PeerNames>,
    /// What their servers said when they were asked; `None` if they were not.
    pub asked: Option<String>,
    /// The letter; `None` if it is not to be written, for comparison.
    pub letter: Option<DraftLetter>,
}

/// Whether a draft may go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// It may, and is marked as being sent.
    Now,
    /// Somebody there was written to not long ago.
    TooSoon,
    /// It is not wanted, not approved, or not there any more.
    No,
}

/// In the history of a case: its servers were asked, and what they said.
pub const ASKED: &str = "asked";

/// A letter to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DraftLetter {
    /// The word of its kind.
    pub kind: String,
    /// The recipient.
    pub address: String,
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub body: String,
    /// Its Message-ID, with the angle brackets.
    pub message_id: String,
}

/// What something in the history is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The token of the case.
    pub token: String,
    /// When.
    pub at: i64,
    /// A state or a label.
    pub what: String,
    /// Words.
    pub note: String,
}

impl Store {
    /// All cases, oldest first.
    pub fn cases(&self) -> Result<Vec<Case>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, token, direction, organisation, problem, state, address, daily, opened, changed, audience FROM outreach ORDER BY id",
        )?;
        let mut cases = statement
            .query_map([], case)?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        let mut peers = self.connection.prepare_cached(
            "SELECT domain, host FROM outreach_peer WHERE outreach = ?1 ORDER BY domain, host",
        )?;
        for case in &mut cases {
            let names = peers.query_map([case.id], |row| Ok((row.get(0)?, row.get(1)?)))?;
            case.peers = names.collect::<rusqlite::Result<_>>()?;
        }
        for notice in self.notices()? {
            if let Ok(at) = cases.binary_search_by_key(&notice.case, |case| case.id) {
                cases[at].notices.push(notice);
            }
        }
        Ok(cases)
    }

    /// All letters, oldest first.
    pub fn notices(&self) -> Result<Vec<Notice>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, outreach, kind, plan, state, address, subject, body, message_id, planned, sent, answer, approved,
               (SELECT audience FROM outreach AS o WHERE o.id = notice.outreach)
             FROM notice ORDER BY id",
        )?;
        let notices = statement.query_map([], notice)?;
        Ok(notices.collect::<rusqlite::Result<_>>()?)
    }

    /// Puts these drafts in the place of all that were not sent yet, and opens the cases they are about. A letter that was approved
    /// stays so if not one character of it, nor its recipient, is another.
    pub fn replace_drafts(&mut self, plan: &str, drafts: &[Draft], now: i64) -> Result<()> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let approved = approved_drafts(&transaction)?;
        transaction.execute("DELETE FROM notice WHERE state = 'draft'", [])?;
        // A case that was only planned, and is so no longer, leaves no trace: nobody was written to. (One whose letter is on its way, or
        // was when a run died, is not only planned: see `begin_sending`.)
        for table in ["outreach_peer", "outreach_event"] {
            transaction.execute(
                &format!("DELETE FROM {table} WHERE outreach IN (SELECT id FROM outreach WHERE state = 'planned')"),
                [],
            )?;
        }
        transaction.execute("DELETE FROM outreach WHERE state = 'planned'", [])?;
        for draft in drafts {
            write_draft(&transaction, plan, draft, now)?;
        }
        for (letter, at) in &approved {
            transaction.execute(
                "UPDATE notice SET approved = ?5 WHERE state = 'draft' AND message_id = ?1 AND address = ?2 AND subject = ?3 AND body = ?4",
                params![letter[0], letter[1], letter[2], letter[3], at],
            )?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// Puts these drafts beside those that wait, but for cases that have one waiting.
    pub fn add_drafts(&mut self, plan: &str, drafts: &[Draft], now: i64) -> Result<()> {
        let waiting: Vec<i64> = self
            .notices()?
            .into_iter()
            .filter(|notice| notice.progress == Progress::Draft)
            .map(|notice| notice.case)
            .collect();
        let cases = self.cases()?;
        let waits = |token: &str| {
            cases
                .iter()
                .any(|case| case.token == token && waiting.contains(&case.id))
        };
        let transaction = self.connection.transaction()?;
        for draft in drafts.iter().filter(|draft| !waits(&draft.token)) {
            write_draft(&transaction, plan, draft, now)?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// Says of the drafted letter to a correspondent that it may go out, or may not after all (`at` 0).
    pub fn approve(&mut self, notice: i64, at: i64) -> Result<bool> {
        let changed = self.connection.execute(
            "UPDATE notice SET approved = ?2 WHERE id = ?1 AND state = 'draft'",
            params![notice, at],
        )?;
        Ok(changed == 1)
    }

    /// Whether a draft may go out now; if so it is marked as being sent, and this is never said of it again. From here on its case counts as
    /// written to, so that a run that dies now leaves a case that is not planned anew. Another letter to the same address or organisation, or
    /// about the same domain, must be `pause_days` ago; but for thank-yous, and for people of one organisation who are asked at once.
    pub fn begin_sending(&mut self, notice: &Notice, now: i64, pause_days: i32) -> Result<Release> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        if is_unwanted(&transaction, notice)? || is_closed(&transaction, notice)? {
            return Ok(Release::No);
        }
        if notice.kind != THANKS && was_written_lately(&transaction, notice, now, pause_days)? {
            return Ok(Release::TooSoon);
        }
        // The number alone could by now belong to another letter: what was planned anew meanwhile may take the numbers of what it replaced.
        // And whatever brought a case back to where it was: no letter goes out twice.
        let marked = transaction.execute(
            "UPDATE notice SET state = 'sending', sent = ?2 WHERE id = ?1 AND state = 'draft'
             AND outreach = ?3 AND plan = ?4 AND kind = ?5 AND address = ?6 AND body = ?7
             AND (approved > 0 OR outreach IN (SELECT id FROM outreach WHERE audience = 'postmaster'))
             AND NOT EXISTS (SELECT 1 FROM notice AS n WHERE n.message_id = ?8 AND n.state IN ('sending', 'sent', 'unclear'))",
            params![
                notice.id,
                now,
                notice.case,
                notice.plan,
                notice.kind,
                notice.address,
                notice.body,
                notice.message_id
            ],
        )?;
        if marked == 1 {
            set_aside(&transaction, notice)?;
        }
        transaction.commit()?;
        Ok(match marked {
            1 => Release::Now,
            _ => Release::No,
        })
    }

    /// What became of a letter that [`Store::begin_sending`] let go. `progress` [`Progress::Draft`]: it was refused for now.
    pub fn end_sending(
        &mut self,
        notice: &Notice,
        progress: Progress,
        answer: &str,
        now: i64,
    ) -> Result<()> {
        let transaction = self.connection.transaction()?;
        transaction.execute(
            "UPDATE notice SET state = ?2, answer = ?3, sent = CASE WHEN ?2 = 'draft' THEN 0 ELSE ?4 END WHERE id = ?1",
            params![notice.id, progress.name(), answer, now],
        )?;
        let state = match (progress, notice.kind.as_str()) {
            (Progress::Draft, _) => {
                take_back(&transaction, notice)?;
                None
            }
            // Mended it is, whether they can be thanked or not.
            (_, THANKS) => Some(State::Thanked),
            (Progress::Refused, _) => Some(State::Bounced),
            _ => Some(State::Sent),
        };
        // Whoever said stop while it was on its way, or answered an earlier one, has done so.
        let is_closed = is_closed(&transaction, notice)?;
        if let Some(state) = state.filter(|_| !is_closed) {
            move_case(&transaction, notice.case, state, now, answer)?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// Puts a case into a state, and says so in its history.
    pub fn move_case(&mut self, case: i64, state: State, now: i64, note: &str) -> Result<()> {
        let transaction = self.connection.transaction()?;
        close_drafts(&transaction, case)?;
        move_case(&transaction, case, state, now, note)?;
        transaction.commit()?;
        Ok(())
    }

    /// The whole history, oldest first.
    pub fn outreach_events(&self) -> Result<Vec<Event>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT o.token, e.at, e.what, e.note FROM outreach_event AS e JOIN outreach AS o ON o.id = e.outreach
             ORDER BY e.at, e.id",
        )?;
        let events = statement.query_map([], |row| {
            Ok(Event {
                token: row.get(0)?,
                at: row.get(1)?,
                what: row.get(2)?,
                note: row.get(3)?,
            })
        })?;
        Ok(events.collect::<rusqlite::Result<_>>()?)
    }
}

/// Whether a letter of another case went out less than so many days ago that whoever reads this one may have read. Who sends to us may
/// write any domain on it: there domains tell nothing.
fn was_written_lately(
    connection: &Connection,
    notice: &Notice,
    now: i64,
    pause_days: i32,
) -> Result<bool> {
    let sql = "SELECT COUNT(*) FROM notice AS n JOIN outreach AS o ON o.id = n.outreach JOIN outreach AS mine ON mine.id = ?1
       WHERE n.outreach <> ?1 AND n.state IN ('sending', 'sent', 'unclear') AND n.kind <> ?2 AND n.sent >= ?3
         AND (LOWER(n.address) = LOWER(?4)
           OR (NOT (n.plan = ?5 AND o.audience = 'correspondents' AND mine.audience = 'correspondents')
             AND (o.organisation = mine.organisation
               OR (o.direction = 'outbound' AND mine.direction = 'outbound' AND EXISTS (
                 SELECT 1 FROM outreach_peer AS a JOIN outreach_peer AS b ON b.domain = a.domain
                 WHERE a.outreach = n.outreach AND b.outreach = ?1 AND a.domain <> '')))))";
    // Whole days, as plans count them.
    let from = i64::from(day_of(now) - pause_days + 1) * 86_400;
    let counted: i64 = connection.query_row(
        sql,
        params![notice.case, THANKS, from, notice.address, notice.plan],
        |row| row.get(0),
    )?;
    Ok(counted > 0)
}

/// Takes a domain or a host out of the cases about it, and of those of which an earlier letter, or the history, named it. One that is about nothing else is deleted, with its letters and its history; one
/// that is stays, or the others would be written to anew, without the texts that name what is forgotten. Gives back how many of both.
pub(super) fn forget_cases(connection: &Connection, name: &str) -> Result<u64> {
    let mut statement = connection.prepare(
        "SELECT outreach FROM outreach_peer WHERE domain = ?1 OR host = ?1
         UNION SELECT outreach FROM notice WHERE INSTR(LOWER(subject || ' ' || body || ' ' || answer), ?1) > 0
         UNION SELECT outreach FROM outreach_event WHERE INSTR(LOWER(note), ?1) > 0
         ORDER BY 1",
    )?;
    let cases = statement
        .query_map([name], |row| row.get(0))?
        .collect::<rusqlite::Result<Vec<i64>>>()?;
    connection.execute(
        "DELETE FROM outreach_peer WHERE domain = ?1 OR host = ?1",
        [name],
    )?;
    for case in &cases {
        let sql = "SELECT COUNT(*) FROM outreach_peer WHERE outreach = ?1";
        let left: i64 = connection.query_row(sql, [case], |row| row.get(0))?;
        match left {
            0 => delete_case(connection, *case)?,
            _ => withdraw_name(connection, *case, name)?,
        }
    }
    Ok(cases.len() as u64)
}

fn delete_case(connection: &Connection, case: i64) -> Result<()> {
    for table in ["notice", "outreach_event"] {
        connection.execute(&format!("DELETE FROM {table} WHERE outreach = ?1"), [case])?;
    }
    connection.execute("DELETE FROM outreach WHERE id = ?1", [case])?;
    Ok(())
}

/// Takes a name out of the texts of a case. That letters went out stays known.
fn withdraw_name(connection: &Connection, case: i64, name: &str) -> Result<()> {
    connection.execute(
        "DELETE FROM notice WHERE outreach = ?1 AND state = 'draft'",
        [case],
    )?;
    connection.execute(
        "UPDATE notice SET subject = '', body = '', answer = '' WHERE outreach = ?1",
        [case],
    )?;
    for table in ["notice", "outreach"] {
        let key = if table == "notice" { "outreach" } else { "id" };
        connection.execute(
            &format!("UPDATE {table} SET address = '' WHERE {key} = ?1 AND SUBSTR(LOWER(address), -LENGTH(?2) - 1) = '@' || ?2"),
            params![case, name],
        )?;
    }
    // What tells that a mail was seen stays: read again, it would be taken in again.
    connection.execute(
        "UPDATE outreach_event SET note = CASE WHEN what LIKE 'reply-%' THEN SUBSTR(note, -16) ELSE '' END
         WHERE outreach = ?1 AND INSTR(LOWER(note), ?2) > 0",
        params![case, name],
    )?;
    Ok(())
}

/// Deletes a person as a contact, and the letters to them. That their case was written about stays known, or they would be written to
/// anew. Gives back how many of both.
pub(super) fn forget_contact(connection: &Connection, address: &str) -> Result<u64> {
    connection.execute(
        "UPDATE outreach SET address = '' WHERE LOWER(address) = ?1",
        [address],
    )?;
    // Who answered stands in the history.
    connection.execute(
        "UPDATE outreach_event SET note = SUBSTR(note, 1, INSTR(LOWER(note), ?1) - 1) || '...'
           || SUBSTR(note, INSTR(LOWER(note), ?1) + LENGTH(?1)) WHERE INSTR(LOWER(note), ?1) > 0",
        [address],
    )?;
    let letters = connection.execute("DELETE FROM notice WHERE LOWER(address) = ?1", [address])?;
    let contacts =
        connection.execute("DELETE FROM contact WHERE LOWER(address) = ?1", [address])?;
    Ok((letters + contacts) as u64)
}

/// Message-ID, recipient, subject and text of each draft that was approved, and when.
fn approved_drafts(connection: &Connection) -> Result<Vec<([String; 4], i64)>> {
    let mut statement = connection.prepare(
        "SELECT message_id, address, subject, body, approved FROM notice WHERE state = 'draft' AND approved > 0",
    )?;
    let rows = statement.query_map([], |row| {
        Ok((
            [row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?],
            row.get(4)?,
        ))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn write_draft(connection: &Connection, plan: &str, draft: &Draft, now: i64) -> Result<()> {
    let address = draft.letter.as_ref().map_or("", |l| l.address.as_str());
    let first = match draft.letter {
        Some(_) => State::Planned,
        None => State::Control,
    };
    let opened = connection.execute(
        "INSERT INTO outreach (token, direction, organisation, problem, state, address, daily, opened, changed, audience)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, ?9) ON CONFLICT (token) DO NOTHING",
        params![
            draft.token,
            draft.direction.name(),
            draft.organisation,
            draft.problem,
            first.name(),
            address,
            draft.daily,
            now,
            draft.audience.name()
        ],
    )?;
    let sql = "SELECT id FROM outreach WHERE token = ?1";
    let case: i64 = connection.query_row(sql, [&draft.token], |row| row.get(0))?;
    if opened == 1 {
        add_event(connection, case, now, first.name(), "")?;
    } else if !address.is_empty() {
        // Who was left alone for comparison, and is to be written to after all, had none.
        connection.execute(
            "UPDATE outreach SET address = ?2 WHERE id = ?1 AND address = ''",
            params![case, address],
        )?;
    }
    // A case is about what its latest letter names: what was mended since is none of it any more.
    connection.execute("DELETE FROM outreach_peer WHERE outreach = ?1", [case])?;
    connection.execute(
        "DELETE FROM outreach_event WHERE outreach = ?1 AND what = ?2",
        params![case, ASKED],
    )?;
    if let Some(heard) = &draft.asked {
        add_event(connection, case, now, ASKED, heard)?;
    }
    let mut insert = connection.prepare_cached(
        "INSERT INTO outreach_peer (outreach, domain, host) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
    )?;
    for (domain, host) in &draft.peers {
        insert.execute(params![case, domain, host])?;
    }
    if let Some(letter) = &draft.letter {
        connection
            .prepare_cached(
                "INSERT INTO notice (outreach, kind, plan, state, address, subject, body, message_id, planned, sent, answer)
                 VALUES (?1, ?2, ?3, 'draft', ?4, ?5, ?6, ?7, ?8, 0, '')",
            )?
            .execute(params![
                case,
                letter.kind,
                plan,
                letter.address,
                letter.subject,
                letter.body,
                letter.message_id,
                now
            ])?;
    }
    Ok(())
}

/// The kind of letter that ends a case well.
const THANKS: &str = "thank-you";

/// Whether anything that a letter is about does not want to be written to: its recipient, the organisation, a domain, a host.
fn is_unwanted(connection: &Connection, notice: &Notice) -> Result<bool> {
    let mut statement = connection.prepare_cached(
        "SELECT organisation FROM outreach WHERE id = ?1 UNION SELECT token FROM outreach WHERE id = ?1
         UNION SELECT domain FROM outreach_peer WHERE outreach = ?1
         UNION SELECT host FROM outreach_peer WHERE outreach = ?1",
    )?;
    let mut names = statement
        .query_map([notice.case], |row| row.get(0))?
        .collect::<rusqlite::Result<Vec<String>>>()?;
    names.push(notice.address.clone());
    let unwanted = addressees::suppressions(connection)?;
    Ok(names
        .iter()
        .any(|name| unwanted.iter().any(|unwanted| unwanted.covers(name))))
}

/// Moves a case to where it stands if the letter leaves, which is known only afterwards. When it came there is said then. From here on the
/// case knows whom it was last written to about.
fn set_aside(connection: &Connection, notice: &Notice) -> Result<()> {
    let (from, to) = match notice.kind.as_str() {
        THANKS => ([State::Fixed, State::Fixed], State::Thanked),
        // Who was left alone for comparison is so no longer.
        _ => ([State::Planned, State::Control], State::Sent),
    };
    let [one, other] = from.map(State::name);
    connection.execute(
        "UPDATE outreach SET address = ?5, state = CASE WHEN state IN (?2, ?3) THEN ?4 ELSE state END WHERE id = ?1",
        params![notice.case, one, other, to.name(), notice.address],
    )?;
    Ok(())
}

/// The other way round, for a letter that did not leave; unless another one did before.
fn take_back(connection: &Connection, notice: &Notice) -> Result<()> {
    let (from, to, others) = match notice.kind.as_str() {
        THANKS => (State::Thanked, State::Fixed, 0),
        _ => (State::Sent, State::Planned, 1),
    };
    // What had been left alone for comparison is so again: it says so in its history.
    connection.execute(
        "UPDATE outreach SET state = CASE WHEN ?4 = 1 AND EXISTS (SELECT 1 FROM outreach_event AS e
             WHERE e.outreach = ?1 AND e.what = 'control') THEN 'control' ELSE ?3 END
         WHERE id = ?1 AND state = ?2 AND NOT EXISTS (SELECT 1 FROM notice AS n
           WHERE ?4 = 1 AND n.outreach = ?1 AND n.state IN ('sending', 'sent', 'unclear'))",
        params![notice.case, from.name(), to.name(), others],
    )?;
    Ok(())
}

/// Whether a human, theirs or ours, has said that nothing more is to come, or has answered, which is ours to read first; or, since this letter was
/// drafted, that they will mend it.
fn is_closed(connection: &Connection, notice: &Notice) -> Result<bool> {
    let sql = "SELECT 1 FROM outreach WHERE id = ?1
       AND (state IN ('declined', 'exempt', 'answered', 'not-theirs') OR (state = 'will-fix' AND changed >= ?2))";
    let of = params![notice.case, notice.planned];
    let found = connection.query_row(sql, of, |_| Ok(())).optional()?;
    Ok(found.is_some())
}

/// Drops what is drafted for a case that moves on: it is no longer true.
pub(super) fn close_drafts(connection: &Connection, case: i64) -> Result<()> {
    let sql = "DELETE FROM notice WHERE outreach = ?1 AND state = 'draft'";
    connection.execute(sql, [case])?;
    Ok(())
}

pub(super) fn move_case(
    connection: &Connection,
    case: i64,
    state: State,
    now: i64,
    note: &str,
) -> Result<()> {
    connection.execute(
        "UPDATE outreach SET state = ?2, changed = ?3 WHERE id = ?1",
        params![case, state.name(), now],
    )?;
    add_event(connection, case, now, state.name(), note)
}

pub(super) fn add_event(
    connection: &Connection,
    case: i64,
    now: i64,
    what: &str,
    note: &str,
) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO outreach_event (outreach, at, what, note) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![case, now, what, note])?;
    Ok(())
}

fn case(row: &Row<'_>) -> rusqlite::Result<Case> {
    let (direction, state): (String, String) = (row.get(2)?, row.get(5)?);
    let audience: String = row.get(10)?;
    Ok(Case {
        id: row.get(0)?,
        token: row.get(1)?,
        direction: match direction == Direction::Inbound.name() {
            true => Direction::Inbound,
            false => Direction::Outbound,
        },
        organisation: row.get(3)?,
        problem: row.get(4)?,
        audience: Audience::from_name(&audience),
        // A state that is not known is one in which nothing is done.
        state: State::from_name(&state).unwrap_or(State::Exempt),
        address: row.get(6)?,
        daily: row.get(7)?,
        opened: row.get(8)?,
        changed: row.get(9)?,
        peers: Vec::new(),
        notices: Vec::new(),
    })
}

fn notice(row: &Row<'_>) -> rusqlite::Result<Notice> {
    let (progress, audience): (String, String) = (row.get(4)?, row.get(13)?);
    Ok(Notice {
        id: row.get(0)?,
        case: row.get(1)?,
        kind: row.get(2)?,
        plan: row.get(3)?,
        progress: Progress::from_name(&progress),
        address: row.get(5)?,
        subject: row.get(6)?,
        body: row.get(7)?,
        message_id: row.get(8)?,
        planned: row.get(9)?,
        sent: row.get(10)?,
        answer: row.get(11)?,
        audience: Audience::from_name(&audience),
        approved: row.get(12)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(token: &str, organisation: &str) -> Draft {
        Draft {
            token: token.into(),
            direction: Direction::Outbound,
            organisation: organisation.into(),
            problem: "not-offered".into(),
            audience: Audience::Postmaster,
            daily: 1.5,
            peers: vec![(format!("mail.{organisation}"), format!("mx.{organisation}"))],
            asked: None,
            letter: Some(DraftLetter {
                kind: "notice".into(),
                address: format!("postmaster@mail.{organisation}"),
                subject: "s".into(),
                body: "b\n".into(),
                message_id: format!("<{token}@us.example>"),
            }),
        }
    }

    fn store() -> Store {
        let mut store = Store::in_memory().unwrap();
        let drafts = [draft("AA", "a.example"), draft("BB", "b.example")];
        store.replace_drafts("p1", &drafts, 100).unwrap();
        store
    }

    fn leaves(store: &mut Store, notice: &Notice, now: i64) -> bool {
        store.begin_sending(notice, now, 30).unwrap() == Release::Now
    }

    #[test]
    fn planning_anew_replaces_what_was_not_sent() {
        let mut store = store();
        let first = store.notices().unwrap().remove(0);
        assert!(leaves(&mut store, &first, 200));
        store
            .end_sending(&first, Progress::Sent, "250 ok", 201)
            .unwrap();
        store
            .replace_drafts("p2", &[draft("CC", "c.example")], 300)
            .unwrap();
        let cases = store.cases().unwrap();
        let found: Vec<_> = cases
            .iter()
            .map(|c| (c.token.as_str(), c.state.name(), c.notices.len()))
            .collect();
        assert_eq!(found, [("AA", "sent", 1), ("CC", "planned", 1)]);
        let what: Vec<String> = store
            .outreach_events()
            .unwrap()
            .into_iter()
            .map(|e| e.what)
            .collect();
        assert_eq!(what, ["planned", "sent", "planned"]);
    }

    #[test]
    fn a_letter_goes_out_once() {
        let mut store = store();
        let notice = store.notices().unwrap().remove(0);
        assert!(leaves(&mut store, &notice, 200));
        assert!(!leaves(&mut store, &notice, 200));
        for progress in [Progress::Sent, Progress::Refused, Progress::Unclear] {
            store.end_sending(&notice, progress, "", 201).unwrap();
            assert!(!leaves(&mut store, &notice, 202), "{progress:?}");
        }
        // refused for now
        store
            .end_sending(&notice, Progress::Draft, "450 later", 203)
            .unwrap();
        assert!(leaves(&mut store, &notice, 204));
    }

    #[test]
    fn a_letter_on_its_way_when_a_run_died_keeps_its_case() {
        let mut store = store();
        let notice = store.notices().unwrap().remove(0);
        assert!(leaves(&mut store, &notice, 200));
        for plan in ["p2", "p3"] {
            store
                .replace_drafts(plan, &[draft("CC", "c.example")], 300)
                .unwrap();
        }
        let cases = store.cases().unwrap();
        let found: Vec<_> = cases
            .iter()
            .map(|c| (c.token.as_str(), c.state, c.notices.len()))
            .collect();
        assert_eq!(found, [("AA", State::Sent, 1), ("CC", State::Planned, 1)]);
        assert_eq!(cases[0].notices[0].progress, Progress::Sending);
    }

    /// What is on its way is no draft, and is one again if it is refused for now: the case has ended all the same.
    #[test]
    fn a_letter_that_was_on_its_way_when_its_case_ended_is_not_tried_again() {
        let ends = [
            State::Declined,
            State::Exempt,
            State::Answered,
            State::NotTheirs,
            State::WillFix,
        ];
        for end in ends {
            for progress in [Progress::Draft, Progress::Sent] {
                let mut store = store();
                let notice = store.notices().unwrap().remove(0);
                assert!(leaves(&mut store, &notice, 200));
                store.move_case(notice.case, end, 201, "").unwrap();
                store.end_sending(&notice, progress, "", 202).unwrap();
                assert_eq!(store.cases().unwrap()[0].state, end);
                let again = store.begin_sending(&notice, 90_000, 30).unwrap();
                assert_eq!(again, Release::No, "{end:?} {progress:?}");
            }
        }
    }

    /// No plan of today writes to them; those of earlier versions did.
    #[test]
    fn who_was_left_alone_and_is_written_to_after_all_has_a_recipient_and_an_end() {
        let mut store = Store::in_memory().unwrap();
        let alone = Draft {
            letter: None,
            ..draft("AA", "a.example")
        };
        store.replace_drafts("p1", &[alone], 100).unwrap();
        store
            .replace_drafts("p2", &[draft("AA", "a.example")], 150)
            .unwrap();
        let stands = |store: &Store| {
            let case = store.cases().unwrap().remove(0);
            (case.state, case.address)
        };
        let address = "postmaster@mail.a.example".to_string();
        let notice = store.notices().unwrap().remove(0);
        assert_eq!(stands(&store), (State::Control, address.clone()));
        assert!(leaves(&mut store, &notice, 200));
        assert_eq!(stands(&store), (State::Sent, address.clone()));
        store
            .end_sending(&notice, Progress::Draft, "450 later", 201)
            .unwrap();
        assert_eq!(stands(&store), (State::Control, address.clone()));
        assert!(leaves(&mut store, &notice, 300));
        store
            .end_sending(&notice, Progress::Sent, "250 ok", 301)
            .unwrap();
        assert_eq!(stands(&store), (State::Sent, address));
    }

    #[test]
    fn what_was_refused_for_now_is_planned_as_before() {
        let mut store = store();
        let notice = store.notices().unwrap().remove(0);
        assert!(leaves(&mut store, &notice, 200));
        store
            .end_sending(&notice, Progress::Draft, "450 later", 201)
            .unwrap();
        assert_eq!(store.cases().unwrap()[0].state, State::Planned);
    }

    /// Numbers come round again: what a run has in its hands may be gone, and another letter have its number.
    #[test]
    fn a_letter_that_was_planned_anew_meanwhile_does_not_go_out_in_its_old_form() {
        let mut store = store();
        let old = store.notices().unwrap();
        store
            .replace_drafts(
                "p2",
                &[draft("CC", "c.example"), draft("DD", "d.example")],
                300,
            )
            .unwrap();
        let new = store.notices().unwrap();
        assert_eq!(
            old.iter().map(|n| n.id).collect::<Vec<_>>(),
            new.iter().map(|n| n.id).collect::<Vec<_>>(),
            "the numbers are the same"
        );
        assert!(!leaves(&mut store, &old[0], 400));
        assert!(leaves(&mut store, &new[0], 400));
    }

    #[test]
    fn a_thank_you_ends_the_case_even_if_it_was_refused_or_the_run_died() {
        let thanks = |progress: Option<Progress>| {
            let mut store = store();
            let case = store.cases().unwrap().remove(0);
            store.move_case(case.id, State::Fixed, 150, "").unwrap();
            let mut thanks = draft("AA", "a.example");
            if let Some(letter) = &mut thanks.letter {
                letter.kind = THANKS.into();
            }
            store.add_drafts("thanks", &[thanks], 160).unwrap();
            let notices = store.cases().unwrap().remove(0).notices;
            let notice = notices.iter().find(|n| n.kind == THANKS).unwrap();
            assert!(leaves(&mut store, notice, 170));
            if let Some(progress) = progress {
                store.end_sending(notice, progress, "", 171).unwrap();
            }
            store.cases().unwrap()[0].state
        };
        assert_eq!(thanks(None), State::Thanked);
        assert_eq!(thanks(Some(Progress::Sent)), State::Thanked);
        assert_eq!(thanks(Some(Progress::Refused)), State::Thanked);
        assert_eq!(thanks(Some(Progress::Draft)), State::Fixed);
    }

    #[test]
    fn nobody_is_written_to_who_does_not_want_it() {
        for name in [
            "postmaster@mail.a.example",
            "Postmaster@Mail.A.Example",
            "mail.a.example",
            "mx.a.example",
            "a.example",
        ] {
            let mut store = store();
            assert!(store.suppress(name, "opt-out", 150).unwrap());
            assert!(!store.suppress(name, "again", 160).unwrap());
            let notices = store.notices().unwrap();
            assert!(!leaves(&mut store, &notices[0], 200), "{name}");
            assert!(leaves(&mut store, &notices[1], 200), "{name}");
            assert!(store.unsuppress(name).unwrap());
            assert!(leaves(&mut store, &notices[0], 200), "{name}");
        }
    }

    #[test]
    fn a_name_that_is_suppressed_stands_for_itself() {
        for name in [
            "mail._.example",
            "%.example",
            "il.a.example",
            "example",
            "%",
        ] {
            let mut store = store();
            store.suppress(name, "by hand", 150).unwrap();
            let notice = store.notices().unwrap().remove(0);
            assert!(leaves(&mut store, &notice, 200), "{name}");
        }
    }

    /// A store with one letter to a correspondent.
    fn store_of_people(body: &str) -> (Store, Draft) {
        let mut store = Store::in_memory().unwrap();
        let mut draft = draft("AA", "a.example");
        draft.audience = Audience::Correspondents;
        if let Some(letter) = &mut draft.letter {
            letter.address = "bob@a.example".into();
            letter.body = body.into();
        }
        store
            .replace_drafts("p1", std::slice::from_ref(&draft), 100)
            .unwrap();
        (store, draft)
    }

    #[test]
    fn a_letter_to_a_correspondent_waits_until_it_is_approved() {
        let (mut store, _) = store_of_people("b\n");
        let notice = store.notices().unwrap().remove(0);
        assert!(!leaves(&mut store, &notice, 200));
        assert!(store.approve(notice.id, 201).unwrap());
        assert!(store.approve(notice.id, 0).unwrap());
        assert!(!leaves(&mut store, &notice, 202), "taken back");
        store.approve(notice.id, 203).unwrap();
        store.suppress("bob@a.example", "opt-out", 204).unwrap();
        assert!(!leaves(&mut store, &notice, 205), "suppressed");
        store.unsuppress("bob@a.example").unwrap();
        assert!(leaves(&mut store, &notice, 206));
        assert!(!store.approve(notice.id, 207).unwrap(), "it is under way");
    }

    #[test]
    fn several_people_of_one_organisation_are_one_matter() {
        let mut store = Store::in_memory().unwrap();
        let to = |token: &str, organisation: &str| {
            let mut draft = draft(token, organisation);
            draft.audience = Audience::Correspondents;
            if let Some(letter) = &mut draft.letter {
                letter.address = format!("{token}@{organisation}");
            }
            draft
        };
        let mut send = |drafts: &[Draft], at| {
            store.replace_drafts("p", drafts, at).unwrap();
            for notice in store.notices().unwrap() {
                if notice.progress == Progress::Draft {
                    store.approve(notice.id, at).unwrap();
                    assert!(leaves(&mut store, &notice, at));
                    store.end_sending(&notice, Progress::Sent, "", at).unwrap();
                }
            }
            store.cases().unwrap()
        };
        let first = [
            to("AA", "a.example"),
            to("AB", "a.example"),
            to("BB", "b.example"),
        ];
        let cases = send(&first, 100);
        let repeated = |cases: &[Case]| -> Vec<String> {
            let again = cases.iter().filter(|case| case.repeats(cases));
            again.map(|case| case.token.clone()).collect()
        };
        assert_eq!(repeated(&cases), ["AB"]);
        for case in &cases {
            store.move_case(case.id, State::Relapsed, 200, "").unwrap();
        }
        // What comes back is another matter.
        store
            .replace_drafts("p", &[to("AC", "a.example")], 300)
            .unwrap();
        let cases = store.cases().unwrap();
        assert_eq!(repeated(&cases), ["AB"]);
    }

    #[test]
    fn an_approval_is_for_one_letter_as_it_was_read() {
        let approved_after = |change: fn(&mut DraftLetter)| {
            let (mut store, mut draft) = store_of_people("b\n");
            let notice = store.notices().unwrap().remove(0);
            store.approve(notice.id, 150).unwrap();
            draft.letter.iter_mut().for_each(change);
            store.replace_drafts("p2", &[draft], 300).unwrap();
            store.notices().unwrap()[0].approved
        };
        assert_eq!(approved_after(|_| {}), 150);
        assert_eq!(approved_after(|l| l.body = "c\n".into()), 0);
        assert_eq!(approved_after(|l| l.subject = "t".into()), 0);
        assert_eq!(approved_after(|l| l.address = "ann@a.example".into()), 0);
    }

    #[test]
    fn every_state_has_its_word() {
        for (state, word, _) in STATES {
            assert_eq!(State::from_name(word), Some(*state));
        }
    }

    #[test]
    fn no_letter_leaves_while_whoever_reads_it_has_read_another_lately() {
        const DAY: i64 = 86_400;
        let released = |change: fn(&mut Draft), day: i64| {
            let mut store = Store::in_memory().unwrap();
            let mut second = draft("BB", "b.example");
            change(&mut second);
            let drafts = [draft("AA", "a.example"), second];
            store.replace_drafts("p1", &drafts, 100).unwrap();
            let notices = store.notices().unwrap();
            assert!(leaves(&mut store, &notices[0], 10 * DAY + 600));
            store
                .end_sending(&notices[0], Progress::Sent, "", 10 * DAY + 601)
                .unwrap();
            store.begin_sending(&notices[1], day * DAY, 30).unwrap()
        };
        let address = |draft: &mut Draft| {
            if let Some(letter) = &mut draft.letter {
                letter.address = "Postmaster@Mail.a.example".into();
            }
        };
        let domain = |draft: &mut Draft| {
            draft.peers = vec![("mail.a.example".into(), "mx.b.example".into())];
        };
        let organisation = |draft: &mut Draft| draft.organisation = "a.example".into();
        for change in [address, domain, organisation] {
            assert_eq!(released(change, 10), Release::TooSoon);
            assert_eq!(released(change, 39), Release::TooSoon);
            assert_eq!(released(change, 40), Release::Now);
        }
        assert_eq!(released(|_| {}, 10), Release::Now);
        let thanks = |draft: &mut Draft| {
            draft.organisation = "a.example".into();
            if let Some(letter) = &mut draft.letter {
                letter.kind = THANKS.into();
            }
        };
        assert_eq!(released(thanks, 10), Release::Now);
    }

    #[test]
    fn a_domain_that_is_forgotten_leaves_the_case_of_the_others() {
        let mut store = Store::in_memory().unwrap();
        let mut of_three = draft("AA", "host.example");
        of_three.peers = ["c1.example", "c2.example", "c3.example"]
            .map(|domain| (domain.to_string(), "mx.host.example".to_string()))
            .to_vec();
        if let Some(letter) = &mut of_three.letter {
            letter.body = "mail to c1.example, c2.example, c3.example".into();
        }
        store.replace_drafts("p1", &[of_three], 100).unwrap();
        let notice = store.notices().unwrap().remove(0);
        assert!(leaves(&mut store, &notice, 200));
        store.end_sending(&notice, Progress::Sent, "", 201).unwrap();
        assert_eq!(forget_cases(&store.connection, "c3.example").unwrap(), 1);
        let case = store.cases().unwrap().remove(0);
        assert_eq!((case.state, case.peers.len()), (State::Sent, 2));
        assert!(case.was_written() && case.notices[0].body.is_empty());
        for name in ["c1.example", "c2.example"] {
            forget_cases(&store.connection, name).unwrap();
        }
        assert!(store.cases().unwrap().is_empty());
        assert!(store.notices().unwrap().is_empty());
    }
}
