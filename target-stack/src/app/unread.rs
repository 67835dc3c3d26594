//! What could not be read of a request: in a sentence for the person who sent it, and in the parser's words, with the field's name,
//! for who writes programs. Given the parser's error it gives both; it reads nothing itself.

use std::error::Error;

/// Of the parser's words so much is passed on: they may repeat what was sent.
const LONGEST: usize = 200;

/// A part of a request that makes no sense.
#[derive(Debug)]
pub(crate) struct Unread {
    /// For people.
    pub(crate) sentence: String,
    /// The field of a form or a query.
    pub(crate) field: Option<String>,
    /// For programmers.
    pub(crate) detail: String,
}

impl Unread {
    /// Of a form or a query that axum has rejected.
    pub(crate) fn fields(rejection: &dyn Error) -> Self {
        // What it says itself is of its own types; what is behind it is of the fields.
        let detail = rejection.source().map_or_else(|| rejection.to_string(), ToString::to_string);
        let field = field_of(&detail).map(str::to_owned);
        Self { sentence: sentence(field.as_deref()), field, detail: shortened(&detail) }
    }

    /// Of an address.
    pub(crate) fn address(rejection: &dyn Error) -> Self {
        let sentence = "There is nothing at this address: the number in it is none of ours.".to_owned();
        Self { sentence, field: None, detail: shortened(&rejection.to_string()) }
    }

    /// A field that was read and does not do.
    pub(crate) fn field(field: &str, sentence: &str, detail: &str) -> Self {
        Self { sentence: sentence.to_owned(), field: Some(field.to_owned()), detail: detail.to_owned() }
    }
}

/// The field that an error of serde's is about: before a colon, where its value does not do; else in backquotes.
fn field_of(detail: &str) -> Option<&str> {
    let named = ["missing field `", "duplicate field `"].iter().find_map(|words| detail.strip_prefix(words));
    let field = match named {
        Some(rest) => rest.split('`').next()?,
        None => detail.split_once(": ")?.0,
    };
    let is_name = !field.is_empty() && field.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    is_name.then_some(field)
}

/// What to do about it.
fn sentence(field: Option<&str>) -> String {
    let sentence = match field {
        Some("item") => "Please choose a book: that is none of ours.",
        Some("quantity") => "The quantity is a whole number from 1 to 99.",
        Some("cart") => "That is no number of a cart.",
        Some("customer") => "That is no number of a customer.",
        Some("by") => "Please search by title, author or subject.",
        Some("country") => "Please choose a country from the list.",
        Some("price_cents") => "The price is a whole number of cents.",
        Some("cover") => "The cover is a whole number from 0 to 65535.",
        Some("email") => "Please fill in your e-mail address, once.",
        Some(
            field @ ("username" | "password" | "first_name" | "last_name" | "street" | "city" | "postcode"),
        ) => {
            let words = if field == "username" { "user name".to_owned() } else { field.replace('_', " ") };
            return format!("Please fill in your {words}, once.");
        }
        _ => "Something here cannot be read. Please go back and try again.",
    };
    sentence.to_owned()
}

fn shortened(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::forms::SignInForm;
    use crate::app::input::{CartForm, SearchQuery};
    use crate::app::store::MOST;
    use axum::extract::Query;
    use serde::de::DeserializeOwned;

    fn unread<T: DeserializeOwned>(query: &str) -> Unread {
        let uri = format!("/?{query}").parse().expect("an address");
        match Query::<T>::try_from_uri(&uri) {
            Ok(_) => panic!("{query} can be read"),
            Err(rejection) => Unread::fields(&rejection),
        }
    }

    #[test]
    fn people_are_told_what_to_do_and_programs_which_field_it_is() {
        let long = format!("by={}", "x".repeat(2_000));
        for (found, field, sentence, detail) in [
            (unread::<CartForm>(""), "item", "choose a book", "missing field `item`"),
            (unread::<CartForm>("item=x"), "item", "choose a book", "invalid digit"),
            (unread::<CartForm>("item=7&item=8"), "item", "choose a book", "duplicate field `item`"),
            (unread::<CartForm>("item=7&quantity=1e1"), "quantity", "1 to 99", "invalid digit"),
            (unread::<CartForm>("item=7&cart=x"), "cart", "no number of a cart", "no number of a cart"),
            (
                unread::<SearchQuery>("by=price"),
                "by",
                "by title, author or subject",
                "unknown variant `price`",
            ),
            (unread::<SearchQuery>(&long), "by", "by title, author or subject", "unknown variant `xxx"),
            (unread::<SearchQuery>("q=a&q=b"), "q", "go back", "duplicate field"),
            (unread::<SignInForm>("username=a"), "password", "fill in your password", "missing field"),
            (unread::<SignInForm>("password=a"), "username", "fill in your user name", "missing field"),
        ] {
            assert_eq!(found.field.as_deref(), Some(field), "{found:?}");
            assert!(found.sentence.contains(sentence) && found.detail.contains(detail), "{found:?}");
            // None of the parser's words.
            assert!(!found.sentence.contains('`') && !found.sentence.contains("field"), "{found:?}");
            assert!(found.detail.chars().count() <= LONGEST, "{found:?}");
        }
        assert!(sentence(Some("quantity")).contains(&MOST.to_string()));
    }

    #[test]
    fn what_names_no_field_is_about_none() {
        for detail in ["", "expected value", "Cannot parse `x`: no", "missing field ``", ": x"] {
            assert_eq!(field_of(detail), None, "{detail}");
        }
        assert_eq!(sentence(None), sentence(Some("something")));
    }
}
