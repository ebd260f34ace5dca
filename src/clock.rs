//! The one door to the time of day and the local time zone.
//!
//! `TLSNAG_NOW` (RFC 3339) replaces the present, so that tests and a reader of yesterday's archive can fix it.

use anyhow::Context;
use chrono::{DateTime, Utc};

#[expect(
    clippy::disallowed_methods,
    reason = "this is the door through which the present comes in"
)]
/// The present, in seconds since 1970 UTC. Fails only if `TLSNAG_NOW` is set to something that is no time.
pub fn now() -> anyhow::Result<i64> {
    match std::env::var("TLSNAG_NOW") {
        Ok(text) => {
            let fixed = DateTime::parse_from_rfc3339(&text).with_context(|| {
                format!("TLSNAG_NOW: expected a time such as 2026-11-22T07:00:00Z, found `{text}`")
            })?;
            Ok(fixed.timestamp())
        }
        Err(_) => Ok(Utc::now().timestamp()),
    }
}
