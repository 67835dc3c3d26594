//! How single options are written: from an option's text to its value, or to what is wrong with it. What they mean together is the
//! plan's business.

use super::{ConnectTo, Observe, Stages, Statuses};
use crate::observe::Selection;
use crate::units;
use http::Uri;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Reads `--stages`.
pub(crate) fn stages(text: &str) -> Result<Stages, String> {
    let stage = |part: &str| {
        let (length, rates) = part.split_once(':').ok_or_else(|| {
            format!("`{part}` is no stage; write TIME:RATE or TIME:FROM-TO, such as 10s:1000")
        })?;
        let length = units::positive_duration(length)?;
        let (from, to) = match rates.split_once('-') {
            Some(("", _)) | None => (units::rate(rates)?, units::rate(rates)?),
            Some((from, to)) => (units::rate_or_zero(from)?, units::rate_or_zero(to)?),
        };
        if from.micro == 0 && to.micro == 0 {
            return Err(format!("`{part}`: a rate has to be above zero"));
        }
        Ok((length, from, to))
    };
    text.split(',').map(|part| stage(part.trim())).collect::<Result<_, _>>().map(Stages)
}

/// Reads `--expect-status`.
pub(crate) fn statuses(text: &str) -> Result<Statuses, String> {
    let code = |part: &str| {
        part.trim()
            .parse::<usize>()
            .ok()
            .filter(|code| (100..1000).contains(code))
            .ok_or_else(|| format!("`{part}` is no status code; write a list such as 200,300-399"))
    };
    let mut expected = [false; 1000];
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (code(first)?, code(last)?);
        if first > last {
            return Err(format!("`{part}` runs backwards"));
        }
        expected[first..=last].fill(true);
    }
    Ok(Statuses(Arc::new(expected)))
}

/// Reads a count of something of which there has to be one.
pub(crate) fn count(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(n) if (1..=1_000_000).contains(&n) => Ok(n),
        _ => Err(format!("`{text}`: write a whole number, at least 1")),
    }
}

/// Reads `--streams`.
pub(crate) fn streams(text: &str) -> Result<usize, String> {
    count(text)
        .and_then(|n| if n <= 10_000 { Ok(n) } else { Err(format!("`{text}`: at most 10000 streams")) })
}

/// Reads `--threads`: each has a few megabytes of histograms, and more than one a CPU are of little use.
pub(crate) fn threads(text: &str) -> Result<usize, String> {
    count(text).and_then(|n| if n <= 256 { Ok(n) } else { Err(format!("`{text}`: at most 256 threads")) })
}

/// Reads an address with its port.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("`{text}`: write an address with its port, such as 127.0.0.1:9090"))
}

/// Reads `--connect-to`.
pub(crate) fn connect_to(text: &str) -> Result<ConnectTo, String> {
    let wrong = || format!("`{text}`: write HOST:PORT:ADDR:PORT, such as www.foobar.com:80:127.0.0.1:8080");
    let (left, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    // An IPv6 address stands in brackets.
    let (left, address) = match left.strip_suffix(']') {
        Some(left) => left.rsplit_once(":[").ok_or_else(wrong)?,
        None => left.rsplit_once(':').ok_or_else(wrong)?,
    };
    let (host, from) = left.rsplit_once(':').ok_or_else(wrong)?;
    let ip: IpAddr = address.parse().map_err(|_| wrong())?;
    let port: u16 = port.parse().map_err(|_| wrong())?;
    let host = host.to_ascii_lowercase();
    Ok(ConnectTo { host, port: from.parse().map_err(|_| wrong())?, address: SocketAddr::new(ip, port) })
}

/// Reads `--observe`.
pub(crate) fn observe(text: &str) -> Result<Observe, String> {
    let (name, url) = text.split_once('=').unwrap_or(("", text));
    let valid = url.parse::<Uri>().is_ok_and(|uri| uri.scheme_str() == Some("http") && uri.host().is_some());
    if name.is_empty() || !valid {
        return Err(format!("`{text}`: write NAME=URL, such as app=http://127.0.0.1:9100/metrics"));
    }
    Selection::of_url(url)?;
    Ok(Observe { name: name.to_owned(), url: url.to_owned() })
}
