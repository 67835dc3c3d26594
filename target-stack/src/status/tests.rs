//! A report of made-up tiers: what it says, in words, in a table and in JSON.

use super::*;

fn process(pid: u32, address: &str, alive: bool, load: Load) -> Process {
    Process { pid, address: address.to_owned(), alive, answers: alive, cpu_limit: None, load }
}

fn report() -> Report {
    let busy = |cpu, rps, connections| Load { cpu_share: Some(cpu), rps: Some(rps), connections };
    let app = process(103, "127.0.0.1:3", true, busy(0.5, 1200.0, None));
    let stuck = Process { answers: false, load: Load::default(), ..app.clone() };
    let tiers = [
        ("app", vec![Process { cpu_limit: Some(0.25), ..app }, stuck]),
        ("db", vec![process(4, "/tmp/x/db/mysql.sock", false, Load::default())]),
        ("dns", vec![process(101, "127.0.0.1:1", true, busy(0.0, 0.0, None))]),
        ("other", vec![process(1, "a\u{1b}[2J", true, Load::default())]),
        ("proxy", vec![process(102, "127.0.0.1:80", true, busy(0.021, 345.678, Some(12.0)))]),
    ];
    Report {
        schema: "target-stack.status/1",
        url: String::from("http://www.foobar.com:80/"),
        dir: PathBuf::from("/tmp/x"),
        pid: 100,
        alive: true,
        tiers: tiers.map(|(name, tiers)| (name.to_owned(), tiers)).into(),
    }
}

#[test]
fn tiers_stand_in_the_order_of_a_request() {
    let want = "\
http://www.foobar.com:80/ in /tmp/x, pid 100

TIER   PID  ADDRESS        STATE    CPU  LIMIT  REQ/S  CONNECTIONS
dns    101  127.0.0.1:1    alive   0.00      -    0.0            -
proxy  102  127.0.0.1:80   alive   0.02      -  345.7           12
app    103  127.0.0.1:3    alive   0.50   0.25   1200            -
app    103  127.0.0.1:3    silent     -      -      -            -
db       4  db/mysql.sock  DEAD       -      -      -            -
other    1  a?[2J          alive      -      -      -            -
";
    let table = show::table(&report());
    assert_eq!(table, want, "\n{table}");
}

#[test]
fn the_dead_are_named() {
    let mut some = report();
    assert_eq!(dead(&some).expect("one"), "the db tier (pid 4) is dead");
    some.alive = false;
    assert_eq!(dead(&some).expect("two"), "the supervisor (pid 100) is dead, the db tier (pid 4) is dead");
    assert!(
        show::table(&some).starts_with("http://www.foobar.com:80/ in /tmp/x, whose supervisor 100 is DEAD\n")
    );
    some.alive = true;
    some.tiers.remove("db");
    assert_eq!(dead(&some), None, "who is silent may be busy");
}

#[test]
fn of_a_stack_of_which_nothing_is_left_nobody_is_named() {
    let mut report = report();
    report.alive = false;
    report.tiers.values_mut().flatten().for_each(|tier| tier.alive = false);
    let dead = dead(&report).expect("all");
    assert_eq!(dead, "nothing of this stack is alive: /tmp/x was left behind, and can be removed");
}

#[test]
fn what_cannot_be_read_is_said() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join(FILE);
    let refused = || {
        let why = Stack::kept(dir.path()).expect_err("no descriptor");
        let failure = unread(dir.path(), &why);
        assert_eq!(failure.code, 2);
        failure.message
    };
    assert!(refused().starts_with("no stack runs in this directory ("), "{}", refused());
    for text in [&b"{}"[..], b"{\"schema\":", b"\xff\xfe", b""] {
        std::fs::write(&file, text).expect("a file");
        assert!(refused().starts_with("no stack's descriptor ("), "{}", refused());
    }
    std::fs::remove_file(&file).expect("its removal");
    std::fs::create_dir(&file).expect("a directory");
    assert!(refused().contains("not a file"), "{}", refused());
    std::fs::remove_dir(&file).expect("its removal");
    // Nobody writes to it, and it has no end: neither is waited for.
    for never in ["/dev/zero", "/dev/tty"] {
        std::os::unix::fs::symlink(never, &file).expect("a link");
        assert!(Stack::kept(dir.path()).is_err());
        std::fs::remove_file(&file).expect("its removal");
    }
    rustix::fs::mknodat(rustix::fs::CWD, &file, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0)
        .expect("a pipe");
    assert!(refused().contains("not a file"), "{}", refused());
    let other = std::io::Error::from(ErrorKind::PermissionDenied);
    assert!(unread(dir.path(), &other).message.contains("another user's"));
}

#[test]
fn machines_get_the_same() {
    let json = serde_json::to_value(report()).expect("JSON");
    let proxy = &json["tiers"]["proxy"][0];
    assert_eq!(json["schema"], "target-stack.status/1");
    assert_eq!(
        (&proxy["pid"], &proxy["alive"], &proxy["answers"]),
        (&102.into(), &true.into(), &true.into())
    );
    assert_eq!(
        (proxy["cpu_share"].as_f64(), proxy["rps"].as_f64(), proxy["connections"].as_f64()),
        (Some(0.021), Some(345.678), Some(12.0))
    );
    let db = &json["tiers"]["db"][0];
    assert!(db["alive"] == false && db["cpu_share"].is_null() && db["connections"].is_null(), "{db}");
}
