//! The content of a store as text, for tests that compare stores: by names, sorted, without row numbers, paths and runs.

use super::{Result, Store};

const PEER: &str = "p.direction || char(9) || p.domain || char(9) || p.host || char(9) || p.address || char(9) || p.port";
const OUTCOME: &str = "o.tls || char(9) || o.class || char(9) || o.cause || char(9) || o.fault || char(9) || o.delivery || char(9) || o.dsn \
     || char(9) || o.protocol || char(9) || o.cipher || char(9) || o.bits || char(9) || o.key_exchange || char(9) || o.verification";
const SERVICE: &str = "s.host || char(9) || s.tag";
const JOINS: &str = "JOIN peer AS p ON p.id = x.peer JOIN outcome AS o ON o.id = x.outcome JOIN service AS s ON s.id = x.service";

impl Store {
    /// One line per row. Equal texts mean equal stores.
    pub fn digest(&self) -> Result<String> {
        let mut text = String::new();
        let counted = format!("{PEER} || char(9) || {OUTCOME} || char(9) || {SERVICE}");
        for (table, sql) in [
            (
                "daily",
                format!(
                    "SELECT x.day || char(9) || {counted} || char(9) || x.n || char(9) || x.messages || char(9) || x.handshakes
                     || char(9) || x.first_seen || char(9) || x.last_seen AS line FROM daily AS x {JOINS} ORDER BY line"
                ),
            ),
            (
                "total",
                format!(
                    "SELECT x.day || char(9) || x.direction || char(9) || {OUTCOME} || char(9) || {SERVICE} || char(9) || x.n
                     || char(9) || x.messages || char(9) || x.handshakes || char(9) || x.first_seen || char(9) || x.last_seen AS line
                     FROM daily_total AS x JOIN outcome AS o ON o.id = x.outcome JOIN service AS s ON s.id = x.service ORDER BY line"
                ),
            ),
            (
                "correspondent",
                format!(
                    "SELECT x.day || char(9) || x.address || char(9) || {counted} || char(9) || x.n || char(9) || x.first_seen
                     || char(9) || x.last_seen AS line FROM correspondent AS x {JOINS} ORDER BY line"
                ),
            ),
            (
                "logging",
                format!(
                    "SELECT x.day || char(9) || {SERVICE} || char(9) || x.direction || char(9) || x.logged || x.unlogged || x.offers
                     || x.early || char(9) || x.proof_offset || char(9) || x.proof_line AS line
                     FROM logging AS x JOIN service AS s ON s.id = x.service ORDER BY line"
                ),
            ),
            ("gap", "SELECT host || char(9) || at || char(9) || records AS line FROM gap ORDER BY line".into()),
            (
                "span",
                "SELECT host || char(9) || day || char(9) || first_seen || char(9) || last_seen || char(9) || silence || char(9)
                 || silent_from AS line FROM span ORDER BY line"
                    .into(),
            ),
            ("clock", "SELECT host || char(9) || at || char(9) || seconds AS line FROM clock_step ORDER BY line".into()),
            (
                "shape",
                "SELECT shape || char(9) || n || char(9) || first_seen || char(9) || last_seen AS line FROM shape ORDER BY line".into(),
            ),
            (
                "source",
                "SELECT head_len || char(9) || head_hash || char(9) || offset || char(9) || tail_len || char(9) || tail_hash
                 || char(9) || state || char(9) || first_seen || char(9) || last_seen || char(9) || lines AS line
                 FROM source ORDER BY line"
                    .into(),
            ),
        ] {
            self.dump(&mut text, table, &sql)?;
        }
        let sessions = without_source_numbers(&self.open_sessions()?);
        text.push_str(&format!("sessions\t{sessions}\n"));
        self.dump_evidence(&mut text, &counted)?;
        Ok(text)
    }

    fn dump(&self, text: &mut String, table: &str, sql: &str) -> Result<()> {
        let mut statement = self.connection.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let line: String = row.get(0)?;
            text.push_str(&format!("{table}\t{}\n", without_source_numbers(&line)));
        }
        Ok(())
    }

    /// Proof lines name their source by its number: shown without.
    fn dump_evidence(&self, text: &mut String, counted: &str) -> Result<()> {
        let sql = format!(
            "SELECT {counted} || char(9) || x.at AS line, x.lines FROM evidence AS x {JOINS} ORDER BY line, x.id"
        );
        let mut statement = self.connection.prepare(&sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (line, lines): (String, String) = (row.get(0)?, row.get(1)?);
            let lines: Vec<crate::outcome::ProofLine> =
                serde_json::from_str(&lines).unwrap_or_default();
            let lines: Vec<String> = lines
                .iter()
                .map(|l| format!("{}:{}", l.offset, l.text))
                .collect();
            text.push_str(&format!("evidence\t{line}\t{}\n", lines.join("\t")));
        }
        Ok(())
    }
}

/// Open sessions name the sources of their lines by number.
fn without_source_numbers(line: &str) -> String {
    let mut parts = line.split("\"source\":");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        shown.push_str("\"source\":");
        shown.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
    }
    shown
}
