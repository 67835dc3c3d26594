//! The colours of a report, for light and for dark: what words, lines, signs and series look like. Plain values, of which
//! the style sheet is made, and whose contrast is tested.

/// A colour by its name in the style sheet: on light paper, on dark.
type Pair = (&'static str, &'static str, &'static str);

const COLOURS: [Pair; 11] = [
    ("paper", "#ffffff", "#16181b"),
    ("raised", "#f5f6f7", "#202327"),
    ("ink", "#1c1d1f", "#e9e8e6"),
    ("quiet", "#595d63", "#a9afb7"),
    ("grid", "#e0e2e4", "#34383d"),
    ("line", "#868b92", "#7b828b"),
    ("link", "#00588a", "#7cc3f5"),
    ("focus", "#00588a", "#7cc3f5"),
    ("good", "#0a6640", "#67cf9a"),
    ("bad", "#a8321f", "#ff9382"),
    ("sign", "#ffffff", "#16181b"),
];

/// The rules that give the names their colours: as the system has it, unless the reader has chosen.
pub(super) fn css() -> String {
    let rules = |pick: fn(&Pair) -> &'static str| -> String {
        COLOURS.iter().map(|pair| format!("--{}:{};", pair.0, pick(pair))).collect()
    };
    let (light, dark) = (rules(|pair| pair.1), rules(|pair| pair.2));
    format!(
        ":root{{color-scheme:light;{light}}}\n\
         @media (prefers-color-scheme:dark){{:root:not([data-theme=light]){{color-scheme:dark;{dark}}}}}\n\
         :root[data-theme=dark]{{color-scheme:dark;{dark}}}\n\
         @media print{{:root,:root[data-theme=dark],:root:not([data-theme=light]){{color-scheme:light;{light}}}}}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The relative luminance of sRGB, and the ratio of two, as WCAG 2.2 defines them.
    fn luminance(colour: &str) -> f64 {
        let part = |at: usize| {
            let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5)
    }

    fn contrast(a: &str, b: &str) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    fn of(name: &str) -> [&'static str; 2] {
        let pair = COLOURS.iter().find(|pair| pair.0 == name).unwrap();
        [pair.1, pair.2]
    }

    #[test]
    fn the_ratio_is_the_known_one() {
        assert!((contrast("#000000", "#ffffff") - 21.0).abs() < 1e-9);
        assert!((contrast("#777777", "#ffffff") - 4.478).abs() < 1e-3);
    }

    #[test]
    fn words_and_signs_can_be_told_from_what_is_behind_them() {
        let words = ["ink", "quiet", "link", "good", "bad"];
        let text = words.into_iter().flat_map(|word| [(word, "paper", 4.5), (word, "raised", 4.5)]);
        let badges = [("sign", "good", 4.5), ("sign", "bad", 4.5)];
        let others = [
            ("line", "paper", 3.0),
            ("line", "raised", 3.0),
            ("focus", "paper", 3.0),
            ("focus", "raised", 3.0),
        ];
        for (front, back, least) in text.chain(badges).chain(others) {
            for (theme, (front_is, back_is)) in
                ["light", "dark"].iter().zip(of(front).into_iter().zip(of(back)))
            {
                let ratio = contrast(front_is, back_is);
                assert!(ratio >= least, "{front} on {back}, {theme}: {ratio:.2}");
            }
        }
    }
}
