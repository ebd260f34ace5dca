//! What one group of equal outcomes says about TLS with a peer, and what the groups of a day say together.

use std::collections::BTreeMap;

use crate::outcome::Class;

use super::super::tally::Group;

/// Ciphers below so many bits are refused where TLS is required (Sendmail `ENCR:112`; Postfix `medium`).
const LEAST_BITS: u64 = 112;

/// What one group of equal outcomes says about TLS with a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// It worked.
    Works,
    /// It worked, and more was required of it.
    Verified,
    /// It did not satisfy a policy that requires more than TLS.
    Unfit,
    /// Mail went in clear, or did not go because TLS was not to be had.
    Clear,
    /// TLS was tried and broke.
    Breaks,
    /// Something else spoke against it.
    Against,
    /// Mail of which the log cannot tell, or our own fault.
    Unclear,
    /// Nothing about TLS.
    Nothing,
}

/// Failures of a mail server that offers no TLS that works, whatever is required of it.
const NOT_TO_BE_HAD: &[Class] = &[Class::TlsRequiredNotOffered, Class::StarttlsRefused];
/// Failures that only those can have of whom more than TLS is required.
const UNFIT: &[Class] = &[
    Class::CertVerifyFailed,
    Class::DaneTlsaLookupError,
    Class::StsMxMismatch,
];
/// Failures of TLS itself.
pub(super) const BREAKS: &[Class] = &[
    Class::HandshakeFailed,
    Class::StarttlsLostConnection,
    Class::PostHandshakeFailure,
];

pub(super) fn outbound_sign(group: &Group, bits: u64, verification: &str) -> Sign {
    let ours = group.fault == "us";
    match (group.is_sent(), group.tls) {
        (true, "encrypted") if bits > 0 && bits < LEAST_BITS => Sign::Against,
        (true, "encrypted") if verification == "verified" => Sign::Verified,
        (true, "encrypted") => Sign::Works,
        (true, "plaintext") if !ours => Sign::Clear,
        (true, _) => Sign::Unclear,
        _ if !group.is_tls_failure() => Sign::Nothing,
        _ if ours => Sign::Unclear,
        _ if NOT_TO_BE_HAD.contains(&group.class) => Sign::Clear,
        _ if BREAKS.contains(&group.class) => Sign::Breaks,
        _ if UNFIT.contains(&group.class) => Sign::Unfit,
        _ => Sign::Against,
    }
}

pub(super) fn inbound_sign(group: &Group) -> Sign {
    match group.tls {
        _ if group.class == Class::InHandshakeFailed && group.fault != "us" => Sign::Breaks,
        "encrypted" if group.class != Class::InProbe => Sign::Works,
        "plaintext" | "unknown" if group.messages > 0 => Sign::Clear,
        _ => Sign::Nothing,
    }
}

/// What was seen of a peer on one day.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) works: u64,
    /// Mail and failed attempts that show that more than TLS is required.
    pub(super) more: u64,
    pub(super) clear: u64,
    pub(super) breaks: u64,
    pub(super) unclear: u64,
    pub(super) against: Vec<Group>,
}

impl Seen {
    pub(super) fn add(&mut self, sign: Sign, group: Group) {
        let n = group.n.max(group.messages);
        match sign {
            Sign::Works => self.works += n,
            Sign::Verified => {
                self.works += n;
                self.more += n;
            }
            Sign::Unfit => self.more += n,
            Sign::Clear => self.clear += n,
            Sign::Breaks => self.breaks += n,
            Sign::Unclear => self.unclear += n,
            Sign::Against | Sign::Nothing => {}
        }
        if matches!(
            sign,
            Sign::Clear | Sign::Breaks | Sign::Against | Sign::Unfit
        ) {
            self.against.push(group);
        }
    }

    pub(super) fn is_clean(&self) -> bool {
        self.works > 0 && self.unclear == 0 && self.against.is_empty()
    }
}

pub(super) type Days = BTreeMap<i32, Seen>;
