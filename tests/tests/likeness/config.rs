//! What is refused of a configuration, and in which words.

use super::write;
use e2e::stack::nginx_is_installed;
use std::process::Command;

#[test]
fn refusals_of_a_configuration() {
    if !nginx_is_installed() {
        return;
    }
    let server = |inside: &str| format!("events {{}} http {{ server {{ listen 127.0.0.1:1; {inside} }} }}");
    let location = |inside: &str| server(&format!("location / {{\n {inside} }}"));
    let http = |inside: &str| format!("events {{}} http {{ {inside} }}");
    let mut texts = vec![
        http("include none.conf;"),
        http("include;"),
        http("include a b;"),
        http("include bad.conf;"),
        http("include open.conf;"),
        http("include close.conf;"),
        http("include none*.conf; nope;"),
        http("types { include none; }"),
        http("server { listen 127.0.0.1:1 default_server; } server { listen 127.0.0.1:1 default_server; }"),
        http("server { listen 127.0.0.1:1 backlog=5; } server { listen 127.0.0.1:1 backlog=6; }"),
        http("server { listen 127.0.0.1:1; server_name a*b; } server { listen 127.0.0.1:1; }"),
        http("map a;"),
        http("map $a {}"),
        http("map $uri b {}"),
        http("map $uri $ {}"),
        http("map $uri $b { a; }"),
        http("map $uri $b { a b c; }"),
        http("map $uri $b { default 1; default 2; }"),
        http("map $uri $b { x 1; X 2; }"),
        http("map $uri $b { '' 1; '' 2; }"),
        http("map $uri $uri { a 1; }"),
        http("map $uri $b { x { y; } }"),
        server("map $uri $b {}"),
        http("access_log x combined foo;"),
        http("return 200;"),
        http("location / {}"),
        http("server_names_hash_bucket_size x;"),
        http("server_names_hash_max_size x;"),
        http("variables_hash_bucket_size x;"),
        http("connection_pool_size 100;"),
        server("request_pool_size 1g;"),
        server("ssl_buffer_size x;"),
        server("ssl_session_timeout 1ms;"),
        "worker_rlimit_nofile x; events {}".to_owned(),
        "worker_rlimit_nofile 1; worker_rlimit_nofile 1; events {}".to_owned(),
        "worker_rlimit_core x; events {}".to_owned(),
        "worker_priority x; events {}".to_owned(),
        "worker_priority -; events {}".to_owned(),
        "worker_priority -+1; events {}".to_owned(),
        "worker_priority -5; events { nope; }".to_owned(),
        "master_process x; events {}".to_owned(),
        "pcre_jit x; events {}".to_owned(),
        "timer_resolution x; events {}".to_owned(),
        "lock_file; events {}".to_owned(),
        "use epoll; events {}".to_owned(),
        "events { use select; }".to_owned(),
        "events { multi_accept x; }".to_owned(),
        "events { accept_mutex x; }".to_owned(),
        "events { accept_mutex_delay x; }".to_owned(),
        "events { worker_aio_requests x; }".to_owned(),
        "events { sendfile on; }".to_owned(),
        server("server_name ~;"),
        server("server_name *.;"),
        server("server_name .;"),
        server("server_name *a;"),
        server("internal;"),
        server("alias a;"),
        server("location @a { alias b; }"),
        server("location /a { location /b {} }"),
        server("location = /a { location /a/b {} }"),
        server("location @a { location /b {} }"),
        server("location /a { location @b {} }"),
        server("location /a {} location ^~ /a {}"),
        server("location a b c {}"),
        server("location ~ a { proxy_pass http://127.0.0.1/x; }"),
        server("location @a { proxy_pass http://127.0.0.1/; }"),
    ];
    let inside = "
        rewrite a;
        rewrite a b c;
        rewrite a '';
        rewrite a b last x;
        set a b;
        set $ b;
        set $uri b;
        set $x;
        return;
        return 1000;
        return abc;
        return 200 a b;
        error_page 404;
        error_page 200 /x;
        error_page 600 /x;
        error_page abc /x;
        error_page 499 /x;
        error_page =200 /x;
        error_page 404 =abc /x;
        internal on;
        internal; internal;
        add_header a;
        add_header a b c;
        expires;
        expires abc;
        expires modified;
        expires modified max;
        expires @25h;
        expires modified @1h;
        expires 1h 2h;
        root;
        root a; root b;
        root a; alias b;
        alias a; root b;
        root $document_root;
        index;
        index '';
        try_files a;
        try_files a =abc;
        try_files a =1000;
        try_files a =;
        try_files a =404; try_files a =404;
        types { a { } }
        types { a b }
        types x {}
        types;
        default_type;
        default_type a; default_type b;
        server_tokens;
        server_tokens x;
        server_tokens on off;
        sendfile x;
        tcp_nopush on; tcp_nopush on;
        sendfile_max_chunk x;
        types_hash_max_size x;
        types_hash_bucket_size 1k;
        server_names_hash_bucket_size 64;
        variables_hash_max_size 64;
        connection_pool_size 4k;
        client_body_buffer_size;
        client_body_buffer_size 1g;
        client_body_in_single_buffer 1;
        client_body_temp_path a 0;
        client_body_temp_path a 1 2 3 4;
        output_buffers 1;
        output_buffers 0 1k;
        output_buffers 1 x;
        postpone_output x;
        read_ahead -1;
        open_file_cache 100;
        open_file_cache max=0;
        open_file_cache max=1 inactive=1ms;
        open_file_cache inactive=1s;
        open_file_cache a=b;
        open_file_cache off off off;
        open_file_cache_valid 1ms;
        open_file_cache_min_uses x;
        open_file_cache_errors x;
        gzip_buffers 0 1k;
        proxy_headers_hash_max_size x;
        proxy_headers_hash_bucket_size x;
        proxy_buffer_size x;
        proxy_buffers 8;
        proxy_buffers 8 0;
        proxy_busy_buffers_size x;
        proxy_max_temp_file_size x;
        proxy_temp_file_write_size x;
        proxy_temp_path a 4 4 4;
        multi_accept on;
        worker_rlimit_nofile 1;
        listen 1;
        nope 1;";
    texts.extend(inside.lines().filter(|line| !line.is_empty()).map(location));
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "bad.conf", "\n\nserver {\n nope;\n}");
    write(dir.path(), "open.conf", "server {");
    write(dir.path(), "close.conf", "}");
    let said = |command: &mut Command, text: &str| {
        write(dir.path(), "nginx.conf", text);
        let output = command.arg("-p").arg(dir.path()).arg("-c").arg(dir.path().join("nginx.conf")).output();
        let output = output.unwrap();
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        let emerg = err.lines().find_map(|line| line.split_once("[emerg] "));
        // Of what comes before, nginx's has the time and a pid.
        let words = emerg.map(|(_, words)| match words.split_once(": ") {
            Some((pid, rest)) if pid.contains('#') => rest.to_owned(),
            _ => words.to_owned(),
        });
        (output.status.code(), words)
    };
    let ours = e2e::binary("target-stack");
    let mut differences = String::new();
    for text in texts {
        let here = said(Command::new(&ours).args(["proxy", "-t"]), &text);
        let theirs = said(Command::new("nginx").args(["-t", "-e", "stderr", "-g", "pid nginx.pid;"]), &text);
        if here != theirs || here.1.is_none() {
            differences.push_str(&format!("{text}\nhere: {here:?}\nnginx: {theirs:?}\n\n"));
        }
    }
    assert!(differences.is_empty(), "{differences}");
}
