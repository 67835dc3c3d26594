//! The reader against answers of every framing, cut anywhere, and against what is none.

use super::*;
use proptest::prelude::*;

/// Reads `text` in pieces of at most `piece` bytes: the answers, and how the end of the connection was taken.
fn read(text: &[u8], piece: usize, to_head: bool) -> Result<Vec<Answer>, Malformed> {
    let mut reader = Reader::default();
    let mut answers = Vec::new();
    for piece in text.chunks(piece) {
        let mut at = 0;
        while let Some((answer, used)) =
            reader.feed(&piece[at..], to_head, &mut LastHead::default(), &mut ())?
        {
            answers.push(answer);
            at += used;
        }
    }
    answers.extend(reader.end());
    Ok(answers)
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

proptest! {
    #[test]
    fn garbage_is_read_without_a_panic_and_the_same_however_it_is_cut(
        tail in proptest::collection::vec(any::<u8>(), 0..200), chunked: bool, piece in 1usize..50,
    ) {
        let coding = if chunked { "Transfer-Encoding: chunked" } else { "Content-Length: 20" };
        let mut text = format!("HTTP/1.1 200 OK\r\n{coding}\r\n\r\n").into_bytes();
        text.extend(&tail);
        // A head is refused at once when it comes whole, and at its end when it comes in pieces.
        if let (Ok(pieces), Ok(bytes)) = (read(&text, piece, false), read(&text, 1, false)) {
            prop_assert_eq!(pieces, bytes);
        }
        let _ = read(&tail, piece, false);
    }

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
