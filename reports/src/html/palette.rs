//! The colours of a report, for light and for dark: what words, lines, signs and series look like. Plain values, of which
//! the style sheet is made, and whose contrast is tested.

/// A colour by its name in the style sheet: on light paper, on dark.
type Pair = (&'static str, &'static str, &'static str);
/// A series' colour by its name: its lines and the words about it on light paper, and both on dark.
type Series = (&'static str, &'static str, &'static str, &'static str);

const COLOURS: [Pair; 14] = [
    ("paper", "#ffffff", "#16181b"),
    ("raised", "#f5f6f7", "#202327"),
    ("ink", "#1c1d1f", "#e9e8e6"),
    ("quiet", "#595d63", "#a9afb7"),
    ("grid", "#e0e2e4", "#34383d"),
    ("line", "#868b92", "#7b828b"),
    ("axis", "#787878", "#7b828b"),
    ("band", "#f2f2f2", "#202327"),
    ("alarm", "#b24200", "#ff9d5c"),
    ("link", "#00588a", "#7cc3f5"),
    ("focus", "#00588a", "#7cc3f5"),
    ("good", "#0a6640", "#67cf9a"),
    ("bad", "#a8321f", "#ff9382"),
    ("sign", "#ffffff", "#16181b"),
];

/// Those of the pictures, a little darker than in print where thin lines would be too faint on a screen.
const SERIES: [Series; 18] = [
    ("offered", "#5a5a5a", "#464646", "#a8adb3"),
    ("ok", "#0072b2", "#00598b", "#3d9be0"),
    ("failure", "#d55e00", "#a84a00", "#ff8a4c"),
    ("typical", "#009e73", "#007a58", "#2fc796"),
    ("upper", "#b97f00", "#8a5f00", "#f0b93a"),
    ("tail", "#000000", "#000000", "#f4f2ee"),
    ("extreme", "#3a97cc", "#1f6f9f", "#a5dcff"),
    ("lag", "#c26d9c", "#9a4f7a", "#e59ac4"),
    ("ceiling", "#d55e00", "#a84a00", "#ff8a4c"),
    ("predicted", "#c26d9c", "#9a4f7a", "#e59ac4"),
    ("objective", "#b97f00", "#8a5f00", "#f0b93a"),
    ("shared", "#2d2d2d", "#232323", "#dcdad6"),
    ("tier-0", "#0072b2", "#00598b", "#3d9be0"),
    ("tier-1", "#b97f00", "#8a5f00", "#f0b93a"),
    ("tier-2", "#009e73", "#007a58", "#2fc796"),
    ("tier-3", "#c26d9c", "#9a4f7a", "#e59ac4"),
    ("tier-4", "#3a97cc", "#1f6f9f", "#a5dcff"),
    ("tier-5", "#785e3c", "#5e4a2f", "#c2a37a"),
];

/// A heat map's steps on dark paper, from little to much: there, more is brighter. On light paper they are as in print.
const HEAT: [&str; 10] = [
    "#4a1650", "#6d1557", "#8f1859", "#b02254", "#cf3549", "#e8533d", "#f67a3d", "#fca04c", "#fdc76b",
    "#ffeda0",
];

/// The rules that give the names their colours: as the system has it, unless the reader has chosen.
pub(super) fn css() -> String {
    let rule = |name: &str, colour: &str| format!("--{name}:{colour};");
    let both =
        |name: &str, line: &str, words: &str| rule(name, line) + &rule(&format!("{name}-words"), words);
    let mut light: String = COLOURS.iter().map(|(name, light, _)| rule(name, light)).collect();
    let mut dark: String = COLOURS.iter().map(|(name, _, dark)| rule(name, dark)).collect();
    light.extend(SERIES.iter().map(|(name, line, words, _)| both(name, line, words)));
    dark.extend(SERIES.iter().map(|(name, _, _, dark)| both(name, dark, dark)));
    dark.extend(HEAT.iter().enumerate().map(|(i, colour)| rule(&format!("heat-{i}"), colour)));
    // Paper that is printed on is light.
    format!(
        ":root{{color-scheme:light;{light}}}\n\
         @media screen and (prefers-color-scheme:dark){{:root:not([data-theme=light]){{color-scheme:dark;{dark}}}}}\n\
         @media screen{{:root[data-theme=dark]{{color-scheme:dark;{dark}}}}}\n"
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

    fn assert_contrast(front: &str, front_is: &str, back: &str, back_is: &str, least: f64) {
        let ratio = contrast(front_is, back_is);
        assert!(ratio >= least, "{front} {front_is} on {back} {back_is}: {ratio:.2}");
    }

    #[test]
    fn words_and_signs_can_be_told_from_what_is_behind_them() {
        let on = |back| move |(front, least)| (front, back, least);
        let all = [
            ("ink", 4.5),
            ("quiet", 4.5),
            ("link", 4.5),
            ("good", 4.5),
            ("bad", 4.5),
            ("alarm", 4.5),
            ("line", 3.0),
            ("axis", 3.0),
            ("focus", 3.0),
        ];
        let badges = [("sign", "good", 4.5), ("sign", "bad", 4.5)];
        for (front, back, least) in
            all.map(on("paper")).into_iter().chain(all.map(on("raised"))).chain(badges)
        {
            for (front_is, back_is) in of(front).into_iter().zip(of(back)) {
                assert_contrast(front, front_is, back, back_is, least);
            }
        }
    }

    #[test]
    fn series_can_be_told_from_the_paper_and_their_words_read() {
        let [light, dark] = of("paper");
        for (name, line, words, on_dark) in SERIES {
            assert_contrast(name, line, "paper", light, 3.0);
            assert_contrast(name, words, "paper", light, 4.5);
            assert_contrast(name, on_dark, "paper", dark, 4.5);
        }
        let mut before = luminance(dark);
        for colour in HEAT {
            assert!(luminance(colour) > before, "{colour} is no brighter than the one before");
            before = luminance(colour);
        }
    }

    #[test]
    fn every_colour_of_a_picture_has_one_on_dark_paper() {
        let css = css();
        let run = crate::pictures::of(&crate::fixture::overload());
        let search = crate::pictures::of(&crate::fixture::ceiling::collapse());
        for (_, chart) in run.into_iter().chain(search) {
            for used in crate::draw::svg(&chart).split("var(").skip(1) {
                let (name, _) = used.split_once(',').unwrap();
                assert!(css.matches(&format!("{name}:")).count() >= 2, "{name}");
            }
        }
    }
}
