//! The zone of the website, asked byte by byte as RFC 1035 lays a message out: over UDP and TCP, by a stack and alone.

use e2e::Target;
use e2e::names::{A, AAAA, AXFR, NS, OPT, SOA, ask};
use e2e::stack::{tier, tiers};

#[test]
fn the_zone_answers_for_itself_alone() {
    let zone = Target::start("dns --address 127.0.0.1 --address 127.0.0.2 --address 192.0.2.7");
    let www: &[[u8; 4]] = &[[127, 0, 0, 1], [127, 0, 0, 2], [192, 0, 2, 7]];
    for (name, kind, code, addresses, answers, authority) in [
        ("www.foobar.com", A, 0, www, &[A, A, A][..], &[][..]),
        ("WwW.FooBar.CoM", A, 0, www, &[A, A, A], &[]),
        ("www.foobar.com", AAAA, 0, &[], &[], &[SOA]),
        ("foobar.com", SOA, 0, &[], &[SOA], &[NS]),
        ("foobar.com", NS, 0, &[], &[NS], &[]),
        ("foobar.com", A, 0, &[], &[], &[SOA]),
        ("nope.foobar.com", A, 3, &[], &[], &[SOA]),
        ("www.foobar.com.example.org", A, 5, &[], &[], &[]),
        ("example.com", A, 5, &[], &[], &[]),
        ("com", NS, 5, &[], &[], &[]),
    ] {
        for edns in [false, true] {
            let reply = ask(zone.address(), name, kind, edns);
            let got = (reply.code, reply.addresses.as_slice(), reply.kinds[0].as_slice());
            assert_eq!(got, (code, addresses, answers), "{name} {kind} {edns}: {reply:?}");
            assert_eq!(reply.kinds[1], authority, "{name} {kind}: {reply:?}");
            assert_eq!(reply.authoritative, code != 5, "{name} {kind}: {reply:?}");
            // EDNS is answered by EDNS, and nothing else is.
            assert_eq!(reply.kinds[2].contains(&OPT), edns, "{name} {kind} {edns}: {reply:?}");
        }
    }
    // The zone is given to nobody as a whole.
    assert!(ask(zone.address(), "foobar.com", AXFR, false).kinds[0].is_empty());
}

#[test]
fn the_website_has_an_address_for_each_proxy() {
    let stack = Target::start("up --scale small --proxies 3");
    let resolver = stack.said["resolver"].as_str().unwrap();
    assert_eq!(resolver, tier(&stack, "dns").1);
    let reply = ask(resolver, "www.foobar.com", A, true);
    let proxies: Vec<[u8; 4]> = tiers(&stack, "proxy")
        .into_iter()
        .map(|(_, address)| address.parse::<std::net::SocketAddrV4>().unwrap().ip().octets())
        .collect();
    assert_eq!((reply.code, reply.addresses, proxies.len()), (0, proxies, 3));
}
