//! Virtual servers. Given a `server` block, it adds the server with its locations to the configuration, and joins it to the ports that it
//! listens on. The files of its certificates stand under the directory of the configuration's file.

use super::rules::{self, Context};
use super::scope::Scope;
use super::settings::Settings;
use super::tree::Directive;
use super::{Config, Server, listen, location, names, script};
use crate::failure::Outcome;
use crate::proxy::location::Level;
use std::path::Path;

pub(super) fn build(
    directive: &Directive,
    http: &Settings,
    scope: &mut Scope<'_>,
    config: &mut Config,
    dir: &Path,
) -> Outcome {
    let block = directive.inner();
    rules::check(block, Context::Server)?;
    let settings = http.with(block, None, scope)?;
    let fallback = location::fallback(block, &settings, scope)?;
    let mut server = Server {
        names: names::read(block, scope)?,
        script: script::read(block, scope)?,
        locations: Vec::new(),
        top: Level::default(),
        named: Vec::new(),
        fallback,
        tls: settings.tls.build(dir)?,
    };
    server.top = location::level(block, (None, &settings), scope, &mut server, &mut config.upstreams)?;
    config.servers.push(server);
    listen::join(directive, config)
}
