//! Why nothing can be said of anybody: no mail young enough, a log that does not tell, or one relay before all.

use crate::outcome::Direction;
use crate::store::{Result, Store};

use super::super::limits::find_limits;
use super::super::services::{Service, find_services};
use super::super::{Scope, ask_one_way};
use super::Rules;

/// Why nothing can be said of anybody.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// The logs of this server hold no mail young enough; the day of its latest mail, if there is any.
    NothingRecent(Option<i32>),
    /// No service is known to log TLS.
    Blind(Vec<Service>),
    /// TLS is logged, and there was none: rather our own doing than everybody's.
    NoTls,
    /// One relay takes nearly all mail: the domains behind it are not in the log.
    SmartHost(String),
}

/// The services of this server with recent mail in this direction.
pub(super) fn own_services(
    store: &Store,
    rules: &Rules,
    direction: Direction,
) -> Result<Vec<Service>> {
    let mut services = find_services(store, &rules.recent())?;
    services.retain(|s| s.direction == direction && rules.server.wrote(&s.tag) && s.total() > 0);
    Ok(services)
}

pub(super) fn find_refusal(
    store: &Store,
    rules: &Rules,
    services: &[Service],
) -> Result<Option<Refusal>> {
    if services.is_empty() {
        return nothing_recent(store, rules, Direction::Outbound).map(Some);
    }
    if services.iter().all(|s| s.encrypted == 0) {
        return Ok(Some(match services.iter().any(|s| s.logs) {
            true => Refusal::NoTls,
            false => Refusal::Blind(services.to_vec()),
        }));
    }
    Ok(find_limits(store, &rules.recent())?
        .smart_host
        .map(Refusal::SmartHost))
}

const LATEST: &str = "SELECT service_tag, MAX(day)
  FROM totals
  WHERE day >= ?1 AND day <= ?2 AND (direction = ?3 OR direction = ?4) AND (delivery = 'sent' OR messages > 0)
  GROUP BY service_tag
  ORDER BY service_tag";

pub(super) fn nothing_recent(
    store: &Store,
    rules: &Rules,
    direction: Direction,
) -> Result<Refusal> {
    let rows = ask_one_way(store, LATEST, &Scope::ALL, direction, |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, i32>(1)?))
    })?;
    let own = rows.into_iter().filter(|(tag, _)| rules.server.wrote(tag));
    Ok(Refusal::NothingRecent(own.map(|(_, day)| day).max()))
}
