//! The memory of the outreach: cases with their history, drafts and what was sent. Whom to write to and whom not is in `addressees`.
//!
//! It decides nothing; whether a draft goes out, at most once and never to somebody who does not want it, `sending` decides.

use rusqlite::{Connection, Row, TransactionBehavior, params};

use crate::outcome::Direction;

use super::{Result, Store};

mod case;
mod forget;
mod sending;
#[cfg(test)]
mod tests;

pub use case::{
    ASKED, Audience, Case, Draft, DraftLetter, Event, Notice, PeerNames, Progress, Release, STATES,
    State,
};
pub(super) use forget::{forget_cases, forget_contact};

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
    // A case is about what its latest letter says, of whom that names: what was mended since is none of it any more.
    connection.execute(
        "UPDATE outreach SET problem = ?2 WHERE id = ?1",
        params![case, draft.problem],
    )?;
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
