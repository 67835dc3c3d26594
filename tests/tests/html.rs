//! The report in a browser: a real one, which shows, sorts and reads out what a run has left, and loads nothing.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use e2e::{Running, loadgen};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const LIGHT: &str = "rgb(255, 255, 255)";
const DARK: &str = "rgb(22, 24, 27)";
/// Blink's own names for what a system prefers.
const PREFERS_DARK: &str = "--blink-settings=preferredColorScheme=0";
const PREFERS_LIGHT: &str = "--blink-settings=preferredColorScheme=1";

/// Debian's browser, which nothing here can stand in for.
fn chromium() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|dir| dir.join("chromium")).find(|file| file.is_file());
    found
        .unwrap_or_else(|| panic!("Chromium is missing: scripts/need chromium (or apt-get install chromium)"))
}

fn reference() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("reports/reference/main")
}

/// The report of the reference run, after `change` of its record.
fn report(change: impl Fn(&mut Value)) -> (TempDir, PathBuf) {
    let reference = reference();
    let dir = TempDir::new().unwrap();
    let mut run: Value = serde_json::from_slice(&std::fs::read(reference.join("run.json")).unwrap()).unwrap();
    change(&mut run);
    std::fs::write(dir.path().join("run.json"), run.to_string()).unwrap();
    std::fs::copy(reference.join("latency.hlog"), dir.path().join("latency.hlog")).unwrap();
    let ended = loadgen(&format!("report {}", dir.path().display()));
    assert_eq!(ended.code, 0, "{ended:?}");
    let page = dir.path().join("report.html");
    assert!(ended.out.contains(&format!("report      {}\n", page.display())), "{}", ended.out);
    (dir, page)
}

/// The report of a search that was killed before it came to its conclusions: what is in it follows from the loads.
fn search() -> (TempDir, PathBuf) {
    let step = |n: usize, phase: &str, rps: f64| {
        let (ok, holds) = (rps.min(1_000.0), rps < 1_000.0);
        let ms = if holds { 2.0 + rps / 500.0 } else { 700.0 };
        let broke = if holds { 0.0 } else { ok };
        let window = json!({"length_s": 1.0, "planned": rps as u64, "ended": ok as u64, "ok": ok as u64,
            "broke": [broke as u64, 0], "in_flight": if holds { 2 } else { 300 }, "p50_ms": ms, "p99_ms": ms, "bad": !holds});
        json!({"phase": phase, "start_s": n as f64 * 4.0, "duration_s": 3.0, "offered_rps": rps, "ok_rps": ok,
            "p50_ms": ms * 0.8, "p90_ms": ms * 0.9, "p99_ms": ms, "p999_ms": null, "mean_ms": ms * 0.8,
            "planned": (3.0 * rps) as u64, "errors": 0, "in_flight": rps * ms * 0.8 / 1e3, "passed": holds, "valid": true,
            "stationary": holds, "windows": [window, window, window],
            "reasons": if holds { vec![] } else { vec!["only 1,000/s were answered, and the backlog grew"] },
            "observed": {"app": {"workers": 4.0, "workers_busy": ok * 4e-3}}})
    };
    let loads = [
        ("bracket", 400.0),
        ("bracket", 1_500.0),
        ("search", 970.0),
        ("search", 1_010.0),
        ("sweep", 200.0),
        ("sweep", 600.0),
    ];
    let steps: Vec<_> = loads.iter().enumerate().map(|(n, (phase, rps))| step(n, phase, *rps)).collect();
    let run: Value = serde_json::from_slice(&std::fs::read(reference().join("run.json")).unwrap()).unwrap();
    let found = json!({"schema": "loadgen.ceiling/1", "partial": true, "seed": 1, "command": ["loadgen", "ceiling"],
        "started_at": "2026-11-24T08:00:00Z", "target": run["target"], "arrivals": "even", "slo": "p99<50ms,errors<0.1%",
        "precision": 0.02, "budget_s": 90.0, "duration_s": 24.0, "bound": "below", "ceiling_rps": null, "ci95": null,
        "peak_goodput_rps": null, "overload_goodput_rps": null, "predicted_rps": null,
        "limited_by": {"what": "unexplained", "tier": null, "resource": null, "evidence": []}, "usl": null, "steps": steps,
        "cpus": [1], "host": run["host"], "verdict": {"valid": false, "reasons": []}});
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("ceiling.json"), found.to_string()).unwrap();
    let ended = loadgen(&format!("report {}", dir.path().display()));
    assert_eq!(ended.code, 0, "{ended:?}");
    let page = dir.path().join("report.html");
    (dir, page)
}

/// What `probe`, the body of a function that is run in the loaded page, gives; and what the console said, which has to be
/// no more than that it was asked.
fn ask(page: &Path, probe: &str, options: &[&str]) -> Value {
    let script = format!(
        "<script>(() => {{ const probe = () => {{ {probe} }};\nconst answer = document.createElement('pre');\n\
         try {{ answer.textContent = JSON.stringify(probe()); }} catch (e) {{ answer.textContent = JSON.stringify(String(e)); }}\n\
         answer.id = 'answer'; document.body.append(answer); console.warn('asked'); }})()</script></body>"
    );
    let asked = page.with_extension("asked.html");
    let text = std::fs::read_to_string(page).unwrap();
    assert_eq!(text.matches("</body>").count(), 1);
    std::fs::write(&asked, text.replace("</body>", &script)).unwrap();
    let (dom, console) = open(&asked, options);
    assert!(console.len() == 1 && console[0].contains("\"asked\""), "{console:#?}");
    answer(&dom)
}

/// The document as it is once it is loaded and its scripts have run, and the lines of the console.
fn open(page: &Path, options: &[&str]) -> (String, Vec<String>) {
    let profile = TempDir::new().unwrap();
    let mut command = Command::new(chromium());
    command.args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]);
    command.args(["--no-first-run", "--disable-background-networking", "--disable-component-update"]);
    command.args([
        "--enable-logging=stderr",
        "--v=0",
        "--virtual-time-budget=10000",
        "--window-size=1280,900",
    ]);
    command.arg(format!("--user-data-dir={}", profile.path().display()));
    command.args(options).arg("--dump-dom").arg(format!("file://{}", page.display()));
    let ended = Running::start(command).wait();
    assert!(ended.code == 0 && ended.out.contains("</html>"), "{ended:?}");
    let console = ended.err.lines().filter(|line| line.contains(":CONSOLE")).map(str::to_owned);
    (ended.out.clone(), console.collect())
}

fn answer(dom: &str) -> Value {
    let text = dom.split_once("<pre id=\"answer\">").and_then(|(_, rest)| rest.split_once("</pre>"));
    let text = text.unwrap_or_else(|| panic!("no answer in {dom}")).0;
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn a_report_loads_nothing_and_its_console_is_clean() {
    let (_dir, page) = report(|_| ());
    let (dom, console) = open(&page, &[PREFERS_LIGHT]);
    assert!(console.is_empty(), "{console:#?}");
    assert!(dom.contains("<svg") && dom.contains("5,000 requests/s offered"));
    let asked = ask(
        &page,
        "return { loaded: performance.getEntriesByType('resource').map((e) => e.name), \
         overflow: document.documentElement.scrollWidth - innerWidth, \
         focused: [...document.querySelectorAll('a[href], button, summary, [tabindex=\"0\"]')].slice(0, 2).map((e) => e.textContent), \
         mode: document.compatMode, language: document.documentElement.lang };",
        &[],
    );
    assert_eq!(asked["loaded"], json!([]));
    assert!(asked["overflow"].as_i64() <= Some(0), "{asked}");
    assert_eq!(asked["focused"], json!(["Skip to the report", "Dark"]), "the first stops of the tabulator");
    assert_eq!((&asked["mode"], &asked["language"]), (&json!("CSS1Compat"), &json!("en")));
}

#[test]
fn it_is_light_or_dark_as_the_system_or_the_reader_has_it() {
    let (_dir, page) = report(|_| ());
    let probe = "const look = () => [getComputedStyle(document.documentElement).backgroundColor, \
         getComputedStyle(document.querySelector('svg .paper')).fill, \
         document.getElementById('theme').getAttribute('aria-pressed')];\n\
         const all = [look()];\n\
         for (let i = 0; i < 2; i++) { document.getElementById('theme').click(); all.push(look()); }\n\
         return all;";
    let (light, dark) = (json!([LIGHT, LIGHT, "false"]), json!([DARK, DARK, "true"]));
    assert_eq!(ask(&page, probe, &[PREFERS_LIGHT]), json!([light, dark, light]));
    assert_eq!(ask(&page, probe, &[PREFERS_DARK]), json!([dark, light, dark]));
}

#[test]
fn a_table_is_sorted_by_any_column() {
    let (_dir, page) = report(|_| ());
    let probe = "const table = document.getElementById('intervals');\n\
         document.querySelector('details').open = true;\n\
         const heads = [...table.tHead.rows[0].cells];\n\
         const column = (i) => [...table.tBodies[0].rows].map((row) => row.cells[i].dataset.v).map((v) => (v === '' ? null : Number(v)));\n\
         const all = heads.map((head, i) => { const button = head.querySelector('button'); button.focus();\n\
           const reached = document.activeElement === button; button.click(); const up = column(i);\n\
           const sorted = heads.map((other) => other.getAttribute('aria-sort')); const said = document.getElementById('said').textContent;\n\
           button.click(); return { name: head.textContent, reached, up, sorted, said, down: column(i), then: head.getAttribute('aria-sort') }; });\n\
         return all;";
    let asked = ask(&page, probe, &[]);
    let columns = asked.as_array().unwrap_or_else(|| panic!("{asked}"));
    assert_eq!(columns.len(), 10);
    for (i, column) in columns.iter().enumerate() {
        // What is missing stands last, whichever way.
        let numbers = |which: &str| -> Vec<f64> {
            let all = column[which].as_array().unwrap();
            let known = all.iter().map_while(Value::as_f64).collect::<Vec<_>>();
            assert!(all[known.len()..].iter().all(Value::is_null), "{column}");
            known
        };
        let (up, down) = (numbers("up"), numbers("down"));
        assert!(up.len() > 40 && up.len() == down.len(), "{column}");
        assert!(up.is_sorted() && down.is_sorted_by(|a, b| a >= b), "{column}");
        assert_eq!((&column["reached"], &column["then"]), (&json!(true), &json!("descending")));
        let sorted = column["sorted"].as_array().unwrap();
        assert!(
            sorted
                .iter()
                .enumerate()
                .all(|(n, is)| *is == if n == i { json!("ascending") } else { Value::Null })
        );
        let said = format!("Sorted by {}, ascending", column["name"].as_str().unwrap());
        assert_eq!(column["said"], said);
    }
    assert!(columns[7]["up"] != columns[6]["up"], "p99 and p50 differ");
}

#[test]
fn points_say_their_values_to_pointer_and_keys() {
    let (_dir, page) = report(|_| ());
    let probe = "const plot = document.querySelector('.plot');\n\
         const [said, value] = ['said', 'value'].map((id) => document.getElementById(id));\n\
         plot.focus();\n\
         const press = (key) => { plot.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }));\n\
           return [said.textContent, value.hidden ? null : value.textContent]; };\n\
         const keys = ['Home', 'ArrowRight', 'ArrowDown', 'End', 'Escape'].map(press);\n\
         const mark = plot.querySelectorAll('.tips > *')[7];\n\
         const box = mark.getBoundingClientRect();\n\
         const at = (type, x, y, pointerType) => plot.dispatchEvent(new PointerEvent(type, { clientX: x, clientY: y, pointerType, bubbles: true }));\n\
         at('pointermove', box.x + box.width / 2, box.y + box.height / 2, 'mouse');\n\
         const pointed = [value.hidden, value.textContent, mark.classList.contains('at')];\n\
         at('pointerleave', 0, 0, 'mouse'); const left = value.hidden;\n\
         at('pointerdown', box.x + box.width / 2 + 20, box.y + box.height / 2, 'touch');\n\
         const inside = value.getBoundingClientRect();\n\
         return { stop: document.activeElement === plot, keys, pointed, left, touched: [value.hidden, value.textContent !== ''],\n\
           visible: inside.left >= 0 && inside.right <= innerWidth, titles: plot.querySelectorAll('title').length };";
    let asked = ask(&page, probe, &[]);
    let keys = asked["keys"].as_array().unwrap_or_else(|| panic!("{asked}"));
    for (i, shown) in keys.iter().enumerate().take(4) {
        assert!(
            shown[0] == shown[1]
                && shown[0].as_str().is_some_and(|text| text.contains(|c: char| c.is_ascii_digit()))
        );
        assert!(i == 0 || shown[0] != keys[i - 1][0], "each key goes elsewhere: {asked}");
    }
    let line = |i: usize| keys[i][0].as_str().unwrap().split(": ").next().unwrap();
    assert!(line(0) == line(1) && line(1) != line(2) && line(2) == line(3), "{asked}");
    assert_eq!(keys[4][1], Value::Null, "Escape hides it");
    assert_eq!(
        (&asked["stop"], &asked["visible"], &asked["left"]),
        (&json!(true), &json!(true), &json!(true))
    );
    assert_eq!((&asked["pointed"][0], &asked["pointed"][2]), (&json!(false), &json!(true)), "{asked}");
    assert!(asked["touched"] == json!([false, true]) && asked["titles"] == 0, "{asked}");
}

/// The width of the page's contents in a frame of 360 pixels, with everything unfolded.
fn width_on_a_phone(dir: &Path) -> Value {
    // A window has a least width of its own; a frame has none.
    let inner = "<script>document.querySelectorAll('details').forEach((d) => { d.open = true; });\n\
         parent.postMessage([innerWidth, document.documentElement.scrollWidth], '*')</script></body>";
    let text = std::fs::read_to_string(dir.join("report.html")).unwrap();
    std::fs::write(dir.join("inner.html"), text.replace("</body>", inner)).unwrap();
    let outer = dir.join("outer.html");
    let frame = "<!DOCTYPE html><html lang=en><title>phone</title><body><pre id=answer></pre><script>\n\
         onmessage = (e) => { document.getElementById('answer').textContent = JSON.stringify(e.data); };</script>\n\
         <iframe src=inner.html width=360 height=800 style='border:0'></iframe></body></html>";
    std::fs::write(&outer, frame).unwrap();
    let (dom, console) = open(&outer, &[]);
    assert!(console.is_empty(), "{console:#?}");
    let widths = answer(&dom);
    assert_eq!(widths[0], 360, "{widths}");
    widths[1].clone()
}

#[test]
fn a_phone_does_not_scroll_sideways() {
    let long = |run: &mut Value| run["target"]["url"] = format!("http://{}/", "long".repeat(100)).into();
    for (dir, _) in [report(long), search()] {
        let width = width_on_a_phone(dir.path());
        assert!(width.as_i64() <= Some(360), "{width}");
    }
}

#[test]
fn a_search_is_read_and_its_loads_are_sorted() {
    let (_dir, page) = search();
    let (dom, console) = open(&page, &[PREFERS_LIGHT]);
    assert!(console.is_empty(), "{console:#?}");
    assert_eq!(dom.matches("<figure").count(), 4, "the four pictures");
    let probe = "const table = document.getElementById('steps');\n\
         const heads = [...table.tHead.rows[0].cells];\n\
         const column = (name) => { const i = heads.findIndex((head) => head.textContent.startsWith(name));\n\
           return [...table.tBodies[0].rows].map((row) => row.cells[i].dataset.v ?? row.cells[i].textContent); };\n\
         const click = (name) => { heads.find((head) => head.textContent.startsWith(name)).querySelector('button').click(); return column(name); };\n\
         return { before: column('Offered'), up: click('Offered'), down: click('Offered'), p99: click('p99'), phase: click('Phase'),\n\
           passed: click('Passed'), loaded: performance.getEntriesByType('resource').length, title: document.querySelector('h1').textContent,\n\
           points: document.querySelectorAll('#picture-latency .tips > *').length };";
    let asked = ask(&page, probe, &[]);
    assert_eq!(asked["before"], json!(["400", "1500", "970", "1010", "200", "600"]), "{asked}");
    assert_eq!(asked["up"], json!(["200", "400", "600", "970", "1010", "1500"]));
    assert_eq!(asked["down"], json!(["1500", "1010", "970", "600", "400", "200"]));
    assert_eq!(asked["p99"], json!(["2.4", "2.8", "3.2", "3.94", "700", "700"]));
    assert_eq!(asked["phase"], json!(["bracket", "bracket", "search", "search", "sweep", "sweep"]));
    assert_eq!(asked["passed"], json!(["0", "0", "1", "1", "1", "1"]));
    assert_eq!(asked["loaded"], 0);
    let title = asked["title"].as_str().unwrap_or_default();
    assert!(title.starts_with("INVALID p99<50ms and errors<0.1% hold up to 9"), "{title}");
    assert!(asked["points"].as_i64() >= Some(12), "every percentile of every load says its value: {asked}");
}

#[test]
fn nothing_in_a_record_runs() {
    let evil = "</title></style></script><script>document.documentElement.dataset.evil=1</script>\
                <img src=x onerror=document.documentElement.dataset.evil=2>\" onfocus=\"alert(1)\u{202e}\u{1b}[31m";
    let (_dir, page) = report(|run| {
        for part in ["url", "what"] {
            run["target"][part] = evil.into();
        }
        run["command"] = json!([evil]);
        run["arrivals"] = evil.into();
        run["verdict"] = json!({"valid": false, "reasons": [evil]});
        run["observed"] = json!({evil: {evil: 1.0}});
        run["host"]["cpu"] = evil.into();
        run["thresholds"] = json!([{"rule": evil, "actual": 1.0, "passed": false}]);
    });
    let probe = "return { evil: document.documentElement.dataset.evil ?? null, images: document.images.length, \
         scripts: document.scripts.length, said: document.body.textContent.includes('<script>document'), \
         attributes: document.querySelectorAll('[onfocus], [onerror]').length, title: document.title.includes('</title>'), \
         obeyed: /[\\u202e\\u001b]/.test(document.documentElement.textContent) };";
    let want = json!({"evil": null, "images": 0, "scripts": 2, "said": true, "attributes": 0, "title": true, "obeyed": false});
    assert_eq!(ask(&page, probe, &[]), want);
}
