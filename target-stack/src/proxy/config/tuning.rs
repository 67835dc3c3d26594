//! The directives that tune nginx and change nothing that a client sees. Given one, it says whether nginx would take its arguments, in
//! nginx's words; more does not come of it, since there is nothing here to be tuned so.

use super::rules::{ANY_HTTP, EVENTS, HTTP, MAIN, Rule, SERVER, once};
use super::tree::Directive;
use super::values;
use crate::failure::Outcome;

/// The smallest pool of nginx's, on 64 bits.
const LEAST_POOL: u64 = 112;
/// What the levels of a path may come to.
const MOST_LEVELS: u64 = 10;

/// What the arguments are.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Switch,
    Number,
    /// A number that may have a sign.
    Signed,
    /// In bytes, in which nginx knows no `g`.
    Size,
    /// The same where it does.
    Offset,
    Time,
    /// Nothing finer than a second.
    Seconds,
    /// A number and a size.
    Buffers,
    /// A directory, and the lengths of names below it.
    Path,
    /// Any word.
    Word,
    /// Memory for a connection or a request.
    Pool,
    /// How events are waited for.
    Method,
    OpenFiles,
}

use Kind::{
    Buffers, Method, Number, Offset, OpenFiles, Path, Pool, Seconds, Signed, Size, Switch, Time, Word,
};

/// One of these directives.
#[derive(Debug)]
pub(super) struct Tuning {
    pub(super) rule: Rule,
    kind: Kind,
}

const fn row(name: &'static str, contexts: u8, kind: Kind) -> Tuning {
    let args = match kind {
        Buffers => 2..=2,
        Path => 1..=4,
        OpenFiles => 1..=2,
        _ => 1..=1,
    };
    Tuning { rule: once(name, contexts, args), kind }
}

pub(super) const TUNINGS: &[Tuning] = &[
    row("master_process", MAIN, Switch),
    row("pcre_jit", MAIN, Switch),
    row("timer_resolution", MAIN, Time),
    row("lock_file", MAIN, Word),
    row("worker_priority", MAIN, Signed),
    row("worker_rlimit_core", MAIN, Offset),
    row("use", EVENTS, Method),
    row("multi_accept", EVENTS, Switch),
    row("accept_mutex", EVENTS, Switch),
    row("accept_mutex_delay", EVENTS, Time),
    row("worker_aio_requests", EVENTS, Number),
    row("sendfile", ANY_HTTP, Switch),
    row("sendfile_max_chunk", ANY_HTTP, Size),
    row("tcp_nopush", ANY_HTTP, Switch),
    row("tcp_nodelay", ANY_HTTP, Switch),
    row("connection_pool_size", HTTP | SERVER, Pool),
    row("request_pool_size", HTTP | SERVER, Pool),
    row("server_names_hash_max_size", HTTP, Number),
    row("server_names_hash_bucket_size", HTTP, Number),
    row("variables_hash_max_size", HTTP, Number),
    row("variables_hash_bucket_size", HTTP, Number),
    row("types_hash_max_size", ANY_HTTP, Number),
    row("types_hash_bucket_size", ANY_HTTP, Number),
    row("client_body_buffer_size", ANY_HTTP, Size),
    row("client_body_in_single_buffer", ANY_HTTP, Switch),
    row("client_body_temp_path", ANY_HTTP, Path),
    row("output_buffers", ANY_HTTP, Buffers),
    row("postpone_output", ANY_HTTP, Size),
    row("read_ahead", ANY_HTTP, Size),
    row("open_file_cache", ANY_HTTP, OpenFiles),
    row("open_file_cache_valid", ANY_HTTP, Seconds),
    row("open_file_cache_min_uses", ANY_HTTP, Number),
    row("open_file_cache_errors", ANY_HTTP, Switch),
    row("gzip_buffers", ANY_HTTP, Buffers),
    row("ssl_buffer_size", HTTP | SERVER, Size),
    // Tickets hold for as long as rustls has them hold.
    row("ssl_session_timeout", HTTP | SERVER, Seconds),
    row("proxy_headers_hash_max_size", ANY_HTTP, Number),
    row("proxy_headers_hash_bucket_size", ANY_HTTP, Number),
    row("proxy_buffer_size", ANY_HTTP, Size),
    row("proxy_buffers", ANY_HTTP, Buffers),
    row("proxy_busy_buffers_size", ANY_HTTP, Size),
    row("proxy_max_temp_file_size", ANY_HTTP, Size),
    row("proxy_temp_file_write_size", ANY_HTTP, Size),
    row("proxy_temp_path", ANY_HTTP, Path),
];

/// Checks the arguments of `directive`, if it is one of these. There are as many as there may be.
///
/// # Errors
/// When nginx would not take them.
pub(super) fn check(directive: &Directive) -> Outcome {
    let Some(tuning) = TUNINGS.iter().find(|tuning| tuning.rule.name == directive.name) else {
        return Ok(());
    };
    let first = directive.arg(0);
    let good = match tuning.kind {
        Switch => return values::switch(directive).map(drop),
        Number => return values::number(directive, first).map(drop),
        Signed => {
            return values::number(directive, first.strip_prefix(['-', '+']).unwrap_or(first)).map(drop);
        }
        Word => true,
        Size => size(first).is_some(),
        Offset => values::parse_size(first).is_some(),
        Time => values::parse_time(first).is_some(),
        Seconds => values::parse_seconds(first).is_some(),
        Buffers => {
            values::digits(first).is_some_and(|n| n > 0) && size(directive.arg(1)).is_some_and(|n| n > 0)
        }
        Path => {
            let levels = directive.args[1..].iter().map(|level| values::digits(level).filter(|n| *n > 0));
            levels.sum::<Option<u64>>().is_some_and(|sum| sum <= MOST_LEVELS)
        }
        Pool => match size(first) {
            Some(..LEAST_POOL) => {
                return Err(directive.error(format_args!("the pool size must be no less than {LEAST_POOL}")));
            }
            size => size.is_some(),
        },
        Method if first != "epoll" => {
            return Err(directive.error(format_args!("invalid event type \"{first}\"")));
        }
        Method => true,
        OpenFiles => return open_files(directive),
    };
    if good { Ok(()) } else { Err(values::invalid(directive)) }
}

/// nginx's `ngx_parse_size`, which has no `g`.
fn size(text: &str) -> Option<u64> {
    values::parse_size(text).filter(|_| !text.ends_with(['g', 'G']))
}

/// `off`, or `max=N` with or without `inactive=TIME`.
fn open_files(directive: &Directive) -> Outcome {
    let (mut off, mut max) = (false, false);
    for text in &directive.args {
        let good = match text.split_once('=') {
            None => {
                off |= text == "off";
                text == "off"
            }
            Some(("max", number)) => {
                max = true;
                values::digits(number).is_some_and(|number| number > 0)
            }
            Some(("inactive", time)) => values::parse_seconds(time).is_some(),
            Some(_) => false,
        };
        if !good {
            return Err(directive.error(format_args!("invalid \"open_file_cache\" parameter \"{text}\"")));
        }
    }
    if off || max {
        return Ok(());
    }
    Err(directive.error("\"open_file_cache\" must have the \"max\" parameter"))
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    #[test]
    fn what_tunes_nginx_is_read_where_nginx_reads_it() {
        let good = |kind| match kind {
            Switch => "on",
            Number | Size | Time | Seconds => "1",
            Signed => "-5",
            Offset => "1g",
            Buffers => "8 16k",
            Path => "temp 1 2",
            Word => "a",
            Pool => "4k",
            Method => "epoll",
            OpenFiles => "max=1000 inactive=20s",
        };
        for Tuning { rule, kind } in TUNINGS {
            let line = format!("{} {};", rule.name, good(*kind));
            for (context, text) in [
                (MAIN, format!("{line} events {{}} http {{}}")),
                (EVENTS, format!("events {{ {line} }} http {{}}")),
                (HTTP, format!("events {{}} http {{ {line} }}")),
                (SERVER, format!("events {{}} http {{ server {{ listen 80; {line} }} }}")),
            ] {
                let read = Config::parse("f", &text, std::path::Path::new("/p"));
                let want = if rule.contexts & context == 0 {
                    Err(format!("[emerg] \"{}\" directive is not allowed here in f:1", rule.name))
                } else {
                    Ok(())
                };
                assert_eq!(read.map(drop).map_err(|error| error.message), want, "{text}");
            }
        }
    }

    #[test]
    fn errors_are_those_of_nginx() {
        // The wording was compared with nginx 1.22, which another test does anew.
        let rows = [
            ("sendfile x;", "invalid value \"x\" in \"sendfile\" directive, it must be \"on\" or \"off\""),
            ("read_ahead x;", "\"read_ahead\" directive invalid value"),
            ("read_ahead 1g;", "\"read_ahead\" directive invalid value"),
            ("types_hash_max_size 1k;", "\"types_hash_max_size\" directive invalid number"),
            ("output_buffers 0 1k;", "\"output_buffers\" directive invalid value"),
            ("output_buffers 1 0;", "\"output_buffers\" directive invalid value"),
            ("output_buffers 1;", "invalid number of arguments in \"output_buffers\" directive"),
            ("proxy_temp_path a 0;", "\"proxy_temp_path\" directive invalid value"),
            ("proxy_temp_path a 4 4 4;", "\"proxy_temp_path\" directive invalid value"),
            ("connection_pool_size 100;", "the pool size must be no less than 112"),
            ("open_file_cache_valid 1ms;", "\"open_file_cache_valid\" directive invalid value"),
            ("open_file_cache max=0;", "invalid \"open_file_cache\" parameter \"max=0\""),
            ("open_file_cache inactive=1;", "\"open_file_cache\" must have the \"max\" parameter"),
            ("postpone_output 1; postpone_output 1;", "\"postpone_output\" directive is duplicate"),
        ];
        for (text, want) in rows {
            let error = Config::of_http(text).expect_err(text);
            assert_eq!(error.message, format!("[emerg] {want} in f:1"), "{text}");
        }
    }
}
