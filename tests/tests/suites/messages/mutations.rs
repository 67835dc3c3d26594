//! Spellings of `Transfer-Encoding` that one reader takes for chunked and another does not, beside a length that says otherwise: the
//! mutations of Smuggler (defparam/smuggler, MIT, its exhaustive configuration and the default one's), generated from a few rules,
//! and their kin in PortSwigger's HTTP Request Smuggler.

use super::case::{Case, Expects};

/// What the field is made of, where one byte, or one word, is not as it should be.
const FIELDS: &[(&str, &[u8])] = &[
    ("blank before the name", b" Transfer-Encoding: chunked"),
    ("tab before the value", b"Transfer-Encoding:\tchunked"),
    ("tabs around the colon", b"Transfer-Encoding\t:\tchunked"),
    ("blank in the name", b"Transfer Encoding: chunked"),
    ("underscore in the name", b"Transfer_Encoding: chunked"),
    ("blank in the name, none before the value", b"Transfer Encoding:chunked"),
    ("blank before the colon", b"Transfer-Encoding : chunked"),
    ("two blanks before the value", b"Transfer-Encoding:  chunked"),
    ("no blank before the value", b"Transfer-Encoding:chunked"),
    ("another coding behind", b"Transfer-Encoding: chunked, zip"),
    ("another coding before", b"Transfer-Encoding: zip, chunked"),
    ("a comma before", b"Transfer-Encoding: ,chunked"),
    ("a comma behind", b"Transfer-Encoding: chunked,"),
    ("a parameter", b"Transfer-Encoding: chunked;q=1"),
    ("another field", b"Content-Encoding: chunked"),
    ("LF before the value", b"Transfer-Encoding:\n chunked"),
    ("folded", b"Transfer-Encoding:\r\n chunked"),
    ("folded by a tab", b"Transfer-Encoding:\r\n\tchunked"),
    ("folded, with a field before", b"X-Fold: y\r\n Transfer-Encoding: chunked"),
    ("in quotes", b"Transfer-Encoding: \"chunked\""),
    ("in apostrophes", b"Transfer-Encoding: 'chunked'"),
    ("half a word", b"Transfer-Encoding: chunk"),
    ("more than a word", b"Transfer-Encoding: chunkedx"),
    ("words around", b"Transfer-Encoding: one chunked two"),
    ("mixed letters", b"TrAnSFer-EnCODinG: cHuNkeD"),
    ("capitals", b"TRANSFER-ENCODING: CHUNKED"),
    ("CR behind", b"Transfer-Encoding: chunked\r"),
    ("tab behind", b"Transfer-Encoding: chunked\t"),
    ("twice, the first one unknown", b"Transfer-Encoding: zip\r\nTransfer-Encoding: chunked"),
    ("twice, the second one unknown", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: zip"),
    ("twice", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
    ("identity first", b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked"),
    ("identity last", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"),
    ("empty", b"Transfer-Encoding: "),
    ("CR in the name", b"Transfer\r-Encoding: chunked"),
    ("name over two lines", b"Transfer-\r\nEncoding: chunked"),
    ("behind a CR", b"X: X\rTransfer-Encoding: chunked"),
    ("behind a LF", b"X: X\nTransfer-Encoding: chunked"),
    ("a byte beyond ASCII in the value", b"Transfer-Encoding: chun\x8aked"),
    ("a byte beyond ASCII in the name", b"Trans\x9ffer-Encoding: chunked"),
    ("no colon", b"Transfer-Encoding chunked"),
    ("length named by Connection", b"Connection: Content-Length\r\nTransfer-Encoding: chunked"),
    ("coding named by Connection", b"Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked"),
];

/// The cases.
pub(crate) fn cases() -> Vec<Case> {
    let mut fields: Vec<(String, Vec<u8>)> =
        FIELDS.iter().map(|(name, field)| ((*name).to_owned(), field.to_vec())).collect();
    for byte in (1..0x20).chain(0x7f..=0xff_u8) {
        let at = |before: &[u8], behind: &[u8]| [before, &[byte], behind].concat();
        fields.push((format!("{byte:02x} before the value"), at(b"Transfer-Encoding:", b"chunked")));
        fields.push((format!("{byte:02x} before the colon"), at(b"Transfer-Encoding", b": chunked")));
        fields.push((format!("{byte:02x} before the name"), at(b"", b"Transfer-Encoding: chunked")));
        fields.push((format!("{byte:02x} behind the value"), at(b"Transfer-Encoding: chunked", b"")));
    }
    // Between the field and another one.
    for byte in [0x01, 0x04, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x1f, 0x20, 0x7f, 0xa0, 0xff_u8] {
        let at = |before: &[u8], behind: &[u8]| [before, &[byte], behind].concat();
        fields.push((format!("{byte:02x} behind a field"), at(b"X: X", b"Transfer-Encoding: chunked")));
        fields.push((format!("{byte:02x} before a field"), at(b"Transfer-Encoding: chunked", b"X: X")));
        fields.push((format!("{byte:02x} behind CR"), at(b"X: X\r", b"Transfer-Encoding: chunked")));
        fields.push((format!("{byte:02x} before LF"), at(b"X: X", b"\nTransfer-Encoding: chunked")));
        fields.push((
            format!("{byte:02x} behind CR, another field"),
            at(b"Transfer-Encoding: chunked\r", b"X: X"),
        ));
        fields.push((
            format!("{byte:02x} before LF, another field"),
            at(b"Transfer-Encoding: chunked", b"\nX: X"),
        ));
    }
    fields.into_iter().map(|(name, field)| case(name, &field)).collect()
}

/// Behind the length there is nothing; behind the last chunk there would be a request.
fn case(name: String, field: &[u8]) -> Case {
    let body = b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    let head = format!("\r\nContent-Length: {}\r\n\r\n", body.len());
    let bytes = [b"POST /mutated HTTP/1.1\r\nHost: a\r\n", field, head.as_bytes(), body].concat();
    Case { suite: "smuggler", name, expects: Expects::Safe, cut: false, bytes, answer: None, rules: vec![] }
}
