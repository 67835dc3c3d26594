//! Locations. Given the block of a server or of a location, it adds the locations in it to the server, those inside of others first, and
//! gives the level that they make.

use super::rules::{self, Context};
use super::scope::Scope;
use super::settings::Settings;
use super::tree::Directive;
use super::{Server, Upstream, pass, script, values};
use crate::failure::{Failure, Outcome};
use crate::proxy::location::{Candidate, Handler, Last, Level, Location, Pattern, TryFiles};
use std::sync::Arc;

/// The location around a block, if there is one, and what the block inherits.
type Around<'a> = (Option<&'a Pattern>, &'a Settings);

/// Adds the locations of `block` to `server`.
pub(super) fn level(
    block: &[Directive],
    around: Around<'_>,
    scope: &mut Scope<'_>,
    server: &mut Server,
    upstreams: &mut Vec<Upstream>,
) -> Outcome<Level> {
    let mut entries: Vec<(usize, Pattern)> = Vec::new();
    for directive in block.iter().filter(|inner| inner.name == "location") {
        let pattern = pattern(directive, scope)?;
        if let Some(outer) = around.0 {
            check_inside(directive, &pattern, outer)?;
        }
        if entries.iter().any(|(_, known)| known.is_like(&pattern)) {
            return Err(directive.error(format_args!("duplicate location \"{}\"", pattern.text())));
        }
        let location = location(directive, pattern.clone(), around.1, scope, server, upstreams)?;
        let index = server.locations.len();
        if let Pattern::Named(name) = &pattern {
            server.named.push((name.clone(), index));
        }
        server.locations.push(location);
        entries.push((index, pattern));
    }
    let passes_on = |index: usize| {
        let location: &Location = &server.locations[index];
        matches!(location.handler, Handler::Proxy(_) | Handler::ProxyTo(_))
    };
    Ok(Level::new(&entries, passes_on))
}

fn location(
    directive: &Directive,
    pattern: Pattern,
    outer: &Settings,
    scope: &mut Scope<'_>,
    server: &mut Server,
    upstreams: &mut Vec<Upstream>,
) -> Outcome<Location> {
    let block = directive.inner();
    rules::check(block, Context::Location)?;
    let mut settings = outer.with(block, Some(&pattern), scope)?;
    let inside = level(block, (Some(&pattern), &settings), scope, server, upstreams)?;
    let pass = block.iter().find(|directive| directive.name == "proxy_pass");
    let handler = match pass {
        Some(directive) => {
            let handler = pass::read(directive, &pattern, scope, upstreams)?;
            settings.proxy.settle_redirect(directive.arg(0), &handler, &pattern);
            handler
        }
        None => own_handler(block),
    };
    Ok(Location {
        internal: settings.internal,
        script: script::read(block, scope)?,
        try_files: try_files(block, scope)?,
        handler,
        settings: Arc::new(settings),
        inside,
        pattern,
    })
}

/// What answers where no location of a server matches.
pub(super) fn fallback(block: &[Directive], settings: &Settings, scope: &mut Scope<'_>) -> Outcome<Location> {
    Ok(Location {
        pattern: Pattern::Prefix { path: String::new(), no_regex: false },
        internal: false,
        script: None,
        try_files: try_files(block, scope)?,
        handler: own_handler(block),
        settings: Arc::new(settings.clone()),
        inside: Level::default(),
    })
}

fn own_handler(block: &[Directive]) -> Handler {
    let status = block.iter().any(|directive| directive.name == "stub_status");
    if status { Handler::StubStatus } else { Handler::Files }
}

fn pattern(directive: &Directive, scope: &Scope<'_>) -> Outcome<Pattern> {
    let (modifier, text) = match directive.args.as_slice() {
        [modifier, text] => (modifier.as_str(), text.as_str()),
        _ => {
            let joined = directive.arg(0);
            let length =
                ["^~", "=", "~*", "~"].iter().find(|m| joined.starts_with(**m)).map_or(0, |m| m.len());
            joined.split_at(length)
        }
    };
    let path = text.to_owned();
    match modifier {
        "=" => Ok(Pattern::Exact(path)),
        "^~" => Ok(Pattern::Prefix { path, no_regex: true }),
        "" if path.starts_with('@') => Ok(Pattern::Named(path)),
        "" => Ok(Pattern::Prefix { path, no_regex: false }),
        "~" | "~*" => Ok(Pattern::Regex(scope.expression(directive, text, modifier == "~*")?)),
        other => Err(directive.error(format_args!("invalid location modifier \"{other}\""))),
    }
}

/// Checks whether a location for `pattern` may stand inside of one for `outer`.
fn check_inside(directive: &Directive, pattern: &Pattern, outer: &Pattern) -> Outcome {
    let (inner, around) = (pattern.text(), outer.text());
    let wrong = |what: std::fmt::Arguments<'_>| -> Result<(), Failure> { Err(directive.error(what)) };
    match (outer, pattern) {
        (Pattern::Exact(_), _) => {
            wrong(format_args!("location \"{inner}\" cannot be inside the exact location \"{around}\""))
        }
        (Pattern::Named(_), _) => {
            wrong(format_args!("location \"{inner}\" cannot be inside the named location \"{around}\""))
        }
        (_, Pattern::Named(_)) => {
            wrong(format_args!("named location \"{inner}\" can be on the server level only"))
        }
        (_, Pattern::Exact(path) | Pattern::Prefix { path, .. }) if !path.starts_with(around) => {
            wrong(format_args!("location \"{inner}\" is outside location \"{around}\""))
        }
        _ => Ok(()),
    }
}

fn try_files(block: &[Directive], scope: &Scope<'_>) -> Outcome<Option<Arc<TryFiles>>> {
    let Some(directive) = block.iter().find(|directive| directive.name == "try_files") else {
        return Ok(None);
    };
    let Some((last, texts)) = directive.args.split_last() else { return Ok(None) };
    let candidate = |text: &String| {
        let name = text.strip_suffix('/');
        let path = scope.template(directive, name.unwrap_or(text))?;
        Ok(Candidate { path, directory: name.is_some() })
    };
    let candidates = texts.iter().map(candidate).collect::<Outcome<_>>()?;
    let last = match last.strip_prefix('=') {
        Some(code) => Last::Status(
            values::digits(code)
                .and_then(|code| u16::try_from(code).ok())
                .filter(|code| !(code > &999 || last == "="))
                .ok_or_else(|| directive.error(format_args!("invalid code \"{last}\"")))?,
        ),
        None => Last::Uri(scope.template(directive, last)?),
    };
    Ok(Some(Arc::new(TryFiles { candidates, last })))
}
