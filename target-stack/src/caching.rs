//! The cache of a stack's proxy: what is asked for by options, and the directives of nginx that it comes to. It makes nothing.

use crate::units;
use clap::ValueEnum;
use std::path::Path;
use std::time::Duration;

/// The name of the cache, in the configuration and in the proxy's metrics.
const ZONE: &str = "pages";
/// nginx's memory for keys, about 8,000 of them in a megabyte, and for what is kept on disk.
const KEYS: &str = "16m";
const SIZE: &str = "512m";
/// What an app server says of its times is true once, and in no copy: it is left out of the copies, not out of the cache.
const TIMING: &str = r#"    map $upstream_cache_status $app_timing {
        "~^(HIT|STALE|UPDATING)$" "";
        default $upstream_http_server_timing;
    }
    add_header Server-Timing $app_timing always;
"#;
/// The app's own answers to a failure of its own are among the failures.
const FAILURES: &str = "error timeout http_500 http_502 http_503 http_504";

#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Caching {
    /// Whether the proxy keeps the app's pages, and what it does besides [without a word: full]
    #[arg(long, value_enum, value_name = "HOW", num_args = 0..=1, default_missing_value = "full")]
    cache: Option<Cache>,
    /// How long a page that it keeps is fresh [default: 60s]
    #[arg(long, value_name = "TIME", requires = "cache", value_parser = units::days)]
    cache_valid: Option<Duration>,
}

/// See [`Caching::cache`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Cache {
    /// Each request goes to the app
    #[default]
    Off,
    /// Pages are kept
    On,
    /// And of the requests for a page that is not there, one goes to the app; the others wait
    Lock,
    /// Pages are kept, and one that is no longer fresh is sent where the app fails
    Stale,
    /// All of it, and while a page is fetched anew, in the background, the old one is sent
    Full,
}

impl Cache {
    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// What it adds to a cache, in nginx's words.
    fn directives(self) -> Vec<String> {
        let stale = |more: &str| format!("proxy_cache_use_stale {FAILURES}{more};");
        let lock = || String::from("proxy_cache_lock on;");
        match self {
            Self::Off | Self::On => Vec::new(),
            Self::Lock => vec![lock()],
            Self::Stale => vec![stale("")],
            Self::Full => {
                vec![lock(), stale(" updating"), String::from("proxy_cache_background_update on;")]
            }
        }
    }
}

impl Caching {
    /// The same as options.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let cache = self.cache.map(|cache| [String::from("--cache"), cache.name()]);
        let valid = self.cache_valid.map(|time| [String::from("--cache-valid"), seconds(time)]);
        cache.into_iter().chain(valid).flatten().collect()
    }

    /// What stands in `http`, for a proxy whose files are in `dir`: lines, or nothing.
    pub(crate) fn in_http(&self, dir: &Path) -> String {
        if self.is_off() {
            return String::new();
        }
        let place = crate::nginx_conf::quoted(&dir.join("cache"));
        format!(
            "    proxy_cache_path {place} levels=1:2 keys_zone={ZONE}:{KEYS} inactive=1h max_size={SIZE} use_temp_path=off;\n{TIMING}"
        )
    }

    /// What stands in the location that leads to the app: lines, or nothing. Whoever has a cookie, signs in or says which customer he
    /// is may be shown what is his alone; of what the app marks as private, or sends with a cookie, nothing is kept in any case.
    pub(crate) fn in_location(&self) -> String {
        if self.is_off() {
            return String::new();
        }
        let valid = seconds(self.cache_valid.unwrap_or(Duration::from_secs(60)));
        let always = [
            String::new(),
            format!("proxy_cache {ZONE};"),
            format!("proxy_cache_valid 200 {valid};"),
            String::from("# Pages of people who are known are theirs alone."),
            String::from("proxy_cache_bypass $http_cookie $http_authorization $arg_customer;"),
            String::from("proxy_no_cache $http_cookie $http_authorization $arg_customer;"),
            String::from("proxy_hide_header Server-Timing;"),
        ];
        let own = self.cache.unwrap_or_default().directives();
        let lines = always.into_iter().chain(own);
        lines
            .map(|line| if line.is_empty() { "\n".to_owned() } else { format!("            {line}\n") })
            .collect()
    }

    fn is_off(&self) -> bool {
        self.cache.unwrap_or_default() == Cache::Off
    }
}

/// In whole seconds, as nginx counts them here.
fn seconds(time: Duration) -> String {
    format!("{}s", time.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        caching: Caching,
        #[arg(long)]
        other: bool,
    }

    fn caching(line: &str) -> Result<Caching, clap::Error> {
        Ok(Line::try_parse_from(format!("up {line}").split_whitespace())?.caching)
    }

    #[test]
    fn each_way_of_caching_has_its_directives() {
        for (line, own) in [
            ("--cache on", ""),
            ("--cache lock", "proxy_cache_lock on;"),
            ("--cache stale", "proxy_cache_use_stale error timeout http_500 http_502 http_503 http_504;"),
            (
                "--cache --other",
                "proxy_cache_lock on; proxy_cache_use_stale error timeout http_500 http_502 http_503 http_504 updating; \
                 proxy_cache_background_update on;",
            ),
            (
                "--cache full",
                "proxy_cache_lock on; proxy_cache_use_stale error timeout http_500 http_502 http_503 http_504 updating; \
                 proxy_cache_background_update on;",
            ),
        ] {
            let text = caching(line).expect("options").in_location();
            let always = caching("--cache on").expect("options").in_location();
            let more = text.strip_prefix(&always).expect("what each way has");
            assert_eq!(more.lines().map(str::trim).collect::<Vec<_>>().join(" "), own, "{line}");
            assert!(always.contains("proxy_cache_valid 200 60s;\n"), "{line}: {text}");
        }
    }

    #[test]
    fn nothing_is_cached_unless_it_is_asked_for() {
        for line in ["", "--cache off", "--cache off --cache-valid 3s"] {
            let caching = caching(line).expect("options");
            assert_eq!((caching.in_location(), caching.in_http(Path::new("/a"))), <_>::default(), "{line}");
        }
    }

    #[test]
    fn a_person_s_pages_are_neither_kept_nor_taken_from_the_cache() {
        for line in ["--cache on", "--cache lock", "--cache stale", "--cache"] {
            let text = caching(line).expect("options").in_location();
            for directive in ["proxy_cache_bypass", "proxy_no_cache"] {
                let want =
                    format!("            {directive} $http_cookie $http_authorization $arg_customer;\n");
                assert!(text.contains(&want), "{line}: {text}");
            }
            assert!(!text.contains("proxy_ignore_headers"), "{line}");
        }
    }

    #[test]
    fn a_validity_is_of_whole_seconds_and_goes_with_a_cache() {
        let valid = |line: &str| caching(line).map(|caching| caching.in_location());
        assert!(valid("--cache on --cache-valid 10s").is_ok_and(|text| text.contains("_valid 200 10s;")));
        assert!(valid("--cache --cache-valid 2m").is_ok_and(|text| text.contains("_valid 200 120s;")));
        for line in [
            "--cache-valid 10s",
            "--cache on --cache-valid 0s",
            "--cache on --cache-valid 1.5s",
            "--cache yes",
        ] {
            assert!(valid(line).is_err(), "{line}");
        }
    }

    #[test]
    fn options_are_handed_on_as_they_were_given() {
        for (line, want) in [
            ("", ""),
            ("--cache", "--cache full"),
            ("--cache stale --cache-valid 2m", "--cache stale --cache-valid 120s"),
        ] {
            let words = caching(line).expect("options").arguments();
            assert_eq!(words.join(" "), want, "{line}");
            assert_eq!(
                caching(want).expect("options").in_location(),
                caching(line).expect("options").in_location()
            );
        }
    }
}
