//! Names of virtual servers. Given the names of the servers at one port, it gives a table; given a host's name in lower case, the
//! table gives the server, in nginx's order: exact names, then the longest that begins with a wildcard, then the longest
//! that ends with one, then the first regular expression that matches.

use super::scope::Scope;
use super::tree::Directive;
use crate::failure::{Failure, Outcome};
use crate::proxy::rewrite::{Captured, Expression};
use std::collections::HashMap;

/// A name as a `server_name` has it.
#[derive(Debug)]
pub(crate) struct ServerName {
    /// In lower case, unless it is an expression.
    text: String,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Exact,
    /// `*.NAME`, or `.NAME`, which is for `NAME` itself, too; the text begins with the dot.
    Head {
        suffix: String,
        itself: bool,
    },
    /// `NAME.*`; the text ends with the dot.
    Tail(String),
    Regex(Expression),
    /// More than one wildcard, or one in the middle: of no use, but an error only where names are looked up.
    Invalid,
}

/// The names at one port, with indices of servers.
#[derive(Debug, Default)]
pub(crate) struct NameTable {
    exact: HashMap<String, usize>,
    /// The longest first; so below.
    heads: Vec<(String, usize)>,
    tails: Vec<(String, usize)>,
    regexes: Vec<(Expression, usize)>,
}

/// The names of a `server` block.
pub(super) fn read(block: &[Directive], scope: &mut Scope<'_>) -> Outcome<Vec<ServerName>> {
    let mut names = Vec::new();
    for directive in block.iter().filter(|directive| directive.name == "server_name") {
        for name in &directive.args {
            names.push(read_one(directive, name, scope)?);
        }
    }
    Ok(names)
}

fn read_one(directive: &Directive, name: &str, scope: &mut Scope<'_>) -> Outcome<ServerName> {
    if let Some(text) = name.strip_prefix('~') {
        if text.is_empty() {
            return Err(directive.error(format_args!("empty regex in server name \"{name}\"")));
        }
        // A host is compared in lower case; an expression with a capital has to mean any case.
        let caseless = text.bytes().any(|byte| byte.is_ascii_uppercase());
        let expression = scope.expression(directive, text, caseless)?;
        return Ok(ServerName { text: name.to_owned(), kind: Kind::Regex(expression) });
    }
    let short = name.len() < if name.starts_with('*') { 3 } else { 2 };
    if name.starts_with(['*', '.']) && (short || name.starts_with('*') && !name.starts_with("*.")) {
        return Err(directive.error(format_args!("server name \"{name}\" is invalid")));
    }
    if name.contains('/') {
        scope.warn(directive, format_args!("server name \"{name}\" has suspicious symbols"));
    }
    let text = name.to_ascii_lowercase();
    let head = text.strip_prefix('*').or(text.starts_with('.').then_some(text.as_str()));
    let kind = match (head, text.strip_suffix('*')) {
        (Some(suffix), None) if !suffix.contains('*') => {
            Kind::Head { suffix: suffix.to_owned(), itself: text.starts_with('.') }
        }
        (None, Some(prefix)) if prefix.ends_with('.') && !prefix.contains('*') => {
            Kind::Tail(prefix.to_owned())
        }
        (None, None) if !text.contains('*') => Kind::Exact,
        _ => Kind::Invalid,
    };
    let kind = if text.contains("..") { Kind::Invalid } else { kind };
    Ok(ServerName { text, kind })
}

impl ServerName {
    /// What `$server_name` reads, if it is the first.
    pub(crate) fn name(&self) -> &str {
        self.text.strip_prefix('.').unwrap_or(&self.text)
    }

    /// Whether a request's variables depend on it, even where there is no other server.
    pub(super) fn captures(&self) -> bool {
        matches!(&self.kind, Kind::Regex(expression) if expression.has_groups())
    }
}

impl NameTable {
    /// The table of the servers with these names at `port`; a name that another server has already is left out, and `warn` told so.
    pub(super) fn new<'a>(
        port: &str,
        names: impl Iterator<Item = (usize, &'a ServerName)>,
        warnings: &mut Vec<String>,
    ) -> Outcome<Self> {
        let mut table = Self::default();
        for (server, name) in names {
            let text = name.text.as_str();
            let free = match &name.kind {
                Kind::Regex(expression) => {
                    table.regexes.push((expression.clone(), server));
                    true
                }
                Kind::Invalid => {
                    let message = format!("[emerg] invalid server name or wildcard \"{text}\" on {port}");
                    return Err(Failure::config(message));
                }
                Kind::Exact => table.add_exact(text, server),
                Kind::Head { suffix, itself: true } => {
                    !table.exact.contains_key(name.name())
                        && add(&mut table.heads, suffix, server)
                        && table.add_exact(name.name(), server)
                }
                Kind::Head { suffix, itself: false } => add(&mut table.heads, suffix, server),
                Kind::Tail(prefix) => add(&mut table.tails, prefix, server),
            };
            if !free {
                warnings.push(format!("[warn] conflicting server name \"{text}\" on {port}, ignored"));
            }
        }
        for wildcards in [&mut table.heads, &mut table.tails] {
            wildcards.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        }
        Ok(table)
    }

    fn add_exact(&mut self, name: &str, server: usize) -> bool {
        let free = !self.exact.contains_key(name);
        self.exact.entry(name.to_owned()).or_insert(server);
        free
    }

    /// The server for `host`, in lower case, and what a regular expression has caught in it.
    pub(crate) fn find(&self, host: &str) -> Option<(usize, Option<Captured>)> {
        let wildcard = || {
            let head = self.heads.iter().find(|(suffix, _)| host.ends_with(suffix));
            let tail = || {
                self.tails.iter().find(|(prefix, _)| host.len() > prefix.len() && host.starts_with(prefix))
            };
            head.or_else(tail).map(|(_, server)| server)
        };
        if let Some(server) = self.exact.get(host).or_else(wildcard) {
            return Some((*server, None));
        }
        self.regexes.iter().find_map(|(expression, server)| {
            expression.matches(host.as_bytes()).map(|captured| (*server, Some(captured)))
        })
    }
}

/// Adds a wildcard, unless it is there.
fn add(wildcards: &mut Vec<(String, usize)>, text: &str, server: usize) -> bool {
    let free = wildcards.iter().all(|(known, _)| known != text);
    if free {
        wildcards.push((text.to_owned(), server));
    }
    free
}

#[cfg(test)]
mod tests {
    use crate::proxy::config::Config;
    use std::path::Path;

    fn config(servers: &[&str]) -> Result<Config, String> {
        let servers: String =
            servers.iter().map(|names| format!("server {{ listen 81; server_name {names}; }}")).collect();
        let text = format!("events {{}} http {{ {servers} }}");
        Config::parse("f", &text, Path::new("/prefix")).map_err(|error| error.message)
    }

    #[test]
    fn a_host_gets_its_server_in_nginx_s_order() {
        let config = config(&[
            "default",
            "www.Example.com",
            "*.example.com",
            ".example.org",
            "www.example.*",
            "~^(?<who>[a-z]+)\\.regex\\.test$",
            "~regex",
            "*.www.example.com",
            "mail.*",
            "~^MAIL",
        ])
        .expect("a valid configuration");
        let names = config.ports[0].names.as_ref().expect("a table");
        let rows = [
            ("www.example.com", Some(1)),
            ("a.example.com", Some(2)),
            ("a.b.example.com", Some(2)),
            ("a.www.example.com", Some(7)),
            ("example.com", None),
            (".example.com", Some(2)),
            ("example.org", Some(3)),
            ("a.example.org", Some(3)),
            ("www.example.net", Some(4)),
            ("www.example.", None),
            ("joe.regex.test", Some(5)),
            ("regex", Some(6)),
            ("mail.example.com", Some(2)),
            ("mail.x", Some(8)),
            ("mailer", Some(9)),
            ("", None),
        ];
        for (host, want) in rows {
            assert_eq!(names.find(host).map(|(server, _)| server), want, "{host}");
        }
        let (_, captured) = names.find("joe.regex.test").expect("a server");
        assert_eq!(captured.expect("a group").group(1), b"joe");
        assert_eq!(config.servers[3].name(), "example.org");
        assert_eq!(config.servers[5].name(), "~^(?<who>[a-z]+)\\.regex\\.test$");
    }

    #[test]
    fn names_that_clash_or_say_nothing_are_told() {
        let clash = config(&["a b", "b *.c", "c .c"]).expect("a valid configuration");
        assert_eq!(
            clash.warnings,
            [
                "[warn] conflicting server name \"b\" on 0.0.0.0:81, ignored",
                "[warn] conflicting server name \".c\" on 0.0.0.0:81, ignored",
            ]
        );
        let rows = [
            (&["a*b", "c"][..], "invalid server name or wildcard \"a*b\" on 0.0.0.0:81"),
            (&["a..b", "c"], "invalid server name or wildcard \"a..b\" on 0.0.0.0:81"),
            (&["*.a.*", "c"], "invalid server name or wildcard \"*.a.*\" on 0.0.0.0:81"),
            (&["~"], "empty regex in server name \"~\" in f:1"),
            (&["*."], "server name \"*.\" is invalid in f:1"),
            (&["*a"], "server name \"*a\" is invalid in f:1"),
            (&["."], "server name \".\" is invalid in f:1"),
        ];
        for (names, want) in rows {
            assert_eq!(config(names).expect_err(want), format!("[emerg] {want}"));
        }
        assert!(config(&["a*b"]).is_ok(), "with one server nothing is looked up");
    }
}
