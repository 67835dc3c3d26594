//! What a level makes of its answers: `error_page`, `add_header`, `expires`, `server_tokens`. Given the directives of a block, it gives the block's settings.

use super::scope::Scope;
use super::settings::field_name;
use super::tree::Directive;
use super::values;
use crate::failure::Outcome;
use crate::proxy::variables::Template;
use http::HeaderName;
use std::sync::Arc;

/// The settings of one level.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReplySettings {
    pub(crate) error_pages: Arc<[ErrorPage]>,
    pub(crate) added: Arc<[Added]>,
    pub(crate) expires: Option<Expires>,
    /// The server tells its name and no version.
    pub(crate) versionless: bool,
}

/// An `error_page` for one status.
#[derive(Clone, Debug)]
pub(crate) struct ErrorPage {
    pub(crate) status: u16,
    /// The status to answer with instead; 0 for that of whatever answers.
    pub(crate) answer: Option<u16>,
    /// A URI, a named location, or a URL.
    pub(crate) target: Template,
}

/// An `add_header`.
#[derive(Clone, Debug)]
pub(crate) struct Added {
    pub(crate) name: HeaderName,
    pub(crate) value: Template,
    /// To answers of any status.
    pub(crate) always: bool,
}

/// An `expires`.
#[derive(Clone, Debug)]
pub(crate) enum Expires {
    Fixed(Span),
    Variable(Template),
}

/// How long an answer is good; in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    Off,
    Epoch,
    Max,
    /// From now.
    Access(i64),
    /// From the file's last change.
    Modified(i64),
    /// Until this second of a day.
    Daily(i64),
}

impl ReplySettings {
    /// Whether nothing is added to a head.
    pub(crate) fn is_plain(&self) -> bool {
        self.added.is_empty() && self.expires.is_none()
    }

    /// Whether what is added depends on the answer's own fields.
    pub(crate) fn reads_sent_headers(&self) -> bool {
        self.added.iter().any(|added| added.value.reads_sent_headers())
    }

    /// Whether anything here depends on the fields of the upstream's answer.
    pub(crate) fn reads_upstream_headers(&self) -> bool {
        let expires = match &self.expires {
            Some(Expires::Variable(template)) => template.reads_upstream_headers(),
            _ => false,
        };
        expires
            || self.added.iter().any(|added| added.value.reads_upstream_headers())
            || self.error_pages.iter().any(|page| page.target.reads_upstream_headers())
    }

    /// Replaces what `block` says otherwise.
    pub(super) fn apply(&mut self, block: &[Directive], scope: &Scope<'_>) -> Outcome {
        let (mut pages, mut added) = (Vec::new(), Vec::new());
        for directive in block {
            match directive.name.as_str() {
                "error_page" => pages.extend(error_page(directive, scope)?),
                "add_header" => added.push(add_header(directive, scope)?),
                "server_tokens" => self.versionless = versionless(directive)?,
                "expires" => self.expires = Some(expires(directive, scope)?),
                _ => {}
            }
        }
        if !pages.is_empty() {
            self.error_pages = pages.into();
        }
        if !added.is_empty() {
            self.added = added.into();
        }
        Ok(())
    }
}

fn versionless(directive: &Directive) -> Outcome<bool> {
    match directive.arg(0) {
        "off" => Ok(true),
        // There is no build to be told of.
        "on" | "build" => Ok(false),
        other => Err(directive.error(format_args!("invalid value \"{other}\""))),
    }
}

fn error_page(directive: &Directive, scope: &Scope<'_>) -> Outcome<Vec<ErrorPage>> {
    let invalid = |text: &str| directive.error(format_args!("invalid value \"{text}\""));
    let number = |text: &str| values::digits(text).and_then(|n| u16::try_from(n).ok());
    let Some((target, before)) = directive.args.split_last() else { return Ok(Vec::new()) };
    let (codes, answer) = match before.split_last() {
        Some((last, codes)) if last.starts_with('=') => {
            if codes.is_empty() {
                return Err(invalid(last));
            }
            let code = if last == "=" { Some(0) } else { number(&last[1..]) };
            (
                codes,
                Some(
                    code.filter(|&code| code == 0 || (200..=999).contains(&code))
                        .ok_or_else(|| invalid(last))?,
                ),
            )
        }
        _ => (before, None),
    };
    let target = scope.template(directive, target)?;
    let page = |text: &String| {
        let status = number(text).filter(|status| *status != 499).ok_or_else(|| invalid(text))?;
        if !(300..=599).contains(&status) {
            return Err(directive.error(format_args!("value \"{text}\" must be between 300 and 599")));
        }
        // nginx's own statuses, which a client does not know.
        let answer = answer.or((494..=497).contains(&status).then_some(400));
        Ok(ErrorPage { status, answer, target: target.clone() })
    };
    codes.iter().map(page).collect()
}

fn add_header(directive: &Directive, scope: &Scope<'_>) -> Outcome<Added> {
    let always = match directive.args.get(2).map(String::as_str) {
        None => false,
        Some("always") => true,
        Some(other) => return Err(directive.error(format_args!("invalid parameter \"{other}\""))),
    };
    Ok(Added { name: field_name(directive)?, value: scope.template(directive, directive.arg(1))?, always })
}

fn expires(directive: &Directive, scope: &Scope<'_>) -> Outcome<Expires> {
    let invalid = || directive.error("\"expires\" directive invalid value");
    let (modified, text) = match directive.args.as_slice() {
        [word, text] if word == "modified" => (true, text.as_str()),
        [text] => (false, text.as_str()),
        _ => return Err(invalid()),
    };
    if text.starts_with('$') && !modified {
        return scope.template(directive, text).map(Expires::Variable);
    }
    let span =
        Span::parse(text).ok_or_else(|| match text.strip_prefix('@').and_then(values::parse_seconds) {
            Some(_) => directive.error("\"expires\" directive daily time value must be less than 24 hours"),
            None => invalid(),
        })?;
    match (modified, span) {
        (false, span) => Ok(Expires::Fixed(span)),
        (true, Span::Access(seconds)) => Ok(Expires::Fixed(Span::Modified(seconds))),
        (true, Span::Daily(_)) => {
            Err(directive
                .error("\"expires\" directive daily time cannot be used with \"modified\" parameter"))
        }
        (true, _) => Err(invalid()),
    }
}

impl Span {
    /// `off`, `epoch`, `max`, a time that may be negative, or the time of a day after `@`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "off" => return Some(Self::Off),
            "epoch" => return Some(Self::Epoch),
            "max" => return Some(Self::Max),
            _ => {}
        }
        match text.split_at_checked(1)? {
            ("@", time) => values::parse_seconds(time).filter(|second| *second < 86_400).map(Self::Daily),
            ("-", time) => values::parse_seconds(time).map(|seconds| Self::Access(-seconds)),
            ("+", time) => values::parse_seconds(time).map(Self::Access),
            _ => values::parse_seconds(text).map(Self::Access),
        }
    }
}
