//! The fields of a message, in the order in which they came. A message has few: to look at each costs less than a map, and repeated
//! ones stay where they were.

use http::{HeaderName, HeaderValue};

/// Names, each with a value.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields(Vec<(HeaderName, HeaderValue)>);

impl Fields {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn with_capacity(fields: usize) -> Self {
        Self(Vec::with_capacity(fields))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &HeaderName> {
        self.0.iter().map(|(name, _)| name)
    }

    /// The first value of `name`.
    pub(crate) fn get(&self, name: &HeaderName) -> Option<&HeaderValue> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    pub(crate) fn get_all<'a>(&'a self, name: &'a HeaderName) -> impl Iterator<Item = &'a HeaderValue> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value)
    }

    pub(crate) fn has(&self, name: &HeaderName) -> bool {
        self.keys().any(|known| known == name)
    }

    /// Adds a field, whether or not there is one of that name.
    pub(crate) fn append(&mut self, name: HeaderName, value: HeaderValue) {
        self.0.push((name, value));
    }

    /// Makes `value` the only one of `name`, in the place of the first, whose value it gives.
    pub(crate) fn insert(&mut self, name: HeaderName, value: HeaderValue) -> Option<HeaderValue> {
        let Some(first) = self.0.iter().position(|(known, _)| *known == name) else {
            self.append(name, value);
            return None;
        };
        let old = std::mem::replace(&mut self.0[first].1, value);
        let mut place = 0..;
        self.0.retain(|(known, _)| place.next() <= Some(first) || *known != name);
        Some(old)
    }

    /// Adds `fields` in place of those of the same names.
    pub(crate) fn replace(&mut self, fields: Self) {
        self.retain(|name| !fields.has(name));
        self.extend(fields.0);
    }

    /// Takes all fields of `name` out, and gives the first one's value.
    pub(crate) fn remove(&mut self, name: &HeaderName) -> Option<HeaderValue> {
        let first = self.0.iter().position(|(known, _)| known == name)?;
        let (_, value) = self.0.remove(first);
        self.0.retain(|(known, _)| known != name);
        Some(value)
    }

    /// Keeps the fields whose names `stays` says yes to.
    pub(crate) fn retain(&mut self, mut stays: impl FnMut(&HeaderName) -> bool) {
        self.0.retain(|(name, _)| stays(name));
    }
}

impl IntoIterator for Fields {
    type Item = (HeaderName, HeaderValue);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl Extend<(HeaderName, HeaderValue)> for Fields {
    fn extend<T: IntoIterator<Item = (HeaderName, HeaderValue)>>(&mut self, fields: T) {
        self.0.extend(fields);
    }
}

impl FromIterator<(HeaderName, HeaderValue)> for Fields {
    fn from_iter<T: IntoIterator<Item = (HeaderName, HeaderValue)>>(fields: T) -> Self {
        Self(fields.into_iter().collect())
    }
}

/// The same fields: the order counts among those of one name alone (RFC 9110, section 5.3).
impl PartialEq for Fields {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.keys().all(|name| self.get_all(name).eq(other.get_all(name)))
    }
}

impl Eq for Fields {}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(text: &str) -> Fields {
        let pair = |field: &str| {
            let (name, value) = field.split_once(':')?;
            Some((name.parse().ok()?, value.parse().ok()?))
        };
        text.split_whitespace().map(|field| pair(field).expect("a field")).collect()
    }

    #[test]
    fn fields_stay_in_their_order() {
        let given = fields("b:1 a:2 b:3 c:4 b:5");
        let b = HeaderName::from_static("b");
        let shown = |fields: &Fields| {
            fields
                .iter()
                .map(|(n, v)| format!("{n}:{}", v.to_str().expect("text")))
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(given.get(&b).map(HeaderValue::as_bytes), Some(&b"1"[..]));
        assert_eq!(given.get_all(&b).collect::<Vec<_>>(), ["1", "3", "5"]);

        let mut changed = given.clone();
        assert_eq!(changed.insert(b.clone(), HeaderValue::from_static("9")).expect("one"), "1");
        assert_eq!(shown(&changed), "b:9 a:2 c:4");
        changed.append(b.clone(), HeaderValue::from_static("8"));
        assert_eq!(shown(&changed), "b:9 a:2 c:4 b:8");
        assert_eq!(changed.remove(&b).expect("one"), "9");
        assert_eq!((shown(&changed).as_str(), changed.has(&b), changed.remove(&b)), ("a:2 c:4", false, None));
        assert_eq!(changed.insert(b, HeaderValue::from_static("7")), None);
        changed.replace(fields("a:3 a:4"));
        assert_eq!(shown(&changed), "c:4 b:7 a:3 a:4");
    }

    #[test]
    fn fields_are_the_same_whatever_the_order_of_their_names() {
        let given = fields("a:1 b:2 a:3");
        for (other, same) in [
            ("b:2 a:1 a:3", true),
            ("a:3 b:2 a:1", false),
            ("a:1 b:2", false),
            ("a:1 b:2 b:3", false),
            ("a:1 b:2 a:3 c:4", false),
        ] {
            assert_eq!(given == fields(other), same, "{other}");
        }
    }
}
