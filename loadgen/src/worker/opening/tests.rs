//! Connections that come about, that are refused, and that go on to the next address.

use super::*;
use crate::transport::names::Names;
use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::time::Duration;

fn openings(all: &[SocketAddr], sources: &[&str]) -> Openings {
    let sources = sources.iter().map(|source| source.parse().unwrap()).collect();
    Openings::new(Address::Tcp(Names::fixed(all.to_vec())), sources, 0)
}

/// An address at which nobody listens.
fn dead() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// What becomes of the next connection.
fn settle(openings: &mut Openings, poll: &mut Poll, now: u64) -> Opened {
    let mut opened = openings.begin(poll, now);
    while opened.is_none() {
        let found = poll.wait(Duration::from_secs(60)).unwrap();
        let keys: Vec<u64> = (0..found).filter_map(|n| poll.ready(n)).map(|ready| ready.key).collect();
        assert!(keys.iter().all(|key| Openings::is_one(*key)));
        opened = keys.into_iter().find_map(|key| openings.ready(key, poll));
    }
    opened.unwrap()
}

#[test]
fn a_connection_goes_on_to_the_next_address_when_one_refuses() {
    let (live, mut poll) = (TcpListener::bind("127.0.0.1:0").unwrap(), Poll::new().unwrap());
    let to = live.local_addr().unwrap();
    for all in [vec![to], vec![dead(), to], vec![to, dead()], vec![dead(), dead(), to]] {
        let mut openings = openings(&all, &[]);
        // From whichever address it begins with.
        for _ in 0..all.len() {
            assert!(matches!(settle(&mut openings, &mut poll, 5), Opened::Yes(..)), "{all:?}");
            live.accept().unwrap();
            assert_eq!(openings.first(), None);
        }
    }
}

#[test]
fn one_that_all_addresses_refuse_fails_with_its_beginning() {
    let mut poll = Poll::new().unwrap();
    for all in [vec![dead()], vec![dead(), dead(), dead()]] {
        let mut openings = openings(&all, &[]);
        match settle(&mut openings, &mut poll, 77) {
            Opened::No(77, why) => assert_eq!(why.kind(), io::ErrorKind::ConnectionRefused),
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(openings(&[], &[]).begin(&poll, 3), Some(Opened::No(3, _))));
    let mut unix = Openings::new(Address::Unix("/nowhere/at/all".into()), Vec::new(), 0);
    assert!(matches!(unix.begin(&poll, 4), Some(Opened::No(4, _))));
}

#[test]
fn a_unix_socket_is_open_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let _listener = UnixListener::bind(&path).unwrap();
    let mut openings = Openings::new(Address::Unix(path), Vec::new(), 0);
    assert!(matches!(openings.begin(&Poll::new().unwrap(), 1), Some(Opened::Yes(..))));
}

#[test]
fn every_address_is_reached_from_every_source_of_its_family() {
    let live = [TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.2:0").unwrap()];
    let mut poll = Poll::new().unwrap();
    let all = live.each_ref().map(|listener| listener.local_addr().unwrap());
    let mut openings = openings(&all, &["127.0.0.3", "::1", "127.0.0.4"]);
    for _ in 0..4 {
        assert!(matches!(settle(&mut openings, &mut poll, 0), Opened::Yes(..)));
    }
    let mut seen = BTreeSet::new();
    for listener in &live {
        for _ in 0..2 {
            seen.insert((listener.local_addr().unwrap(), listener.accept().unwrap().1.ip()));
        }
    }
    assert_eq!(seen.len(), 4, "{seen:?}");
}

#[test]
fn what_is_given_up_is_the_one_that_was_begun_first_and_is_not_known_any_more() {
    let (live, mut poll) = (TcpListener::bind("127.0.0.1:0").unwrap(), Poll::new().unwrap());
    let mut openings = openings(&[live.local_addr().unwrap()], &[]);
    for begun in [1, 2, 3] {
        assert!(openings.begin(&poll, begun).is_none());
    }
    assert_eq!(openings.first(), Some(1));
    openings.give_up_first();
    assert_eq!(openings.first(), Some(2));
    // The slot is taken by another, which the first one's key does not find.
    assert!(openings.begin(&poll, 4).is_none());
    assert!(openings.ready(key(0, 1), &poll).is_none() && openings.slots.len() == 3);
    let mut open = 0;
    while open < 3 {
        for n in 0..poll.wait(Duration::from_secs(60)).unwrap() {
            let ready = poll.ready(n).unwrap();
            open += usize::from(matches!(openings.ready(ready.key, &poll), Some(Opened::Yes(..))));
        }
    }
    assert_eq!(openings.first(), None);
    openings.give_up_first();
}
