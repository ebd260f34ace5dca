//! Why somebody is not written to: each reason, its word for programs, and what it means. When it holds, `plan` and `people` decide.

/// Why somebody is not written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// All mail goes through one relay: the log says nothing of who takes it.
    SmartHost,
    /// Too many share the same fault.
    LooksLocal,
    /// One of our own domains.
    Own,
    /// A provider too large for letters.
    Giant,
    /// Not a public name.
    NoName,
    /// At an address of a private network.
    Private,
    /// The lines that prove it are not kept.
    NoProof,
    /// Does not want it.
    Suppressed,
    /// The operator, or an answer, has ended it.
    Closed,
    /// All letters were sent.
    GivenUp,
    /// Left alone for comparison.
    Control,
    /// Written to not long ago, or nothing new since.
    TooRecent,
    /// TLS was seen since, or what denies the accusation.
    TlsSeen,
    /// Too little mail.
    TooFew,
    /// On too few days.
    TooFewDays,
    /// Nobody here writes to them.
    OneWay,
    /// The fault is ours.
    Ours,
    /// Whose fault it is cannot be told.
    Undecided,
    /// The log does not tell.
    Unknown,
    /// No address to write to.
    NoContact,
    /// Nothing went in clear: nothing that people need to be asked for.
    NotInClear,
    /// Nobody there is a correspondent.
    NoCorrespondent,
    /// As many people there are written to as may be.
    EnoughPeople,
    /// The plan has as many letters as it may have.
    PlanFull,
    /// A look at their server today says otherwise.
    Contradicted,
    /// Their server could not be looked at today.
    NotProbed,
}

/// Each reason, its word, and what it means.
const REASONS: &[(Reason, &str, &str)] = &[
    (
        Reason::SmartHost,
        "smart-host",
        "all our mail goes through one relay, so the log says nothing of the hosts behind it",
    ),
    (
        Reason::LooksLocal,
        "looks-local",
        "it befell so many, or so many at once, that the fault is rather ours",
    ),
    (Reason::Own, "own", "one of our own"),
    (
        Reason::Giant,
        "giant",
        "a provider so large that a letter to its postmaster reaches nobody",
    ),
    (
        Reason::NoName,
        "no-name",
        "not a public host or domain name",
    ),
    (
        Reason::Private,
        "private",
        "at an address of a private network, where nobody else's server is",
    ),
    (
        Reason::NoProof,
        "no-proof",
        "the log lines that would prove it are not kept (any more)",
    ),
    (
        Reason::Suppressed,
        "suppressed",
        "does not want to be written to",
    ),
    (
        Reason::Closed,
        "closed",
        "the case was ended by an answer or by hand",
    ),
    (
        Reason::GivenUp,
        "given-up",
        "the last letter changed nothing",
    ),
    (Reason::Control, "control", "left alone for comparison"),
    (
        Reason::TooRecent,
        "too-recent",
        "was written to lately, or nothing has happened since",
    ),
    (
        Reason::TlsSeen,
        "tls-seen",
        "has done TLS since, or something else that it would be told it does not",
    ),
    (Reason::TooFew, "too-few", "too little mail to speak of"),
    (
        Reason::TooFewDays,
        "too-few-days",
        "on too few days to be sure",
    ),
    (
        Reason::OneWay,
        "one-way",
        "sends to us in clear, but nobody here writes to them",
    ),
    (Reason::Ours, "ours", "the fault is ours"),
    (
        Reason::Undecided,
        "undecided",
        "the log does not say whose fault it is",
    ),
    (
        Reason::Unknown,
        "unknown",
        "the log does not tell how the mail went",
    ),
    (
        Reason::NoContact,
        "no-contact",
        "no address to write to; set one with: tlsnag campaign contact NAME ADDRESS",
    ),
    (
        Reason::NotInClear,
        "not-in-clear",
        "no mail of ours to them went in clear: that is for their postmaster",
    ),
    (
        Reason::NoCorrespondent,
        "no-correspondent",
        "nobody there whom our users wrote to often enough, and who writes to us",
    ),
    (
        Reason::EnoughPeople,
        "enough-people",
        "as many people there are written to as may be",
    ),
    (
        Reason::PlanFull,
        "plan-full",
        "the plan has as many letters as it may have (setting per_plan); others come first, having more mail",
    ),
    (
        Reason::Contradicted,
        "contradicted",
        "their server, asked today, does TLS",
    ),
    (
        Reason::NotProbed,
        "not-probed",
        "their server could not be asked today, so it is not accused",
    ),
];

impl Reason {
    /// The word for programs.
    pub fn name(self) -> &'static str {
        REASONS.iter().find(|r| r.0 == self).map_or("", |r| r.1)
    }

    /// What it means.
    pub fn words(self) -> &'static str {
        REASONS.iter().find(|r| r.0 == self).map_or("", |r| r.2)
    }
}
