//! How a step can fail, and what can follow.

/// What is known about a call that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Nothing happened; the same call may succeed later (a broker is down, a time-out before sending).
    Retriable,
    /// The open transaction is lost and the session is sound. What was not committed never will be.
    Aborted,
    /// Another owner has taken over (`ProducerFenced`, an unknown member, a directory taken away). The
    /// session is dead; nothing that it had not committed will be.
    Fenced,
    /// The call may or may not have happened (a commit whose answer never came). Ask the log, never assume:
    /// open a new session and read the committed positions.
    Unknown,
    /// The caller's fault: a topic that is not there, a wrong setting, a directory in use.
    User,
    /// The log itself is broken: corruption, a full disk, a library failure.
    Fatal,
}

/// What follows from a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// Do the same again, in the same session: nothing happened.
    Again,
    /// Drop everything uncommitted and begin again at once, with a new session, from what the log says is
    /// committed. Part of the protocol: another worker took over, or a transaction was lost.
    Rejoin,
    /// As [`Self::Rejoin`], after a wait that grows: something outside does not work.
    Restart,
    /// Nothing but a person can help. The pipeline fails, and what it had not committed is dropped.
    Stop,
}
