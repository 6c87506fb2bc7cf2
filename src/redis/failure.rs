//! What went wrong with Redis, in one of a few kinds.

use std::{fmt, time::Duration};

use redis::{ErrorKind, RedisError, ServerError};

/// What kind of failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// No connection, or it broke.
    Unreachable,
    /// No answer within the time.
    TimedOut,
    /// Wrong user or password, or none where one is needed.
    LoginRefused,
    /// Logged in, but not allowed to do that.
    NotAllowed,
    /// It answers, but cannot serve now: it loads its data, or its cluster is incomplete.
    NotReady,
    /// A replica, which takes no writes.
    ReadOnly,
    /// It takes no writes before memory is freed.
    OutOfMemory,
    /// It does not know the script (any more); send it.
    ScriptMissing,
    /// It does not know a command that we need.
    TooOld,
    /// Anything else.
    Other,
}

impl FailureKind {
    /// What has happened, in plain words that follow the server's name.
    pub fn words(self) -> &'static str {
        match self {
            FailureKind::Unreachable => "cannot be reached",
            FailureKind::TimedOut => "did not answer in time",
            FailureKind::LoginRefused => "refused the login",
            FailureKind::NotAllowed => "does not allow this user a command or key that we need",
            FailureKind::NotReady => "is not ready",
            FailureKind::ReadOnly => "is a read-only replica",
            FailureKind::OutOfMemory => "is out of memory",
            FailureKind::ScriptMissing => "does not know the script",
            FailureKind::TooOld => "lacks a command that we need (Redis 6 or later has it)",
            FailureKind::Other => "answered with an error",
        }
    }
}

/// Why a command has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    kind: FailureKind,
    server: String,
    detail: String,
    may_have_run: bool,
}

impl Failure {
    /// A failure before anything was sent.
    pub(super) fn unsent(
        kind: FailureKind,
        server: impl Into<String>,
        detail: impl Into<String>,
    ) -> Self {
        Failure {
            kind,
            server: server.into(),
            detail: detail.into(),
            may_have_run: false,
        }
    }

    /// No answer within `limit` to a command that was sent.
    pub(super) fn no_answer(server: &str, limit: Duration) -> Self {
        Failure {
            kind: FailureKind::TimedOut,
            server: server.to_owned(),
            detail: within(limit),
            may_have_run: true,
        }
    }

    /// The same, where it was met on the way to sending.
    pub(super) fn before_sending(self) -> Self {
        Failure {
            may_have_run: false,
            ..self
        }
    }

    /// The connection broke under a command; there is no telling whether it had arrived.
    pub(super) fn broken(server: &str, error: &RedisError) -> Self {
        Failure {
            kind: FailureKind::Unreachable,
            server: server.to_owned(),
            detail: format!("the connection broke: {}", cause(error)),
            may_have_run: true,
        }
    }

    /// Why a connection could not be opened.
    pub(super) fn of_login(server: &str, error: &RedisError) -> Self {
        let kind = match error.kind() {
            ErrorKind::AuthenticationFailed => FailureKind::LoginRefused,
            ErrorKind::Io => FailureKind::Unreachable,
            _ => kind_of(
                error.code().unwrap_or_default(),
                error.detail().unwrap_or_default(),
            ),
        };
        let detail = match (kind, error.detail()) {
            (FailureKind::LoginRefused, None) => "wrong user name or password".to_owned(),
            (_, Some(detail)) => shown(detail),
            (_, None) => cause(error),
        };
        Failure::unsent(kind, server, detail)
    }

    /// What an error answer says. What Redis turned away has not run; but a script can fail half-way, at a command that is
    /// unknown, forbidden or wrong.
    pub(super) fn of_answer(server: &str, error: &ServerError) -> Self {
        let kind = kind_of(error.code(), error.details().unwrap_or_default());
        let detail = match error.details() {
            Some(detail) => format!("{} {}", error.code(), shown(detail)),
            None => error.code().to_owned(),
        };
        Failure {
            may_have_run: matches!(
                kind,
                FailureKind::Other | FailureKind::NotAllowed | FailureKind::TooOld
            ),
            ..Failure::unsent(kind, server, detail)
        }
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> FailureKind {
        self.kind
    }

    /// Whether Redis may have done what it was asked for. If not, the command can be sent again.
    pub fn may_have_run(&self) -> bool {
        self.may_have_run
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.server, self.kind.words(), self.detail)
    }
}

impl std::error::Error for Failure {}

/// `within 500 ms`.
pub(super) fn within(limit: Duration) -> String {
    format!("within {} ms", limit.as_millis())
}

/// The kind of an error answer, by its code and, where Redis has only one code for much, by its text.
fn kind_of(code: &str, detail: &str) -> FailureKind {
    match code {
        "NOAUTH" | "WRONGPASS" => FailureKind::LoginRefused,
        "NOPERM" => FailureKind::NotAllowed,
        "LOADING" | "BUSY" | "CLUSTERDOWN" | "MASTERDOWN" | "TRYAGAIN" | "MOVED" | "ASK" => {
            FailureKind::NotReady
        }
        // A master that has lost its replicas, or that cannot write to its disk, takes no writes either.
        "NOREPLICAS" | "MISCONF" => FailureKind::NotReady,
        "READONLY" => FailureKind::ReadOnly,
        "OOM" => FailureKind::OutOfMemory,
        "NOSCRIPT" => FailureKind::ScriptMissing,
        _ => kind_of_text(detail),
    }
}

/// The kind by the text: Redis before 7 wraps the errors of a script's commands into its own.
fn kind_of_text(detail: &str) -> FailureKind {
    const SIGNS: [(&str, FailureKind); 8] = [
        ("unknown command", FailureKind::TooOld),
        ("Unknown Redis command", FailureKind::TooOld),
        ("max number of clients", FailureKind::NotReady),
        ("-OOM ", FailureKind::OutOfMemory),
        ("-READONLY ", FailureKind::ReadOnly),
        ("-NOPERM ", FailureKind::NotAllowed),
        ("user executing the script can't", FailureKind::NotAllowed),
        ("without any password configured", FailureKind::LoginRefused),
    ];
    SIGNS
        .iter()
        .find(|(sign, _)| detail.contains(sign))
        .map_or(FailureKind::Other, |(_, kind)| *kind)
}

/// An error of the socket in its own words; others can repeat what was sent.
fn cause(error: &RedisError) -> String {
    if error.is_io_error() {
        error.to_string()
    } else {
        error.category().to_owned()
    }
}

/// The server's text without what it repeats of the command: on a server without users that is the password.
fn shown(detail: &str) -> String {
    let end = detail
        .find(", with args beginning with")
        .unwrap_or(detail.len());
    detail[..end].chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_answer_has_its_kind() {
        use FailureKind::*;
        for (code, detail, kind) in [
            ("NOAUTH", "Authentication required.", LoginRefused),
            ("WRONGPASS", "invalid username-password pair", LoginRefused),
            (
                "ERR",
                "AUTH <password> called without any password configured",
                LoginRefused,
            ),
            (
                "NOPERM",
                "this user has no permissions to run 'eval'",
                NotAllowed,
            ),
            (
                "LOADING",
                "Redis is loading the dataset in memory",
                NotReady,
            ),
            ("CLUSTERDOWN", "Hash slot not served", NotReady),
            ("ERR", "max number of clients reached", NotReady),
            (
                "READONLY",
                "You can't write against a read only replica.",
                ReadOnly,
            ),
            (
                "ERR",
                "Error running script: @user_script:1: -READONLY You can't write",
                ReadOnly,
            ),
            (
                "OOM",
                "command not allowed when used memory > 'maxmemory'.",
                OutOfMemory,
            ),
            (
                "ERR",
                "Error running script: @user_script:1: -OOM command not allowed",
                OutOfMemory,
            ),
            ("NOSCRIPT", "No matching script.", ScriptMissing),
            ("ERR", "unknown command 'HELLO'", TooOld),
            ("ERR", "Unknown Redis command called from script", TooOld),
            (
                "WRONGTYPE",
                "Operation against a key holding the wrong kind of value",
                Other,
            ),
        ] {
            assert_eq!(kind_of(code, detail), kind, "{code} {detail}");
        }
    }

    #[test]
    fn what_a_server_repeats_of_a_command_is_not_shown() {
        let detail = "unknown command 'AUTH', with args beginning with: 'user' 'hidden'";
        assert_eq!(shown(detail), "unknown command 'AUTH'");
    }
}
