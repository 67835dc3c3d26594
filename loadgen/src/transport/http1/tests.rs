//! The reader against answers of every framing, cut anywhere, and against what is none.

use super::*;
use proptest::prelude::*;

/// Reads `text` in pieces of at most `piece` bytes: the answers, and how the end of the connection was taken.
fn read(text: &[u8], piece: usize, to_head: bool) -> Result<Vec<Answer>, Malformed> {
    let taken = laws::read(text, &[piece], to_head, &mut LastHead::default(), |reader| {
        assert!(reader.carry.capacity() <= 2 * (MAX_HEAD + 1));
    });
    let end = taken.end?;
    Ok(taken.answers.into_iter().map(|(answer, _)| answer).chain(end).collect())
}

const fn answer(status: u16, reusable: bool) -> Answer {
    Answer { status, reusable }
}

#[test]
fn each_framing_ends_where_it_should_however_it_is_cut() {
    let rows: [(&str, &[Answer]); 14] = [
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", &[answer(200, true)]),
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", &[]),
        ("HTTP/1.1 200 OK\r\ncontent-length: 3, 3\r\nConnection: Close\r\n\r\nabc", &[answer(200, false)]),
        ("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", &[answer(200, false)]),
        ("HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n", &[answer(200, true)]),
        ("HTTP/1.1 204 No Content\r\n\r\n", &[answer(204, true)]),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", &[answer(304, true)]),
        ("HTTP/1.1 200 OK\r\n\r\nuntil the end", &[answer(200, false)]),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nuntil the end", &[answer(200, false)]),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 1\r\n\r\nx",
            &[answer(404, true)],
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=\"y\"\r\n0123456789\r\n0\r\n\r\n",
            &[answer(200, true)],
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\nTrailer: x\r\nAnother: y\r\n\r\n",
            &[answer(200, true)],
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
            &[answer(200, false)],
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 500 Oh\r\nContent-Length: 1\r\n\r\nb",
            &[answer(200, true), answer(500, true)],
        ),
    ];
    for (text, want) in rows {
        for piece in 1..=text.len() {
            assert_eq!(
                read(text.as_bytes(), piece, false).as_deref(),
                Ok(want),
                "{text:?} in pieces of {piece}"
            );
        }
    }
}

#[test]
fn an_answer_to_head_has_no_content() {
    let text = b"HTTP/1.1 200 OK\r\nContent-Length: 300\r\n\r\n";
    assert_eq!(read(text, 7, true), Ok(vec![answer(200, true)]));
    assert_eq!(read(text, 7, false), Ok(vec![]));
}

#[test]
fn what_is_not_http_is_refused() {
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(MAX_HEAD));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(MAX_HEADERS + 1));
    let extension =
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;{}", "x".repeat(MAX_EXTENSION + 1));
    for text in [
        "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n11111111111111111\r\n",
        &long,
        &many,
        &extension,
    ] {
        for piece in [1, 7, text.len()] {
            assert_eq!(
                read(text.as_bytes(), piece, false),
                Err(Malformed),
                "{:.60?} in pieces of {piece}",
                text
            );
        }
    }
}

#[test]
fn an_endless_head_is_given_up_and_its_memory_is_bounded() {
    let mut reader = Reader::default();
    let mut result = reader.feed(b"HTTP/1.1 200 OK\r\n", false, &mut LastHead::default(), &mut ());
    let mut fed = 0;
    while result.is_ok() {
        result = reader.feed(b"X: y\r\n", false, &mut LastHead::default(), &mut ());
        fed += 6;
        assert!(fed <= MAX_HEAD + 100 && reader.carry.len() <= MAX_HEAD + 1);
    }
    assert_eq!(result, Err(Malformed));
}

#[test]
fn the_longest_head_is_as_long_however_it_is_cut() {
    for (length, want) in [(MAX_HEAD, Ok(vec![answer(204, true)])), (MAX_HEAD + 1, Err(Malformed))] {
        let (start, end) = ("HTTP/1.1 204 No\r\nX: ", "\r\n\r\n");
        let text = format!("{start}{}{end}", "x".repeat(length - start.len() - end.len()));
        for piece in [1, 4096, length - 1, length] {
            assert_eq!(read(text.as_bytes(), piece, false), want, "{length} in pieces of {piece}");
        }
    }
}

/// What answers are made of, well and badly.
const PARTS: [&str; 24] = [
    "HTTP/1.1 200 OK\r\n",
    "HTTP/1.0 200 OK\r\n",
    "HTTP/1.1 204 No Content\r\n",
    "HTTP/1.1 304 Not Modified\r\n",
    "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 101 Switching\r\n\r\n",
    "HTTP/1.1 999\n",
    "Content-Length: 5\r\n",
    "content-length: 5, 5\r\n",
    "Content-Length: 0\n",
    "Content-Length: 18446744073709551616\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Transfer-Encoding: gzip\r\n",
    "Connection: close\r\n",
    "Connection: keep-alive\r\n",
    "\r\n",
    "\n",
    "hello",
    "5\r\nhello\r\n",
    "5;a=b\r\nhello\r\n",
    "0\r\n\r\n",
    "0\r\nA: b\r\n\r\n",
    "ffffffffffffffff\r\n",
];

/// Parts one after the other, and then a few bytes changed, taken out, put in or repeated.
fn answers() -> impl Strategy<Value = Vec<u8>> {
    let parts = proptest::collection::vec(0..PARTS.len(), 0..24);
    let changes = proptest::collection::vec((0u8..4, any::<prop::sample::Index>(), any::<u8>()), 0..4);
    (parts, changes).prop_map(|(parts, changes)| {
        let mut bytes: Vec<u8> = parts.into_iter().flat_map(|part| PARTS[part].bytes()).collect();
        for (change, place, byte) in changes {
            let at = place.index(bytes.len() + 1);
            match change {
                0 => bytes.insert(at, byte),
                1 => bytes.truncate(at),
                2 if at < bytes.len() => bytes[at] = byte,
                3 => bytes.extend_from_within(at..),
                _ => {}
            }
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    #[test]
    fn any_bytes_are_read_the_same_however_they_are_cut_and_whatever_was_read_before(
        bytes in prop_oneof![4 => answers(), 1 => proptest::collection::vec(any::<u8>(), 0..200)],
        cuts in proptest::collection::vec(1usize..40, 1..6), to_head: bool,
    ) {
        laws::hold(&bytes, &cuts, to_head);
        let _ = read(&bytes, cuts[0], to_head);
    }
}

proptest! {
    #[test]
    fn chunks_of_any_size_make_one_answer(
        chunks in proptest::collection::vec(1usize..5000, 0..8), trailer: bool, piece in 1usize..3000,
    ) {
        let mut text = String::from("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        for size in chunks {
            text += &format!("{size:X};e=1\r\n{}\r\n", "\n".repeat(size));
        }
        text += if trailer { "0\r\nA: b\r\n\r\n" } else { "0\r\n\r\n" };
        prop_assert_eq!(read(text.as_bytes(), piece, false), Ok(vec![answer(200, true)]));
    }
}
