//! Escapes of a URI. Given bytes, it gives them as nginx writes them into the path or the arguments of a URI that goes out.

/// Appends `path` with escapes where a path needs them.
pub(crate) fn escape_path(path: &[u8], out: &mut Vec<u8>) {
    escape(path, out, |byte| unsafe_in_uri(byte) || matches!(byte, b'?'));
}

/// Appends `value` with escapes where a value among arguments needs them.
pub(crate) fn escape_argument(value: &[u8], out: &mut Vec<u8>) {
    escape(value, out, |byte| unsafe_in_uri(byte) || matches!(byte, b'?' | b'&' | b'+' | b';'));
}

fn escape(bytes: &[u8], out: &mut Vec<u8>, needs: impl Fn(u8) -> bool) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in bytes {
        if needs(byte) {
            out.extend([b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        } else {
            out.push(byte);
        }
    }
}

fn unsafe_in_uri(byte: u8) -> bool {
    matches!(byte, 0..=b' ' | 0x7f..=0xff)
        || matches!(byte, b'"' | b'#' | b'%' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')
}

/// A redirect's target as nginx sends it: escapes that a path does not need are decoded, up to a question mark.
pub(crate) fn unescape_redirect(target: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(target.len());
    let mut rest = target;
    while let [byte, after @ ..] = rest {
        if *byte == b'?' {
            break;
        }
        let digit = |at: usize| after.get(at).and_then(|&digit| char::from(digit).to_digit(16));
        match (*byte, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                let decoded = u8::try_from(high * 16 + low).unwrap_or_default();
                rest = &after[2..];
                if decoded == b'?' {
                    out.push(decoded);
                    break;
                }
                if matches!(decoded, b'&'..=b'~') {
                    out.push(decoded);
                } else {
                    out.extend([b'%', after[0], after[1]]);
                }
            }
            _ => {
                out.push(*byte);
                rest = after;
            }
        }
    }
    out.extend_from_slice(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_escaped_as_nginx_escapes_them() {
        // What nginx 1.22 was seen to send, for every byte below 0x81 and the last.
        for byte in (0..=0x80).chain([0xff]) {
            let (mut path, mut argument) = (Vec::new(), Vec::new());
            escape_path(&[byte], &mut path);
            escape_argument(&[byte], &mut argument);
            let printable = matches!(byte, b'!'..=b'~');
            let in_path = !printable || b"\"#%<>?\\^`{|}".contains(&byte);
            let in_argument = in_path || b"&+;".contains(&byte);
            assert_eq!(
                (path.len(), argument.len()),
                (if in_path { 3 } else { 1 }, if in_argument { 3 } else { 1 }),
                "{byte}"
            );
        }
    }

    #[test]
    fn a_redirect_is_decoded_up_to_its_arguments() {
        let rows = [
            ("/a%20b", "/a%20b"),
            ("/a%26b%3bc", "/a&b;c"),
            ("/a%25%23", "/a%25%23"),
            ("/a%3Fb%26", "/a?b%26"),
            ("/a?b%26", "/a?b%26"),
            ("/a%fF", "/a%fF"),
            ("/%4", "/%4"),
            ("/%zz", "/%zz"),
            ("%", "%"),
        ];
        for (given, want) in rows {
            assert_eq!(String::from_utf8_lossy(&unescape_redirect(given.as_bytes())), want, "{given}");
        }
    }
}
