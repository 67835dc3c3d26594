//! `map`. Given its block, it gives the table that the variable reads from, or nginx's error.

use super::scope::{Scope, regex};
use super::tree::Directive;
use crate::failure::Outcome;
use crate::proxy::variables::Table;

/// The name, without its dollar, of the variable that `directive` makes.
pub(super) fn name(directive: &Directive) -> Outcome<&str> {
    let text = directive.arg(1);
    let name = text.strip_prefix('$').filter(|name| !name.is_empty());
    name.ok_or_else(|| directive.error(format_args!("invalid variable name \"{text}\"")))
}

/// The table of the `map` that `directive` is.
pub(super) fn table(directive: &Directive, scope: &Scope<'_>) -> Outcome<Table> {
    let mut table = Table::of(scope.template(directive, directive.arg(0))?);
    for parameter in directive.inner() {
        add(parameter, scope, &mut table)?;
    }
    Ok(table)
}

/// Adds what a line of the block says, whose first word stands where the name of a directive would.
fn add(parameter: &Directive, scope: &Scope<'_>, table: &mut Table) -> Outcome {
    if parameter.block.is_some() {
        return Err(parameter.error("unexpected \"{\""));
    }
    let text = parameter.name.as_str();
    match (text, parameter.args.as_slice()) {
        // What is looked up whenever it is read is volatile.
        ("volatile", []) => return Ok(()),
        ("hostnames", []) => return Err(parameter.error("\"hostnames\" in \"map\" is not supported")),
        (_, [_]) => {}
        _ => return Err(parameter.error("invalid number of the map parameters")),
    }
    let value = scope.template(parameter, parameter.arg(0))?;
    if text == "default" {
        if table.default.replace(value).is_some() {
            return Err(parameter.error("duplicate default map parameter"));
        }
        return Ok(());
    }
    if let Some((pattern, caseless)) = regex(text) {
        table.patterns.push((scope.expression(parameter, pattern, caseless)?, value));
        return Ok(());
    }
    // A backslash makes a text of what would mean something.
    let text = text.strip_prefix('\\').unwrap_or(text);
    if table.add(text, value) {
        return Ok(());
    }
    Err(parameter.error(format_args!("conflicting parameter \"{}\"", text.to_ascii_lowercase())))
}
