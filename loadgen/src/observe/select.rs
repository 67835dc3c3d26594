//! Which samples of an endpoint are a tier's: those with the labels in the fragment of its URL, as in
//! `http://host:8080/metrics#name=shop-app`. An exporter of many tiers, such as cadvisor, is observed once for each.

use super::text::Sample;

/// Labels with the values that they must have; none selects all samples.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Selection(Vec<(String, String)>);

impl Selection {
    /// Reads what follows the `#` of a URL: `label=value`, several with commas between them.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn of_url(url: &str) -> Result<Self, String> {
        let Some((_, fragment)) = url.split_once('#') else { return Ok(Self::default()) };
        let label = |part: &str| match part.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
            _ => Err(format!("`{part}` selects no samples; write LABEL=VALUE after the #")),
        };
        fragment.split(',').map(label).collect::<Result<_, _>>().map(Self)
    }

    /// Whether a sample has all of the labels.
    pub(super) fn has(&self, sample: &Sample<'_>) -> bool {
        self.0.iter().all(|(name, value)| sample.label(name).is_some_and(|of| of == value.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fragment_selects() {
        let labels = |url| Selection::of_url(url).map(|selection| selection.0);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(labels("http://a/metrics"), Ok(vec![]));
        assert_eq!(labels("http://a/m#name=x"), Ok(vec![pair("name", "x")]));
        assert_eq!(labels("http://a/m#pod=a=b,image="), Ok(vec![pair("pod", "a=b"), pair("image", "")]));
        for url in ["http://a/m#", "http://a/m#top", "http://a/m#=x", "http://a/m#a=b,"] {
            assert!(labels(url).is_err_and(|why| why.contains("LABEL=VALUE")), "{url}");
        }
    }
}
