//! How the upstream is asked for an answer that is to be stored: for the whole of it, without the client's own conditions, and
//! with those by which a stored answer can be found to be good still (RFC 9111, section 4.3.1).

use super::select::ANSWERED_HERE;
use http::header::{IF_MODIFIED_SINCE, IF_NONE_MATCH};
use http::{HeaderName, HeaderValue};

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inquiry {
    /// Of the stored answer that is to be revalidated.
    pub(crate) etag: Option<HeaderValue>,
    pub(crate) modified: Option<HeaderValue>,
}

impl Inquiry {
    /// Whether a client's field of this name is kept from the upstream.
    pub(crate) fn withholds(name: &HeaderName) -> bool {
        ANSWERED_HERE.contains(name)
    }

    /// The conditions to ask under.
    pub(crate) fn conditions(&self) -> impl Iterator<Item = (HeaderName, &HeaderValue)> {
        [(IF_MODIFIED_SINCE, &self.modified), (IF_NONE_MATCH, &self.etag)]
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.as_ref()?)))
    }
}
