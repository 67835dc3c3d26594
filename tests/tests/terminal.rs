//! What a person sees of a search: `loadgen ceiling` on a terminal of its own.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use e2e::{Running, Target, binary, signal, until};
use rustix::process::Signal;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::fs::File;
use std::io::Read;
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
        std::thread::spawn(move || {
            let mut some = [0; 4096];
            // It fails when nobody has the other end any more.
            while let Ok(n) = master.read(&mut some) {
                seen.lock().unwrap().extend_from_slice(&some[..n]);
            }
        });
        Self { typed, slave }
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
    let run = Running::start_on(command, Stdio::from(terminal.slave.try_clone().unwrap()));
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
