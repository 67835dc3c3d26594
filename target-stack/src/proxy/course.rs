//! What became of a request on its way to an answer: what rewriting, redirecting and matching have made of it. Given each such step, it
//! keeps what the later ones need. Most requests have none, and pay for none of it.

use super::exchange::Exchange;
use super::fields::Fields;
use super::location::Proxy;
use super::rewrite::{Captured, Settable};
use http::{Method, StatusCode};
use std::io::Write;

/// nginx's `NGX_HTTP_MAX_URI_CHANGES`.
const MOST_CHANGES: u8 = 10;

/// The names in comments are those of nginx's `ngx_http_request_t`.
#[derive(Clone, Debug)]
pub(crate) struct Course {
    /// The arguments, where they are not those that came.
    pub(super) args: Option<Vec<u8>>,
    pub(super) captured: Option<Captured>,
    /// The variables that the configuration makes, as far as they were set.
    pub(super) variables: Vec<Option<Vec<u8>>>,
    changes_left: u8,
    /// It was redirected or rewritten here, and may see `internal` locations.
    pub(super) internal: bool,
    /// The URI is not the one that came: not `valid_unparsed_uri`.
    pub(super) rewritten: bool,
    /// `rewrite ... break` moved it away from its location: not `valid_location`.
    pub(super) displaced: bool,
    /// A `try_files` found the URI below an alias of a regular expression: `add_uri_to_alias`.
    pub(super) found_below_alias: bool,
    /// The status that is sent whatever answers: `err_status`.
    pub(super) status: Option<StatusCode>,
    /// An `error_page` has been asked for: `error_page`.
    pub(super) reported: bool,
    /// Fields that the answer has whatever answers.
    pub(super) fields: Fields,
    /// What a `proxy_pass` with variables came to.
    pub(super) proxy: Option<Proxy>,
}

impl Default for Course {
    fn default() -> Self {
        Self {
            args: None,
            captured: None,
            variables: Vec::new(),
            changes_left: MOST_CHANGES + 1,
            internal: false,
            rewritten: false,
            displaced: false,
            found_below_alias: false,
            status: None,
            reported: false,
            fields: Fields::new(),
            proxy: None,
        }
    }
}

impl Course {
    /// Counts one change of the URI, and gives whether it may be.
    pub(super) fn change(&mut self) -> bool {
        self.changes_left = self.changes_left.saturating_sub(1);
        self.changes_left > 0
    }

    /// Whether the URI has changed too often already.
    pub(super) fn is_spent(&self) -> bool {
        self.changes_left == 0
    }

    pub(super) fn set(&mut self, variable: usize, value: Vec<u8>) {
        if self.variables.len() <= variable {
            self.variables.resize(variable + 1, None);
        }
        self.variables[variable] = Some(value);
    }

    /// Takes what an expression caught, and sets the variables of its named groups.
    pub(super) fn capture(&mut self, captured: Captured) {
        let named: Vec<(usize, Vec<u8>)> =
            captured.variables().map(|(name, value)| (name, value.to_vec())).collect();
        for (variable, value) in named {
            self.set(variable, value);
        }
        self.captured = Some(captured);
    }
}

/// What rewriting and redirecting make of the request.
impl Exchange {
    /// Its course, if it is not straight.
    pub(crate) fn course(&self) -> Option<&Course> {
        self.course.as_deref()
    }

    pub(crate) fn course_mut(&mut self) -> &mut Course {
        self.course.get_or_insert_default()
    }

    /// Sets the current path.
    pub(crate) fn set_uri(&mut self, uri: Vec<u8>) {
        self.uri = Some(uri);
    }

    /// Sets the location, an index of its server's, or none.
    pub(crate) fn set_location(&mut self, location: Option<usize>) {
        self.location = location;
    }

    /// Sets the method, and keeps the request line as it came.
    pub(crate) fn set_method(&mut self, method: Method) {
        if self.line.is_none() {
            let parts = &self.parts;
            let mut line = Vec::new();
            // Writing to a vector cannot fail.
            let _ = write!(line, "{} {} {:?}", parts.method, self.request_uri(), parts.version);
            self.line = Some(line);
        }
        self.parts.method = method;
    }

    /// A `rewrite` that matched; without `args` those that are there stay.
    pub(crate) fn rewrite(&mut self, uri: Vec<u8>, args: Option<Vec<u8>>, displaced: bool) {
        self.set_uri(uri);
        let course = self.course_mut();
        if args.is_some() {
            course.args = args;
        }
        course.internal = true;
        course.rewritten = true;
        course.displaced |= displaced;
    }

    pub(crate) fn set(&mut self, variable: Settable, value: Vec<u8>) {
        let course = self.course_mut();
        match variable {
            Settable::User(index) => course.set(index, value),
            Settable::Args => {
                course.args = Some(value);
                course.rewritten = true;
            }
        }
    }

    /// The value of a variable that the configuration makes, if it was set.
    pub(crate) fn variable(&self, index: usize) -> Option<&[u8]> {
        self.course.as_ref()?.variables.get(index)?.as_deref()
    }

    /// Takes what an expression caught; that one without groups matched only matters where there was one with.
    pub(crate) fn capture(&mut self, captured: Captured) {
        if captured.is_empty() {
            self.forget_groups();
        } else {
            self.course_mut().capture(captured);
        }
    }

    /// The groups of the last expression are no longer told.
    pub(crate) fn forget_groups(&mut self) {
        if let Some(course) = &mut self.course {
            course.captured = None;
        }
    }

    /// What group `number` of the last expression caught.
    pub(crate) fn group(&self, number: usize) -> &[u8] {
        let captured = self.course.as_ref().and_then(|course| course.captured.as_ref());
        captured.map_or(b"", |captured| captured.group(number))
    }

    /// Whether the path came with escapes that its text does not show any more.
    pub(crate) fn came_escaped(&self) -> bool {
        self.parts.uri.path().bytes().any(|byte| matches!(byte, b'%' | b'+'))
    }

    /// Whether the current path has to be escaped when it goes out.
    pub(crate) fn is_escaped(&self) -> bool {
        self.is_internal() || self.parts.uri.path().contains('%')
    }

    /// Whether the URI is not the one that came.
    pub(crate) fn is_rewritten(&self) -> bool {
        self.course.as_ref().is_some_and(|course| course.rewritten)
    }

    /// Whether it is not its location's any more.
    pub(crate) fn is_displaced(&self) -> bool {
        self.course.as_ref().is_some_and(|course| course.displaced)
    }

    /// Whether it may see `internal` locations.
    pub(crate) fn is_internal(&self) -> bool {
        self.course.as_ref().is_some_and(|course| course.internal)
    }

    /// The answer has a status of its own after all.
    pub(crate) fn forget_status(&mut self) {
        if let Some(course) = &mut self.course {
            course.status = None;
        }
    }

    /// The status that is sent, where an answer would be sent with `status`.
    pub(crate) fn status_for(&self, status: StatusCode) -> StatusCode {
        self.course.as_ref().and_then(|course| course.status).unwrap_or(status)
    }
}
