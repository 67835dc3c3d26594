//! Why a request gets no page. Each fault says whose it is (the visitor's, ours, the database's) by its status, and
//! in one short sentence that shows nothing of the inside.

use super::unread::Unread;
use super::workers::Full;
use axum::http::StatusCode;
use std::time::Duration;

/// What went wrong with one request.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The request makes no sense; says what would.
    BadRequest(String),
    /// A part of it cannot be read.
    Unread(Unread),
    /// What it names is not there.
    NotFound(&'static str),
    /// It is for people who have signed in, and nobody has.
    SignIn(&'static str),
    /// It is for others than who has signed in.
    Forbidden(&'static str),
    /// It contradicts what is there.
    Conflict(&'static str),
    /// Its form is larger than any form of this shop.
    TooLarge,
    /// Its body is no form.
    NoForm,
    /// Its idempotency key has been used for another purchase.
    KeyTaken(&'static str),
    /// It comes too often, and may come again after so long.
    TooOften(Duration),
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
            Self::BadRequest(_) | Self::Unread(_) => StatusCode::BAD_REQUEST,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::SignIn(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NoForm => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::KeyTaken(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooOften(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Full | Self::NoConnection | Self::Unreachable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Database(_) | Self::Inside => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    pub(crate) fn message(&self) -> &str {
        match self {
            Self::BadRequest(message) => message,
            Self::Unread(unread) => &unread.sentence,
            Self::NotFound(message)
            | Self::SignIn(message)
            | Self::Forbidden(message)
            | Self::Conflict(message)
            | Self::KeyTaken(message) => message,
            Self::TooLarge => "That is more than this form has room for.",
            Self::NoForm => "This was sent in a way that we cannot read. Please use the shop's own form.",
            Self::TooOften(_) => {
                "The name or the password was wrong too often. Please try again in a moment."
            }
            Self::Full => "All our hands are busy. Please try again in a moment.",
            Self::NoConnection => "The shop is too busy. Please try again in a moment.",
            Self::Unreachable => "The shop is closed for a moment. Please try again.",
            Self::Database(_) | Self::Inside => "Something went wrong on our side.",
        }
    }

    /// The field that is wrong, for programs.
    pub(crate) fn field(&self) -> Option<&str> {
        if let Self::Unread(unread) = self { unread.field.as_deref() } else { None }
    }

    /// What is wrong with it, for who writes the program.
    pub(crate) fn detail(&self) -> Option<&str> {
        match self {
            Self::Unread(unread) => Some(&unread.detail),
            Self::NoForm => Some("send a form: application/x-www-form-urlencoded"),
            _ => None,
        }
    }

    /// After how many whole seconds it is worth trying again.
    pub(crate) fn retry_after_s(&self) -> Option<u64> {
        match self {
            Self::TooOften(wait) => Some(wait.as_secs() + u64::from(wait.subsec_nanos() > 0)),
            _ if self.status() == StatusCode::SERVICE_UNAVAILABLE => Some(1),
            _ => None,
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
