//! The lines that a target writes, whatever its bytes are: of each one only a beginning is kept, so that one without an end costs no more
//! than any other, and a target that logs is read to its end.

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

/// The most bytes of a line that are kept: the descriptor of a large stack is shorter.
const MOST: usize = 64 * 1024;

/// See the module.
#[derive(Debug)]
pub(super) struct Lines<R>(BufReader<R>);

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(super) fn of(stream: R) -> Self {
        Self(BufReader::new(stream))
    }

    /// The beginning of the next line, without its end; `None` at the end of the stream.
    pub(super) async fn next(&mut self) -> Option<String> {
        let mut line = Vec::new();
        let mut some = false;
        loop {
            // Whatever cannot be read any more has ended.
            let bytes = self.0.fill_buf().await.unwrap_or_default();
            if bytes.is_empty() {
                return some.then(|| text(&line));
            }
            some = true;
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let part = &bytes[..end.unwrap_or(bytes.len())];
            line.extend(part.iter().take(MOST - line.len()));
            let read = part.len() + usize::from(end.is_some());
            self.0.consume(read);
            if end.is_some() {
                return Some(text(&line));
            }
        }
    }
}

/// Bytes that are none of UTF-8 are shown as such.
fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn all(bytes: &[u8]) -> Vec<String> {
        let (mut lines, mut all) = (Lines::of(bytes), Vec::new());
        while let Some(line) = lines.next().await {
            all.push(line);
        }
        all
    }

    #[tokio::test(flavor = "current_thread")]
    async fn whatever_a_line_is_made_of_the_next_one_is_read() {
        for (bytes, lines) in [
            (&b""[..], &[][..]),
            (b"\n", &[""]),
            (b"a\r\n\nb", &["a", "", "b"]),
            (b"caf\xe9\n\xff\nb\n", &["caf\u{fffd}", "\u{fffd}", "b"]),
        ] {
            assert_eq!(all(bytes).await, lines, "{bytes:?}");
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn of_a_long_line_the_beginning_is_kept() {
        let mut bytes = vec![b'x'; 3 * MOST];
        bytes.extend(b"\nb\n");
        let lines = all(&bytes).await;
        assert_eq!((lines[0].len(), &lines[1][..], lines.len()), (MOST, "b", 2));
        assert_eq!(all(&bytes[..2 * MOST]).await[0].len(), MOST);
    }
}
