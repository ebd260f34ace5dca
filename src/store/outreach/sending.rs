//! Whether a letter may leave, and what became of it: the one thing that the store decides, because only it can decide it for good.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use crate::outcome::day_of;

use super::super::{Result, Store, addressees};
use super::{Notice, Progress, Release, State, move_case};

impl Store {
    /// Whether a draft may go out now; if so it is marked as being sent, and this is never said of it again. From here on its case counts as
    /// written to, so that a run that dies now leaves a case that is not planned anew. Another letter to the same address or organisation, or
    /// about the same domain, must be `pause_days` ago; but for thank-yous, and for people of one organisation who are asked at once.
    pub fn begin_sending(&mut self, notice: &Notice, now: i64, pause_days: i32) -> Result<Release> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        if is_unwanted(&transaction, notice)?
            || is_closed(&transaction, notice)?
            || is_unread(&transaction, notice)?
        {
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

/// The kind of letter that ends a case well.
pub(super) const THANKS: &str = "thank-you";

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

/// Cases in which a human has answered and nobody has said yet what (`label`): it may be that they want no more of it.
const UNREAD: &str = "SELECT e.outreach FROM outreach_event AS e WHERE e.what IN ('reply-human', 'reply-our-side')
       AND NOT EXISTS (SELECT 1 FROM outreach_event AS l WHERE l.outreach = e.outreach AND l.what = 'label' AND l.id > e.id)";

impl Store {
    /// The tokens of the cases in which an answer waits to be read.
    pub fn unread(&self) -> Result<BTreeSet<String>> {
        let sql = format!("SELECT token FROM outreach WHERE id IN ({UNREAD})");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let tokens = statement.query_map([], |row| row.get(0))?;
        Ok(tokens.collect::<rusqlite::Result<_>>()?)
    }
}

/// Whether an answer waits to be read of the same organisation, or of whoever gets this letter: whatever has become of the case since.
fn is_unread(connection: &Connection, notice: &Notice) -> Result<bool> {
    let sql = format!(
        "SELECT 1 FROM outreach AS o JOIN outreach AS mine ON mine.id = ?1
         WHERE (o.organisation = mine.organisation OR LOWER(o.address) = LOWER(?2)) AND o.id IN ({UNREAD})"
    );
    let of = params![notice.case, notice.address];
    let found = connection.query_row(&sql, of, |_| Ok(())).optional()?;
    Ok(found.is_some())
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
