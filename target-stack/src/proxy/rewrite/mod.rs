//! `rewrite`, `set` and `return`. Given a request, a script changes its URI and its variables as nginx's would, and says what is to
//! come: go on, choose a location again, or answer. It answers nothing itself.

mod dialect;
mod expression;

pub(crate) use expression::{Captured, Expression, group_names};

use super::exchange::Exchange;
use super::location::unescape_redirect;
use super::variables::Template;
use http::StatusCode;

/// The directives of one block, in their order.
#[derive(Debug, Default)]
pub(crate) struct Script(pub(crate) Vec<Step>);

/// One directive.
#[derive(Debug)]
pub(crate) enum Step {
    Rewrite(Rewrite),
    Set { variable: Settable, value: Template },
    Return { status: u16, text: Option<Template> },
}

/// A variable that may be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settable {
    Args,
    /// An index of the variables that the configuration makes.
    User(usize),
}

/// A `rewrite`.
#[derive(Debug)]
pub(crate) struct Rewrite {
    pub(crate) expression: Expression,
    pub(crate) uri: Template,
    /// The arguments of the replacement, where it has some.
    pub(crate) args: Option<Template>,
    /// Those of the request are appended.
    pub(crate) keep_args: bool,
    pub(crate) then: Then,
}

/// What a `rewrite` that matched does beside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// The next directive comes.
    GoOn,
    /// A location is chosen again.
    Last,
    /// The location stays.
    Break,
    Redirect(StatusCode),
}

/// What a script came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Its end; and whether a location has to be chosen again.
    End {
        changed: bool,
    },
    /// A `return`.
    Return {
        status: u16,
        text: Option<Vec<u8>>,
    },
    Redirect {
        status: StatusCode,
        target: Vec<u8>,
    },
    /// A replacement that left nothing.
    EmptyUri,
}

impl Script {
    /// Runs it for `exchange`'s request.
    pub(crate) fn run(&self, exchange: &mut Exchange) -> Outcome {
        let mut changed = false;
        // Until the first `rewrite` that matches, a value that is set has its groups escaped: a trait of nginx's.
        let mut escaped = true;
        for step in &self.0 {
            match step {
                Step::Set { variable, value } => {
                    let value = if escaped { value.render_escaped(exchange) } else { value.render(exchange) };
                    exchange.set(*variable, value);
                }
                Step::Return { status, text } => {
                    let text = text.as_ref().map(|text| text.render(exchange));
                    return Outcome::Return { status: *status, text };
                }
                Step::Rewrite(rewrite) => {
                    let Some(captured) = rewrite.expression.matches(exchange.uri()) else {
                        exchange.forget_groups();
                        continue;
                    };
                    exchange.capture(captured);
                    escaped = false;
                    if let Then::Redirect(status) = rewrite.then {
                        return Outcome::Redirect { status, target: rewrite.redirect(exchange) };
                    }
                    let (uri, args) = rewrite.replacement(exchange);
                    if uri.is_empty() {
                        return Outcome::EmptyUri;
                    }
                    exchange.rewrite(uri, args, rewrite.then == Then::Break);
                    changed = rewrite.then != Then::Break;
                    if rewrite.then != Then::GoOn {
                        return Outcome::End { changed };
                    }
                }
            }
        }
        Outcome::End { changed }
    }
}

impl Rewrite {
    /// The new URI, and the new arguments where they change.
    fn replacement(&self, exchange: &Exchange) -> (Vec<u8>, Option<Vec<u8>>) {
        let uri = self.uri.render(exchange);
        let args = match &self.args {
            Some(args) => {
                let mut args = args.render_escaped(exchange);
                self.append_args(exchange, b'&', &mut args);
                Some(args)
            }
            None => (!self.keep_args).then(Vec::new),
        };
        (uri, args)
    }

    fn redirect(&self, exchange: &Exchange) -> Vec<u8> {
        let mut target = unescape_redirect(&self.uri.render_escaped(exchange));
        let joint = if self.uri.has_question_mark() { b'&' } else { b'?' };
        self.append_args(exchange, joint, &mut target);
        target
    }

    fn append_args(&self, exchange: &Exchange, joint: u8, out: &mut Vec<u8>) {
        if self.keep_args && !exchange.args().is_empty() {
            out.push(joint);
            out.extend_from_slice(exchange.args());
        }
    }
}
