//! What a person sees: a search, a run that is broken off, and a stack, each on a terminal of its own.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use e2e::{Running, Target, binary, signal, until};
use rustix::process::Signal;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

const COLUMNS: u16 = 60;
/// What may come of a load.
const WORDS: [&str; 3] = ["/s  holds", "/s  fails", "/s  INVALID"];

/// A terminal, and what has been written on it.
struct Terminal {
    typed: Arc<Mutex<Vec<u8>>>,
    /// Where programs write.
    slave: File,
    keyboard: File,
}

impl Terminal {
    fn open() -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let size = Winsize { ws_row: 24, ws_col: COLUMNS, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&master, size).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let slave = File::options().read(true).write(true).open(name).unwrap();
        let typed = Arc::<Mutex<Vec<u8>>>::default();
        let (seen, mut master) = (typed.clone(), File::from(master));
        let keyboard = master.try_clone().unwrap();
        std::thread::spawn(move || {
            let mut some = [0; 4096];
            // It fails when nobody has the other end any more.
            while let Ok(n) = master.read(&mut some) {
                seen.lock().unwrap().extend_from_slice(&some[..n]);
            }
        });
        Self { typed, slave, keyboard }
    }

    /// Standard error of a program.
    fn stderr(&self) -> Stdio {
        Stdio::from(self.slave.try_clone().unwrap())
    }

    /// Presses Ctrl-C, for the process `pid`: as no process leads a session here, the terminal echoes it, and signals nobody.
    fn interrupt(&mut self, pid: u32) {
        self.keyboard.write_all(b"\x03").unwrap();
        until("it is echoed", || self.text().contains("^C"));
        signal(pid, Signal::INT);
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.typed.lock().unwrap()).into_owned()
    }

    /// The lines as they stand there, from the first on; the cursor is only ever moved to a line's beginning.
    fn lines(&self) -> Vec<String> {
        let cleared = |line: &str| line.rsplit("\r\u{1b}[2K").next().unwrap().trim_end().to_owned();
        self.text().split("\r\n").map(cleared).collect()
    }
}

#[test]
fn a_search_shows_one_line_that_lives_and_leaves_none_of_it() {
    let (target, terminal) = (Target::start("queue --workers 1 --service 10ms"), Terminal::open());
    let mut command = Command::new(binary("loadgen"));
    let options = "ceiling --budget 20s --slo p99<300ms --min-rps 20 --max-rps 90 --out out --json - -t 2s";
    command
        .env("NO_COLOR", "1")
        .args(options.split_whitespace())
        .arg(format!("http://{}/", target.address()));
    let run = Running::start_on(command, terminal.stderr());
    until("a load is done, and one is under way", || {
        let text = terminal.text();
        WORDS.iter().any(|word| text.rsplit_once(word).is_some_and(|(_, rest)| rest.contains("  answered ")))
    });
    signal(run.pid(), Signal::INT);
    let ended = run.wait();
    // Both are written after what is looked at.
    until("the summary is there", || terminal.text().contains("--resume out"));
    let (text, lines) = (terminal.text(), terminal.lines());
    for part in ["checking the generator  ", "/20 s  begins", "/20 s  answered "] {
        assert!(text.contains(part), "{part}: {text:?}");
    }
    assert_eq!(ended.code, 4, "{text}");
    let has = |part: &str| lines.iter().any(|line| line.contains(part));
    assert!(WORDS.into_iter().any(has) && !has("  answered ") && !has("/20 s"), "{lines:#?}");
    let before = lines.iter().take_while(|line| !line.starts_with("load  "));
    assert!(
        before.clone().count() > 3 && before.clone().all(|line| line.len() <= COLUMNS.into()),
        "{lines:#?}"
    );
    let line = |begins: &str| lines.iter().position(|line| line.starts_with(begins)).unwrap();
    assert!(line("load  ") < line("search  ") && line("search  ") < line("INVALID  "), "{lines:#?}");
    assert!(line("INVALID  ") < line("record  ") && line("record  ") < line("resume  "), "{lines:#?}");
}

#[test]
fn what_is_said_after_an_interrupt_begins_on_a_line_of_its_own() {
    let target = Target::start("queue --workers 1 --service 1ms");
    let url = format!("http://{}/", target.address());
    // A port that nobody has: what is asked there is waited for.
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let resolver = format!("--resolver {} http://www.foobar.com/", silent.local_addr().unwrap());
    for (options, ready, code, after) in [
        (
            format!("--rps 20 -d 60s --no-report --no-progress --json - {url}"),
            "loading ",
            &[0, 4][..],
            "requests/s offered",
        ),
        (format!("ceiling --budget 60s --out o --json - {url}"), "loading ", &[4], "load  "),
        (resolver, "", &[4], "loadgen: stopped before"),
    ] {
        let mut terminal = Terminal::open();
        let mut command = Command::new(binary("loadgen"));
        command.env("NO_COLOR", "1").env("TERM", "dumb").args(options.split_whitespace());
        let run = Running::start_on(command, terminal.stderr());
        until("it is under way", || terminal.text().contains(ready) && catches_interrupts(run.pid()));
        terminal.interrupt(run.pid());
        let ended = run.wait();
        until("it has said so", || terminal.text().contains(after));
        let lines = terminal.lines();
        let echo = lines.iter().position(|line| line == "^C").unwrap_or_else(|| panic!("{lines:#?}"));
        let next = lines[echo + 1..].iter().find(|line| !line.is_empty()).unwrap();
        assert!(code.contains(&ended.code) && next.contains(after), "{options}: {lines:#?}");
    }
}

/// Whether a process has a handler for SIGINT (proc_pid_status(5)).
fn catches_interrupts(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = caught.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok());
    caught.is_some_and(|mask| mask >> (Signal::INT.as_raw() - 1) & 1 == 1)
}

#[test]
fn a_person_who_starts_a_stack_is_told_the_way_in_and_out_and_a_program_only_the_descriptor() {
    let terminal = Terminal::open();
    let mut command = Command::new(binary("target-stack"));
    command.args(["up", "--scale", "small"]).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.stderr(terminal.stderr()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    let said: serde_json::Value = serde_json::from_str(&line).unwrap();
    let text = |name: &str| said[name].as_str().unwrap();
    until("the last line is there", || terminal.text().contains("Ctrl-C"));
    let lines = terminal.lines();
    for part in
        [text("url"), text("resolver"), text("dir"), "curl --resolve www.foobar.com:", "http://127.0.0.1:"]
    {
        assert!(lines.iter().any(|line| line.contains(part)), "{part}: {lines:#?}");
    }
    // Each of the commands is one that works.
    let status = lines.iter().find_map(|line| line.split_once("target-stack status ")).unwrap().1;
    assert!(Command::new(binary("target-stack")).args(["status", status]).output().unwrap().status.success());
    signal(child.id(), Signal::INT);
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert!(child.wait().unwrap().success() && rest.is_empty(), "{rest}");
}
