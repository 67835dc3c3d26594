//! Which location a path gets. Given the locations of a server as a tree of levels, it gives nginx's choice: the one that names
//! the path exactly; else the longest prefix, and inside of it the same again; but the first regular expression
//! that matches goes before a prefix, unless that is marked `^~`.

use super::{Location, Pattern};
use crate::proxy::rewrite::Captured;

/// The locations of one block, as indices of all locations of its server.
#[derive(Debug, Default)]
pub(crate) struct Level {
    /// Sorted by path.
    statics: Vec<Static>,
    /// As they stand in the file.
    regexes: Vec<usize>,
    /// Some static location of this level redirects to itself when it is asked for without its last slash.
    slashes: bool,
}

/// A path that locations of a level name.
#[derive(Debug)]
struct Static {
    path: Box<[u8]>,
    exact: Option<usize>,
    prefix: Option<usize>,
    /// The next shorter prefix that this path begins with, as an index of the level's statics.
    shorter: Option<usize>,
    /// The path ends with a slash, and is passed on to an upstream: without the slash it is redirected to.
    slash: bool,
}

/// What was chosen.
#[derive(Debug, Default)]
pub(crate) struct Choice {
    /// None where no location matches.
    pub(crate) location: Option<usize>,
    /// The path lacks the last slash of that location's.
    pub(crate) slash: bool,
    /// What the regular expressions that led there have captured, outermost first.
    pub(crate) captured: Vec<Captured>,
}

enum Found {
    Exact(usize),
    Slash(usize),
    Prefix(usize),
    Nothing,
}

impl Level {
    /// The level of these locations. `slash` says of which a path without the last slash is redirected.
    pub(crate) fn new(locations: &[(usize, Pattern)], slash: impl Fn(usize) -> bool) -> Self {
        let mut level = Self::default();
        let mut paths: Vec<&str> = Vec::new();
        for (index, pattern) in locations {
            match pattern {
                Pattern::Exact(path) | Pattern::Prefix { path, .. } => paths.push(path),
                Pattern::Regex(_) => level.regexes.push(*index),
                Pattern::Named(_) => {}
            }
        }
        paths.sort_unstable();
        paths.dedup();
        for path in paths {
            let named = |wanted: bool| {
                locations.iter().find_map(|(index, pattern)| match pattern {
                    Pattern::Exact(text) if wanted && text == path => Some(*index),
                    Pattern::Prefix { path: text, .. } if !wanted && text == path => Some(*index),
                    _ => None,
                })
            };
            let (exact, prefix) = (named(true), named(false));
            // Sorted, every path that this one begins with stands before it.
            let shorter = level
                .statics
                .iter()
                .rposition(|earlier| earlier.prefix.is_some() && path.as_bytes().starts_with(&earlier.path));
            let slash = path.ends_with('/') && [exact, prefix].into_iter().flatten().any(&slash);
            level.slashes |= slash;
            level.statics.push(Static { path: path.as_bytes().into(), exact, prefix, shorter, slash });
        }
        level
    }

    fn find(&self, path: &[u8]) -> Found {
        let after = self.statics.partition_point(|known| *known.path <= *path);
        let last = after.checked_sub(1);
        // What the path begins with is the greatest that is not above it, or a shorter one that that begins with.
        let mut at = last;
        if let Some(known) = last.map(|last| &self.statics[last]).filter(|known| *known.path == *path) {
            if let Some(exact) = known.exact {
                return Found::Exact(exact);
            }
            if let Some(prefix) = known.prefix {
                return Found::Prefix(prefix);
            }
        }
        if self.slashes
            && let Some(known) = self.statics[after..]
                .iter()
                .take_while(|known| known.path.starts_with(path))
                .find(|known| known.slash && known.path.len() == path.len() + 1)
            && let Some(location) = known.exact.or(known.prefix)
        {
            return Found::Slash(location);
        }
        while let Some(known) = at.map(|at| &self.statics[at]) {
            if let Some(prefix) = known.prefix.filter(|_| path.starts_with(&known.path)) {
                return Found::Prefix(prefix);
            }
            at = known.shorter;
        }
        Found::Nothing
    }
}

/// The location for a normalised path, among `locations`, of which `top` are the outermost.
pub(crate) fn choose(locations: &[Location], top: &Level, path: &[u8]) -> Choice {
    let mut choice = Choice::default();
    descend(locations, top, path, &mut choice);
    choice
}

/// Gives whether the choice is final.
fn descend(locations: &[Location], level: &Level, path: &[u8], choice: &mut Choice) -> bool {
    let mut no_regex = false;
    match level.find(path) {
        Found::Exact(index) => {
            choice.location = Some(index);
            return true;
        }
        Found::Slash(index) => {
            choice.location = Some(index);
            choice.slash = true;
            return true;
        }
        Found::Prefix(index) => {
            choice.location = Some(index);
            no_regex = matches!(locations[index].pattern, Pattern::Prefix { no_regex: true, .. });
            if descend(locations, &locations[index].inside, path, choice) {
                return true;
            }
        }
        Found::Nothing => {}
    }
    if no_regex {
        return false;
    }
    for &index in &level.regexes {
        let Pattern::Regex(expression) = &locations[index].pattern else { continue };
        let Some(captured) = expression.matches(path) else { continue };
        choice.location = Some(index);
        choice.captured.push(captured);
        descend(locations, &locations[index].inside, path, choice);
        // Inside of a regular expression nginx does not redirect to what lacks a slash.
        choice.slash = false;
        return true;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::super::Handler;
    use super::*;
    use crate::proxy::config::Settings;
    use crate::proxy::rewrite::Expression;
    use crate::proxy::variables::Names;
    use proptest::prelude::*;
    use std::sync::Arc;

    fn pattern(text: &str) -> Pattern {
        let mut names = Names::default();
        names.add("y");
        let expression = |text, caseless| Expression::compile(text, caseless, &names).expect("an expression");
        match text.split_once(' ') {
            Some(("=", path)) => Pattern::Exact(path.to_owned()),
            Some(("^~", path)) => Pattern::Prefix { path: path.to_owned(), no_regex: true },
            Some(("~", text)) => Pattern::Regex(expression(text, false)),
            Some(("~*", text)) => Pattern::Regex(expression(text, true)),
            _ => Pattern::Prefix { path: text.to_owned(), no_regex: false },
        }
    }

    fn location(pattern: Pattern, inside: Level) -> Location {
        let settings = Arc::new(Settings::default());
        Location {
            pattern,
            internal: false,
            script: None,
            try_files: None,
            handler: Handler::Files,
            settings,
            inside,
        }
    }

    fn flat(patterns: &[&str]) -> (Vec<Location>, Level) {
        let patterns: Vec<_> = patterns.iter().map(|text| pattern(text)).collect();
        let level = Level::new(&patterns.iter().cloned().enumerate().collect::<Vec<_>>(), |_| false);
        (patterns.into_iter().map(|pattern| location(pattern, Level::default())).collect(), level)
    }

    #[test]
    fn the_exact_location_wins_then_an_expression_then_the_longest_prefix() {
        let (locations, level) = flat(&[
            "/",
            "/img/",
            "= /",
            "/img/big/",
            "= /img/",
            "~ \\.png$",
            "~* ^/IMG/.*\\.(gif|png)$",
            "^~ /raw/",
        ]);
        let rows = [
            ("/", 2),
            ("/x", 0),
            ("/img", 0),
            ("/img/", 4),
            ("/img/a", 1),
            ("/img/big/a", 3),
            ("/img/big/a.png", 5),
            ("/img/a.gif", 6),
            ("/img/a.PNG", 6),
            ("/raw/a.png", 7),
            ("/raw", 0),
            ("/imgs", 0),
        ];
        for (path, want) in rows {
            assert_eq!(choose(&locations, &level, path.as_bytes()).location, Some(want), "{path}");
        }
        let (locations, level) = flat(&["/img/"]);
        assert_eq!(choose(&locations, &level, b"/other").location, None);
    }

    #[test]
    fn locations_inside_are_chosen_after_the_one_around_them() {
        // Inside of 1, "/a/", are 3, 4 and 5.
        let texts = ["/", "/a/", "~ x$", "/a/b/", "~ (?<y>y)$", "= /a/x"];
        let entries =
            |range: std::ops::Range<usize>| -> Vec<_> { range.map(|i| (i, pattern(texts[i]))).collect() };
        let mut locations: Vec<Location> =
            texts.iter().map(|text| location(pattern(text), Level::default())).collect();
        locations[1].inside = Level::new(&entries(3..6), |_| false);
        let top = Level::new(&entries(0..3), |_| false);
        let rows = [
            ("/a/", 1, 0),
            ("/a/b/c", 3, 0),
            ("/a/b/y", 4, 1),
            ("/a/x", 5, 0),
            ("/a/b/x", 2, 0),
            ("/y", 0, 0),
        ];
        for (path, want, captured) in rows {
            let choice = choose(&locations, &top, path.as_bytes());
            let caught = choice.captured.iter().filter(|captured| !captured.is_empty()).count();
            assert_eq!((choice.location, caught), (Some(want), captured), "{path}");
        }
    }

    #[test]
    fn a_path_without_the_last_slash_is_told() {
        let patterns: Vec<_> =
            ["/", "/a/", "/b/", "/b", "/c/"].into_iter().map(pattern).enumerate().collect();
        let level = Level::new(&patterns, |index| index != 4);
        let locations: Vec<_> =
            patterns.into_iter().map(|(_, pattern)| location(pattern, Level::default())).collect();
        for (path, want) in [
            ("/a", (1, true)),
            ("/b", (3, false)),
            ("/c", (0, false)),
            ("/ab", (0, false)),
            ("/a/", (1, false)),
        ] {
            let choice = choose(&locations, &level, path.as_bytes());
            assert_eq!((choice.location, choice.slash), (Some(want.0), want.1), "{path}");
        }
    }

    proptest! {
        #[test]
        fn the_longest_prefix_is_found_among_any(paths in proptest::collection::hash_set("/[ab/]{0,4}", 0..12), path in "/[ab/]{0,6}") {
            let patterns: Vec<_> = paths.iter().map(|path| pattern(path)).enumerate().collect();
            let level = Level::new(&patterns, |_| false);
            let locations: Vec<_> =
                patterns.iter().map(|(_, pattern)| location(pattern.clone(), Level::default())).collect();
            let longest = patterns.iter().filter(|(_, known)| path.starts_with(known.text())).max_by_key(|(_, known)| known.length());
            prop_assert_eq!(choose(&locations, &level, path.as_bytes()).location, longest.map(|(index, _)| *index));
        }
    }
}
