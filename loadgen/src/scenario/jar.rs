//! The cookies of one session. Given `Set-Cookie` fields, it keeps names and values, and gives the `Cookie` field. All of
//! a session's requests go to one host, so domain and path are ignored; of the other attributes only `Max-Age` is read,
//! where zero or less takes a cookie away. Its memory is bounded.

/// At most so many bytes of cookies are kept (RFC 6265, section 6.1, asks for 4,096 for each of them); what would go
/// past it is not taken.
const MOST: usize = 16 * 1024;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Jar {
    /// `name=value; name=value`.
    line: Vec<u8>,
}

impl Jar {
    /// What the `Cookie` field says; empty when there is none.
    pub(super) fn line(&self) -> &[u8] {
        &self.line
    }

    /// The session is over.
    pub(super) fn clear(&mut self) {
        self.line.clear();
    }

    /// Takes in the value of one `Set-Cookie` field.
    pub(super) fn set(&mut self, field: &[u8]) {
        let mut parts = field.split(|byte| *byte == b';');
        let pair = parts.next().unwrap_or_default().trim_ascii();
        let Some(equals) = pair.iter().position(|byte| *byte == b'=').filter(|at| *at > 0) else { return };
        let (name, value) = (pair[..equals].trim_ascii(), pair[equals + 1..].trim_ascii());
        let sound = |bytes: &[u8]| bytes.iter().all(|byte| *byte >= b' ' && *byte != 0x7f && *byte != b';');
        if !sound(name) || !sound(value) {
            return;
        }
        self.remove(name);
        let mut ages = parts.filter_map(|part| {
            let (key, age) = part.trim_ascii().split_at_checked(8)?;
            key.eq_ignore_ascii_case(b"max-age=").then_some(age)
        });
        let gone = |age: &[u8]| age.starts_with(b"-") || (!age.is_empty() && age.iter().all(|b| *b == b'0'));
        let more = name.len() + value.len() + 3;
        if ages.next_back().is_some_and(gone) || self.line.len() + more > MOST {
            return;
        }
        if !self.line.is_empty() {
            self.line.extend_from_slice(b"; ");
        }
        self.line.extend_from_slice(name);
        self.line.push(b'=');
        self.line.extend_from_slice(value);
    }

    fn remove(&mut self, name: &[u8]) {
        let mut start = 0;
        while start < self.line.len() {
            let rest = &self.line[start..];
            let end = rest.windows(2).position(|two| two == b"; ").map_or(rest.len(), |at| at + 2);
            if rest.starts_with(name) && rest.get(name.len()) == Some(&b'=') {
                self.line.drain(start..start + end);
                if start == self.line.len() && start > 0 {
                    self.line.truncate(start - 2);
                }
                return;
            }
            start += end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_kept_replaced_and_taken_away() {
        let mut jar = Jar::default();
        for (field, want) in [
            ("a=1; Path=/; HttpOnly", "a=1"),
            ("b=2", "a=1; b=2"),
            ("c=x=y; Max-Age=60", "a=1; b=2; c=x=y"),
            ("b=3; Secure", "a=1; c=x=y; b=3"),
            ("a=; max-age=0", "c=x=y; b=3"),
            ("b=; Max-Age=-1", "c=x=y"),
            ("ab=1", "c=x=y; ab=1"),
            ("b=9", "c=x=y; ab=1; b=9"),
            ("c=\"q\"; Expires=Thu, 01 Jan 2099 00:00:00 GMT", "ab=1; b=9; c=\"q\""),
            ("nothing", "ab=1; b=9; c=\"q\""),
            ("=x", "ab=1; b=9; c=\"q\""),
            ("d=a\r\nEvil: 1", "ab=1; b=9; c=\"q\""),
        ] {
            jar.set(field.as_bytes());
            assert_eq!(String::from_utf8_lossy(jar.line()), want, "{field}");
        }
        jar.clear();
        assert!(jar.line().is_empty());
    }

    #[test]
    fn a_target_that_sets_cookies_without_end_does_not_fill_the_memory() {
        let mut jar = Jar::default();
        (0..10_000).for_each(|n| jar.set(format!("name{n}={}", "v".repeat(100)).as_bytes()));
        jar.set(format!("big={}", "v".repeat(MOST)).as_bytes());
        assert!((MOST - 200..=MOST).contains(&jar.line().len()));
    }
}
