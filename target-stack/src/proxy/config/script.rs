//! `rewrite`, `set` and `return`. Given the directives of a block, it gives the script that those of them make, in their order.

use super::scope::Scope;
use super::tree::Directive;
use super::values;
use crate::failure::Outcome;
use crate::proxy::rewrite::{Rewrite, Script, Settable, Step, Then};
use http::StatusCode;
use std::sync::Arc;

/// What a URL to redirect to begins with.
const URLS: [&str; 3] = ["http://", "https://", "$scheme"];

/// The script of `block`, if there is one.
pub(super) fn read(block: &[Directive], scope: &Scope<'_>) -> Outcome<Option<Arc<Script>>> {
    let mut steps = Vec::new();
    for directive in block {
        match directive.name.as_str() {
            "rewrite" => steps.push(Step::Rewrite(rewrite(directive, scope)?)),
            "set" => steps.push(set(directive, scope)?),
            "return" => steps.push(answer(directive, scope)?),
            _ => {}
        }
    }
    Ok((!steps.is_empty()).then(|| Arc::new(Script(steps))))
}

fn rewrite(directive: &Directive, scope: &Scope<'_>) -> Outcome<Rewrite> {
    let expression = scope.expression(directive, directive.arg(0), false)?;
    let replacement = directive.arg(1);
    if replacement.is_empty() {
        return Err(directive.error("empty replacement"));
    }
    let is_url = URLS.iter().any(|start| replacement.starts_with(start));
    let then = match directive.arg(2) {
        "redirect" => Then::Redirect(StatusCode::FOUND),
        "permanent" => Then::Redirect(StatusCode::MOVED_PERMANENTLY),
        "" | "last" | "break" if is_url => Then::Redirect(StatusCode::FOUND),
        "" if directive.args.len() == 2 => Then::GoOn,
        "last" => Then::Last,
        "break" => Then::Break,
        other => return Err(directive.error(format_args!("invalid parameter \"{other}\""))),
    };
    // A question mark at the end drops the arguments that came.
    let (text, keep_args) = match replacement.strip_suffix('?') {
        Some(text) => (text, false),
        None => (replacement, true),
    };
    let (uri, args) = match text.split_once('?') {
        Some((uri, args)) if !matches!(then, Then::Redirect(_)) => (uri, Some(args)),
        _ => (text, None),
    };
    Ok(Rewrite {
        expression,
        uri: scope.template(directive, uri)?,
        args: args.map(|args| scope.template(directive, args)).transpose()?,
        keep_args,
        then,
    })
}

fn set(directive: &Directive, scope: &Scope<'_>) -> Outcome<Step> {
    let text = directive.arg(0);
    let name = text.strip_prefix('$').filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| directive.error(format_args!("invalid variable name \"{text}\"")))?;
    let variable = match name {
        "args" => Settable::Args,
        name => Settable::User(scope.settable(directive, name)?),
    };
    Ok(Step::Set { variable, value: scope.template(directive, directive.arg(1))? })
}

fn answer(directive: &Directive, scope: &Scope<'_>) -> Outcome<Step> {
    let first = directive.arg(0);
    if directive.args.len() == 1 && URLS.iter().any(|start| first.starts_with(start)) {
        return Ok(Step::Return { status: 302, text: Some(scope.template(directive, first)?) });
    }
    // nginx takes any number up to 999, and sends those below 200 as if they were answers.
    let status = values::digits(first)
        .and_then(|code| u16::try_from(code).ok())
        .filter(|code| (200..=999).contains(code))
        .ok_or_else(|| directive.error(format_args!("invalid return code \"{first}\"")))?;
    // An empty text is none.
    let text = directive
        .args
        .get(1)
        .filter(|text| !text.is_empty())
        .map(|text| scope.template(directive, text))
        .transpose()?;
    Ok(Step::Return { status, text })
}
