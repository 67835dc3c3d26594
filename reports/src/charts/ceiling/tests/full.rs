//! How full each resource was, as data.

use super::*;

#[test]
fn a_resource_is_as_full_as_its_tier_says() {
    let panel = &tiers::chart(&fixture::database_bound()).panels[0];
    let at = |label: &str, rate: f64| {
        let points = &series(panel, label).points;
        points.iter().find(|point| point.0 == rate).and_then(|point| point.1).unwrap()
    };
    assert!(panel.series.iter().all(|s| s.label.is_empty() || matches!(s.shape, Shape::Points(_))));
    assert!((at("db CPU: full at 1,870", 736.0) - 736.0 * 1.07e-3 / 2.0).abs() < 0.01);
    assert!((at("app workers: full at 2,760", 736.0) - 736.0 * 2.9e-3 / 8.0).abs() < 0.01);
    assert!(at("db CPU", 2760.0) > 0.98 && at("shared CPU: full at 8,330", 2760.0) < 0.3);
    let mut looks: Vec<_> =
        panel.series.iter().filter(|s| !s.label.is_empty()).map(|s| (s.colour, s.shape)).collect();
    let resources = looks.len();
    looks.dedup();
    assert_eq!((resources, looks.len()), (5, 5), "no two resources look the same: {looks:?}");
    let full: Vec<_> = shaped(panel, Shape::Points(Marker::Diamond)).iter().map(|s| s.points[0]).collect();
    assert!(full.iter().all(|point| point.1 == Some(1.0)) && full.len() == 3, "{full:?}");
}

#[test]
fn the_line_is_at_the_ceiling_where_the_title_says() {
    let mut found = fixture::database_bound();
    let at_ceiling = |found: &Ceiling, colour, weight| {
        let chart = tiers::chart(found);
        // Of the workers and the pool, which are one tier's, the fuller one.
        let lines = shaped(&chart.panels[0], Shape::Line(weight)).into_iter().filter(|s| s.colour == colour);
        let there = lines.map(|line| {
            let points = &line.points;
            assert!(points.windows(2).all(|pair| pair[0].0 < pair[1].0), "{points:?}");
            points.iter().find(|point| point.0 == 1840.0).and_then(|point| point.1).unwrap()
        });
        there.fold(0.0, f64::max)
    };
    let (db, app) = (Colour::Tier(2), Colour::Tier(1));
    assert_eq!(Some(at_ceiling(&found, db, Weight::Bold)), found.resources[0].utilisation);
    assert!(tiers::chart(&found).title.contains("workers, 67 %"));
    // Of a backlog more is in use: that is a mark, and no part of the line at the ceiling.
    let backlog = found.steps.iter_mut().find(|step| step.offered_rps == 1898.0).unwrap();
    (backlog.passed, backlog.valid) = (false, true);
    backlog.observed.get_mut("app").unwrap().insert("workers_busy".into(), 8.0);
    found.resources.iter_mut().for_each(|resource| resource.utilisation = None);
    let share = at_ceiling(&found, app, Weight::Medium);
    assert!((share - 0.66).abs() < 0.02, "{share}");
    let said = tiers::chart(&found).title;
    assert!(said.contains(&format!("workers, {}", crate::number::percent(share))), "{said}");
}

#[test]
fn a_limit_that_is_not_full_is_the_limit_all_the_same() {
    let throttled = |found: &mut Ceiling, share: f64| {
        found.resources[0].utilisation = Some(0.76);
        found.resources[1].utilisation = Some(0.8);
        for step in &mut found.steps {
            let db = step.observed.get_mut("db").unwrap();
            db.insert("throttled_share".into(), share);
            db.insert("cpu_share".into(), 1.52);
        }
    };
    for (share, ends) in [(1.0, "; its quota stopped it in 100 % of the periods"), (0.1, "predicted 1,870")] {
        let mut found = fixture::database_bound();
        throttled(&mut found, share);
        let (goodput, tiers) = (goodput::chart(&found).title, tiers::chart(&found).title);
        assert!(goodput.ends_with(ends), "{goodput}");
        assert!(
            tiers.starts_with("The limit: the database's 2 CPUs, 76 % in use at 1,840 requests/s"),
            "{tiers}"
        );
        assert_eq!(tiers.contains("its quota stopped it in 100 %"), share == 1.0, "{tiers}");
    }
    let mut found = fixture::database_bound();
    found.resources[0].utilisation = Some(0.76);
    let said = tiers::chart(&found).title;
    assert!(said.contains(" at the peak goodput"), "{said}");
}

#[test]
fn a_title_blames_nobody_whom_the_record_does_not() {
    for (what, bound, part) in [
        (
            Limit::Unexplained,
            Bound::Exact,
            "The limit is unexplained: the database's 2 CPUs, 98 % in use at 1,840",
        ),
        (
            Limit::Unexplained,
            Bound::AtLeast,
            "The search ended at its own limit: at the highest load that holds the busiest is",
        ),
        (
            Limit::Generator,
            Bound::Exact,
            "The limit is this generator, no tier: at the ceiling the busiest is",
        ),
        (Limit::Host, Bound::Exact, "The limit is this machine, no tier by itself"),
    ] {
        let mut found = fixture::database_bound();
        found.bound = bound;
        found.limited_by = LimitedBy { what, ..LimitedBy::default() };
        let said = tiers::chart(&found).title;
        assert!(said.starts_with(part), "{said}");
        // What other machines have sent, this one does not limit.
        found.runner = Some(crate::ceiling::Runner::default());
        let said = tiers::chart(&found).title;
        assert!(!said.contains("limit is this "), "{said}");
    }
}

#[test]
fn cpus_that_tiers_share_are_the_sum_of_their_use() {
    let mut found = fixture::database_bound();
    let shared = ["proxy", "app"].map(|tier| (tier.to_owned(), 0.5)).into();
    found.resources = vec![Resource { shared, capacity: 1.0, ..found.resources[4].clone() }];
    let full_at = |found: &Ceiling| {
        let chart = tiers::chart(found);
        chart.panels[0].series.iter().find(|s| s.label.starts_with("shared CPU:")).map(|s| s.points.clone())
    };
    let points = full_at(&found).unwrap();
    let (x, y) = points[0];
    assert!((y.unwrap() - x * 0.30e-3).abs() < 0.01, "{points:?}");
    found.steps.iter_mut().for_each(|step| {
        step.observed.get_mut("app").unwrap().remove("cpu_share");
    });
    assert_eq!(full_at(&found), None, "without one of them the sum is not known");
}

#[test]
fn without_resources_the_tiers_own_limits_count() {
    let mut found = fixture::database_bound();
    found.resources.clear();
    let chart = tiers::chart(&found);
    let names: Vec<_> =
        chart.panels[0].series.iter().map(|s| s.label.as_str()).filter(|l| !l.is_empty()).collect();
    assert_eq!(names, ["db CPU", "app pool", "app workers", "app CPU"], "the proxy has no limit");
    assert!(chart.title.starts_with("The limit: db CPU, 96 %"), "{}", chart.title);
}

#[test]
fn where_nothing_was_observed_a_note_says_how() {
    for (scene, part) in [(fixture::unexplained as Scene, "--observe NAME=URL"), (fixture::empty, "No load")]
    {
        let panel = &tiers::chart(&scene()).panels[0];
        assert!(panel.series.is_empty() && panel.note.as_ref().is_some_and(|note| note.contains(part)));
    }
    let mut limitless = fixture::unexplained();
    let proxy = [("cpu_share".to_owned(), 0.5)].into();
    limitless.steps[0].observed = [("proxy".to_owned(), proxy)].into();
    let note = tiers::chart(&limitless).panels[0].note.clone().unwrap();
    assert!(note.contains("no known limit"), "{note}");
}
