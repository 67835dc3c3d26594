//! Words that fit: positions for labels that must not overlap, lines that are broken or shortened to a width. Given
//! wishes and the room there is, it gives places; it draws nothing.

use crate::number::words;

const ELLIPSIS: &str = "\u{2026}";

/// Positions in a range of which each is at least `gap` from the next, with the least sum of squared distances from
/// the `wished` ones; the order of the result is that of `wished`. Where the room is too small for all of them, they
/// are `gap` apart from the beginning on. It is isotonic regression by pooling adjacent violators (Barlow et al. 1972,
/// Statistical Inference under Order Restrictions), each wish first moved by its place in the row.
pub(super) fn spread(wished: &[f64], gap: f64, from: f64, to: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wished.len()).collect();
    order.sort_by(|a, b| wished[*a].total_cmp(&wished[*b]));
    // Blocks of labels that touch one another: their mean position and how many.
    let mut blocks: Vec<(f64, usize)> = Vec::new();
    for (place, index) in order.iter().enumerate() {
        let mut block = (wished[*index] - place as f64 * gap, 1);
        while let Some(before) = blocks.pop_if(|before| before.0 > block.0) {
            let n = before.1 + block.1;
            block = ((before.0 * before.1 as f64 + block.0 * block.1 as f64) / n as f64, n);
        }
        blocks.push(block);
    }
    let last = wished.len().saturating_sub(1) as f64 * gap;
    let starts = blocks.into_iter().flat_map(|(start, n)| std::iter::repeat_n(start, n));
    let mut positions = vec![0.0; wished.len()];
    for ((place, index), start) in order.into_iter().enumerate().zip(starts) {
        positions[index] = start.min(to - last).max(from) + place as f64 * gap;
    }
    positions
}

/// `text` in lines no wider than `room`, of which there are at most `most`; what does not fit ends in an ellipsis. The
/// lines are about equally long, and a unit stays with its number.
pub(super) fn wrap(text: &str, room: f64, most: usize, width: impl Fn(&str) -> f64) -> Vec<String> {
    let words = words(text);
    let lines = filled(&words, room, most, &width);
    if lines.len() < 2 || lines.concat().contains(ELLIPSIS) {
        return lines;
    }
    // The narrowest room that needs no further line is the one that balances them.
    let (mut too_narrow, mut enough) = (0.0, room);
    while enough - too_narrow > 1.0 {
        let between = f64::midpoint(too_narrow, enough);
        let narrower = filled(&words, between, most, &width);
        let all_there = narrower.len() == lines.len() && !narrower.concat().contains(ELLIPSIS);
        if all_there { enough = between } else { too_narrow = between }
    }
    filled(&words, enough, most, &width)
}

/// Each line as full as can be.
fn filled(words: &[String], room: f64, most: usize, width: impl Fn(&str) -> f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for (i, word) in words.iter().enumerate() {
        let full = lines.len() >= most;
        match lines.last_mut() {
            Some(line) if width(&format!("{line} {word}")) <= room => *line = format!("{line} {word}"),
            Some(line) if full => {
                *line = shorten(&format!("{line} {}", words[i..].join(" ")), room, &width);
                break;
            }
            _ => lines.push(shorten(word, room, &width)),
        }
    }
    lines
}

/// `text`, cut so that it is no wider than `room` with an ellipsis at its end.
pub(super) fn shorten(text: &str, room: f64, width: impl Fn(&str) -> f64) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let ends: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    let cut = |end: usize| format!("{}{ELLIPSIS}", text[..end].trim_end());
    let fitting = ends.partition_point(|end| width(&cut(*end)) <= room);
    cut(fitting.checked_sub(1).map_or(0, |i| ends[i]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn labels_keep_their_order_their_distance_and_their_room(
            wished in prop::collection::vec(0.0..100.0f64, 0..8), gap in 1.0..12.0f64,
        ) {
            let spread = spread(&wished, gap, 0.0, 100.0);
            prop_assert_eq!(spread.len(), wished.len());
            let mut pairs: Vec<_> = wished.iter().zip(&spread).collect();
            pairs.sort_by(|a, b| a.1.total_cmp(b.1));
            for two in pairs.windows(2) {
                prop_assert!(two[1].1 - two[0].1 >= gap - 1e-9 && two[0].0 <= two[1].0, "{:?}", two);
            }
            prop_assert!(spread.iter().all(|at| (-1e-9..=100.0 + 1e-9).contains(at)), "{:?}", spread);
        }

        #[test]
        fn lines_are_no_wider_than_their_room(text in "[a-z ]{0,80}", room in 2..30usize, most in 1..4usize) {
            let lines = wrap(&text, room as f64, most, |line| line.chars().count() as f64);
            prop_assert!(lines.len() <= most);
            prop_assert!(lines.iter().all(|line| line.chars().count() <= room), "{:?}", lines);
        }
    }

    #[test]
    fn what_does_not_touch_is_not_moved() {
        assert_eq!(spread(&[50.0, 10.0], 20.0, 0.0, 100.0), [50.0, 10.0]);
        assert_eq!(spread(&[50.0, 50.0], 20.0, 0.0, 100.0), [40.0, 60.0]);
        assert_eq!(spread(&[99.0, 99.0], 20.0, 0.0, 100.0), [80.0, 100.0]);
    }

    #[test]
    fn lines_break_between_words() {
        let width = |line: &str| line.chars().count() as f64;
        assert_eq!(wrap("one two three", 8.0, 2, width), ["one two", "three"]);
        assert_eq!(wrap("one two three four", 13.0, 2, width), ["one two", "three four"]);
        assert_eq!(wrap("it took 1.28 ms, or so", 12.0, 3, width), ["it took", "1.28 ms,", "or so"]);
        assert_eq!(wrap("one two three", 9.0, 1, width), ["one two\u{2026}"]);
        assert_eq!(wrap("", 8.0, 2, width), Vec::<String>::new());
    }
}
