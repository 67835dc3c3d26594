//! From the tree of a file to its [`Config`]: the blocks `main`, `events` and `http`. It gives the first error in
//! nginx's words; it opens no file and no socket.

use super::rules::{self, Context};
use super::scope::Scope;
use super::settings::Settings;
use super::tree::Directive;
use super::{Config, cache, listen, server, upstream, values};
use crate::failure::{Failure, Outcome};
use crate::limits;
use crate::proxy::error_log::LEVELS;
use std::path::Path;

const DEFAULT_CONNECTIONS: usize = 512;

/// The configuration of `tree`. Relative paths stand under `prefix`, those of certificates under `dir`, where the file is.
pub(super) fn build(tree: &[Directive], prefix: &Path, dir: &Path) -> Outcome<Config> {
    rules::check(tree, Context::Main)?;
    let mut config = Config {
        workers: 1,
        connections: DEFAULT_CONNECTIONS,
        descriptors: None,
        pid: None,
        daemon: false,
        shutdown_timeout: None,
        error_log: None,
        error_level: "error",
        ports: Vec::new(),
        servers: Vec::new(),
        upstreams: Vec::new(),
        caches: Vec::new(),
        log_files: Vec::new(),
        warnings: Vec::new(),
    };
    for directive in tree {
        main(directive, prefix, &mut config)?;
    }
    if !tree.iter().any(|directive| directive.name == "events") {
        return Err(Failure::config("[emerg] no \"events\" section in configuration"));
    }
    if let Some(directive) = tree.iter().find(|directive| directive.name == "http") {
        http(directive, (prefix, dir), &mut config)?;
    }
    Ok(config)
}

fn main(directive: &Directive, prefix: &Path, config: &mut Config) -> Outcome {
    match directive.name.as_str() {
        "worker_processes" => config.workers = workers(directive)?,
        "pid" => config.pid = Some(prefix.join(directive.arg(0))),
        "error_log" => {
            let level = directive.args.get(1).map_or("error", String::as_str);
            config.error_level = LEVELS
                .into_iter()
                .find(|known| *known == level)
                .ok_or_else(|| directive.error(format_args!("invalid log level \"{level}\"")))?;
            let file = values::log_file(directive)?;
            config.error_log = (file != "stderr").then(|| prefix.join(file));
        }
        "daemon" => config.daemon = values::switch(directive)?,
        "worker_shutdown_timeout" => {
            config.shutdown_timeout = Some(values::time(directive, directive.arg(0))?);
        }
        "worker_rlimit_nofile" => {
            config.descriptors = Some(values::number(directive, directive.arg(0))?.into());
        }
        "events" => {
            rules::check(directive.inner(), Context::Events)?;
            for inner in directive.inner().iter().filter(|inner| inner.name == "worker_connections") {
                let text = inner.arg(0);
                config.connections = values::digits(text)
                    .and_then(|n| usize::try_from(n).ok())
                    .ok_or_else(|| inner.error(format_args!("invalid number \"{text}\"")))?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn workers(directive: &Directive) -> Outcome<usize> {
    match directive.arg(0) {
        "auto" => Ok(limits::allowed_cpus().len()),
        text => values::digits(text)
            .and_then(|n| usize::try_from(n).ok())
            .filter(|n| (1..=1024).contains(n))
            .ok_or_else(|| directive.error("\"worker_processes\" directive invalid value")),
    }
}

fn http(directive: &Directive, (prefix, dir): (&Path, &Path), config: &mut Config) -> Outcome {
    let block = directive.inner();
    rules::check(block, Context::Http)?;
    let named = |name: &'static str| block.iter().filter(move |inner| inner.name == name);

    let mut scope = Scope::new(prefix, block)?;
    // Formats first, since an access log may stand before the format that it names.
    for format in named("log_format") {
        scope.add_format(format)?;
    }
    // Caches, too, may stand after what names them.
    let mut zones = Vec::new();
    for path in named("proxy_cache_path") {
        zones.push((cache::zone(path, &scope, &zones)?, path));
    }
    scope.caches.extend(zones.into_iter().map(|(zone, _)| zone));
    config.caches.clone_from(&scope.caches);
    let settings = Settings::new(&scope).with(block, None, &mut scope)?;
    for inner in named("upstream") {
        config.upstreams.push(upstream::build(inner, &config.upstreams, &mut scope)?);
    }
    upstream::check_zones(&config.upstreams)?;
    for inner in named("server") {
        server::build(inner, &settings, &mut scope, config, dir)?;
    }
    listen::check_certificates(config, named("server"))?;
    let (files, mut warnings) = scope.into_parts();
    listen::name(config, &mut warnings)?;
    config.log_files = files;
    config.warnings = warnings;
    Ok(())
}
