//! What is told of sockets, once for each change.

use super::*;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

const LONG: Duration = Duration::from_secs(60);

/// All that is ready within `limit`.
fn ready(poll: &mut Poll, limit: Duration) -> Vec<(u64, bool, bool)> {
    let found = poll.wait(limit).unwrap();
    let all: Vec<_> = (0..found).filter_map(|n| poll.ready(n)).map(|r| (r.key, r.readable, r.ends)).collect();
    assert!(all.len() == found && poll.ready(found).is_none());
    all
}

fn pair() -> (UnixStream, UnixStream) {
    let (one, two) = UnixStream::pair().unwrap();
    one.set_nonblocking(true).unwrap();
    (one, two)
}

#[test]
fn each_change_is_told_once_and_under_the_latest_key() {
    let mut poll = Poll::new().unwrap();
    assert_eq!(ready(&mut poll, Duration::ZERO), []);
    let (mut one, mut two) = pair();
    assert!(poll.rename(&one, 1).is_err(), "it was not added");
    poll.add(&one, 1).unwrap();
    // It can be written to.
    assert_eq!(ready(&mut poll, LONG), [(1, false, false)]);
    assert_eq!(ready(&mut poll, Duration::ZERO), []);
    two.write_all(b"a").unwrap();
    assert_eq!(ready(&mut poll, LONG), [(1, true, false)]);
    // Unread, but told already; what comes after it is told again.
    assert_eq!(ready(&mut poll, Duration::ZERO), []);
    two.write_all(b"b").unwrap();
    assert_eq!(ready(&mut poll, LONG), [(1, true, false)]);
    let high = u64::MAX - 5;
    poll.rename(&one, high).unwrap();
    assert_eq!(ready(&mut poll, LONG), [(high, true, false)], "with a new key all is told once more");
    assert_eq!(one.read(&mut [0; 9]).unwrap(), 2);
    drop(two);
    assert_eq!(ready(&mut poll, LONG), [(high, true, true)]);
    drop(one);
    assert_eq!(ready(&mut poll, Duration::ZERO), [], "closed, it is waited for no more");
}

#[test]
fn bytes_and_the_end_after_them_are_told_together() {
    let mut poll = Poll::new().unwrap();
    let (one, mut two) = pair();
    two.write_all(b"the last").unwrap();
    drop(two);
    poll.add(&one, 7).unwrap();
    assert_eq!(ready(&mut poll, LONG), [(7, true, true)]);
}

#[test]
fn that_a_full_socket_can_be_written_to_again_is_told() {
    let mut poll = Poll::new().unwrap();
    let (mut one, mut two) = pair();
    poll.add(&one, 1).unwrap();
    assert_eq!(ready(&mut poll, LONG).len(), 1);
    let (piece, mut written) = (vec![0; 64 * 1024], 0);
    while let Ok(n) = one.write(&piece) {
        written += n;
    }
    while !ready(&mut poll, Duration::ZERO).is_empty() {}
    two.read_exact(&mut vec![0; written]).unwrap();
    assert_eq!(ready(&mut poll, LONG), [(1, false, false)]);
}

#[test]
fn more_than_are_told_at_once_are_all_told_in_turn() {
    let mut poll = Poll::new().unwrap();
    let pairs: Vec<_> = (0..2 * BATCH as u64 + 3).map(|key| (key, pair())).collect();
    pairs.iter().for_each(|(key, (one, _))| poll.add(one, *key).unwrap());
    let mut keys = Vec::new();
    for most in [BATCH, BATCH, 3] {
        let some = ready(&mut poll, LONG);
        assert_eq!(some.len(), most);
        keys.extend(some.into_iter().map(|(key, ..)| key));
    }
    keys.sort_unstable();
    assert!(keys.into_iter().eq(0..pairs.len() as u64));
}
