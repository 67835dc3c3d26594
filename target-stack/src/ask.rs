//! One question over HTTP, to a tier of a stack: what it answers, as text, with the numbers that stand in it.

use std::io::{Error, ErrorKind, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How much a tier may say: ours say some kilobytes.
const LONGEST: u64 = 4 << 20;

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// Asks for `url`, which is `http://HOST:PORT/PATH`. It sets no limit to how long that takes.
///
/// # Errors
/// When it is another kind of URL, cannot be reached, or is not answered as HTTP does.
pub(crate) async fn get(url: &str) -> Result<Answer> {
    let parts = url.strip_prefix("http://").and_then(|rest| rest.split_at_checked(rest.find('/')?));
    let (address, path) = parts.ok_or_else(|| Error::from(ErrorKind::InvalidInput))?;
    let mut stream = TcpStream::connect(address).await?;
    // In HTTP/1.0 an answer ends with its connection, and is not cut into chunks.
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(LONGEST).read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer);
    let read = || {
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some(Answer { status: head.split(' ').nth(1)?.parse().ok()?, body: body.to_owned() })
    };
    read().ok_or_else(|| Error::new(ErrorKind::InvalidData, "no answer of HTTP"))
}

/// The value of the sample that has this name, labels included, in a tier's metrics.
pub(crate) fn sample(text: &str, name: &str) -> Option<f64> {
    let value = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok();
    text.lines().find_map(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_its_whole_name() {
        let text = "# HELP a b\na_total 1\na{b=\"c\"} 2.5\na{b=\"d\"} 3\n";
        for (name, want) in [("a{b=\"d\"}", Some(3.0)), ("a_total", Some(1.0)), ("a", None), ("b", None)] {
            assert_eq!(sample(text, name), want, "{name}");
        }
    }
}
