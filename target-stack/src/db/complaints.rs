//! What a database server's log complains of, on one line, behind a sentence that says how it ended.

/// The complaints of `log`, or nothing: the first, which is what the others follow from, and the last two.
pub(super) fn of(log: &str) -> String {
    let complaint = |line: &&str| line.contains("ERROR") || line.contains("FATAL") || line.contains("cannot");
    let mut lines: Vec<&str> = log.lines().filter(complaint).collect();
    if let Some(others @ 1..) = lines.len().checked_sub(3) {
        lines.drain(1..=others);
    }
    if lines.is_empty() { String::new() } else { format!("; its log says: {}", lines.join(" | ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_cut_down_to_its_complaints() {
        let long = "1 [ERROR] a\n[Note] b\n2 [ERROR] c\n3 [ERROR] d\n4 [ERROR] e\n5 [ERROR] f\n";
        for (log, want) in [
            ("[Note] fine\n", ""),
            ("[Note] b\n1 [ERROR] a\n", "; its log says: 1 [ERROR] a"),
            (
                "1 [ERROR] a\n2 [ERROR] b\n3 [ERROR] c\n",
                "; its log says: 1 [ERROR] a | 2 [ERROR] b | 3 [ERROR] c",
            ),
            (long, "; its log says: 1 [ERROR] a | 4 [ERROR] e | 5 [ERROR] f"),
        ] {
            assert_eq!(of(log), want);
        }
    }
}
