//! A name and its answers: when it is asked for again, what is counted, and a real name server on a port of its own.

use super::*;

fn reply(at: Instant, took_ms: u64, answer: Result<(&[&str], Option<u32>), &str>) -> Reply {
    let answer = answer
        .map_err(str::to_owned)
        .map(|(ips, ttl_s)| Answer { ips: ips.iter().map(|ip| ip.parse().unwrap()).collect(), ttl_s });
    Reply { at, took: Duration::from_millis(took_ms), answer }
}

#[test]
fn a_name_is_due_again_when_its_time_has_run_out_and_soon_after_a_failure() {
    let start = pace::now();
    for (answer, due_s) in [
        (Ok((&["192.0.2.1"][..], Some(60))), Some(60)),
        (Ok((&["192.0.2.1"][..], Some(1))), Some(1)),
        (Ok((&["192.0.2.1"][..], Some(0))), Some(1)),
        (Ok((&["192.0.2.1"][..], None)), None),
        (Ok((&[][..], Some(60))), Some(1)),
        (Err("NXDOMAIN"), Some(1)),
    ] {
        let mut ledger = Ledger::new(String::from("x"), start);
        let said = format!("{answer:?}");
        let _ = ledger.note(reply(start, 1, answer));
        assert_eq!(ledger.due, due_s.map(|s| start + Duration::from_secs(s)), "{said}");
    }
}

#[test]
fn every_question_is_counted_and_failures_leave_the_addresses_alone() {
    let start = pace::now();
    let mut ledger = Ledger::new(String::from("192.0.2.53:53"), start);
    assert!(ledger.note(reply(start, 3, Ok((&["192.0.2.1", "192.0.2.2"], Some(5))))).is_ok());
    assert_eq!(ledger.note(reply(start, 9, Err("NXDOMAIN"))), Err(String::from("NXDOMAIN")));
    assert!(ledger.note(reply(start, 1, Ok((&[], Some(5))))).is_err());
    assert!(ledger.note(reply(start, 2, Ok((&["192.0.2.2", "2001:db8::1"], Some(7))))).is_ok());
    let dns = ledger.dns;
    assert_eq!((dns.lookups, dns.failures, dns.ttl_s), (4, 2, Some(7)));
    assert_eq!((dns.first_ms, dns.max_ms), (3.0, 9.0));
    assert_eq!(dns.addresses, ["192.0.2.1", "192.0.2.2", "2001:db8::1"]);
    assert_eq!(dns.last_error.as_deref(), Some("the answer has no address in it"));
}

#[test]
fn a_zone_without_end_does_not_fill_the_record() {
    let start = pace::now();
    let mut ledger = Ledger::new(String::from("x"), start);
    for n in 0..1000u32 {
        let answer = Answer { ips: vec![IpAddr::V4(n.into())], ttl_s: Some(1) };
        ledger.note(Reply { at: start, took: Duration::ZERO, answer: Ok(answer) }).unwrap();
    }
    assert_eq!((ledger.dns.addresses.len(), ledger.dns.lookups), (MOST_RECORDED, 1000));
}

/// What the test's name server says to one question.
#[derive(Clone, Copy)]
enum Says {
    A(u8),
    NoSuchName,
}

/// An answer as RFC 1035 section 4 lays it out, with a TTL of zero; AAAA has none.
fn answer(question: &[u8], says: Says) -> Vec<u8> {
    let name_ends = 12 + question[12..].iter().position(|byte| *byte == 0).unwrap() + 1;
    let kind = question[name_ends + 1];
    let (code, records) = match says {
        Says::NoSuchName => (3, 0),
        Says::A(_) => (0, u8::from(kind == 1)),
    };
    let mut message = question[..2].to_vec();
    message.extend([0x84, code, 0, 1, 0, records, 0, 0, 0, 0]);
    message.extend_from_slice(&question[12..name_ends + 4]);
    if let (Says::A(last), 1) = (says, records) {
        message.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, last]);
    }
    message
}

/// A name server that says `script`'s lines to one pair of questions (A and AAAA) after the other, the last for ever.
async fn serve(socket: tokio::net::UdpSocket, script: Vec<Says>) {
    let mut buffer = [0; 512];
    for n in 0.. {
        let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
        let says = script[(n / 2).min(script.len() - 1)];
        socket.send_to(&answer(&buffer[..length], says), from).await.unwrap();
    }
}

#[tokio::test(flavor = "current_thread")]
async fn an_answer_that_has_run_out_is_asked_for_again_and_a_failed_one_keeps_the_old() {
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let server = Server::At(socket.local_addr().unwrap());
    tokio::spawn(serve(socket, vec![Says::A(1), Says::NoSuchName, Says::A(2)]));
    let names = Names::ask(server, "shop.test", 81).await.unwrap();
    assert_eq!(names.addresses()[..], ["127.0.0.1:81".parse().unwrap()]);
    let changed = async {
        loop {
            if names.addresses()[..] == ["127.0.0.2:81".parse().unwrap()] {
                break;
            }
            pace::pause(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        () = names.keep_fresh() => unreachable!(),
        () = changed => {}
    }
    let dns = names.dns().unwrap();
    assert_eq!((dns.lookups, dns.failures), (3, 1), "{dns:?}");
    assert_eq!(dns.addresses, ["127.0.0.1", "127.0.0.2"]);
}

#[tokio::test(flavor = "current_thread")]
async fn a_name_that_is_not_there_at_the_start_is_an_error() {
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let server = Server::At(socket.local_addr().unwrap());
    tokio::spawn(serve(socket, vec![Says::NoSuchName]));
    assert!(Names::ask(server, "shop.test", 81).await.is_err());
}

#[tokio::test(flavor = "current_thread")]
async fn a_name_server_that_is_silent_is_given_up_within_a_bounded_time() {
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let why = Names::ask(Server::At(socket.local_addr().unwrap()), "shop.test", 81).await.unwrap_err();
    assert!(!why.is_empty());
}

#[tokio::test(flavor = "current_thread")]
async fn fixed_addresses_are_nobodys_answer() {
    let address = "127.0.0.1:80".parse().unwrap();
    let names = Names::fixed(vec![address]);
    assert_eq!((names.addresses()[..].to_vec(), names.dns()), (vec![address], None));
}
