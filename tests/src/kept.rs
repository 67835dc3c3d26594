//! A connection that is kept, as a browser or a proxy keeps one: request after request, each answered whole before the next.

use crate::{PATIENCE, shopper::Answer};
use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Result, Write};
use std::net::TcpStream;

/// See the module.
#[derive(Debug)]
pub struct Kept(BufReader<TcpStream>);

impl Kept {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn connect(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Asks, with these further header lines, each ended by CRLF, and a form if it is not empty.
    ///
    /// # Errors
    /// When the connection breaks off before the answer is whole.
    pub fn ask(&mut self, method: &str, path: &str, headers: &str, form: &str) -> Result<Answer> {
        let about = match form.len() {
            0 => String::new(),
            length => {
                format!("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n")
            }
        };
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: www.foobar.com\r\n{headers}{about}\r\n{form}");
        self.0.get_mut().write_all(request.as_bytes())?;
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.0.read_line(&mut head)? == 0 {
                return Err(Error::new(ErrorKind::UnexpectedEof, format!("no answer but `{head}`")));
            }
        }
        let mut answer = Answer::of(&head);
        let length = answer.field("content-length").and_then(|length| length.parse().ok());
        let mut body = vec![0; length.ok_or_else(|| Error::new(ErrorKind::InvalidData, head))?];
        self.0.read_exact(&mut body)?;
        answer.body = String::from_utf8_lossy(&body).into_owned();
        Ok(answer)
    }
}
