//! What a person at a terminal is told of a stack that answers: where it is, how to get there, and how it ends. Given the
//! descriptor, it gives a few lines; programs read the descriptor itself.

use crate::descriptor::Stack;
use crate::nginx_conf::HOST;

/// The lines.
pub(super) fn lines(stack: &Stack) -> String {
    let Stack { url, resolver, dir, tiers, .. } = stack;
    let mut text = format!("\n{url} answers. Only its own name server knows this name.\n\n");
    let proxy = tiers.get("proxy").and_then(|proxies| proxies.first());
    if let Some((ip, port)) = proxy.and_then(|proxy| proxy.address.rsplit_once(':')) {
        text += &format!(
            "  browse      http://{ip}:{port}/\n  \
               a page      curl --resolve {HOST}:{port}:{ip} {url}\n"
        );
    }
    let dir = in_shell(&dir.display().to_string());
    text + &format!(
        "  a load      loadgen --resolver {resolver} {url}\n  \
           its state   target-stack status {dir}\n  \
           its end     Ctrl-C\n\n"
    )
}

/// A word that a shell reads as it is.
fn in_shell(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+,:=@".contains(&byte);
    // What a terminal would obey is not shown; such a name can only be typed.
    let shown: String = word.chars().filter(|c| !c.is_control()).collect();
    if word.bytes().all(plain) { shown } else { format!("'{}'", shown.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::descriptor::Tier;

    #[test]
    fn a_person_is_told_how_to_get_there_and_out_again() {
        let tier =
            |address: &str| Tier { pid: 1, address: address.into(), metrics: String::new(), cpu_limit: None };
        let proxies = vec![tier("127.0.0.1:8080"), tier("127.0.0.2:8080")];
        for (dir, shown) in [
            ("/tmp/target-stack-7", "status /tmp/target-stack-7\n"),
            ("/tmp/a b", "status '/tmp/a b'\n"),
            ("/tmp/it's", r"status '/tmp/it'\''s'"),
            ("/tmp/\u{1b}[2J", "status '/tmp/[2J'"),
        ] {
            let text = lines(&Stack {
                schema: String::from("target-stack.up/1"),
                pid: 1,
                url: String::from("http://www.foobar.com:8080/"),
                resolver: String::from("127.0.0.1:5353"),
                tiers: [(String::from("proxy"), proxies.clone())].into(),
                dir: dir.into(),
                cpus: vec![0],
                items: 1,
                emulated: Vec::new(),
                versions: [].into(),
            });
            for part in [
                "http://127.0.0.1:8080/\n",
                "curl --resolve www.foobar.com:8080:127.0.0.1 http://www.foobar.com:8080/\n",
                "loadgen --resolver 127.0.0.1:5353 http://www.foobar.com:8080/\n",
                shown,
                "Ctrl-C\n",
            ] {
                assert!(text.contains(part), "{part}: {text}");
            }
        }
    }
}
