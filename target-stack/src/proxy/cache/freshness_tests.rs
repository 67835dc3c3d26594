//! Freshness by tables that were held against nginx's source, and its arithmetic by properties.

use super::*;
use http::HeaderValue;
use proptest::prelude::*;

const NOW: u64 = 1_000_000_000;
/// `NOW` is Sun, 09 Sep 2001 01:46:40 GMT.
const LATER: &str = "Sun, 09 Sep 2001 01:47:40 GMT";

type Pairs = &'static [(&'static str, &'static str)];
/// An answer's fields, and for how long it is fresh from now and bridges an update and an error.
type Row = (Pairs, Option<(u64, u64, u64)>);

fn map(fields: &[(&'static str, &str)]) -> Fields {
    let pair = |(name, value): &(&'static str, &str)| {
        (HeaderName::from_static(name), HeaderValue::from_str(value).expect("a value"))
    };
    fields.iter().map(pair).collect()
}

fn judged(fields: &[(&'static str, &str)], ignored: Ignored, valid: &[Valid]) -> Option<(u64, u64, u64)> {
    let freshness = judge(StatusCode::OK, &map(fields), ignored, valid, NOW)?;
    Some((freshness.until.saturating_sub(NOW), freshness.updating, freshness.error))
}

#[test]
fn an_answer_says_how_long_it_is_fresh() {
    let rows: &[Row] = &[
        (&[], None),
        (&[("cache-control", "max-age=60")], Some((60, 0, 0))),
        (&[("cache-control", "public, MAX-AGE=60, s-maxage=7")], Some((7, 0, 0))),
        (&[("cache-control", "max-age=0")], None),
        (&[("cache-control", "max-age=x")], None),
        (&[("cache-control", "max-age=\"60\"")], None),
        (&[("cache-control", "max-age=60, no-store")], None),
        (&[("cache-control", "max-age=60"), ("cache-control", "private")], None),
        (&[("cache-control", "no-cache=\"x\", max-age=60")], None),
        (&[("cache-control", "public")], None),
        (&[("expires", LATER)], Some((60, 0, 0))),
        (&[("expires", "Sun, 09 Sep 2001 01:46:40 GMT")], None),
        (&[("expires", "Sun, 09 Sep 2001 01:46:41 GMT")], Some((1, 0, 0))),
        (&[("expires", "Sun, 09 Sep 2001 01:46:39 GMT")], None),
        (&[("expires", "0")], None),
        (&[("expires", "0"), ("cache-control", "max-age=60")], Some((60, 0, 0))),
        (&[("expires", LATER), ("cache-control", "max-age=9")], Some((9, 0, 0))),
        (&[("expires", LATER), ("cache-control", "no-store")], None),
        // What others have kept it for is gone, unless nobody can tell.
        (&[("age", "20"), ("cache-control", "max-age=60")], Some((40, 0, 0))),
        (&[("age", "60"), ("cache-control", "max-age=60")], None),
        (&[("age", "20, 30"), ("age", "40"), ("cache-control", "max-age=60")], Some((40, 0, 0))),
        (&[("age", "-20"), ("cache-control", "max-age=60")], Some((60, 0, 0))),
        (&[("age", "20"), ("expires", LATER)], Some((40, 0, 0))),
        (&[("age", "61"), ("expires", LATER)], None),
        (&[("age", "20"), ("x-accel-expires", "5")], Some((5, 0, 0))),
        // By a clock that is fast, or slow.
        (&[("date", "Sun, 09 Sep 2001 01:47:10 GMT"), ("expires", LATER)], Some((30, 0, 0))),
        (&[("date", "Sun, 09 Sep 2001 01:47:41 GMT"), ("expires", LATER)], None),
        (&[("date", "Sun, 09 Sep 2001 01:46:10 GMT"), ("expires", LATER)], Some((60, 0, 0))),
        (&[("date", "Sun, 09 Sep 2001 01:46:10 GMT"), ("age", "60"), ("expires", LATER)], Some((30, 0, 0))),
        (&[("date", "x"), ("expires", LATER)], Some((60, 0, 0))),
        (&[("cache-control", "max-age=60, must-understand")], Some((60, 0, 0))),
        (&[("x-accel-expires", "5"), ("cache-control", "no-store")], Some((5, 0, 0))),
        (&[("x-accel-expires", "5"), ("expires", "0")], Some((5, 0, 0))),
        (&[("x-accel-expires", "0"), ("cache-control", "max-age=60")], None),
        (&[("x-accel-expires", "@1000000007")], Some((7, 0, 0))),
        (&[("x-accel-expires", "@1")], Some((0, 0, 0))),
        (&[("x-accel-expires", "-1"), ("cache-control", "max-age=60")], Some((60, 0, 0))),
        (&[("x-accel-expires", "x"), ("cache-control", "max-age=60")], Some((60, 0, 0))),
        (
            &[("x-accel-expires", "5"), ("cache-control", "max-age=60, stale-while-revalidate=7")],
            Some((5, 7, 7)),
        ),
        (&[("cache-control", "max-age=60, stale-while-revalidate=7")], Some((60, 7, 7))),
        (&[("cache-control", "max-age=60, stale-if-error=8, stale-while-revalidate=7")], Some((60, 7, 8))),
        (&[("cache-control", "max-age=60, stale-if-error=x")], None),
        (&[("cache-control", "max-age=60"), ("set-cookie", "a=b")], None),
        (&[("cache-control", "max-age=60"), ("vary", "accept, *")], None),
        (&[("cache-control", "max-age=60"), ("vary", "accept")], Some((60, 0, 0))),
    ];
    for (fields, want) in rows {
        assert_eq!(judged(fields, Ignored::default(), &[]), *want, "{fields:?}");
    }
}

#[test]
fn what_nobody_understands_is_not_stored_where_it_must_be_understood() {
    let judged = |code, says| {
        let status = StatusCode::from_u16(code).expect("a status");
        judge(status, &map(&[("cache-control", says)]), Ignored::default(), &[], NOW).is_some()
    };
    assert!(judged(599, "max-age=60") && judged(404, "max-age=60, must-understand"));
    assert!(!judged(599, "max-age=60, must-understand"));
}

#[test]
fn an_age_counts_on() {
    let fields = map(&[("age", "20"), ("cache-control", "max-age=60")]);
    let fresh = judge(StatusCode::OK, &fields, Ignored::default(), &[], NOW).expect("an answer to store");
    assert_eq!([NOW - 30, NOW, NOW + 7].map(|now| fresh.age(now)), [0, 20, 27]);
}

#[test]
fn what_is_ignored_does_not_count() {
    let all = Ignored {
        accel_buffering: true,
        accel_expires: true,
        cache_control: true,
        expires: true,
        set_cookie: true,
        vary: true,
    };
    let fields = [
        ("x-accel-expires", "0"),
        ("cache-control", "private"),
        ("expires", "0"),
        ("set-cookie", "a=b"),
        ("vary", "*"),
    ];
    assert_eq!(judged(&fields, all, &[(None, 30)]), Some((30, 0, 0)));
    for one in [
        Ignored { accel_expires: false, ..all },
        Ignored { cache_control: false, ..all },
        Ignored { expires: false, ..all },
        Ignored { set_cookie: false, ..all },
        Ignored { vary: false, ..all },
    ] {
        assert_eq!(judged(&fields, one, &[(None, 30)]), None, "{one:?}");
    }
}

#[test]
fn the_configuration_fills_in() {
    let valid = [
        (Some(StatusCode::OK), 10),
        (Some(StatusCode::NOT_FOUND), 0),
        (None, 3),
        (Some(StatusCode::GONE), 9),
    ];
    for (status, want) in [(200, Some(10)), (404, None), (500, Some(3)), (410, Some(3))] {
        let status = StatusCode::from_u16(status).expect("a status");
        assert_eq!(configured(&valid, status), want, "{status}");
        let judged = judge(status, &Fields::new(), Ignored::default(), &valid, NOW);
        assert_eq!(judged.map(|f| f.until - NOW), want, "{status}");
    }
    for status in [StatusCode::PARTIAL_CONTENT, StatusCode::NOT_MODIFIED] {
        assert_eq!(judge(status, &Fields::new(), Ignored::default(), &valid, NOW), None, "{status}");
    }
}

#[test]
fn credentials_keep_an_answer_unless_it_says_otherwise() {
    for (control, want) in [
        ("max-age=60", false),
        ("public, max-age=60", true),
        ("s-maxage=60", true),
        ("max-age=60, Must-Revalidate", true),
    ] {
        assert_eq!(is_shared_despite_credentials(&map(&[("cache-control", control)])), want, "{control}");
    }
}

proptest! {
    #[test]
    fn an_answer_is_fresh_for_its_span_and_not_longer(
        now in 1..u64::from(u32::MAX), age in 1..1_000_000_u64, update in 0..1000_u64, error in 0..1000_u64,
    ) {
        let control = format!("max-age={age}, stale-while-revalidate={update}, stale-if-error={error}");
        let fields = map(&[("cache-control", &control)]);
        let fresh = judge(StatusCode::OK, &fields, Ignored::default(), &[], now).expect("it may be stored");
        for (holds, last) in [
            (Freshness::is_fresh as fn(&Freshness, u64) -> bool, age),
            (Freshness::bridges_update, age + update),
            (Freshness::bridges_error, age + error),
        ] {
            prop_assert!(holds(&fresh, now) && holds(&fresh, now + last));
            prop_assert!(!holds(&fresh, now + last + 1));
        }
    }

    #[test]
    fn no_number_overflows(text in "[0-9]{1,40}", now in any::<u64>()) {
        for name in ["cache-control", "x-accel-expires"] {
            let value = if name == "cache-control" { format!("max-age={text}, stale-if-error={text}") } else { text.clone() };
            if let Some(fresh) = judge(StatusCode::OK, &map(&[(name, &value)]), Ignored::default(), &[], now) {
                prop_assert!(fresh.is_fresh(now) && fresh.bridges_error(now));
            }
        }
    }

    #[test]
    fn any_fields_are_judged(values in prop::collection::vec("[ -~]{0,40}", 5)) {
        let names = ["cache-control", "expires", "x-accel-expires", "vary", "set-cookie"];
        let fields: Vec<_> = names.into_iter().zip(values.iter().map(String::as_str)).collect();
        let _ = judged(&fields, Ignored::default(), &[(None, 1)]);
    }
}
