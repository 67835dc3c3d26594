//! nginx's values: times, sizes, numbers, switches, addresses. Given a directive's argument, it gives the value, or
//! the error as nginx words it. Names of hosts are resolved here, once, as nginx does when it starts.

use super::tree::Directive;
use crate::failure::{Failure, Outcome};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::time::Duration;

/// A span such as `60`, `60s`, `1m30s`, `500ms`, as the argument of `directive`.
pub(crate) fn time(directive: &Directive, text: &str) -> Outcome<Duration> {
    parse_time(text).ok_or_else(|| invalid(directive))
}

/// nginx's `ngx_parse_time`: units from the largest to the smallest, a number without one is seconds.
pub(crate) fn parse_time(text: &str) -> Option<Duration> {
    const UNITS: [(&str, u64); 8] = [
        ("y", 31_536_000_000),
        ("M", 2_592_000_000),
        ("w", 604_800_000),
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1000),
        ("ms", 1),
    ];
    let mut rest = text;
    let mut total = 0_u64;
    let mut smallest = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number = rest[..digits].parse::<u64>().ok()?;
        let letters = rest[digits..].bytes().take_while(u8::is_ascii_alphabetic).count();
        let unit = &rest[digits..digits + letters];
        rest = rest[digits + letters..].trim_start_matches(' ');
        let unit = if unit.is_empty() { "s" } else { unit };
        let position = UNITS.iter().position(|(name, _)| *name == unit).filter(|&p| p >= smallest)?;
        smallest = position + 1;
        total = total.checked_add(number.checked_mul(UNITS[position].1)?)?;
    }
    (!text.is_empty()).then(|| Duration::from_millis(total))
}

/// A span in whole seconds, in which nothing is finer.
pub(crate) fn parse_seconds(text: &str) -> Option<i64> {
    let span = parse_time(text).filter(|_| !text.contains("ms"))?;
    i64::try_from(span.as_secs()).ok()
}

/// A size such as `512`, `8k`, `1m`, `1g`, in bytes, as the argument of `directive`.
pub(crate) fn size(directive: &Directive, text: &str) -> Outcome<u64> {
    parse_size(text).ok_or_else(|| invalid(directive))
}

/// nginx's `ngx_parse_size`, which has `g` in offsets.
pub(crate) fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = match text.as_bytes().last() {
        Some(b'k' | b'K') => (&text[..text.len() - 1], 1 << 10),
        Some(b'm' | b'M') => (&text[..text.len() - 1], 1 << 20),
        Some(b'g' | b'G') => (&text[..text.len() - 1], 1 << 30),
        _ => (text, 1),
    };
    digits(number)?.checked_mul(unit)
}

/// A size of something in memory, which is not nothing.
pub(crate) fn length(directive: &Directive, text: &str) -> Outcome<usize> {
    let size = size(directive, text)?;
    usize::try_from(size).ok().filter(|&size| size > 0).ok_or_else(|| invalid(directive))
}

/// nginx's error of a value that is out of question.
pub(crate) fn invalid(directive: &Directive) -> Failure {
    directive.error(format_args!("\"{}\" directive invalid value", directive.name))
}

/// A whole number.
pub(crate) fn number(directive: &Directive, text: &str) -> Outcome<u32> {
    digits(text)
        .and_then(|n| u32::try_from(n).ok())
        .ok_or_else(|| directive.error(format_args!("\"{}\" directive invalid number", directive.name)))
}

/// A number without a sign, which `str::parse` would allow.
pub(crate) fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// The file that a log goes to, or `stderr`.
///
/// # Errors
/// For what nginx would not take for a file.
pub(crate) fn log_file(directive: &Directive) -> Outcome<&str> {
    let file = directive.arg(0);
    if file.starts_with("syslog:") || file.starts_with("memory:") {
        return Err(
            directive.error(format_args!("logging to anything but a file is not supported: \"{file}\""))
        );
    }
    Ok(file)
}

/// `on` or `off`.
pub(crate) fn switch(directive: &Directive) -> Outcome<bool> {
    match directive.arg(0) {
        "on" => Ok(true),
        "off" => Ok(false),
        other => Err(directive.error(format_args!(
            "invalid value \"{other}\" in \"{}\" directive, it must be \"on\" or \"off\"",
            directive.name
        ))),
    }
}

/// How the address of a Unix domain socket begins.
const UNIX: &str = "unix:";
/// What is said of one.
const NO_UNIX: &str = "unix domain sockets are not supported";

/// The address of `listen`: `addr:port`, `*:port`, `port` or `addr`. Port 0 is our extension: the kernel chooses.
pub(crate) fn listen(directive: &Directive, text: &str) -> Outcome<SocketAddr> {
    let wrong =
        |what: &str| directive.error(format_args!("{what} in \"{text}\" of the \"listen\" directive"));
    if text.starts_with(UNIX) {
        return Err(wrong(NO_UNIX));
    }
    let (host, port) = split_port(text);
    let port_text = match port {
        Some(port) => port,
        None if digits(text).is_some() => {
            return Ok(SocketAddr::from((
                Ipv4Addr::UNSPECIFIED,
                text.parse().map_err(|_| wrong("invalid port"))?,
            )));
        }
        None => "80",
    };
    let port = digits(port_text).and_then(|p| u16::try_from(p).ok()).ok_or_else(|| wrong("invalid port"))?;
    let ip = match host {
        "" => return Err(wrong("no host")),
        "*" => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
        _ => {
            host.trim_start_matches('[').trim_end_matches(']').parse().map_err(|_| wrong("host not found"))?
        }
    };
    Ok(SocketAddr::new(ip, port))
}

/// All addresses of an upstream's server, `host` or `host:port`.
pub(crate) fn upstream(directive: &Directive, text: &str) -> Outcome<Vec<SocketAddr>> {
    if text.starts_with(UNIX) {
        return Err(directive.error(format_args!("{NO_UNIX} in upstream \"{text}\"")));
    }
    let (host, port) = split_port(text);
    let port = match port {
        None => 80,
        Some(port) => digits(port)
            .and_then(|p| u16::try_from(p).ok())
            .filter(|&p| p != 0)
            .ok_or_else(|| directive.error(format_args!("invalid port in upstream \"{text}\"")))?,
    };
    if host.is_empty() {
        return Err(directive.error(format_args!("no host in upstream \"{text}\"")));
    }
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let found: Vec<_> = (bare, port).to_socket_addrs().map(Iterator::collect).unwrap_or_default();
    if found.is_empty() {
        return Err(directive.error(format_args!("host not found in upstream \"{text}\"")));
    }
    Ok(found)
}

/// `host:port` as its parts; a bracketed IPv6 address keeps its colons.
pub(crate) fn split_port(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::config::tree::parse;

    fn directive() -> Directive {
        parse("f", "x;", &|_| Ok(Vec::new())).expect("a directive").remove(0)
    }

    #[test]
    fn times_read_as_nginx_reads_them() {
        let rows = [
            ("0", 0),
            ("60", 60_000),
            ("60s", 60_000),
            ("500ms", 500),
            ("1m30s", 90_000),
            ("1h 5", 3_605_000),
        ];
        for (text, want) in rows {
            assert_eq!(parse_time(text), Some(Duration::from_millis(want)), "{text}");
        }
        for text in ["", "s", "1q", "1s1m", "-1", "1.5s", "99999999999999999999", "1s1s"] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_have_units_of_1024() {
        for (text, want) in [("0", 0), ("10", 10), ("8k", 8192), ("1M", 1 << 20), ("2g", 2 << 30)] {
            assert_eq!(size(&directive(), text).ok(), Some(want), "{text}");
        }
        for text in ["", "k", "1q", "-1", "99999999999999999g"] {
            assert!(size(&directive(), text).is_err(), "{text}");
        }
    }

    #[test]
    fn addresses_to_listen_on() {
        let rows = [
            ("80", Ok("0.0.0.0:80")),
            ("127.0.0.1:0", Ok("127.0.0.1:0")),
            ("*:81", Ok("0.0.0.0:81")),
            ("[::1]:81", Ok("[::1]:81")),
            ("127.0.0.1", Ok("127.0.0.1:80")),
            ("99999", Err("invalid port in \"99999\"")),
            ("127.0.0.1:x", Err("invalid port in \"127.0.0.1:x\"")),
            (":80", Err("no host in \":80\"")),
            ("x:80", Err("host not found in \"x:80\"")),
        ];
        for (text, want) in rows {
            let got = listen(&directive(), text).map(|a| a.to_string()).map_err(|e| e.message);
            let want = want
                .map(str::to_owned)
                .map_err(|e| format!("[emerg] {e} of the \"listen\" directive in f:1"));
            assert_eq!(got, want, "{text}");
        }
    }
}
