//! The cache: a shared one by RFC 9111, with nginx's rules where the two differ. From the top: `flow` is the way of a request, which
//! has what is not stored `fetch`ed; `content` is what the client gets, stored or `filling` the store while it passes, of which a
//! `deposit` is made. `caches` are `zone`s, each an `index` in memory and a `disk`, kept in bounds by its `manager`. The rules
//! stand apart from all that: `key` and `freshness` say whether an answer may be used, `select` which part of it, and
//! `record` what it looks like as bytes.

mod amend;
pub(crate) mod caches;
mod content;
mod deposit;
mod disk;
mod fetch;
mod filling;
pub(crate) mod flow;
pub(crate) mod freshness;
mod index;
pub(crate) mod inquiry;
mod key;
#[cfg(test)]
mod laws;
mod manager;
pub(crate) mod meters;
pub(crate) mod metrics;
mod record;
mod select;
mod stored;
mod zone;

pub(crate) use disk::Place;
