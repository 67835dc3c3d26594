//! The directives of gzip. Given them, it gives which answers of a level are compressed, and how.

use super::tree::Directive;
use super::values;
use crate::failure::Outcome;

/// Which answers are compressed.
#[derive(Clone, Debug)]
pub(crate) struct GzipSettings {
    pub(crate) on: bool,
    /// Media types in lower case, `text/html` always among them; `None` for any.
    pub(crate) types: Option<Vec<String>>,
    /// Answers that say to be shorter are not compressed.
    pub(crate) min_length: u64,
    /// From 1, the fastest, to 9.
    pub(crate) level: u32,
    /// `Vary: Accept-Encoding` is added where it makes a difference.
    pub(crate) vary: bool,
    /// Clients of HTTP/1.0 get it, too.
    pub(crate) old_clients: bool,
    pub(crate) proxied: Proxied,
}

/// When answers to requests that came through a proxy (`Via`) are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Proxied {
    pub(crate) any: bool,
    /// The answer has expired already.
    pub(crate) expired: bool,
    /// The answer's `Cache-Control` has this word.
    pub(crate) no_cache: bool,
    pub(crate) no_store: bool,
    pub(crate) private: bool,
    /// The answer has no such field.
    pub(crate) no_last_modified: bool,
    pub(crate) no_etag: bool,
    /// The request has credentials.
    pub(crate) auth: bool,
}

const HTML: &str = "text/html";

impl Default for GzipSettings {
    fn default() -> Self {
        Self {
            on: false,
            types: Some(vec![HTML.to_owned()]),
            min_length: 20,
            level: 1,
            vary: false,
            old_clients: false,
            proxied: Proxied::default(),
        }
    }
}

impl GzipSettings {
    /// Drops what was inherited and is said again in `block`, of the directive that may be repeated.
    pub(super) fn begin(&mut self, block: &[Directive]) {
        if block.iter().any(|directive| directive.name == "gzip_types") {
            self.types = Self::default().types;
        }
    }

    /// Takes in `directive`, if it is one of gzip's; says whether it was.
    pub(super) fn apply(&mut self, directive: &Directive) -> Outcome<bool> {
        let first = directive.arg(0);
        match directive.name.as_str() {
            "gzip" => self.on = values::switch(directive)?,
            "gzip_types" if directive.args.iter().any(|kind| kind == "*") => self.types = None,
            "gzip_types" => {
                if let Some(types) = &mut self.types {
                    types.extend(directive.args.iter().map(|kind| kind.to_ascii_lowercase()));
                }
            }
            "gzip_min_length" => self.min_length = values::size(directive, first)?,
            "gzip_comp_level" => {
                self.level = values::number(directive, first)?;
                if !(1..=9).contains(&self.level) {
                    return Err(directive.error("value must be between 1 and 9"));
                }
            }
            "gzip_vary" => self.vary = values::switch(directive)?,
            "gzip_http_version" => {
                self.old_clients = match first {
                    "1.0" => true,
                    "1.1" => false,
                    other => return Err(directive.error(format_args!("invalid value \"{other}\""))),
                }
            }
            "gzip_proxied" => self.proxied = proxied(directive)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn proxied(directive: &Directive) -> Outcome<Proxied> {
    let mut proxied = Proxied::default();
    let mut off = false;
    for kind in &directive.args {
        match kind.to_ascii_lowercase().as_str() {
            "off" => off = true,
            "any" => proxied.any = true,
            "expired" => proxied.expired = true,
            "no-cache" => proxied.no_cache = true,
            "no-store" => proxied.no_store = true,
            "private" => proxied.private = true,
            "no_last_modified" => proxied.no_last_modified = true,
            "no_etag" => proxied.no_etag = true,
            "auth" => proxied.auth = true,
            _ => return Err(directive.error(format_args!("invalid value \"{kind}\""))),
        }
    }
    Ok(if off { Proxied::default() } else { proxied })
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    #[test]
    fn errors_are_those_of_nginx() {
        // The wording was compared with nginx 1.22.
        let rows = [
            ("gzip x;", "invalid value \"x\" in \"gzip\" directive, it must be \"on\" or \"off\""),
            ("gzip_types;", "invalid number of arguments in \"gzip_types\" directive"),
            ("gzip_min_length x;", "\"gzip_min_length\" directive invalid value"),
            ("gzip_comp_level 0;", "value must be between 1 and 9"),
            ("gzip_comp_level 10;", "value must be between 1 and 9"),
            ("gzip_comp_level x;", "\"gzip_comp_level\" directive invalid number"),
            ("gzip_proxied x;", "invalid value \"x\""),
            ("gzip_http_version 2;", "invalid value \"2\""),
        ];
        for (text, want) in rows {
            let error = Config::of_http(text).expect_err(text);
            assert_eq!(error.message, format!("[emerg] {want} in f:1"), "{text}");
        }
    }

    #[test]
    fn settings_are_handed_down_and_replaced() {
        let config = Config::of_http(
            "gzip on; gzip_types text/css; gzip_comp_level 9; gzip_proxied any auth;
             server { listen 80; location /a { gzip_types A/B C/D; gzip_min_length 1k; gzip_vary on; }
             location /b { gzip off; gzip_types *; gzip_proxied off any; gzip_http_version 1.0; } location /c {} }",
        );
        let config = config.expect("a valid configuration");
        let of = |index: usize| &config.servers[0].locations[index].settings.gzip;
        let types = |index: usize| of(index).types.as_ref().map(|types| types.join(" "));
        assert_eq!(types(0).as_deref(), Some("text/html a/b c/d"));
        assert_eq!((types(1), types(2).as_deref()), (None, Some("text/html text/css")));
        assert_eq!([0, 1, 2].map(|index| of(index).on), [true, false, true]);
        assert_eq!((of(0).min_length, of(0).level, of(0).vary, of(0).old_clients), (1024, 9, true, false));
        assert!(of(0).proxied.any && of(0).proxied.auth && of(1).proxied == Proxied::default());
        assert!(of(1).old_clients && !GzipSettings::default().on);
    }
}
