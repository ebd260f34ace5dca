//! The outreach: who is written to about TLS that does not work, and why; who is not, and why not; what the letters say; whether it
//! helped.
//!
//! | file | does |
//! |---|---|
//! | `problem` | the reasons to write, and what leads to each |
//! | `reason` | why somebody is not written to, in words |
//! | `never` | who is never written to |
//! | `mirror` | whether it is rather our own doing |
//! | `peers` | what is to be said for and against each organisation, from what was seen |
//! | `contact` | whom to write to |
//! | `people` | who of the people we exchange mail with is written to, in place of the postmaster |
//! | `optout` | whom a "stop" silences |
//! | `token` | the number of a case, which only we can tell |
//! | `desk` | decides about one organisation, from all of that |
//! | `turn` | which letter comes next, and when |
//! | `plan` | decides about all, each once |
//! | `letter` | the words, from templates |
//! | `answers` | what to say to objections |
//! | `redact` | makes log lines fit to be shown to strangers |
//! | `mended` | whether it works by now, where, and for whom |
//! | `follow` | what becomes of a case by the log: fixed, left, back, given up |
//! | `score` | what came of it, in figures |
//!
//! It sends nothing: drafts go into the store, and `command` hands them to `mail`, one by one, each after the store has let it go.
//! The rules are listed, each with its test, in `docs/outreach.md`.

pub mod answers;
pub mod contact;
mod desk;
pub mod follow;
pub mod letter;
pub mod mended;
mod mirror;
pub mod never;
pub mod optout;
mod peers;
mod people;
pub mod plan;
pub mod problem;
pub mod reason;
mod redact;
pub mod score;
mod token;
mod turn;

pub use peers::Charge;
pub use plan::{Asked, Plan, Planned, Rules, Skipped, Standing, plan};
pub use problem::{Kind, Problem};
pub use redact::visible;

/// A number for a text, the same on every machine and in every version (FNV-1a): for plans and the choice of who is left
/// for comparison. Nothing secret rests on it.
fn number_of(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| {
        (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3)
    })
}
