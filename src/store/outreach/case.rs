//! What is kept of the outreach: cases, letters, what happened. Many words are stored, and those stand here beside their names.

use crate::outcome::Direction;

/// Where a case stands. The words are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// A letter is drafted.
    Planned,
    /// Not written to on purpose, to compare with those who are.
    Control,
    /// A letter was sent.
    Sent,
    /// It came back for good.
    Bounced,
    /// Somebody answered.
    Answered,
    /// Somebody answered that it is not their server: whoever runs it knows nothing yet.
    NotTheirs,
    /// They have said that they will mend it: it is waited for a while.
    WillFix,
    /// They will not change it.
    Declined,
    /// The operator has said that nothing is to be done.
    Exempt,
    /// All letters were sent and nothing happened.
    GivenUp,
    /// No mail goes to the hosts written about any more: whether they are mended is not known.
    Left,
    /// The log shows TLS since.
    Fixed,
    /// And they were thanked.
    Thanked,
    /// It was fixed, and came back: another case goes on from here.
    Relapsed,
}

/// Each state, its word, and whether the case is still open: whether something is to come.
pub const STATES: &[(State, &str, bool)] = &[
    (State::Planned, "planned", true),
    (State::Control, "control", true),
    (State::Sent, "sent", true),
    (State::Bounced, "bounced", true),
    (State::Answered, "answered", true),
    (State::NotTheirs, "not-theirs", true),
    (State::WillFix, "will-fix", true),
    (State::Declined, "declined", true),
    (State::Exempt, "exempt", true),
    (State::GivenUp, "given-up", true),
    (State::Left, "left", true),
    (State::Fixed, "fixed", false),
    (State::Thanked, "thanked", false),
    (State::Relapsed, "relapsed", false),
];

impl State {
    /// The word stored and shown.
    pub fn name(self) -> &'static str {
        let row = STATES.iter().find(|(state, ..)| *state == self);
        row.map_or("", |(_, name, _)| name)
    }

    /// Reads a word.
    pub fn from_name(name: &str) -> Option<State> {
        let row = STATES.iter().find(|(_, word, _)| *word == name);
        row.map(|(state, ..)| *state)
    }

    /// Whether the fault is there still, as far as known.
    pub fn is_open(self) -> bool {
        STATES
            .iter()
            .any(|(state, _, open)| *state == self && *open)
    }
}

/// Who is to read a letter. The words are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Audience {
    /// Those who run the server.
    #[default]
    Postmaster,
    /// Somebody we exchange mail with there, who can ask them. Each of these letters must be approved by name.
    Correspondents,
}

const AUDIENCES: &[(Audience, &str)] = &[
    (Audience::Postmaster, "postmaster"),
    (Audience::Correspondents, "correspondents"),
];

impl Audience {
    /// The word stored and shown.
    pub fn name(self) -> &'static str {
        let row = AUDIENCES.iter().find(|(audience, _)| *audience == self);
        row.map_or("", |(_, name)| name)
    }

    pub(super) fn from_name(name: &str) -> Audience {
        let row = AUDIENCES.iter().find(|(_, word)| *word == name);
        // What is not known must be approved.
        row.map_or(Audience::Correspondents, |(audience, _)| *audience)
    }
}

/// A domain and the host that takes its mail, or the client that brings it.
pub type PeerNames = (String, String);

/// One organisation and one problem.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// Its number.
    pub id: i64,
    /// Stands in subjects and envelope senders.
    pub token: String,
    /// Which way the mail goes.
    pub direction: Direction,
    /// Who runs the hosts: a registrable domain.
    pub organisation: String,
    /// The word of a problem.
    pub problem: String,
    /// For whom its letters are.
    pub audience: Audience,
    /// Where it stands.
    pub state: State,
    /// Whom we wrote to, or are about to.
    pub address: String,
    /// Messages a day when the case was opened.
    pub daily: f64,
    /// When, in seconds since 1970 UTC.
    pub opened: i64,
    /// When it came into this state.
    pub changed: i64,
    /// What it is about.
    pub peers: Vec<PeerNames>,
    /// All that was planned or sent, oldest first.
    pub notices: Vec<Notice>,
}

impl Case {
    /// Whether a letter of it went out, or may have.
    pub fn was_written(&self) -> bool {
        self.notices.iter().any(|n| n.progress.may_have_left())
    }

    /// Whether it is one more about a matter that an earlier case of `cases` is about: several people of one organisation may be asked,
    /// or somebody else after a letter came back, and it is mended once.
    pub fn repeats(&self, cases: &[Case]) -> bool {
        let is_same = |other: &&Case| {
            (other.direction, &other.organisation, &other.problem)
                == (self.direction, &self.organisation, &self.problem)
        };
        // What was over when this one began is another story.
        let went_on = |other: &Case| other.state.is_open() || other.changed > self.opened;
        let mut others = cases.iter().filter(is_same);
        others.any(|other| other.id < self.id && other.was_written() && went_on(other))
    }
}

/// What becomes of a letter. The words are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It can be read and changed.
    Draft,
    /// It is being handed over. If it stays so, a run died then: whether it went out is not known, and it is never sent again.
    Sending,
    /// Handed over.
    Sent,
    /// Refused for good.
    Refused,
    /// The connection died when it may have been taken.
    Unclear,
}

const PROGRESS: &[(Progress, &str)] = &[
    (Progress::Draft, "draft"),
    (Progress::Sending, "sending"),
    (Progress::Sent, "sent"),
    (Progress::Refused, "refused"),
    (Progress::Unclear, "unclear"),
];

impl Progress {
    /// The word stored and shown.
    pub fn name(self) -> &'static str {
        let row = PROGRESS.iter().find(|(progress, _)| *progress == self);
        row.map_or("", |(_, name)| name)
    }

    pub(super) fn from_name(name: &str) -> Progress {
        let row = PROGRESS.iter().find(|(_, word)| *word == name);
        // What is not known is not sent again.
        row.map_or(Progress::Unclear, |(progress, _)| *progress)
    }

    /// Whether it went out, or may have.
    pub fn may_have_left(self) -> bool {
        matches!(self, Progress::Sending | Progress::Sent | Progress::Unclear)
    }
}

/// One letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Its number.
    pub id: i64,
    /// The case.
    pub case: i64,
    /// The word of its kind.
    pub kind: String,
    /// The plan it belongs to.
    pub plan: String,
    /// What became of it.
    pub progress: Progress,
    /// The recipient.
    pub address: String,
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub body: String,
    /// Its Message-ID, with the angle brackets.
    pub message_id: String,
    /// When it was drafted.
    pub planned: i64,
    /// When it was handed over; 0 if it was not.
    pub sent: i64,
    /// What the mail server said to it.
    pub answer: String,
    /// For whom it is.
    pub audience: Audience,
    /// When it was approved by name; 0 if it was not. Only letters to correspondents need it.
    pub approved: i64,
}

impl Notice {
    /// Whether it is a draft that must be approved first.
    pub fn waits(&self) -> bool {
        self.progress == Progress::Draft
            && self.audience == Audience::Correspondents
            && self.approved == 0
    }
}

/// A case to be opened, or to be brought up to date, with the letter to write.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// Stands for the case, whether it is there already or not.
    pub token: String,
    /// Which way the mail goes.
    pub direction: Direction,
    /// Who runs the hosts.
    pub organisation: String,
    /// The word of a problem.
    pub problem: String,
    /// For whom the letter is.
    pub audience: Audience,
    /// Messages a day.
    pub daily: f64,
    /// What it is about.
    pub peers: Vec<PeerNames>,
    /// What their servers said when they were asked; `None` if they were not.
    pub asked: Option<String>,
    /// The letter; `None` if it is not to be written, for comparison.
    pub letter: Option<DraftLetter>,
}

/// Whether a draft may go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// It may, and is marked as being sent.
    Now,
    /// Somebody there was written to not long ago.
    TooSoon,
    /// It is not wanted, not approved, or not there any more.
    No,
}

/// In the history of a case: its servers were asked, and what they said.
pub const ASKED: &str = "asked";

/// A letter to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DraftLetter {
    /// The word of its kind.
    pub kind: String,
    /// The recipient.
    pub address: String,
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub body: String,
    /// Its Message-ID, with the angle brackets.
    pub message_id: String,
}

/// What something in the history is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The token of the case.
    pub token: String,
    /// When.
    pub at: i64,
    /// A state or a label.
    pub what: String,
    /// Words.
    pub note: String,
}
