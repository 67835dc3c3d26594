//! What has to hold of places in the cache for any two requests. Given the `Vary` of an answer and two requests, each a key and
//! fields, it panics where they would share an answer although key or `Vary` tell them apart, or would not although nothing
//! does. It decides by a comparison of its own. The tests of `key` and the fuzz target (`target-stack/fuzz`) share it.

use super::key;
use crate::proxy::fields::Fields;
use http::HeaderName;

/// Holds the keys to their laws.
pub(crate) fn hold(vary: &[u8], first: (&[u8], &Fields), second: (&[u8], &Fields)) {
    let texts = [first, second].map(|(_, fields)| key::variant(vary, fields));
    let alike = are_alike(vary, first.1, second.1);
    assert_eq!(texts[0] == texts[1], alike, "Vary: {} {texts:?}", vary.escape_ascii());

    let places = [first, second].map(|(key, _)| key::digest(key));
    assert_eq!(places[0] == places[1], first.0 == second.0, "{first:?} {second:?}");
    let variants = [0, 1].map(|which| key::variant_digest(&places[which], &texts[which]));
    assert_eq!(variants[0] == variants[1], first.0 == second.0 && alike, "{first:?} {second:?}");
}

/// Whether two requests agree in every field that `vary` names, compared member by member.
fn are_alike(vary: &[u8], first: &Fields, second: &Fields) -> bool {
    let mut named = vary.split(|byte| b", \t".contains(byte)).filter(|name| !name.is_empty());
    named.all(|name| match HeaderName::from_bytes(name) {
        Ok(name) => members(&name, first) == members(&name, second),
        // No request has such a field.
        Err(_) => true,
    })
}

/// The members of a field, as nginx tells them apart; `None` where it is absent.
fn members(name: &HeaderName, fields: &Fields) -> Option<Vec<Vec<u8>>> {
    let is_list = ["accept-charset", "accept-encoding", "accept-language"].contains(&name.as_str());
    fields.has(name).then(|| {
        let values = fields.get_all(name).map(|value| value.as_bytes());
        let all = values.flat_map(|value| value.split(|byte| *byte == b','));
        if is_list {
            all.flat_map(|part| part.split(|byte| b" \t".contains(byte)))
                .filter(|part| !part.is_empty())
                .map(<[u8]>::to_vec)
                .collect()
        } else {
            all.map(<[u8]>::to_vec).collect()
        }
    })
}
