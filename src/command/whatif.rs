//! `tlsnag whatif`: whom we would lose if we required TLS, and how to set it.

use clap::{Args, ValueEnum};
use maillog::Protocol;

use crate::query::whatif::{CipherClass, Question, Requirement};
use crate::report;
use crate::store::Store;

use super::period::PeriodArgs;
use super::report::PrintArgs;
use super::{Environment, Status};

/// Arguments of `whatif`.
#[derive(Debug, Args)]
pub struct WhatifArgs {
    /// What would be required
    #[arg(long, value_enum, default_value = "tls")]
    pub require: RequireArg,
    /// Ciphers that would no longer be accepted: several with commas between, or given more than once
    #[arg(long, value_enum, value_delimiter = ',', value_name = "CIPHER-CLASS")]
    pub deny: Vec<DenyArg>,
    /// Which span of time and direction.
    #[command(flatten)]
    pub period: PeriodArgs,
    /// How to print it.
    #[command(flatten)]
    pub print: PrintArgs,
}

/// What would be required.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RequireArg {
    /// Any TLS
    Tls,
    /// TLS 1.2 or newer
    #[value(name = "tls1.2")]
    Tls12,
    /// TLS 1.3
    #[value(name = "tls1.3")]
    Tls13,
    /// A certificate from a known authority, in Postfix with the right name (sent mail only)
    Verified,
    /// DANE (sent mail only)
    Dane,
}

/// Ciphers that would no longer be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DenyArg {
    /// Without a certificate
    Anon,
    /// 3DES
    #[value(name = "3des")]
    TripleDes,
    /// RC4
    Rc4,
    /// CBC mode
    Cbc,
    /// Diffie-Hellman without elliptic curves of less than 2048 bits, or of a size that is not logged
    Dhe,
}

impl WhatifArgs {
    fn question(&self) -> Question {
        let deny = self.deny.iter().map(|class| match class {
            DenyArg::Anon => CipherClass::Anonymous,
            DenyArg::TripleDes => CipherClass::TripleDes,
            DenyArg::Rc4 => CipherClass::Rc4,
            DenyArg::Cbc => CipherClass::Cbc,
            DenyArg::Dhe => CipherClass::Dhe,
        });
        Question {
            require: match self.require {
                RequireArg::Tls => Requirement::Tls,
                RequireArg::Tls12 => Requirement::Version(Protocol::Tls12),
                RequireArg::Tls13 => Requirement::Version(Protocol::Tls13),
                RequireArg::Verified => Requirement::Verified,
                RequireArg::Dane => Requirement::Dane,
            },
            deny: deny.collect(),
        }
    }
}

/// Runs the command.
pub(super) fn run(args: &WhatifArgs, environment: &Environment) -> anyhow::Result<Status> {
    let store = Store::open_existing(&environment.store)?;
    let newest = super::report::newest_day(&store)?;
    let scope = args.period.scope(environment.now, newest)?;
    let table = report::whatif::build(&store, &scope, &args.question())?;
    super::report::write(&table, "whatif", &scope, &args.print, environment)
}
