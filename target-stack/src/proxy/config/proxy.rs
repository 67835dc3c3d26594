//! How a level passes requests on: the `proxy_` directives. Given the settings that a level inherits and the directives of
//! its block, it gives the block's own, or nginx's error; it passes nothing on itself.

use super::cache::CacheSettings;
use super::scope::{self, Scope};
use super::settings::field_name;
use super::tree::Directive;
use super::values;
use crate::failure::Outcome;
use crate::proxy::headers;
use crate::proxy::location::{Handler, Pattern};
use crate::proxy::rewrite::Expression;
use crate::proxy::variables::Template;
use http::{HeaderName, Method};
use std::time::Duration;

/// How a level passes requests on.
#[derive(Clone, Debug)]
pub(crate) struct ProxySettings {
    pub(crate) set_headers: Vec<(HeaderName, Template)>,
    pub(crate) http11: bool,
    pub(crate) connect_timeout: Duration,
    pub(crate) read_timeout: Duration,
    pub(crate) send_timeout: Duration,
    /// Fields of an answer that the client does not get, nginx's own included.
    pub(crate) hide: Vec<HeaderName>,
    /// What `proxy_hide_header` and `proxy_pass_header` name.
    hidden: Vec<HeaderName>,
    passed: Vec<HeaderName>,
    pub(crate) retry: Retry,
    pub(crate) redirect: Redirect,
    /// The method in place of the client's.
    pub(crate) method: Option<Template>,
    /// The body in place of the client's.
    pub(crate) body: Option<Template>,
    /// Whether the client's fields and its body are passed on.
    pub(crate) pass_headers: bool,
    pub(crate) pass_body: bool,
    /// Whether a server is chosen only when a short body has come whole.
    pub(crate) buffer_request: bool,
    /// Whether an `error_page` answers in place of a server's own error.
    pub(crate) intercept_errors: bool,
    pub(crate) cache: CacheSettings,
}

/// When a request is tried at another server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Retry {
    pub(crate) error: bool,
    pub(crate) timeout: bool,
    pub(crate) invalid_header: bool,
    pub(crate) non_idempotent: bool,
    pub(crate) statuses: Vec<u16>,
    /// The most tries in all; 0 for one a server.
    pub(crate) tries: u32,
    /// How long after the first try another one may begin; zero for any time.
    pub(crate) limit: Duration,
}

/// What becomes of the places that an answer's `Location` and `Refresh` name.
#[derive(Clone, Debug)]
pub(crate) enum Redirect {
    /// A rule that is made of the location and its `proxy_pass`; where there is none, nothing.
    Default,
    Off,
    /// The first rule that is for a place makes another one of it.
    Rules(Vec<RedirectRule>),
}

#[derive(Clone, Debug)]
pub(crate) enum RedirectRule {
    /// The default, among others.
    Default,
    /// The beginning is replaced.
    Beginning { from: Template, to: Template },
    /// All of it is replaced.
    Pattern { from: Expression, to: Template },
}

impl Retry {
    /// Whether sending `method` again is safe even when a server may have acted on it.
    pub(crate) fn may_repeat(&self, method: &Method) -> bool {
        self.non_idempotent || !(method == Method::POST || matches!(method.as_str(), "LOCK" | "PATCH"))
    }

    /// The kinds of failure that `directive` names; what is said elsewhere stays.
    fn read(&mut self, directive: &Directive) -> Outcome {
        let mut kinds = Self { tries: self.tries, limit: self.limit, ..Self::off() };
        for kind in &directive.args {
            let status = kind.strip_prefix("http_").and_then(|code| code.parse().ok());
            match (kind.as_str(), status) {
                ("error", _) => kinds.error = true,
                ("timeout", _) => kinds.timeout = true,
                ("invalid_header", _) => kinds.invalid_header = true,
                ("non_idempotent", _) => kinds.non_idempotent = true,
                // The latter is of the cache, and is taken here by nginx, too.
                ("off" | "updating", _) => {}
                (_, Some(code @ (403 | 404 | 429 | 500 | 502 | 503 | 504))) => kinds.statuses.push(code),
                _ => return Err(directive.error(format_args!("invalid value \"{kind}\""))),
            }
        }
        if directive.args.iter().any(|kind| kind == "off") {
            kinds = Self { tries: self.tries, limit: self.limit, ..Self::off() };
        }
        *self = kinds;
        Ok(())
    }

    fn off() -> Self {
        Self {
            error: false,
            timeout: false,
            invalid_header: false,
            non_idempotent: false,
            statuses: Vec::new(),
            tries: 0,
            limit: Duration::ZERO,
        }
    }
}

impl Default for ProxySettings {
    fn default() -> Self {
        let minute = Duration::from_secs(60);
        Self {
            set_headers: Vec::new(),
            http11: true,
            connect_timeout: minute,
            read_timeout: minute,
            send_timeout: minute,
            hide: headers::HIDDEN.to_vec(),
            hidden: Vec::new(),
            passed: Vec::new(),
            retry: Retry { error: true, timeout: true, ..Retry::off() },
            redirect: Redirect::Default,
            method: None,
            body: None,
            pass_headers: true,
            pass_body: true,
            buffer_request: true,
            intercept_errors: false,
            cache: CacheSettings::default(),
        }
    }
}

impl ProxySettings {
    /// These settings with what `block` says instead; of a directive that repeats, a block replaces all.
    pub(super) fn read(&mut self, block: &[Directive], scope: &Scope<'_>) -> Outcome {
        let names = |name: &str| block.iter().any(|directive| directive.name == name);
        if names("proxy_set_header") {
            self.set_headers.clear();
        }
        if names("proxy_hide_header") {
            self.hidden.clear();
        }
        if names("proxy_pass_header") {
            self.passed.clear();
        }
        for directive in block {
            self.apply(directive, scope)?;
        }
        self.read_redirects(block, scope)?;
        // What is passed wins over what is hidden, by default or by name.
        self.hide = headers::HIDDEN.iter().chain(&self.hidden).cloned().collect();
        self.hide.retain(|name| !self.passed.contains(name));
        Ok(())
    }

    fn apply(&mut self, directive: &Directive, scope: &Scope<'_>) -> Outcome {
        let first = directive.arg(0);
        let compile = |text: &str| scope.template(directive, text);
        match directive.name.as_str() {
            "proxy_http_version" => {
                self.http11 = match first {
                    "1.1" => true,
                    "1.0" => false,
                    other => return Err(directive.error(format_args!("invalid value \"{other}\""))),
                }
            }
            "proxy_set_header" => {
                let value = compile(directive.arg(1))?;
                self.set_headers.push((field_name(directive)?, value));
            }
            "proxy_hide_header" => self.hidden.push(field_name(directive)?),
            "proxy_pass_header" => self.passed.push(field_name(directive)?),
            "proxy_connect_timeout" => self.connect_timeout = values::time(directive, first)?,
            "proxy_read_timeout" => self.read_timeout = values::time(directive, first)?,
            "proxy_send_timeout" => self.send_timeout = values::time(directive, first)?,
            "proxy_next_upstream" => self.retry.read(directive)?,
            "proxy_next_upstream_tries" => self.retry.tries = values::number(directive, first)?,
            "proxy_next_upstream_timeout" => self.retry.limit = values::time(directive, first)?,
            "proxy_method" => self.method = Some(compile(first)?),
            "proxy_set_body" => self.body = Some(compile(first)?),
            "proxy_pass_request_headers" => self.pass_headers = values::switch(directive)?,
            "proxy_pass_request_body" => self.pass_body = values::switch(directive)?,
            "proxy_request_buffering" => self.buffer_request = values::switch(directive)?,
            "proxy_intercept_errors" => self.intercept_errors = values::switch(directive)?,
            // Answers are streamed either way: a server is never further ahead of a client than the sockets hold.
            "proxy_buffering" => drop(values::switch(directive)?),
            _ => {}
        }
        Ok(())
    }

    fn read_redirects(&mut self, block: &[Directive], scope: &Scope<'_>) -> Outcome {
        let (mut off, mut rules) = (false, Vec::new());
        for (position, directive) in block.iter().enumerate() {
            if directive.name != "proxy_redirect" {
                continue;
            }
            let (first, single) = (directive.arg(0), directive.args.len() == 1);
            let compile = |text: &str| scope.template(directive, text);
            if off || (single && first == "off" && !rules.is_empty()) {
                return Err(directive.error("\"proxy_redirect\" directive is duplicate"));
            }
            match first {
                "off" if single => off = true,
                "default" if single => {
                    let passed = block[..position].iter().find(|earlier| earlier.name == "proxy_pass");
                    let wrong = match passed {
                        None => "should be placed after the \"proxy_pass\" directive",
                        Some(passed) if passed.arg(0).contains('$') => {
                            "cannot be used with \"proxy_pass\" directive with variables"
                        }
                        Some(_) => {
                            rules.push(RedirectRule::Default);
                            continue;
                        }
                    };
                    return Err(directive.error(format_args!("\"proxy_redirect default\" {wrong}")));
                }
                _ if single => return Err(directive.error(format_args!("invalid parameter \"{first}\""))),
                _ => {
                    let to = compile(directive.arg(1))?;
                    rules.push(match scope::regex(first) {
                        None => RedirectRule::Beginning { from: compile(first)?, to },
                        Some((pattern, caseless)) => {
                            let from = scope.expression(directive, pattern, caseless)?;
                            RedirectRule::Pattern { from, to }
                        }
                    });
                }
            }
        }
        if off {
            self.redirect = Redirect::Off;
        } else if !rules.is_empty() {
            self.redirect = Redirect::Rules(rules);
        }
        Ok(())
    }

    /// Settles what the default of `proxy_redirect` is where `url` is passed to by `handler`: what the location for `pattern` names
    /// stands for what the URL names.
    pub(super) fn settle_redirect(&mut self, url: &str, handler: &Handler, pattern: &Pattern) {
        let rule = match handler {
            Handler::Proxy(proxy) if proxy.replacement.is_some() => {
                RedirectRule::Beginning { from: Template::plain(url), to: Template::plain(pattern.text()) }
            }
            Handler::Proxy(_) => RedirectRule::Beginning {
                from: Template::plain(&format!("{url}/")),
                to: Template::plain("/"),
            },
            _ => return,
        };
        match &mut self.redirect {
            Redirect::Off => {}
            Redirect::Default => self.redirect = Redirect::Rules(vec![rule]),
            Redirect::Rules(rules) => {
                let defaults = rules.iter_mut().filter(|rule| matches!(rule, RedirectRule::Default));
                defaults.for_each(|default| *default = rule.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::config::Config;
    use std::path::Path;

    /// A location that passes on, with this inside.
    fn parse(inside: &str) -> Outcome<Config> {
        let text = format!("events {{}} http {{ server {{ listen 80; location /a/ {{ {inside} }} }} }}");
        Config::parse("f", &text, Path::new("/"))
    }

    #[test]
    fn failures_that_are_tried_again_are_told_apart() {
        let retry = |inside: &str| {
            let config = parse(inside).expect(inside);
            config.servers[0].locations[0].settings.proxy.retry.clone()
        };
        let off = Retry::off();
        for (inside, want) in [
            ("", Retry { error: true, timeout: true, ..off.clone() }),
            ("proxy_next_upstream off;", off.clone()),
            ("proxy_next_upstream off error http_503;", off.clone()),
            ("proxy_next_upstream updating;", off.clone()),
            ("proxy_next_upstream invalid_header;", Retry { invalid_header: true, ..off.clone() }),
            (
                "proxy_next_upstream_tries 3; proxy_next_upstream http_404 non_idempotent http_429; proxy_next_upstream_timeout 1s;",
                Retry {
                    non_idempotent: true,
                    statuses: vec![404, 429],
                    tries: 3,
                    limit: Duration::from_secs(1),
                    ..off.clone()
                },
            ),
        ] {
            assert_eq!(retry(inside), want, "{inside}");
        }
    }

    #[test]
    fn errors_are_those_of_nginx() {
        // The wording was compared with nginx 1.22.
        for (inside, want) in [
            ("proxy_next_upstream http_501;", "invalid value \"http_501\""),
            ("proxy_next_upstream;", "invalid number of arguments in \"proxy_next_upstream\" directive"),
            ("proxy_next_upstream_tries x;", "\"proxy_next_upstream_tries\" directive invalid number"),
            ("proxy_next_upstream_timeout x;", "\"proxy_next_upstream_timeout\" directive invalid value"),
            (
                "proxy_buffering x;",
                "invalid value \"x\" in \"proxy_buffering\" directive, it must be \"on\" or \"off\"",
            ),
            ("proxy_buffering on; proxy_buffering on;", "\"proxy_buffering\" directive is duplicate"),
            ("proxy_set_body x; proxy_set_body y;", "\"proxy_set_body\" directive is duplicate"),
            ("proxy_set_body $nope;", "unknown \"nope\" variable"),
            ("proxy_method A B;", "invalid number of arguments in \"proxy_method\" directive"),
            ("proxy_redirect;", "invalid number of arguments in \"proxy_redirect\" directive"),
            ("proxy_redirect a b c;", "invalid number of arguments in \"proxy_redirect\" directive"),
            ("proxy_redirect foo;", "invalid parameter \"foo\""),
            ("proxy_redirect a $nope;", "unknown \"nope\" variable"),
            ("proxy_redirect off; proxy_redirect a b;", "\"proxy_redirect\" directive is duplicate"),
            ("proxy_redirect a b; proxy_redirect off;", "\"proxy_redirect\" directive is duplicate"),
            (
                "proxy_redirect default; proxy_pass http://127.0.0.1;",
                "\"proxy_redirect default\" should be placed after the \"proxy_pass\" directive",
            ),
            (
                "proxy_pass http://$host; proxy_redirect default;",
                "\"proxy_redirect default\" cannot be used with \"proxy_pass\" directive with variables",
            ),
        ] {
            let error = parse(inside).expect_err(inside);
            assert_eq!(error.message, format!("[emerg] {want} in f:1"), "{inside}");
        }
        for inside in ["proxy_redirect off x;", "proxy_redirect default x;"] {
            assert!(parse(inside).is_ok(), "two words are a pair: {inside}");
        }
    }

    #[test]
    fn a_location_knows_its_default_redirect() {
        let shown = |inside: &str| {
            let config = parse(inside).expect(inside);
            format!("{:?}", config.servers[0].locations[0].settings.proxy.redirect)
        };
        let pair = |from: &str, to: &str| RedirectRule::Beginning {
            from: Template::plain(from),
            to: Template::plain(to),
        };
        for (inside, want) in [
            ("proxy_pass http://127.0.0.1:9;", vec![pair("http://127.0.0.1:9/", "/")]),
            ("proxy_pass http://127.0.0.1:9/b/;", vec![pair("http://127.0.0.1:9/b/", "/a/")]),
            ("proxy_pass http://127.0.0.1:9; proxy_redirect /x /y;", vec![pair("/x", "/y")]),
            (
                "proxy_pass http://127.0.0.1:9/; proxy_redirect /x /y; proxy_redirect default;",
                vec![pair("/x", "/y"), pair("http://127.0.0.1:9/", "/a/")],
            ),
        ] {
            assert_eq!(shown(inside), format!("{:?}", Redirect::Rules(want)), "{inside}");
        }
        assert_eq!(shown("proxy_pass http://127.0.0.1:9; proxy_redirect off;"), "Off");
        assert_eq!(shown("proxy_pass http://$host;"), "Default");
    }
}
