//! The scenarios that are shipped, and what is wrong use of a file.

use super::*;

/// A directory with a CSV file or two, and what `text` makes of it as `s.toml`.
fn load(text: &str) -> Outcome<Scenario> {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("users.csv", "name,city\nada,London\nalan,Wilmslow\n"),
        ("empty.csv", "name,city\n"),
        ("ragged.csv", "name,city\nada,London\nalan\n"),
        ("body.txt", "as it is {{x}}"),
    ] {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    file::read("s.toml", text, dir.path())
}

fn shipped(name: &str) -> Scenario {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(name);
    Scenario::load(&path).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn what_is_shipped_is_valid_and_has_the_mixes_shares() {
    // The mixes' shares in percent. They are rounded, so they add up to nearly 100; the staff's sign-in comes on top.
    for (name, all, home, cart, register, request, confirm, orders) in [
        ("browsing.toml", 99.99, 29.0, 2.0, 0.8, 0.75, 0.69, 0.55),
        ("shopping.toml", 100.05, 16.2, 11.2, 2.9, 2.5, 1.15, 1.4),
        ("ordering.toml", 100.1, 9.1, 13.5, 12.9, 12.7, 10.2, 0.5),
    ] {
        let scenario = shipped(name);
        let share = |steps: &[&str]| -> f64 {
            let of = |entry: &&Entry| steps.is_empty() || steps.contains(&&*entry.step);
            scenario.entries().iter().filter(of).map(|entry| entry.share).sum()
        };
        for (steps, percent) in [
            (&[] as &[&str], all + 0.1),
            (&["home"], home),
            (&["cart"], cart),
            (&["register"], register),
            (&["request"], request),
            (&["confirm"], confirm),
            (&["order inquiry", "order display"], orders),
            (&["page", "change"], 0.2),
            (&["sign in"], 0.1),
        ] {
            let found = share(steps);
            assert!((found - percent / (all + 0.1)).abs() < 1e-9, "{name}: {steps:?} {found}");
        }
        assert_eq!(scenario.arrivals, SessionArrivals::Open);
    }
    for (name, share) in [("product detail", 21.0), ("new products", 11.0)] {
        let catalogue = shipped("catalogue.toml");
        let found = catalogue.entries().iter().find(|entry| entry.step == name).unwrap();
        assert!((found.share - share / 32.0).abs() < 1e-9, "{name}: {}", found.share);
    }
    let explained = shipped("explained.toml");
    assert_eq!(explained.arrivals, SessionArrivals::PartlyOpen { stay: 0.25 });
    assert_eq!(explained.entries().len(), 6);
}

#[test]
fn the_explained_file_has_every_key() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/explained.toml");
    let text = std::fs::read_to_string(path).unwrap();
    for key in [
        "capture",
        "arrivals",
        "stay",
        "cookies",
        "users",
        "headers",
        "check",
        "think",
        "mean",
        "most",
        "from",
        "to",
        "file",
        "pick",
        "kind",
        "values",
        "length",
        "exponent",
        "per",
        "weight",
        "name",
        "method",
        "path",
        "form",
        "json",
        "body",
        "body_file",
        "extract",
        "var",
        "header",
        "regex",
        "group",
        "status",
        "size",
        "body_contains",
        "body_matches",
        "contains",
        "equals",
        "matches",
    ] {
        assert!(text.contains(&format!("{key} = ")) || text.contains(&format!("`{key}")), "{key}");
    }
}

#[test]
fn a_session_s_mean_number_of_requests_is_that_of_its_interactions() {
    let two = "[[interaction]]\nname = 'a'\nweight = 3\npath = '/'\n[[interaction]]\nname = 'b'\n\
        [[interaction.step]]\npath = '/1'\n[[interaction.step]]\npath = '/2'\n[[interaction.step]]\npath = '/3'\n";
    for (sessions, mean) in [
        ("", 1.5),
        ("[sessions]\narrivals = 'closed'\nusers = 9\n", 1.5),
        ("[sessions]\narrivals = 'partly-open'\nstay = 0.75\n", 6.0),
    ] {
        let scenario = load(&format!("{sessions}{two}")).unwrap();
        assert!((scenario.mean_steps() - mean).abs() < 1e-9, "{sessions}");
        let shares: Vec<f64> = scenario.entries().iter().map(|entry| entry.share).collect();
        assert!(shares.iter().zip([0.5, 1.0 / 6.0, 1.0 / 6.0, 1.0 / 6.0]).all(|(a, b)| (a - b).abs() < 1e-9));
    }
}

#[test]
fn interactions_are_picked_by_weight() {
    let one = |name, weight| format!("[[interaction]]\nname = '{name}'\nweight = {weight}\npath = '/'\n");
    let scenario = load(&[one("never", 0.0), one("one", 1.0), one("three", 3.0)].concat()).unwrap();
    assert_eq!(
        [0, u64::MAX / 4 - 9, u64::MAX / 4 + 9, u64::MAX].map(|bits| scenario.pick(bits)),
        [1, 1, 2, 2]
    );
}

/// The smallest scenario, and `more` in its only request.
fn plain(more: &str) -> String {
    format!("[[interaction]]\nname = 'a'\npath = '/'\n{more}")
}

#[test]
fn wrong_use_is_named_with_file_line_and_reason() {
    let data = |file: &str, path: &str| {
        format!("[data.users]\nfile = '{file}'\n[[interaction]]\nname = 'a'\npath = '{path}'\n")
    };
    let generate = |what: &str| format!("[generate.x]\n{what}\n{}", plain(""));
    let step = |more: &str| format!("[[interaction]]\nname = 'a'\n[[interaction.step]]\npath = '/'\n{more}");
    for (text, want) in [
        // the file as such
        ("a = ", "s.toml:1: this is no TOML: "),
        ("", "s.toml:1: a scenario needs `interaction`"),
        ("\ninteraction = 5", "s.toml:2: this is of type integer, and has to be a list"),
        ("interaction = []", "s.toml:1: the weights"),
        // unknown keys
        (
            "\n\n[[interactions]]\nname = 'a'",
            "s.toml:3: unknown key `interactions`; did you mean `interaction`?",
        ),
        (&plain("wieght = 3"), "s.toml:4: unknown key `wieght`; did you mean `weight`?"),
        (&plain("zzzzzzzzz = 3"), "s.toml:4: unknown key `zzzzzzzzz`"),
        (&step("weight = 3"), "s.toml:5: unknown key `weight`"),
        (&plain("check = [\n{ statuss = 200 }]"), "s.toml:5: unknown key `statuss`; did you mean `status`?"),
        (&plain("think = { men = '7s' }"), "s.toml:4: unknown key `men`; did you mean `mean`?"),
        ("[sessions]\nuser = 3", "s.toml:2: unknown key `user`; did you mean `users`?"),
        // weights and names
        (&plain("weight = 0"), "s.toml:1: the weights of all interactions add up to nothing"),
        (
            "[[interaction]]\nname = 'a'\nweight = 1e308\npath = '/'\n\n[[interaction]]\nname = 'b'\nweight = 1e308\npath = '/'",
            "s.toml:1: the weights of all interactions add up to more than a number can hold",
        ),
        (&plain("weight = -1"), "s.toml:4: a weight is not below zero"),
        (&plain("weight = nan"), "s.toml:4: this is of type float, and has to be a number"),
        (&plain("weight = '3'"), "s.toml:4: this is of type string, and has to be a number"),
        ("[[interaction]]\npath = '/'", "s.toml:1: an interaction needs `name`"),
        (&plain(&plain("")), "s.toml:4: there is an interaction `a` already"),
        ("[[interaction]]\nname = 'a'", "s.toml:1: a request needs `path`"),
        (&step(&step("")), "s.toml:5: there is an interaction `a` already"),
        (&plain("step = []"), "s.toml:3: an interaction has either a request of its own or steps"),
        ("[[interaction]]\nname = 'a'\nstep = []", "s.toml:1: an interaction needs at least one step"),
        // sessions
        ("[sessions]\narrivals = 'closed'", "s.toml:1: a closed loop of sessions needs `users`"),
        ("[sessions]\narrivals = 'closed'\nusers = 0", "s.toml:3: `users` is from 1"),
        ("[sessions]\narrivals = 'partly-open'\nstay = 1", "s.toml:3: `stay` is a probability"),
        ("[sessions]\nstay = 0.5", "s.toml:2: `stay` goes with arrivals = \"partly-open\""),
        ("[sessions]\narrivals = 'half'", "s.toml:2: `half` is none of open, closed, partly-open"),
        ("[sessions]\ncookies = 1", "s.toml:2: this is of type integer, and has to be true or false"),
        ("capture = 'big'", "s.toml:1: `big` is no size"),
        // data
        (&data("none.csv", "/"), "s.toml:2: there is no file "),
        (&data("empty.csv", "/"), "empty.csv:1: there are no rows"),
        (
            &data("ragged.csv", "/"),
            "ragged.csv:3: this row has not as many fields as the first: 1 instead of 2",
        ),
        (&data("users.csv", "/{{users.nme}}"), "s.toml:5: `{{users.nme}}` is not defined here"),
        (&data("users.csv", "/{{users.nme}}"), "did you mean `users.name`?"),
        ("[data.users]\npick = 'random'", "s.toml:1: data needs `file`"),
        (
            "[data.users]\nfile = 'users.csv'\npick = 'all'",
            "s.toml:3: `all` is none of sequential, random, unique",
        ),
        // generators
        (&generate(""), "s.toml:1: a generator needs `kind`"),
        (&generate("kind = 'normal'"), "s.toml:2: `normal` is no kind of generator: int, zipf, choice"),
        (&generate("kind = 'zipf'\nto = 9"), "s.toml:1: a zipf needs `from`"),
        (&generate("kind = 'zipf'\nfrom = 5\nto = 4"), "s.toml:4: `to` is less than `from`"),
        (
            &generate("kind = 'zipf'\nfrom = 1\nto = 9\nexponent = -1"),
            "s.toml:5: `exponent` is from 0, as likely all, to 20",
        ),
        (&generate("kind = 'zipf'\nfrom = 1\nto = 2000000000000000"), "s.toml:1: a zipf has at most 2^50"),
        (
            &generate("kind = 'int'\nfrom = 1\nto = 9\nexponent = 1"),
            "s.toml:5: a generator of this kind has no `exponent`",
        ),
        (&generate("kind = 'int'\nfrom = 5\nto = 4"), "s.toml:4: `to` is less than `from`"),
        (&generate("kind = 'int'\nfrom = 5"), "s.toml:1: an int needs `to`"),
        (&generate("kind = 'choice'\nvalues = []"), "s.toml:3: there is nothing to choose from"),
        (&generate("kind = 'hex'\nlength = 0"), "s.toml:3: a length is from 1"),
        (&generate("kind = 'uuid'\nlength = 3"), "s.toml:3: a generator of this kind has no `length`"),
        (&generate("kind = 'counter'\nper = 'request'"), "s.toml:3: a counter counts sessions"),
        ("[generate.'a b']\nkind = 'uuid'", "s.toml:1: `a b` is no name for a variable"),
        // requests
        (&plain("method = 'GE T'"), "s.toml:4: `GE T` is no method that can be sent"),
        (&plain("method = 'get'"), "s.toml:4: `get` is no method; write `GET`"),
        (&plain("method = 'CONNECT'"), "s.toml:4: `CONNECT` is no method that can be sent"),
        ("[[interaction]]\nname = 'a'\npath = 'x'", "s.toml:3: `x` is no path"),
        ("[[interaction]]\nname = 'a'\npath = 'http://h/'", "s.toml:3: `http://h/` is no path"),
        (
            "[[interaction]]\nname = 'a'\npath = '/a b'",
            "s.toml:3: `/a b` has a character that a path cannot carry; write it as %20",
        ),
        ("[[interaction]]\nname = 'a'\npath = '/{{x'", "s.toml:3: `{{` without `}}` after it"),
        ("[[interaction]]\nname = 'a'\npath = '/{{x}}'", "s.toml:3: `{{x}}` is not defined here: no data"),
        (&plain("headers = { 'a b' = 'c' }"), "s.toml:4: `a b` is no header name"),
        (&plain("headers = { a = \"b\\nc: d\" }"), "s.toml:4: the value of `a` has characters"),
        (
            &plain("headers = { Content-Length = 3 }"),
            "s.toml:4: `content-length` is set by the generator itself",
        ),
        (&plain("headers = { Host = ['a', 'b'] }"), "s.toml:4: a request has one Host"),
        (
            "[sessions]\ncookies = true\n[defaults]\nheaders = { Cookie = 'a' }",
            "s.toml:4: with `cookies = true`",
        ),
        (&plain("body_file = 'none.txt'"), "s.toml:4: cannot read the body "),
        (&plain("body = 'a'\njson = {}"), "s.toml:5: `body` and `json` exclude each other"),
        (&plain("json = { a = inf }"), "s.toml:4: this is of type float, and has to be a number"),
        (&plain("json = { a = '{{x|raw}}' }"), "s.toml:4: `{{x}}` is not defined here"),
        (&plain("think = '7'"), "s.toml:4: `7` is no time"),
        (&plain("think = 7"), "s.toml:4: write a think time as"),
        (&plain("think = { mean = '7s', most = '1s' }"), "s.toml:4: `most` is less than `mean`"),
        (&plain("think = { from = '7s', to = '1s' }"), "s.toml:4: write a think time as"),
        // answers
        (&plain("check = [{ status = '99' }]"), "s.toml:4: `99` is no status code"),
        (&plain("check = [{ status = 200, size = 3 }]"), "s.toml:4: `size` and `status` exclude each other"),
        (&plain("check = [{ size = '9-1' }]"), "s.toml:4: `9-1` runs backwards"),
        (&plain("check = [{ size = 5, equals = 3 }]"), "s.toml:4: `equals` goes with `header` or `json`"),
        (&plain("check = [{ json = 'ok' }]"), "s.toml:4: `ok` is no JSON pointer"),
        (&plain("check = [{ json = '/a~2' }]"), "s.toml:4: `/a~2` is no JSON pointer"),
        (
            &plain("check = [{ body_matches = '(' }]"),
            "s.toml:4: `(` is no regular expression: unclosed group",
        ),
        (&plain("check = [{}]"), "s.toml:4: a check needs one of `status`"),
        (&plain("extract = [{ var = 'v' }]"), "s.toml:4: an extract needs one of"),
        (&plain("extract = [{ json = '/v' }]"), "s.toml:4: an extract needs `var`"),
        (
            &plain("extract = [{ var = 'v', regex = 'a', group = 1 }]"),
            "s.toml:4: the expression has 0 groups, and no 1",
        ),
        (&plain("extract = [{ var = 'v', json = '/a', group = 1 }]"), "s.toml:4: only a `regex` has groups"),
        (&plain("extract = [{ var = 'v', header = 'a b' }]"), "s.toml:4: `a b` is no header name"),
    ] {
        let error = load(text).unwrap_err();
        assert!(error.message.contains(want), "{text}\n  gave: {error}\n  want: {want}");
        assert!(
            !error.message.contains('\n') && error.exit == crate::failure::Exit::Usage,
            "{text}: {error}"
        );
    }
}

#[test]
fn a_variable_is_known_after_the_step_that_takes_it_and_in_no_other_interaction() {
    let steps = |first: &str, second: &str| {
        format!(
            "[generate.id]\nkind = 'uuid'\n[[interaction]]\nname = 'a'\n[[interaction.step]]\npath = '{first}'\n\
             extract = [{{ var = 'v', json = '/v' }}]\n[[interaction.step]]\npath = '{second}'\n"
        )
    };
    assert!(load(&steps("/{{id}}", "/{{v}}")).is_ok());
    let other = "[[interaction]]\nname = 'b'\npath = '/{{v}}'\n";
    for (text, line) in [(steps("/{{v}}", "/"), 6), (steps("/", "/") + other, 12)] {
        let error = load(&text).unwrap_err();
        assert!(error.message.starts_with(&format!("s.toml:{line}: `{{{{v}}}}` is not defined")), "{error}");
    }
    let twice = steps("/", "/").replace("var = 'v'", "var = 'id'");
    assert!(load(&twice).unwrap_err().message.starts_with("s.toml:7: `id` is the name of another variable"));
}

#[test]
fn a_scenario_that_is_not_there_is_named() {
    let error = Scenario::load(Path::new("/nonexistent/s.toml")).unwrap_err();
    assert!(error.message.starts_with("cannot read the scenario /nonexistent/s.toml: "), "{error}");
}
