//! Tables and views, as the list of steps that led to them. Entries are never edited, only appended: stores in the field have
//! run them.
//!
//! No column is ever NULL: `''` and `0` stand for what is not known, so that the questions stay within SQL that other engines
//! read the same way.

use rusqlite_migration::{M, Migrations};

/// `tlsn`: marks the file as ours.
pub(super) const APPLICATION_ID: i32 = 0x746c_736e;

const TABLES: &str = "
CREATE TABLE service (
  id INTEGER PRIMARY KEY,
  host TEXT NOT NULL,
  tag TEXT NOT NULL,
  UNIQUE (host, tag)
) STRICT;
CREATE TABLE peer (
  id INTEGER PRIMARY KEY,
  direction TEXT NOT NULL,
  domain TEXT NOT NULL,
  host TEXT NOT NULL,
  address TEXT NOT NULL,
  port INTEGER NOT NULL,
  organisation TEXT NOT NULL,
  UNIQUE (domain, host, address, port, direction)
) STRICT;
CREATE INDEX peer_by_host ON peer (host);
CREATE INDEX peer_by_address ON peer (address);
CREATE INDEX peer_by_organisation ON peer (organisation);
CREATE TABLE outcome (
  id INTEGER PRIMARY KEY,
  tls TEXT NOT NULL,
  class TEXT NOT NULL,
  cause TEXT NOT NULL,
  fault TEXT NOT NULL,
  delivery TEXT NOT NULL,
  dsn TEXT NOT NULL,
  protocol TEXT NOT NULL,
  cipher TEXT NOT NULL,
  bits INTEGER NOT NULL,
  key_exchange TEXT NOT NULL,
  verification TEXT NOT NULL,
  UNIQUE (cipher, class, cause, fault, tls, delivery, dsn, protocol, bits, key_exchange, verification)
) STRICT;
CREATE TABLE daily (
  day INTEGER NOT NULL,
  peer INTEGER NOT NULL REFERENCES peer,
  outcome INTEGER NOT NULL REFERENCES outcome,
  service INTEGER NOT NULL REFERENCES service,
  n INTEGER NOT NULL,
  messages INTEGER NOT NULL,
  handshakes INTEGER NOT NULL,
  first_seen INTEGER NOT NULL,
  last_seen INTEGER NOT NULL,
  PRIMARY KEY (day, peer, outcome, service)
) STRICT, WITHOUT ROWID;
CREATE INDEX daily_by_peer ON daily (peer, day);
CREATE TABLE daily_total (
  day INTEGER NOT NULL,
  service INTEGER NOT NULL REFERENCES service,
  direction TEXT NOT NULL,
  outcome INTEGER NOT NULL REFERENCES outcome,
  n INTEGER NOT NULL,
  messages INTEGER NOT NULL,
  handshakes INTEGER NOT NULL,
  first_seen INTEGER NOT NULL,
  last_seen INTEGER NOT NULL,
  PRIMARY KEY (day, service, direction, outcome)
) STRICT, WITHOUT ROWID;
CREATE TABLE logging (
  day INTEGER NOT NULL,
  service INTEGER NOT NULL REFERENCES service,
  direction TEXT NOT NULL,
  logged INTEGER NOT NULL,
  unlogged INTEGER NOT NULL,
  offers INTEGER NOT NULL,
  early INTEGER NOT NULL,
  proof_source INTEGER NOT NULL,
  proof_offset INTEGER NOT NULL,
  proof_line TEXT NOT NULL,
  PRIMARY KEY (day, service, direction)
) STRICT, WITHOUT ROWID;
CREATE TABLE gap (
  id INTEGER PRIMARY KEY,
  host TEXT NOT NULL,
  at INTEGER NOT NULL,
  records INTEGER NOT NULL,
  UNIQUE (host, at, records)
) STRICT;
CREATE TABLE evidence (
  id INTEGER PRIMARY KEY,
  peer INTEGER NOT NULL REFERENCES peer,
  outcome INTEGER NOT NULL REFERENCES outcome,
  service INTEGER NOT NULL REFERENCES service,
  at INTEGER NOT NULL,
  source INTEGER NOT NULL,
  offset INTEGER NOT NULL,
  lines TEXT NOT NULL
) STRICT;
CREATE INDEX evidence_by_peer ON evidence (peer, outcome);
CREATE TABLE correspondent (
  day INTEGER NOT NULL,
  address TEXT NOT NULL,
  peer INTEGER NOT NULL REFERENCES peer,
  outcome INTEGER NOT NULL REFERENCES outcome,
  service INTEGER NOT NULL REFERENCES service,
  n INTEGER NOT NULL,
  first_seen INTEGER NOT NULL,
  last_seen INTEGER NOT NULL,
  PRIMARY KEY (day, address, peer, outcome, service)
) STRICT, WITHOUT ROWID;
CREATE INDEX correspondent_by_peer ON correspondent (peer);
CREATE TABLE source (
  id INTEGER PRIMARY KEY,
  path TEXT NOT NULL,
  kind TEXT NOT NULL,
  head_len INTEGER NOT NULL,
  head_hash TEXT NOT NULL,
  offset INTEGER NOT NULL,
  tail_len INTEGER NOT NULL,
  tail_hash TEXT NOT NULL,
  state TEXT NOT NULL,
  first_seen INTEGER NOT NULL,
  last_seen INTEGER NOT NULL,
  lines INTEGER NOT NULL,
  file TEXT NOT NULL
) STRICT;
CREATE TABLE state (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE run (
  id INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  sources INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  lines INTEGER NOT NULL,
  understood INTEGER NOT NULL,
  irrelevant INTEGER NOT NULL,
  unrecognised INTEGER NOT NULL,
  outcomes INTEGER NOT NULL
) STRICT;

-- What an outcome means on a day: silence is clear text only where the service is proven to log its TLS sessions.
CREATE VIEW meaning AS
SELECT l.day AS day, l.service AS service, l.direction AS direction, o.id AS outcome,
  CASE WHEN o.tls <> 'silent' AND o.tls <> 'silent-early' THEN o.tls
       WHEN l.logged = 0 OR l.unlogged = 1 OR (o.tls = 'silent-early' AND l.early = 0) THEN 'unknown'
       ELSE 'plaintext' END AS tls,
  CASE WHEN o.tls <> 'silent' AND o.tls <> 'silent-early' THEN o.class
       WHEN l.logged = 0 OR l.unlogged = 1 OR (o.tls = 'silent-early' AND l.early = 0) THEN 'unknown'
       WHEN l.offers = 1 AND o.cause = '' THEN 'plaintext-not-offered'
       ELSE o.class END AS class,
  CASE WHEN (o.tls = 'silent' OR o.tls = 'silent-early')
         AND (l.logged = 0 OR l.unlogged = 1 OR (o.tls = 'silent-early' AND l.early = 0)) THEN 'nobody'
       WHEN (o.tls = 'silent' OR o.tls = 'silent-early') AND l.offers = 1 AND o.cause = '' THEN 'peer'
       ELSE o.fault END AS fault,
  CASE WHEN (o.tls = 'silent' OR o.tls = 'silent-early')
         AND (l.logged = 0 OR l.unlogged = 1 OR (o.tls = 'silent-early' AND l.early = 0)) THEN ''
       ELSE o.cause END AS cause,
  o.delivery AS delivery, o.dsn AS dsn, o.protocol AS protocol, o.cipher AS cipher, o.bits AS bits,
  o.key_exchange AS key_exchange, o.verification AS verification, (o.tls = 'silent' OR o.tls = 'silent-early') AS silent
FROM logging AS l, outcome AS o;

CREATE VIEW facts AS
SELECT d.day AS day, p.direction AS direction, s.host AS service_host, s.tag AS service_tag,
  p.domain AS domain, p.host AS host, p.address AS address, p.port AS port, p.organisation AS organisation,
  m.tls AS tls, m.class AS class, m.cause AS cause, m.fault AS fault, m.delivery AS delivery, m.dsn AS dsn,
  m.protocol AS protocol, m.cipher AS cipher, m.bits AS bits, m.key_exchange AS key_exchange, m.verification AS verification,
  d.n AS n, d.messages AS messages, d.handshakes AS handshakes, d.first_seen AS first_seen, d.last_seen AS last_seen
FROM daily AS d
JOIN peer AS p ON p.id = d.peer
JOIN service AS s ON s.id = d.service
JOIN meaning AS m ON m.day = d.day AND m.service = d.service AND m.direction = p.direction AND m.outcome = d.outcome;

CREATE VIEW totals AS
SELECT d.day AS day, d.direction AS direction, s.host AS service_host, s.tag AS service_tag,
  m.tls AS tls, m.class AS class, m.cause AS cause, m.fault AS fault, m.delivery AS delivery, m.dsn AS dsn,
  m.protocol AS protocol, m.cipher AS cipher, m.bits AS bits, m.key_exchange AS key_exchange, m.verification AS verification,
  d.n AS n, d.messages AS messages, d.handshakes AS handshakes, d.first_seen AS first_seen, d.last_seen AS last_seen
FROM daily_total AS d
JOIN service AS s ON s.id = d.service
JOIN meaning AS m ON m.day = d.day AND m.service = d.service AND m.direction = d.direction AND m.outcome = d.outcome;

CREATE VIEW claims AS
SELECT e.id AS id, e.at AS at, p.direction AS direction, s.host AS service_host, s.tag AS service_tag,
  p.domain AS domain, p.host AS host, p.address AS address, p.port AS port, p.organisation AS organisation,
  m.tls AS tls, m.class AS class, m.cause AS cause, m.fault AS fault, m.delivery AS delivery, m.dsn AS dsn,
  e.lines AS lines, m.silent AS silent, m.day AS day, e.service AS service
FROM evidence AS e
JOIN peer AS p ON p.id = e.peer
JOIN service AS s ON s.id = e.service
JOIN meaning AS m ON m.day = (e.at - ((e.at % 86400) + 86400) % 86400) / 86400
  AND m.service = e.service AND m.direction = p.direction AND m.outcome = e.outcome;
";

/// What `doctor` asks for: when each log host was heard of, where its clock stepped back, which lines were not recognised.
const HEALTH: &str = "
CREATE TABLE span (
  host TEXT NOT NULL,
  day INTEGER NOT NULL,
  first_seen INTEGER NOT NULL,
  last_seen INTEGER NOT NULL,
  silence INTEGER NOT NULL,
  silent_from INTEGER NOT NULL,
  PRIMARY KEY (host, day)
) STRICT, WITHOUT ROWID;
CREATE TABLE clock_step (
  host TEXT NOT NULL,
  at INTEGER NOT NULL,
  seconds INTEGER NOT NULL,
  PRIMARY KEY (host, at, seconds)
) STRICT, WITHOUT ROWID;
CREATE TABLE shape (
  shape TEXT PRIMARY KEY,
  n INTEGER NOT NULL,
  first_seen INTEGER NOT NULL,
  last_seen INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

/// Who took what, whatever its channel: the facts without what the silence of a service means, which costs most of them.
const CARRIED: &str = "
CREATE VIEW carried AS
SELECT d.day AS day, p.direction AS direction, p.domain AS domain, p.host AS host, o.delivery AS delivery, d.n AS n
FROM daily AS d
JOIN peer AS p ON p.id = d.peer
JOIN outcome AS o ON o.id = d.outcome;
";

/// The facts about the mail of each correspondent whose address is kept.
const PEOPLE: &str = "
CREATE VIEW people AS
SELECT c.day AS day, p.direction AS direction, c.address AS correspondent, p.domain AS domain, p.organisation AS organisation,
  m.tls AS tls, m.class AS class, m.delivery AS delivery, m.protocol AS protocol, m.cipher AS cipher,
  m.verification AS verification, c.n AS n, c.first_seen AS first_seen, c.last_seen AS last_seen
FROM correspondent AS c
JOIN peer AS p ON p.id = c.peer
JOIN meaning AS m ON m.day = c.day AND m.service = c.service AND m.direction = p.direction AND m.outcome = c.outcome;
";

/// The outreach: whom we have written to, or are to write to, about what, and what came of it.
const OUTREACH: &str = "
CREATE TABLE contact (
  name TEXT PRIMARY KEY,
  address TEXT NOT NULL,
  note TEXT NOT NULL,
  at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE suppression (
  name TEXT PRIMARY KEY,
  reason TEXT NOT NULL,
  at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE outreach (
  id INTEGER PRIMARY KEY,
  token TEXT NOT NULL UNIQUE,
  direction TEXT NOT NULL,
  organisation TEXT NOT NULL,
  problem TEXT NOT NULL,
  state TEXT NOT NULL,
  address TEXT NOT NULL,
  daily REAL NOT NULL,
  opened INTEGER NOT NULL,
  changed INTEGER NOT NULL
) STRICT;
CREATE TABLE outreach_peer (
  outreach INTEGER NOT NULL REFERENCES outreach,
  domain TEXT NOT NULL,
  host TEXT NOT NULL,
  PRIMARY KEY (outreach, domain, host)
) STRICT, WITHOUT ROWID;
CREATE TABLE outreach_event (
  id INTEGER PRIMARY KEY,
  outreach INTEGER NOT NULL REFERENCES outreach,
  at INTEGER NOT NULL,
  what TEXT NOT NULL,
  note TEXT NOT NULL
) STRICT;
CREATE TABLE notice (
  id INTEGER PRIMARY KEY,
  outreach INTEGER NOT NULL REFERENCES outreach,
  kind TEXT NOT NULL,
  plan TEXT NOT NULL,
  state TEXT NOT NULL,
  address TEXT NOT NULL,
  subject TEXT NOT NULL,
  body TEXT NOT NULL,
  message_id TEXT NOT NULL,
  planned INTEGER NOT NULL,
  sent INTEGER NOT NULL,
  answer TEXT NOT NULL
) STRICT;
CREATE INDEX notice_by_outreach ON notice (outreach);
";

/// The counts of days gone by, added up over the days, so that a question about all time need not read every day. What a silence
/// means depends on the day: `day` is one on which the service logged as it did on the days added up. Nothing is known from here
/// alone: it is made from `daily` and `logging`, and dropped when one of its days gets something new.
const PAST: &str = "
CREATE TABLE past (
  peer INTEGER NOT NULL REFERENCES peer,
  outcome INTEGER NOT NULL REFERENCES outcome,
  service INTEGER NOT NULL REFERENCES service,
  day INTEGER NOT NULL,
  n INTEGER NOT NULL,
  messages INTEGER NOT NULL,
  handshakes INTEGER NOT NULL,
  first_seen INTEGER NOT NULL,
  last_seen INTEGER NOT NULL,
  PRIMARY KEY (peer, outcome, service, day)
) STRICT, WITHOUT ROWID;
CREATE TABLE past_days (
  first INTEGER NOT NULL,
  last INTEGER NOT NULL
) STRICT;

CREATE VIEW past_and_present AS
SELECT day, peer, outcome, service, n, messages, handshakes, first_seen, last_seen FROM past
UNION ALL
SELECT day, peer, outcome, service, n, messages, handshakes, first_seen, last_seen FROM daily
WHERE day > (SELECT COALESCE(MAX(last), -2147483648) FROM past_days);

CREATE VIEW summed AS
SELECT d.day AS day, p.direction AS direction, s.host AS service_host, s.tag AS service_tag,
  p.domain AS domain, p.host AS host, p.address AS address, p.port AS port, p.organisation AS organisation,
  m.tls AS tls, m.class AS class, m.cause AS cause, m.fault AS fault, m.delivery AS delivery, m.dsn AS dsn,
  m.protocol AS protocol, m.cipher AS cipher, m.bits AS bits, m.key_exchange AS key_exchange, m.verification AS verification,
  d.n AS n, d.messages AS messages, d.handshakes AS handshakes, d.first_seen AS first_seen, d.last_seen AS last_seen
FROM past_and_present AS d
JOIN peer AS p ON p.id = d.peer
JOIN service AS s ON s.id = d.service
JOIN meaning AS m ON m.day = d.day AND m.service = d.service AND m.direction = p.direction AND m.outcome = d.outcome;

CREATE VIEW carried_summed AS
SELECT d.day AS day, p.direction AS direction, p.domain AS domain, p.host AS host, o.delivery AS delivery, d.n AS n
FROM past_and_present AS d
JOIN peer AS p ON p.id = d.peer
JOIN outcome AS o ON o.id = d.outcome;
";

/// Nobody asks these any more: `relay` looks up fewer names.
const RELAYS_ELSEWHERE: &str = "
DROP VIEW carried;
DROP VIEW carried_summed;
";

/// The sessions still open are megabytes on a busy server: in one row they were in memory four times over when they were written.
const OPEN_SESSIONS: &str = "
CREATE TABLE open_sessions (
  piece INTEGER PRIMARY KEY,
  text TEXT NOT NULL
) STRICT;
INSERT INTO open_sessions (piece, text) SELECT 0, value FROM state WHERE name = 'sessions';
DELETE FROM state WHERE name = 'sessions';
";

/// Letters to the people mail is exchanged with: whom a case is for, and which letters were approved by name. What was in clear is
/// told of the hosts that took it, and whose fault it was.
const AUDIENCE: &str = "
ALTER TABLE outreach ADD COLUMN audience TEXT NOT NULL DEFAULT 'postmaster';
ALTER TABLE notice ADD COLUMN approved INTEGER NOT NULL DEFAULT 0;
DROP VIEW people;
CREATE VIEW people AS
SELECT c.day AS day, p.direction AS direction, c.address AS correspondent, p.domain AS domain, p.host AS host,
  p.organisation AS organisation, m.tls AS tls, m.class AS class, m.cause AS cause, m.fault AS fault, m.delivery AS delivery,
  m.protocol AS protocol, m.cipher AS cipher, m.verification AS verification, c.n AS n, c.first_seen AS first_seen,
  c.last_seen AS last_seen
FROM correspondent AS c
JOIN peer AS p ON p.id = c.peer
JOIN meaning AS m ON m.day = c.day AND m.service = c.service AND m.direction = p.direction AND m.outcome = c.outcome;
";

/// The counts of each day gone by in one piece, which is read faster than rows. As `past`, nothing is known from here alone; the end
/// of the next import makes it.
const PACKED: &str = "
CREATE TABLE packed (
  day INTEGER PRIMARY KEY,
  counts BLOB NOT NULL
) STRICT;
";

/// The names of a peer were in five trees, which was a sixth of an import. A peer is found by a number made of its names now
/// (`peer_key`; 0 until an import makes it), and what is asked about one name looks through all peers.
const PEERS_BY_KEY: &str = "
PRAGMA legacy_alter_table = ON;
CREATE TABLE keyed_peer (
  id INTEGER PRIMARY KEY,
  key INTEGER NOT NULL,
  direction TEXT NOT NULL,
  domain TEXT NOT NULL,
  host TEXT NOT NULL,
  address TEXT NOT NULL,
  port INTEGER NOT NULL,
  organisation TEXT NOT NULL
) STRICT;
INSERT INTO keyed_peer (id, key, direction, domain, host, address, port, organisation)
SELECT id, 0, direction, domain, host, address, port, organisation FROM peer;
DROP TABLE peer;
ALTER TABLE keyed_peer RENAME TO peer;
CREATE INDEX peer_by_key ON peer (key);
PRAGMA legacy_alter_table = OFF;
";

/// Before the version that has this step, whoever was named in mail that we refused was counted as if the mail were theirs. Of a day on which nothing
/// was taken in such sessions nobody sent any, and nobody sent more than all that was taken.
const REFUSED_IS_NOT_SENT: &str = "
DELETE FROM correspondent
WHERE peer IN (SELECT id FROM peer WHERE direction = 'inbound')
  AND NOT EXISTS (SELECT 1 FROM daily AS d
    WHERE d.day = correspondent.day AND d.peer = correspondent.peer AND d.outcome = correspondent.outcome
      AND d.service = correspondent.service AND d.messages > 0);
UPDATE correspondent
SET n = (SELECT MIN(correspondent.n, d.messages) FROM daily AS d
  WHERE d.day = correspondent.day AND d.peer = correspondent.peer AND d.outcome = correspondent.outcome
    AND d.service = correspondent.service)
WHERE peer IN (SELECT id FROM peer WHERE direction = 'inbound');
";

const STEPS: &[M<'static>] = &[
    M::up(TABLES),
    M::up(HEALTH),
    M::up(CARRIED),
    M::up(PEOPLE),
    M::up(OUTREACH),
    M::up(PAST),
    M::up(RELAYS_ELSEWHERE),
    M::up(OPEN_SESSIONS),
    M::up(AUDIENCE),
    M::up(PACKED),
    M::up(PEERS_BY_KEY),
    M::up(REFUSED_IS_NOT_SENT),
];

/// Every step so far, oldest first.
pub(super) const MIGRATIONS: Migrations<'static> = Migrations::from_slice(STEPS);

/// The schema version this program writes.
pub(super) const VERSION: i64 = STEPS.len() as i64;

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::Connection;

    #[test]
    fn the_steps_are_valid_sql() {
        assert_eq!(MIGRATIONS.validate(), Ok(()));
    }

    #[test]
    fn each_earlier_version_becomes_the_present_one() {
        let shape = |c: &Connection| -> Vec<String> {
            let mut statement = c
                .prepare("SELECT name || coalesce(sql, '') FROM sqlite_schema ORDER BY name")
                .unwrap();
            let rows = statement.query_map([], |r| r.get(0)).unwrap();
            rows.map(Result::unwrap).collect()
        };
        let mut fresh = Connection::open_in_memory().unwrap();
        MIGRATIONS.to_latest(&mut fresh).unwrap();
        for version in 0..STEPS.len() {
            let mut old = Connection::open_in_memory().unwrap();
            MIGRATIONS.to_version(&mut old, version).unwrap();
            MIGRATIONS.to_latest(&mut old).unwrap();
            assert_eq!(shape(&old), shape(&fresh), "from version {version}");
        }
    }
    #[test]
    fn who_was_named_in_mail_that_was_refused_is_no_correspondent_any_more() {
        let mut old = Connection::open_in_memory().unwrap();
        MIGRATIONS.to_version(&mut old, 11).unwrap();
        // Two clients and one server of theirs; a day each on which 0, 2 and 5 messages were taken, or 3 recipients reached.
        old.execute_batch(
            "PRAGMA foreign_keys = OFF;
             INSERT INTO peer (id, key, direction, domain, host, address, port, organisation) VALUES
               (1, 1, 'inbound', 'a.example', '', '192.0.2.1', 0, 'a.example'), (2, 2, 'outbound', 'a.example', '', '192.0.2.1', 25, 'a.example');
             INSERT INTO daily (day, peer, outcome, service, n, messages, handshakes, first_seen, last_seen) VALUES
               (1, 1, 1, 1, 9, 0, 0, 1, 1), (2, 1, 1, 1, 9, 2, 0, 1, 1), (3, 1, 1, 1, 9, 5, 0, 1, 1), (1, 2, 1, 1, 3, 0, 0, 1, 1);
             INSERT INTO correspondent (day, address, peer, outcome, service, n, first_seen, last_seen) VALUES
               (1, 'forged@a.example', 1, 1, 1, 9, 1, 1), (2, 'ann@a.example', 1, 1, 1, 9, 1, 1), (3, 'ben@a.example', 1, 1, 1, 1, 1, 1),
               (1, 'ann@a.example', 2, 1, 1, 3, 1, 1);",
        )
        .unwrap();
        MIGRATIONS.to_latest(&mut old).unwrap();
        let mut statement = old
            .prepare("SELECT address, day, peer, n FROM correspondent ORDER BY day, peer")
            .unwrap();
        let rows = statement.query_map([], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?)));
        let rows: Vec<(String, i64, i64, i64)> = rows.unwrap().map(Result::unwrap).collect();
        let left = |address: &str, day, peer, n| (address.to_string(), day, peer, n);
        assert_eq!(
            rows,
            [
                left("ann@a.example", 1, 2, 3),
                left("ann@a.example", 2, 1, 2),
                left("ben@a.example", 3, 1, 1),
            ]
        );
    }
}
