//! The cache's directives. Given them, it gives the caches of the configuration and how a level uses one, or nginx's error. It makes
//! no directory.

use super::scope::Scope;
use super::tree::Directive;
use super::values;
use crate::failure::Outcome;
use crate::proxy::cache::Place;
use crate::proxy::cache::freshness::{Ignored, Valid};
use crate::proxy::variables::Template;
use http::{Method, StatusCode};
use std::time::Duration;

/// A `proxy_cache_path`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CacheZone {
    pub(crate) name: String,
    pub(crate) place: Place,
    /// How many answers it may have: what fits into nginx's memory of this size.
    pub(crate) most_entries: u64,
    /// An answer that nobody asked for in so long goes.
    pub(crate) inactive: Duration,
    /// The most that its files may take, in bytes.
    pub(crate) max_size: Option<u64>,
}

/// How a level uses a cache.
#[derive(Clone, Debug)]
pub(crate) struct CacheSettings {
    /// An index of [`super::Config::caches`]; none where nothing is cached.
    pub(crate) zone: Option<usize>,
    /// What answers are stored under, where it is not the URL that the upstream is asked for.
    pub(crate) key: Option<Template>,
    pub(crate) valid: Vec<Valid>,
    /// Answers to POST are stored, too.
    pub(crate) posts: bool,
    pub(crate) min_uses: u32,
    pub(crate) lock: bool,
    /// How long a request waits for another one's answer.
    pub(crate) lock_timeout: Duration,
    /// How long others wait for one that fetches, before one of them does so itself.
    pub(crate) lock_age: Duration,
    pub(crate) use_stale: UseStale,
    pub(crate) background_update: bool,
    pub(crate) revalidate: bool,
    /// Where one of these is neither empty nor 0, the answer is not taken from the cache.
    pub(crate) bypass: Vec<Template>,
    /// Where one of these is neither empty nor 0, the answer is not stored.
    pub(crate) no_cache: Vec<Template>,
    pub(crate) ignored: Ignored,
    /// `proxy_buffering off`, with which nginx stores nothing.
    pub(crate) unbuffered: bool,
}

/// When an answer that is no longer fresh is sent all the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct UseStale {
    /// Connections to the upstream that fail, and answers that are none.
    pub(crate) error: bool,
    pub(crate) timeout: bool,
    pub(crate) updating: bool,
    pub(crate) statuses: Vec<StatusCode>,
}

impl Default for CacheSettings {
    fn default() -> Self {
        let five_seconds = Duration::from_secs(5);
        Self {
            zone: None,
            key: None,
            valid: Vec::new(),
            posts: false,
            min_uses: 1,
            lock: false,
            lock_timeout: five_seconds,
            lock_age: five_seconds,
            use_stale: UseStale::default(),
            background_update: false,
            revalidate: false,
            bypass: Vec::new(),
            no_cache: Vec::new(),
            ignored: Ignored::default(),
            unbuffered: false,
        }
    }
}

impl CacheSettings {
    /// Whether requests with this method use the cache.
    pub(crate) fn serves(&self, method: &Method) -> bool {
        self.zone.is_some()
            && (matches!(*method, Method::GET | Method::HEAD) || (self.posts && *method == Method::POST))
    }

    /// Drops what was inherited and is said again in `block`, of the directives that may be repeated.
    pub(super) fn begin(&mut self, block: &[Directive]) {
        let repeated = |name: &str| block.iter().any(|directive| directive.name == name);
        if repeated("proxy_cache_valid") {
            self.valid.clear();
        }
        if repeated("proxy_cache_bypass") {
            self.bypass.clear();
        }
        if repeated("proxy_no_cache") {
            self.no_cache.clear();
        }
    }

    /// Takes in `directive`, if it is one of the cache's; says whether it was.
    pub(super) fn apply(&mut self, directive: &Directive, scope: &Scope<'_>) -> Outcome<bool> {
        let first = directive.arg(0);
        let compile = |text: &String| scope.template(directive, text);
        match directive.name.as_str() {
            "proxy_cache" => self.zone = zone_named(directive, &scope.caches)?,
            "proxy_cache_key" => self.key = Some(compile(&directive.args[0])?),
            "proxy_cache_valid" => valid(directive, &mut self.valid)?,
            "proxy_cache_methods" => {
                self.posts = false;
                masks(directive, |name| match name {
                    "get" | "head" => true,
                    "post" => {
                        self.posts = true;
                        true
                    }
                    _ => false,
                })?;
            }
            "proxy_cache_min_uses" => self.min_uses = values::number(directive, first)?,
            "proxy_cache_lock" => self.lock = values::switch(directive)?,
            "proxy_cache_lock_timeout" => self.lock_timeout = values::time(directive, first)?,
            "proxy_cache_lock_age" => self.lock_age = values::time(directive, first)?,
            "proxy_cache_use_stale" => self.use_stale = use_stale(directive)?,
            "proxy_cache_background_update" => self.background_update = values::switch(directive)?,
            "proxy_cache_revalidate" => self.revalidate = values::switch(directive)?,
            "proxy_cache_bypass" => {
                self.bypass.extend(directive.args.iter().map(compile).collect::<Outcome<Vec<_>>>()?);
            }
            "proxy_no_cache" => {
                self.no_cache.extend(directive.args.iter().map(compile).collect::<Outcome<Vec<_>>>()?);
            }
            "proxy_ignore_headers" => self.ignored = ignored(directive)?,
            "proxy_buffering" => {
                self.unbuffered = !values::switch(directive)?;
                // It is not the cache's alone.
                return Ok(false);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn zone_named(directive: &Directive, zones: &[CacheZone]) -> Outcome<Option<usize>> {
    match directive.arg(0) {
        "off" => Ok(None),
        name if name.contains('$') => Err(directive.error("\"proxy_cache\" with variables is not supported")),
        name => match zones.iter().position(|zone| zone.name == name) {
            Some(index) => Ok(Some(index)),
            None => Err(directive.error(format_args!("\"proxy_cache\" zone \"{name}\" is unknown"))),
        },
    }
}

/// Hands each argument to `take`, in lower case, which says whether there is such a one.
fn masks(directive: &Directive, mut take: impl FnMut(&str) -> bool) -> Outcome {
    match directive.args.iter().find(|name| !take(&name.to_ascii_lowercase())) {
        Some(name) => Err(directive.error(format_args!("invalid value \"{name}\""))),
        None => Ok(()),
    }
}

/// `proxy_cache_valid [STATUS...] TIME`
fn valid(directive: &Directive, rows: &mut Vec<Valid>) -> Outcome {
    let Some((time, statuses)) = directive.args.split_last() else { return Ok(()) };
    let span = seconds(time).ok_or_else(|| directive.error(format_args!("invalid time value \"{time}\"")))?;
    if statuses.is_empty() {
        let usual = [StatusCode::OK, StatusCode::MOVED_PERMANENTLY, StatusCode::FOUND];
        rows.extend(usual.map(|status| (Some(status), span.as_secs())));
    }
    for text in statuses {
        let status = match text.as_str() {
            "any" => None,
            _ => Some(
                values::digits(text)
                    .and_then(|code| StatusCode::from_u16(u16::try_from(code).ok()?).ok())
                    .ok_or_else(|| directive.error(format_args!("invalid status \"{text}\"")))?,
            ),
        };
        rows.push((status, span.as_secs()));
    }
    Ok(())
}

/// A span in seconds, which has no milliseconds in nginx.
fn seconds(text: &str) -> Option<Duration> {
    values::parse_time(text).filter(|_| !text.contains("ms"))
}

fn use_stale(directive: &Directive) -> Outcome<UseStale> {
    let mut stale = UseStale::default();
    let mut off = false;
    masks(directive, |kind| {
        let status = kind.strip_prefix("http_").and_then(|code| code.parse().ok());
        match (kind, status) {
            // Both end as a 502.
            ("error" | "invalid_header", _) => stale.error = true,
            ("timeout", _) => stale.timeout = true,
            ("updating", _) => stale.updating = true,
            ("off", _) => off = true,
            (_, Some(code @ (403 | 404 | 429 | 500 | 502 | 503 | 504))) => {
                stale.statuses.extend(StatusCode::from_u16(code));
            }
            _ => return false,
        }
        true
    })?;
    Ok(if off { UseStale::default() } else { stale })
}

fn ignored(directive: &Directive) -> Outcome<Ignored> {
    let mut ignored = Ignored::default();
    masks(directive, |name| {
        match name {
            "x-accel-expires" => ignored.accel_expires = true,
            "x-accel-buffering" => ignored.accel_buffering = true,
            "cache-control" => ignored.cache_control = true,
            "expires" => ignored.expires = true,
            "set-cookie" => ignored.set_cookie = true,
            "vary" => ignored.vary = true,
            // Nothing is done with these in any case.
            "x-accel-redirect" | "x-accel-limit-rate" | "x-accel-charset" => {}
            _ => return false,
        }
        true
    })?;
    Ok(ignored)
}

/// nginx's least memory for a cache.
const LEAST_ZONE: u64 = 8192;
/// What nginx takes of it for an answer: a megabyte is about 8,000.
const NODE: u64 = 128;

/// The cache of a `proxy_cache_path`.
pub(super) fn zone(
    directive: &Directive,
    scope: &Scope<'_>,
    earlier: &[(CacheZone, &Directive)],
) -> Outcome<CacheZone> {
    let root = scope.path(directive.arg(0).trim_end_matches('/'));
    let mut zone = CacheZone {
        name: String::new(),
        place: Place { root, levels: Vec::new() },
        most_entries: 0,
        inactive: Duration::from_secs(600),
        max_size: None,
    };
    for parameter in &directive.args[1..] {
        let invalid = |what: &str| directive.error(format_args!("invalid {what} \"{parameter}\""));
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        match name {
            "levels" => zone.place.levels = levels(value).ok_or_else(|| invalid("\"levels\""))?,
            "keys_zone" => {
                let (name, size) = value.split_once(':').ok_or_else(|| invalid("keys zone size"))?;
                let size = values::size(directive, size).ok().filter(|size| *size >= LEAST_ZONE);
                zone.name = name.to_owned();
                zone.most_entries = size.ok_or_else(|| invalid("keys zone size"))? / NODE;
            }
            "inactive" => zone.inactive = seconds(value).ok_or_else(|| invalid("inactive value"))?,
            "max_size" => {
                let size = values::size(directive, value).map_err(|_| invalid("max_size value"))?;
                zone.max_size = Some(size);
            }
            // Files are written beside their place in any case.
            "use_temp_path" if matches!(value, "on" | "off") => {}
            "use_temp_path" => {
                return Err(directive.error(format_args!(
                    "invalid use_temp_path value \"{parameter}\", it must be \"on\" or \"off\""
                )));
            }
            _ => return Err(invalid("parameter")),
        }
    }
    if zone.name.is_empty() {
        return Err(directive.error("\"proxy_cache_path\" must have \"keys_zone\" parameter"));
    }
    if let Some((_, other)) = earlier.iter().find(|(other, _)| other.place.root == zone.place.root) {
        let (root, place) = (zone.place.root.display(), &other.place);
        return Err(directive
            .error(format_args!("the same path name \"{root}\" used in {}:{} and", place.file, place.line)));
    }
    if earlier.iter().any(|(other, _)| other.name == zone.name) {
        return Err(directive.error(format_args!("duplicate zone \"{}\"", zone.name)));
    }
    Ok(zone)
}

/// `1:2`: up to three lengths of 1 or 2.
fn levels(text: &str) -> Option<Vec<usize>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    let length = |text: &str| text.parse().ok().filter(|length| matches!(length, 1..=2));
    let levels = text.split(':').map(length).collect::<Option<Vec<usize>>>()?;
    (levels.len() <= 3).then_some(levels)
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;
    use std::path::Path;

    #[test]
    fn errors_are_those_of_nginx() {
        // The wording was compared with nginx 1.22, but for what is marked as ours.
        let rows = [
            ("proxy_cache_path c;", "invalid number of arguments in \"proxy_cache_path\" directive"),
            ("proxy_cache_path c x;", "invalid parameter \"x\""),
            ("proxy_cache_path c levels=1;", "\"proxy_cache_path\" must have \"keys_zone\" parameter"),
            ("proxy_cache_path c keys_zone=:1m;", "\"proxy_cache_path\" must have \"keys_zone\" parameter"),
            ("proxy_cache_path c keys_zone=z;", "invalid keys zone size \"keys_zone=z\""),
            ("proxy_cache_path c keys_zone=z:1x;", "invalid keys zone size \"keys_zone=z:1x\""),
            ("proxy_cache_path c keys_zone=z:4k;", "invalid keys zone size \"keys_zone=z:4k\""),
            ("proxy_cache_path c keys_zone=z:1m levels=3;", "invalid \"levels\" \"levels=3\""),
            ("proxy_cache_path c keys_zone=z:1m levels=1:2:2:1;", "invalid \"levels\" \"levels=1:2:2:1\""),
            ("proxy_cache_path c keys_zone=z:1m inactive=x;", "invalid inactive value \"inactive=x\""),
            ("proxy_cache_path c keys_zone=z:1m max_size=x;", "invalid max_size value \"max_size=x\""),
            (
                "proxy_cache_path c keys_zone=z:1m use_temp_path=x;",
                "invalid use_temp_path value \"use_temp_path=x\", it must be \"on\" or \"off\"",
            ),
            (
                "proxy_cache_path c keys_zone=z:1m; proxy_cache_path c/ keys_zone=y:1m;",
                "the same path name \"/p/c\" used in f:1 and",
            ),
            ("proxy_cache_path c keys_zone=z:1m; proxy_cache_path d keys_zone=z:1m;", "duplicate zone \"z\""),
            (
                "server { proxy_cache_path c keys_zone=z:1m; }",
                "\"proxy_cache_path\" directive is not allowed here",
            ),
            ("proxy_cache z;", "\"proxy_cache\" zone \"z\" is unknown"),
            ("proxy_cache_key $nope;", "unknown \"nope\" variable"),
            ("proxy_cache_key a; proxy_cache_key b;", "\"proxy_cache_key\" directive is duplicate"),
            ("proxy_cache_valid x;", "invalid time value \"x\""),
            ("proxy_cache_valid 200 5ms;", "invalid time value \"5ms\""),
            ("proxy_cache_valid 99 1m;", "invalid status \"99\""),
            ("proxy_cache_valid foo 1m;", "invalid status \"foo\""),
            ("proxy_cache_lock_age x;", "\"proxy_cache_lock_age\" directive invalid value"),
            ("proxy_cache_use_stale foo;", "invalid value \"foo\""),
            ("proxy_cache_methods PUT;", "invalid value \"PUT\""),
            ("proxy_cache_min_uses x;", "\"proxy_cache_min_uses\" directive invalid number"),
            ("proxy_ignore_headers X;", "invalid value \"X\""),
            ("proxy_no_cache;", "invalid number of arguments in \"proxy_no_cache\" directive"),
            // Ours: what nginx can and we cannot, yet.
            ("proxy_cache $host;", "\"proxy_cache\" with variables is not supported"),
        ];
        for (text, want) in rows {
            let error = Config::of_http(text).expect_err(text);
            assert_eq!(error.message, format!("[emerg] {want} in f:1"), "{text}");
        }
    }

    #[test]
    fn caches_are_read_and_settings_handed_down() {
        let config = Config::of_http(
            "server { listen 80; proxy_cache z; proxy_cache_valid 200 404 1m; proxy_cache_valid any 2s;
             proxy_cache_bypass $arg_a $arg_b; proxy_cache_use_stale updating http_503 error; proxy_cache_lock on;
             location / { proxy_pass http://127.0.0.1:1; proxy_cache_valid 5; proxy_ignore_headers vary Expires; }
             location /off { proxy_cache off; proxy_cache_methods post GET; } }
             proxy_cache_path c/ levels=1:2 keys_zone=z:1m inactive=1h max_size=2g use_temp_path=off;",
        );
        let config = config.expect("a valid configuration");
        let [zone] = config.caches.as_slice() else { panic!("{:?}", config.caches) };
        assert_eq!(
            (zone.place.root.as_path(), zone.place.levels.as_slice()),
            (Path::new("/p/c"), &[1, 2][..])
        );
        assert_eq!((zone.most_entries, zone.inactive.as_secs(), zone.max_size), (8192, 3600, Some(2 << 30)));
        let server = &config.servers[0];
        let of = |index: usize| &server.locations[index].settings.proxy.cache;
        let usual = |seconds| [200, 301, 302].map(|code| (StatusCode::from_u16(code).ok(), seconds)).to_vec();
        assert_eq!((of(0).zone, &of(0).valid), (Some(0), &usual(5)));
        assert!(
            of(0).lock && of(0).bypass.len() == 2 && of(0).use_stale.updating && !of(0).use_stale.timeout
        );
        assert_eq!(of(0).ignored, Ignored { vary: true, expires: true, ..Ignored::default() });
        let (ok, missing) = (Some(StatusCode::OK), Some(StatusCode::NOT_FOUND));
        assert_eq!((of(1).zone, &of(1).valid), (None, &vec![(ok, 60), (missing, 60), (None, 2)]));
        assert_eq!([Method::GET, Method::POST].map(|method| of(0).serves(&method)), [true, false]);
        assert!(of(1).posts && !of(1).serves(&Method::GET));
        assert_eq!(CacheSettings::default().lock_timeout.as_secs(), 5);
    }
}
