//! Takes names and persons out of the outreach. That somebody was written to stays known, or they would be written to anew.

use rusqlite::{Connection, params};

use super::super::Result;

/// Takes a domain or a host out of the cases about it, and of those of which an earlier letter, or the history, named it. One that is about nothing else is deleted, with its letters and its history; one
/// that is stays, or the others would be written to anew, without the texts that name what is forgotten. Gives back how many of both.
pub(in super::super) fn forget_cases(connection: &Connection, name: &str) -> Result<u64> {
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
pub(in super::super) fn forget_contact(connection: &Connection, address: &str) -> Result<u64> {
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
