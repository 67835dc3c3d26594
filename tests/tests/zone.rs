//! The zone of the website, asked byte by byte as RFC 1035 lays a message out: over UDP and TCP, by a stack and alone.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use e2e::Target;
use e2e::stack::{tier, tiers};
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);
const A: u16 = 1;
const NS: u16 = 2;
const SOA: u16 = 6;
const AAAA: u16 = 28;
const OPT: u16 = 41;
const AXFR: u16 = 252;

/// What an answer says.
#[derive(Debug, PartialEq, Eq)]
struct Reply {
    /// NOERROR 0, NXDOMAIN 3, REFUSED 5.
    code: u8,
    authoritative: bool,
    /// The addresses among the answers, and the kinds of all records: answers, authority, additional.
    addresses: Vec<[u8; 4]>,
    kinds: [Vec<u16>; 3],
}

/// A question of class IN, with an OPT record (RFC 6891) if it is to be by EDNS.
fn question(name: &str, kind: u16, edns: bool) -> Vec<u8> {
    let mut message = vec![0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(edns)];
    for label in name.split('.') {
        message.push(u8::try_from(label.len()).unwrap());
        message.extend(label.as_bytes());
    }
    message.push(0);
    message.extend([kind.to_be_bytes(), [0, 1]].concat());
    if edns {
        // The root, OPT, 1,232 bytes of UDP, version 0, nothing more.
        message.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
    }
    message
}

fn read(answer: &[u8], question: &[u8]) -> Reply {
    assert_eq!(answer[..2], question[..2], "its number");
    assert_eq!(answer[2] & 0x80, 0x80, "an answer");
    let number = |at: usize| u16::from_be_bytes([answer[at], answer[at + 1]]);
    let mut at = 12;
    let skip_name = |mut at: usize| loop {
        match answer[at] {
            0 => return at + 1,
            length if length & 0xc0 == 0xc0 => return at + 2,
            length => at += usize::from(length) + 1,
        }
    };
    if number(4) > 0 {
        at = skip_name(at) + 4;
    }
    let (mut kinds, mut addresses) = ([const { Vec::new() }; 3], Vec::new());
    for (section, kinds) in kinds.iter_mut().enumerate() {
        for _ in 0..number(6 + 2 * section) {
            at = skip_name(at);
            let (kind, length) = (number(at), usize::from(number(at + 8)));
            kinds.push(kind);
            at += 10;
            if kind == A && section == 0 {
                addresses.push(answer[at..at + 4].try_into().unwrap());
            }
            at += length;
        }
    }
    assert_eq!(at, answer.len(), "nothing more");
    addresses.sort_unstable();
    Reply { code: answer[3] & 15, authoritative: answer[2] & 4 != 0, addresses, kinds }
}

/// What the server at `address` answers, the same over UDP and TCP.
fn ask(address: &str, name: &str, kind: u16, edns: bool) -> Reply {
    let question = question(name, kind, edns);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.send_to(&question, address).unwrap();
    let mut answer = [0; 4096];
    let length = socket.recv(&mut answer).unwrap();
    let udp = read(&answer[..length], &question);

    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = u16::try_from(question.len()).unwrap().to_be_bytes();
    stream.write_all(&[&length[..], &question].concat()).unwrap();
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(read(&answer, &question), udp, "{name} {kind}");
    udp
}

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
