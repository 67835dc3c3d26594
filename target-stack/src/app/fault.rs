//! Why a request gets no page. Each fault says whose it is (the visitor's, ours, the database's) by its status, and
//! in one short sentence that shows nothing of the inside.

use super::workers::Full;
use axum::http::StatusCode;

/// What went wrong with one request.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The request makes no sense; says what would.
    BadRequest(String),
    /// What it names is not there.
    NotFound(&'static str),
    /// It is for people who have signed in, and nobody has.
    SignIn(&'static str),
    /// It is for others than who has signed in.
    Forbidden(&'static str),
    /// It contradicts what is there.
    Conflict(&'static str),
    /// Neither a worker nor a place in the queue was free.
    Full,
    /// No connection to the database became free in time.
    NoConnection,
    /// The database cannot be reached, or went away.
    Unreachable,
    /// The database answered with an error that is not the visitor's.
    Database(mysql_async::Error),
    /// The system does not do what it always does.
    Inside,
}

impl Fault {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::SignIn(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Full | Self::NoConnection | Self::Unreachable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Database(_) | Self::Inside => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    pub(crate) fn message(&self) -> &str {
        match self {
            Self::BadRequest(message) => message,
            Self::NotFound(message)
            | Self::SignIn(message)
            | Self::Forbidden(message)
            | Self::Conflict(message) => message,
            Self::Full => "All our hands are busy. Please try again in a moment.",
            Self::NoConnection => "The shop is too busy. Please try again in a moment.",
            Self::Unreachable => "The shop is closed for a moment. Please try again.",
            Self::Database(_) | Self::Inside => "Something went wrong on our side.",
        }
    }

    /// The number of the server's error, if it is one.
    pub(super) fn server_code(&self) -> Option<u16> {
        if let Self::Database(mysql_async::Error::Server(error)) = self { Some(error.code) } else { None }
    }
}

impl From<mysql_async::Error> for Fault {
    fn from(error: mysql_async::Error) -> Self {
        // ER_CON_COUNT_ERROR and ER_SERVER_SHUTDOWN: the server is there, but not for us.
        let away = match &error {
            mysql_async::Error::Server(server) => matches!(server.code, 1040 | 1053),
            mysql_async::Error::Io(_) | mysql_async::Error::Driver(_) => true,
            _ => false,
        };
        if away { Self::Unreachable } else { Self::Database(error) }
    }
}

impl From<Full> for Fault {
    fn from(_: Full) -> Self {
        Self::Full
    }
}
