//! A name server, asked byte by byte as RFC 1035 lays a message out, over UDP and TCP.

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);
/// An address.
pub const A: u16 = 1;
/// A name server.
pub const NS: u16 = 2;
/// The start of a zone.
pub const SOA: u16 = 6;
/// An address of IPv6.
pub const AAAA: u16 = 28;
/// EDNS.
pub const OPT: u16 = 41;
/// The whole zone.
pub const AXFR: u16 = 252;

/// What an answer says.
#[derive(Debug, PartialEq, Eq)]
pub struct Reply {
    /// NOERROR 0, NXDOMAIN 3, REFUSED 5.
    pub code: u8,
    /// Whether it is the zone's own word.
    pub authoritative: bool,
    /// The addresses among the answers, and the kinds of all records: answers, authority, additional.
    pub addresses: Vec<[u8; 4]>,
    /// See [`Reply::addresses`].
    pub kinds: [Vec<u16>; 3],
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
pub fn ask(address: &str, name: &str, kind: u16, edns: bool) -> Reply {
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
