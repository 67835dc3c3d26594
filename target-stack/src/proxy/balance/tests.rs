//! The choice among servers: sequences that nginx gives, and servers that cannot be asked.

use super::*;
use crate::pace;
use crate::proxy::config::Config;
use std::path::Path;
use std::time::Duration;

/// A worker's choice in a group with this inside, and what all workers know of its servers.
fn group(inside: &str) -> (Balance, Vec<Arc<Standing>>, Instant) {
    let text = format!("events {{}} http {{ upstream a {{ {inside} }} }}");
    let config = Config::parse("f", &text, Path::new("/")).expect("a valid configuration");
    let epoch = pace::now();
    let peers = &config.upstreams[0].peers;
    let standing = |peer| Arc::new(Standing::new(peer, Default::default(), epoch));
    let standings: Vec<_> = peers.iter().map(standing).collect();
    (Balance::new(&config.upstreams[0], standings.iter()), standings, epoch)
}

/// Servers of these weights at the ports from 1 on, with `more` said of the second.
fn servers(weights: &[u32], more: &str) -> String {
    let server = |(index, weight): (usize, &u32)| {
        let more = if index == 1 { more } else { "" };
        format!("server 127.0.0.1:{} weight={weight} {more};", index + 1)
    };
    weights.iter().enumerate().map(server).collect()
}

/// Who is asked for each of the keys, by the last digit of the port, and is done before the next is asked.
fn asked(inside: &str, keys: impl Iterator<Item = Vec<u8>>) -> String {
    let (mut balance, standings, now) = group(inside);
    keys.map(|key| match balance.choose(&mut balance.search(key), now) {
        None => '-',
        Some(index) => {
            standings[index].leave();
            char::from(b"123456789"[index])
        }
    })
    .collect()
}

fn keys(count: usize) -> impl Iterator<Item = Vec<u8>> {
    (0..count).map(|n| format!("k{n}").into_bytes())
}

/// The first three octets of some addresses.
fn addresses() -> impl Iterator<Item = Vec<u8>> {
    (0..40_u32).map(|n| vec![127, n as u8, (n * 7 % 256) as u8])
}

#[test]
fn weights_are_spread_smoothly() {
    // The sequence that nginx's change 52327e0627f4 of 2012 gives for weights 5, 1, 1.
    for (weights, want) in [
        (&[5, 1, 1][..], "11213111121311"),
        (&[1, 1, 1], "123123"),
        (&[1], "111"),
        (&[3, 1, 2], "131231131231"),
    ] {
        assert_eq!(asked(&servers(weights, ""), keys(want.len())), want);
        // Where nobody has anything to do, least_conn is round robin.
        assert_eq!(asked(&format!("least_conn; {}", servers(weights, "")), keys(want.len())), want);
    }
}

#[test]
fn hashes_find_the_server_that_nginx_finds() {
    // As seen at nginx 1.22.1 with the same servers, keys k0 to k39, and addresses 127.n.7n.x.
    for (method, weights, more, want) in [
        ("hash $arg_k;", [1, 1, 1], "", "2121231311111132332133211122133232121311"),
        ("hash $arg_k;", [3, 1, 2], "", "1111331312212111133213322113213333111312"),
        ("hash $arg_k;", [1, 1, 1], "down", "3111131311111133333133111113133133111311"),
        ("hash $arg_k consistent;", [1, 1, 1], "", "1331221322332213133331122221332232233233"),
        ("hash $arg_k consistent;", [3, 1, 2], "", "1333231121312113133311112121113233213233"),
        ("hash $arg_k consistent;", [1, 1, 1], "down", "1331331331333313133331131111333333133133"),
        ("ip_hash;", [1, 1, 1], "", "3333333333333333333222222222222222222111"),
        ("ip_hash;", [3, 1, 2], "", "1111111111111111111111111111111111111222"),
        ("ip_hash;", [1, 1, 1], "down", "3333333333333333333313133133131131331111"),
    ] {
        let inside = format!("{method} {}", servers(&weights, more));
        let got = if method == "ip_hash;" { asked(&inside, addresses()) } else { asked(&inside, keys(40)) };
        assert_eq!(got, want, "{inside}");
    }
    // Without a key there is nothing to go by.
    let inside = format!("hash $arg_k; {}", servers(&[1, 1, 1], ""));
    assert_eq!(asked(&inside, std::iter::repeat_n(Vec::new(), 6)), "123123");
}

#[test]
fn one_request_is_never_sent_to_a_server_twice() {
    for method in ["", "least_conn;", "ip_hash;", "hash $arg_k;", "hash $arg_k consistent;"] {
        let (mut balance, _, now) = group(&format!("{method} {}", servers(&[1, 5, 1, 1], "")));
        let mut search = balance.search(b"key".to_vec());
        let mut got: Vec<_> = std::iter::from_fn(|| balance.choose(&mut search, now)).collect();
        got.sort_unstable();
        assert_eq!(got, [0, 1, 2, 3], "{method}");
    }
}

#[test]
fn least_conn_goes_to_the_idlest_for_its_weight() {
    let (mut balance, standings, now) = group("least_conn; server 127.0.0.1:1 weight=2; server 127.0.0.1:2;");
    let mut asked = [0; 2];
    for _ in 0..6 {
        asked[balance.choose(&mut Search::default(), now).expect("a server")] += 1;
    }
    assert_eq!(asked, [4, 2]);
    // What another worker's requests do counts, too.
    standings[1].leave();
    standings[1].leave();
    assert_eq!(balance.choose(&mut Search::default(), now), Some(1));
}

#[test]
fn a_server_takes_no_more_requests_than_it_may() {
    for method in ["", "least_conn;", "ip_hash;", "hash $arg_k;", "hash $arg_k consistent;"] {
        let inside = format!("{method} server 127.0.0.1:1 max_conns=2; server 127.0.0.1:2 max_conns=3;");
        let (mut balance, standings, now) = group(&inside);
        let taken = std::iter::from_fn(|| balance.choose(&mut balance.search(b"k".to_vec()), now));
        assert_eq!(taken.take(100).count(), 5, "{method}");
        standings[0].leave();
        let next = balance.choose(&mut balance.search(b"k".to_vec()), now);
        assert_eq!(next, Some(0), "{method}");
    }
}

#[test]
fn backups_serve_while_no_other_can() {
    for method in ["", "least_conn;"] {
        let inside = format!(
            "{method} server 127.0.0.1:1; server 127.0.0.1:2 max_conns=1; server 127.0.0.1:3 backup; server 127.0.0.1:4 backup;"
        );
        let (mut balance, standings, now) = group(&inside);
        let ask = |balance: &mut Balance, now| balance.choose(&mut Search::default(), now).expect("a server");
        assert!((0..20).all(|_| ask(&mut balance, now) < 2), "{method}");
        balance.failed(0, now);
        assert!(standings[1].full() && (0..4).all(|_| ask(&mut balance, now) >= 2), "{method}");
        // One request that failed at the first ones ends at the backups; more tries than servers there are not.
        let (mut balance, _, now) = group(&inside);
        let mut search = Search::default();
        let order: Vec<_> = std::iter::from_fn(|| balance.choose(&mut search, now)).collect();
        assert_eq!((order, balance.usable()), (vec![0, 1, 2, 3], 4), "{method}");
        // When it is over, the first ones serve again.
        let later = now + Duration::from_secs(11);
        assert_eq!(ask(&mut balance, later), 0, "{method}");
    }
    // A hash takes a backup that was named before it.
    let inside = "server 127.0.0.1:1; server 127.0.0.1:2 backup; hash $arg_k consistent;";
    let (mut balance, _, now) = group(inside);
    balance.failed(0, now);
    assert_eq!(balance.choose(&mut balance.search(b"k".to_vec()), now), Some(1));
}

#[test]
fn a_failed_server_rests_for_its_fail_timeout_for_all_workers() {
    let (mut balance, standings, start) = group(&servers(&[1, 1], ""));
    standings[0].failed(start);
    for second in 0..=10 {
        let now = start + Duration::from_secs(second);
        assert_eq!(balance.choose(&mut Search::default(), now), Some(1));
    }
    let later = start + Duration::from_secs(11);
    let mut ask = || balance.choose(&mut Search::default(), later);
    let order: Vec<_> = (0..4).filter_map(|_| ask()).collect();
    assert_eq!(order.iter().filter(|&&index| index == 0).count(), 1, "one finds out: {order:?}");
    standings[0].succeeded();
    let order: Vec<_> = (0..4).filter_map(|_| ask()).collect();
    assert_eq!(order.iter().filter(|&&index| index == 0).count(), 2, "{order:?}");
}

#[test]
fn the_last_server_is_never_ejected() {
    for method in ["", "least_conn;", "ip_hash;", "hash $arg_k;", "hash $arg_k consistent;"] {
        for weights in [&[1][..], &[1, 1], &[2, 1, 1]] {
            let (mut balance, standings, now) = group(&format!("{method} {}", servers(weights, "")));
            for (index, standing) in standings.iter().enumerate() {
                balance.failed(index, now);
                assert!(standing.ejected(now));
            }
            let got = balance.choose(&mut balance.search(b"k".to_vec()), now);
            assert!(got.is_some(), "{method} {weights:?}");
        }
    }
    let (mut balance, _, now) = group("server 127.0.0.1:1 down; server 127.0.0.1:2 max_conns=1;");
    balance.failed(1, now);
    assert_eq!(balance.choose(&mut Search::default(), now), Some(1));
    assert_eq!(balance.choose(&mut Search::default(), now), None, "it is down, or full");
}
