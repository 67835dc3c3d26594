//! The word that was meant: given one that is not known and those that are, the nearest of these, if one is near.

/// `; did you mean ...?` with the nearest of the words that are known, when one is near.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let near = known
        .into_iter()
        .map(|known| (strsim::damerau_levenshtein(word, known), known))
        .min()
        .filter(|(distance, known)| *distance <= (known.len().max(word.len()) / 2).clamp(1, 3));
    near.map(|(_, known)| format!("; did you mean `{known}`?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_near_word_is_meant() {
        let known = ["report", "ceiling", "man"];
        for (word, want) in [
            ("cieling", "; did you mean `ceiling`?"),
            ("ceil", "; did you mean `ceiling`?"),
            ("reprot", "; did you mean `report`?"),
            ("men", "; did you mean `man`?"),
            ("localhost", ""),
            ("shop", ""),
            ("", ""),
        ] {
            assert_eq!(nearest(word, known), want, "{word}");
        }
        assert_eq!(nearest("ceiling", []), "");
    }
}
