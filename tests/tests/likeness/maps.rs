//! What `map` makes of a request, and which requests are logged.

use super::hold;
use e2e::pair::Pair;
use e2e::stack::nginx_is_installed;

#[test]
fn maps() {
    if !nginx_is_installed() {
        return;
    }
    let http = r#"
    default_type text/plain;
    map $arg_a $exact { default other; "" none; one 1; TWO 2; \default d; \~x tilde; e ""; v "<$args>"; \\b back; }
    map "$arg_a-$arg_b" $both { a-b yes; volatile; }
    map $arg_a $pattern { ~^x(.)(.)$ $2$1; "~*^Y(?<caught>.*)$" "got $caught"; ~y never; default $exact; }
    map $arg_a $chain { "~^q" "[$pattern|$exact]"; }
    map $arg_a $later { default 1; }
    map $arg_a $later { default 2; }
    map $arg_a $set { default mapped; }
    map $arg_a $nothing { }
    map $http_x_id $id { "" none; "~^[0-9A-Za-z._:+/=-]{1,8}$" $http_x_id; }
    map $arg_a $http_x_mine { m mapped; }
    add_header X-Id $id always;
    server {
        listen LISTEN;
        location / { return 200 "$exact|$both|$pattern|$chain|$later|$nothing|$http_x_mine"; }
        location ~ ^/(g.)$ { return 200 "$pattern"; }
        location /set { set $set mine; return 200 $set; }
        location /unset { return 404 $set; }
        location /pass { proxy_pass http://UPSTREAM; proxy_set_header X-Id $id; proxy_set_header X-Chain $chain; }
    }"#;
    let pair = Pair::start(http, |_| {});
    let paths = "/ /?a=one /?a=oNe /?a=two /?a=default /?a=~x /?a=~y /?a=e /?a=v /?a=\\b /?a=\\\\b /?a=a&b=B /?a=x12 /?a=x123
        /?a=Yes /?a=ay /?a=q /?a=m /?b=b /g1?a=x12 /set /unset /pass?a=q /pass";
    for fields in ["", "X-Id: a:1\r\n", "X-Id: two words\r\n", "X-Id: 123456789\r\n", "X-Mine: own\r\n"] {
        hold(&pair, "GET", "a", paths, fields);
    }
}
