//! Whole configurations: what is refused, in which words, and what is handed down.

use super::*;
use crate::failure::Outcome;
use crate::proxy::guard::Limits;
use proptest::prelude::*;
use std::path::Path;

fn parse(text: &str) -> Outcome<Config> {
    Config::parse("f", text, Path::new("/prefix"))
}

#[test]
fn errors_are_those_of_nginx() {
    // The wording was compared with nginx 1.22, but for what is marked as ours.
    let server = |inside: &str| format!("events {{}} http {{ server {{ listen 80; {inside} }} }}");
    let location = |inside: &str| server(&format!("location / {{ {inside} }}"));
    let upstream = |inside: &str| format!("events {{}} http {{ upstream a {{ {inside} }} }}");
    let http = |inside: &str| format!("events {{}} http {{ {inside} }}");
    let rows = [
        (http("foo 1;"), "unknown directive \"foo\""),
        ("listen 80; events {}".to_owned(), "\"listen\" directive is not allowed here"),
        (server("server_name;"), "invalid number of arguments in \"server_name\" directive"),
        ("events;".to_owned(), "directive \"events\" has no opening \"{\""),
        (http("sendfile on {}"), "directive \"sendfile\" is not terminated by \";\""),
        ("events {} events {}".to_owned(), "\"events\" directive is duplicate"),
        ("events {} pid a; pid b;".to_owned(), "\"pid\" directive is duplicate"),
        ("worker_processes x; events {}".to_owned(), "\"worker_processes\" directive invalid value"),
        ("events { worker_connections x; }".to_owned(), "invalid number \"x\""),
        ("events {} error_log x nope;".to_owned(), "invalid log level \"nope\""),
        (
            http("sendfile maybe;"),
            "invalid value \"maybe\" in \"sendfile\" directive, it must be \"on\" or \"off\"",
        ),
        (
            "events {} daemon x;".to_owned(),
            "invalid value \"x\" in \"daemon\" directive, it must be \"on\" or \"off\"",
        ),
        (
            "events {} worker_shutdown_timeout 1q;".to_owned(),
            "\"worker_shutdown_timeout\" directive invalid value",
        ),
        (http("keepalive_timeout 1q;"), "\"keepalive_timeout\" directive invalid value"),
        (http("keepalive_timeout 1 1q;"), "\"keepalive_timeout\" directive invalid value"),
        (http("client_header_timeout x;"), "\"client_header_timeout\" directive invalid value"),
        (location("client_header_timeout 1;"), "\"client_header_timeout\" directive is not allowed here"),
        (location("send_timeout 1 1;"), "invalid number of arguments in \"send_timeout\" directive"),
        (http("keepalive_requests x;"), "\"keepalive_requests\" directive invalid number"),
        (http("access_log x combined buffer=8k;"), "invalid parameter \"buffer=8k\""),
        (http("client_max_body_size 1q;"), "\"client_max_body_size\" directive invalid value"),
        (http("client_header_buffer_size 0;"), "\"client_header_buffer_size\" directive invalid value"),
        (
            http("large_client_header_buffers 0 8k;"),
            "\"large_client_header_buffers\" directive invalid value",
        ),
        (http("large_client_header_buffers 4 0;"), "\"large_client_header_buffers\" directive invalid value"),
        (http("access_log x combined if=1 off;"), "invalid parameter \"off\""),
        (http("map $uri b {}"), "invalid variable name \"b\""),
        (http("map $uri $uri {}"), "the duplicate \"uri\" variable"),
        (http("map $uri $b { a; }"), "invalid number of the map parameters"),
        (http("map $uri $b { default 1; default 2; }"), "duplicate default map parameter"),
        (http("map $uri $b { x 1; X 2; }"), "conflicting parameter \"x\""),
        (http("map $uri $b { x { y; } }"), "unexpected \"{\""),
        (http("map $uri $b { x $nope; }"), "unknown \"nope\" variable"),
        (http("access_log x nope;"), "unknown log format \"nope\""),
        (http("log_format a x; log_format a y;"), "duplicate \"log_format\" name \"a\""),
        (upstream(""), "no servers are inside upstream"),
        (upstream("server 127.0.0.1:80 wei=1;"), "invalid parameter \"wei=1\""),
        (upstream("server 127.0.0.1:80 weight=x;"), "invalid parameter \"weight=x\""),
        (upstream("server 127.0.0.1:99999;"), "invalid port in upstream \"127.0.0.1:99999\""),
        (upstream("server nope.invalid:80;"), "host not found in upstream \"nope.invalid:80\""),
        (upstream("server 127.0.0.1; keepalive 0;"), "invalid value \"0\" in \"keepalive\" directive"),
        (http("upstream a {server 127.0.0.1;} upstream a {server 127.0.0.1;}"), "duplicate upstream \"a\""),
        (server("listen 99999;"), "invalid port in \"99999\" of the \"listen\" directive"),
        (server("listen x:80;"), "host not found in \"x:80\" of the \"listen\" directive"),
        (server("listen 80 foo;"), "invalid parameter \"foo\""),
        (server("listen 80;"), "a duplicate listen 0.0.0.0:80"),
        (server("location /a {} location /a {}"), "duplicate location \"/a\""),
        (server("location x / {}"), "invalid location modifier \"x\""),
        (location("return abc;"), "invalid return code \"abc\""),
        (location("return 200 $nope;"), "unknown \"nope\" variable"),
        (location("proxy_set_header a '${foo';"), "the closing bracket in \"foo\" variable is missing"),
        (location("proxy_next_upstream foo;"), "invalid value \"foo\""),
        (location("proxy_http_version 2;"), "invalid value \"2\""),
        (location("proxy_pass ftp://x;"), "invalid URL prefix"),
        (location("proxy_pass http://127.0.0.1:0;"), "invalid port in upstream \"127.0.0.1:0\""),
        (
            location("proxy_pass http://127.0.0.1; proxy_pass http://127.0.0.1;"),
            "\"proxy_pass\" directive is duplicate",
        ),
        (
            http("upstream a {server 127.0.0.1;} server { location / { proxy_pass http://a:80; } }"),
            "upstream \"a\" may not have port 80",
        ),
        // Ours: what nginx can and we cannot.
        (
            server("location ~ (?=x) {}"),
            "invalid regular expression \"(?=x)\": look-around, including look-ahead and look-behind, is not supported",
        ),
        (http("map $uri $b { hostnames; }"), "\"hostnames\" in \"map\" is not supported"),
        (http("map $b $b {}"), "cycle while evaluating variable \"b\""),
        (http("map $uri $a { x $b; } map $a $b {}"), "cycle while evaluating variable \"a\""),
        (location("return 199;"), "invalid return code \"199\""),
    ];
    for (text, want) in rows {
        let error = parse(&text).expect_err(&text);
        assert_eq!((error.code, error.message), (1, format!("[emerg] {want} in f:1")), "{text}");
    }
    let error = parse("http {}").expect_err("no events");
    assert_eq!(error.message, "[emerg] no \"events\" section in configuration");
}

#[test]
fn settings_are_handed_down_and_replaced() {
    let text = "events { worker_connections 7; } worker_processes 3; pid run/p; http {
        server { listen 81; server_name A b; proxy_read_timeout 5s; location /x { proxy_set_header B 2; proxy_pass http://u/y/; } }
        server { listen 81 default_server; server_name c; location /z { proxy_pass http://127.0.0.1:9000; } }
        proxy_set_header A 1; keepalive_timeout 10 20; access_log off;
        client_header_buffer_size 2k; large_client_header_buffers 3 16k;
        upstream u { server 127.0.0.1:9 weight=2 max_fails=0 fail_timeout=3s down; server 127.0.0.1:8; keepalive 4; } }";
    let config = parse(text).expect("a valid configuration");
    assert_eq!((config.workers, config.connections), (3, 7));
    assert_eq!(config.pid.as_deref(), Some(Path::new("/prefix/run/p")));
    let [port] = config.ports.as_slice() else { panic!("one port in {config:?}") };
    assert_eq!((port.servers.as_slice(), port.default), (&[0, 1][..], 1));
    let names = port.names.as_ref().expect("a table");
    let server = |host| names.find(host).map(|(server, _)| server);
    assert_eq!([server("a"), server("b"), server("c"), server("x")], [Some(0), Some(0), Some(1), None]);

    let of = |server: usize| &config.servers[server].locations[0].settings;
    let names =
        |server: usize| of(server).proxy.set_headers.iter().map(|(n, _)| n.as_str()).collect::<Vec<_>>();
    assert_eq!((names(0), names(1)), (vec!["b"], vec!["a"]));
    assert_eq!([of(0).proxy.read_timeout.as_secs(), of(1).proxy.read_timeout.as_secs()], [5, 60]);
    assert_eq!((of(0).patience.keepalive.as_secs(), of(0).patience.told), (10, Some(20)));
    assert_eq!(of(0).heads, Limits { first: 2 << 10, number: 3, size: 16 << 10 });

    let [first, second] = config.upstreams.as_slice() else { panic!("two upstreams in {config:?}") };
    assert_eq!((first.keepalive, second.keepalive, second.name.as_str()), (4, 32, "127.0.0.1:9000"));
    let peer = &first.peers[0];
    assert_eq!((peer.weight, peer.max_fails, peer.fail_timeout.as_secs(), peer.down), (2, 0, 3, true));
    assert_eq!((first.peers[1].weight, first.peers[1].max_fails), (1, 1));
}

#[test]
fn an_error_names_its_line() {
    let error = parse("events {}\nhttp {\n  server {\n    nope;\n  }\n}\n").expect_err("a bad directive");
    assert_eq!(error.message, "[emerg] unknown directive \"nope\" in f:4");
}

#[test]
fn errors_of_locations_files_and_rewriting_are_those_of_nginx() {
    let server = |inside: &str| format!("events {{}} http {{ server {{ listen 80; {inside} }} }}");
    let location = |inside: &str| server(&format!("location / {{ {inside} }}"));
    let http = |inside: &str| format!("events {{}} http {{ {inside} }}");
    let rows = [
        (
            http("server { listen 80 default_server; } server { listen 80 default_server; }"),
            "a duplicate default server for 0.0.0.0:80",
        ),
        (
            http("server { listen 80 backlog=5; } server { listen 80 backlog=6; }"),
            "duplicate listen options for 0.0.0.0:80",
        ),
        (server("listen 81 backlog=x;"), "invalid backlog \"backlog=x\""),
        (server("location /a { location /b {} }"), "location \"/b\" is outside location \"/a\""),
        (
            server("location ~ /a { location /a {} location /b {} }"),
            "location \"/b\" is outside location \"/a\"",
        ),
        (
            server("location = /a { location /a/b {} }"),
            "location \"/a/b\" cannot be inside the exact location \"/a\"",
        ),
        (
            server("location @a { location /b {} }"),
            "location \"/b\" cannot be inside the named location \"@a\"",
        ),
        (server("location /a { location @b {} }"), "named location \"@b\" can be on the server level only"),
        (location("rewrite a;"), "invalid number of arguments in \"rewrite\" directive"),
        (location("rewrite a b c;"), "invalid parameter \"c\""),
        (location("rewrite a \"\";"), "empty replacement"),
        (location("rewrite ( b;"), "invalid regular expression \"(\": unclosed group"),
        (location("rewrite a $nope;"), "unknown \"nope\" variable"),
        (location("rewrite (?<uri>a) b;"), "the duplicate \"uri\" variable"),
        (location("set a b;"), "invalid variable name \"a\""),
        (location("set $ b;"), "invalid variable name \"$\""),
        (location("set $host b;"), "the duplicate \"host\" variable"),
        (location("set $x;"), "invalid number of arguments in \"set\" directive"),
        (location("return 1000;"), "invalid return code \"1000\""),
        (location("error_page 404;"), "invalid number of arguments in \"error_page\" directive"),
        (location("error_page 200 /x;"), "value \"200\" must be between 300 and 599"),
        (location("error_page abc /x;"), "invalid value \"abc\""),
        (location("error_page 499 /x;"), "invalid value \"499\""),
        (location("error_page =200 /x;"), "invalid value \"=200\""),
        (location("error_page 404 =abc /x;"), "invalid value \"=abc\""),
        (location("internal on;"), "invalid number of arguments in \"internal\" directive"),
        (location("internal; internal;"), "\"internal\" directive is duplicate"),
        (server("internal;"), "\"internal\" directive is not allowed here"),
        (location("add_header a b c;"), "invalid parameter \"c\""),
        (location("expires abc;"), "\"expires\" directive invalid value"),
        (location("expires modified;"), "\"expires\" directive invalid value"),
        (location("expires modified max;"), "\"expires\" directive invalid value"),
        (location("expires 5ms;"), "\"expires\" directive invalid value"),
        (location("expires @25h;"), "\"expires\" directive daily time value must be less than 24 hours"),
        (
            location("expires modified @1h;"),
            "\"expires\" directive daily time cannot be used with \"modified\" parameter",
        ),
        (location("root a; root b;"), "\"root\" directive is duplicate"),
        (
            location("root a; alias b;"),
            "\"alias\" directive is duplicate, \"root\" directive was specified earlier",
        ),
        (server("alias b;"), "\"alias\" directive is not allowed here"),
        (
            server("location @a { alias b; }"),
            "the \"alias\" directive cannot be used inside the named location",
        ),
        (
            location("root $document_root;"),
            "the $document_root variable cannot be used in the \"root\" directive",
        ),
        (location("index \"\";"), "index \"\" in \"index\" directive is invalid"),
        (location("try_files a;"), "invalid number of arguments in \"try_files\" directive"),
        (location("try_files a =abc;"), "invalid code \"=abc\""),
        (location("try_files a =1000;"), "invalid code \"=1000\""),
        (location("try_files a =;"), "invalid code \"=\""),
        (http("try_files a b;"), "\"try_files\" directive is not allowed here"),
        (location("types { a { } }"), "unexpected \"{\""),
        (location("types x {}"), "invalid number of arguments in \"types\" directive"),
        (
            server("location ~ a { proxy_pass http://127.0.0.1/x; }"),
            "\"proxy_pass\" cannot have URI part in location given by regular expression, or inside named location, \
             or inside \"if\" statement, or inside \"limit_except\" block",
        ),
        (location("proxy_pass http://$nope;"), "unknown \"nope\" variable"),
        (location("if ($x) {}"), "unknown directive \"if\""),
        // Ours: nginx has them.
        (
            server("listen unix:/a;"),
            "unix domain sockets are not supported in \"unix:/a\" of the \"listen\" directive",
        ),
        (
            http("upstream a { server unix:/a; }"),
            "unix domain sockets are not supported in upstream \"unix:/a\"",
        ),
        (
            location("proxy_pass http://unix:/a:/;"),
            "unix domain sockets are not supported in upstream \"unix:\"",
        ),
        (http("access_log a$host;"), "variables in \"access_log\" are not supported: \"a$host\""),
        (
            http("access_log syslog:server=a;"),
            "logging to anything but a file is not supported: \"syslog:server=a\"",
        ),
        (
            "events {} error_log memory:1m;".to_owned(),
            "logging to anything but a file is not supported: \"memory:1m\"",
        ),
    ];
    for (text, want) in rows {
        let error = parse(&text).expect_err(&text);
        assert_eq!((error.code, error.message), (1, format!("[emerg] {want} in f:1")), "{text}");
    }
}

#[test]
fn what_nginx_warns_of_is_warned_of() {
    let text = "events {} http { types { a b; c b; } index /a b; server { listen 81; server_name a/b; } }";
    assert_eq!(
        parse(text).expect("a valid configuration").warnings,
        [
            "[warn] only the last index in \"index\" directive should be absolute in f:1",
            "[warn] duplicate extension \"b\", content type: \"c\", previous content type: \"a\" in f:1",
            "[warn] server name \"a/b\" has suspicious symbols in f:1",
        ]
    );
}

/// Every directive there is, with arguments that may or may not be fit for it, in blocks that may or may not be.
fn directives() -> impl Strategy<Value = String> {
    let word = "[a-z]{1,3}|[0-9]{1,4}[skm]?|/[a-z*]{0,3}|@[ab]|\\$(a|uri|1|args)|~|=[0-9]{0,4}|\\^~|http://a/[a-z]|on|off|[*.]?[ab]\\.[ab*]|\\([a-z]\\)|'\\(\\?<a>b\\)'|127\\.0\\.0\\.1:8[0-9]|last|break|always";
    // Hosts would be looked up.
    let is_fit = |name: &&str| !matches!(*name, "events" | "http" | "server" | "proxy_pass");
    let names: Vec<String> = rules::names().filter(is_fit).map(str::to_owned).collect();
    let any = (proptest::sample::select(names), proptest::collection::vec(word, 0..4))
        .prop_map(|(name, args)| format!("{name} {};", args.join(" ")));
    let hosts = "(server |proxy_pass http://)(127\\.0\\.0\\.1|\\$a|\\$1)(:8[0-9])?(/[a-z]{0,2}\\$?)?( weight=[0-9])?;";
    let simple = prop_oneof![4 => any, 1 => hosts].boxed();
    let leaf = simple.clone();
    leaf.prop_recursive(3, 12, 4, move |inner| {
        let block = proptest::collection::vec(inner, 0..4).prop_map(|inner| inner.join(" "));
        let head = prop_oneof![
            Just("server".to_owned()),
            Just("types".to_owned()),
            "location (/[ab]{0,2}|= /a|~ [ab]|@a)",
            "upstream [ab]"
        ];
        prop_oneof![simple.clone(), (head, block).prop_map(|(head, block)| format!("{head} {{ {block} }}"))]
    })
}

proptest! {
    /// Whatever a configuration says, it is valid, or refused with one line that says where.
    #[test]
    fn any_configuration_is_read_or_refused(inner in proptest::collection::vec(directives(), 0..6)) {
        let text = format!("events {{}} http {{ {} server {{ {} }} }}", inner.join(" "), inner.join(" "));
        if let Err(error) = parse(&text) {
            prop_assert!(error.message.starts_with("[emerg] ") && !error.message.contains('\n'), "{}", error.message);
        }
    }
}
