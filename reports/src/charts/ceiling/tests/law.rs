//! The law and the forecast, as data.

use super::*;

#[test]
fn past_twice_what_was_measured_the_fit_is_a_guess() {
    let found = fixture::database_bound();
    let chart = usl::chart(&found);
    let (fit, guess) = (series(&chart.panels[0], "fit"), series(&chart.panels[0], "a guess"));
    let measured = 14.8;
    assert!(fit.points.last().unwrap().0 <= 2.0 * measured && guess.points[1].0 > 2.0 * measured);
    assert_eq!(fit.points.last(), guess.points.first(), "one goes on where the other ends");
    assert_eq!(fit.points.len() + guess.points.len() - 1, found.usl.as_ref().unwrap().curve.len());
    assert!(matches!((fit.shape, guess.shape), (Shape::Line(_), Shape::Dashed(_))));
    assert_eq!(chart.marks[0].label, "peak 2,470 at 32.3");
    let mut endless = found;
    endless.usl.as_mut().unwrap().peak_n = None;
    let chart = usl::chart(&endless);
    assert!(chart.marks.is_empty() && chart.title.contains("has no peak, and approaches 2,470 requests/s"));
}

#[test]
fn on_a_logarithmic_axis_the_fit_begins_near_the_points_and_a_peak_that_was_not_seen_is_no_finding() {
    let mut found = fixture::database_bound();
    let usl = found.usl.as_mut().unwrap();
    usl.points = vec![[1.0, 100.0], [10.0, 700.0], [40.0, 740.0]];
    usl.curve = [0.0, 0.001, 0.1, 0.6, 1.0, 10.0, 80.0].map(|n| [n, 10.0 * n, 9.0 * n, 11.0 * n]).to_vec();
    let chart = usl::chart(&found);
    assert_eq!(series(&chart.panels[0], "fit").points[0], (0.6, Some(6.0)));
    assert!(chart.x.from > 0.05, "{:?}", chart.x);
    let title = "the fit peaks at 2,470 requests/s with 32.3 in flight, of which 740 were seen";
    assert!(chart.title.ends_with(title), "{}", chart.title);
    found.usl.as_mut().unwrap().points[2][1] = 2_460.0;
    assert!(usl::chart(&found).title.ends_with("the rate peaks at 2,470 requests/s with 32.3 in flight"));
}

#[test]
fn without_a_fit_what_was_measured_is_shown() {
    let mut found = fixture::database_bound();
    found.usl = None;
    found.steps.truncate(8);
    let chart = usl::chart(&found);
    let left = &chart.panels[0];
    let marked = |label| series(left, label).points.len();
    assert_eq!((marked("steady"), marked("not steady"), &left.note), (6, 2, &None));
    let most = found.steps.iter().map(|step| step.in_flight).fold(0.0, f64::max);
    assert!(
        chart.x.to >= most && chart.x.to < 20.0 * most && left.y.to > 1500.0,
        "{:?} {:?}",
        chart.x,
        left.y
    );
    let chart = usl::chart(&fixture::below());
    let why = "How the target scales cannot be said: the scalability law needs 6 steady loads";
    assert!(chart.title.starts_with(why), "{}", chart.title);
}

#[test]
fn a_wall_is_never_below_what_it_is_a_wall_to() {
    for (predicted, label, at) in [
        (9500.0, "next wall", 9500.0),
        (8333.0, "wall, predicted 8,330", 9200.0),
        (900.0, "wall, predicted 900", 9200.0),
    ] {
        let mut found = fixture::database_bound();
        found.forecast.as_mut().unwrap().wall_rps = Some(predicted);
        let wall = &usl::chart(&found).panels[1];
        assert!((series(wall, label).points[0].1.unwrap() - at).abs() < 1.0, "{predicted}");
    }
}

#[test]
fn the_forecast_has_an_axis_of_its_own_and_its_walls_are_in_sight() {
    let mut found = fixture::database_bound();
    found.forecast.as_mut().unwrap().wall_rps = Some(9500.0);
    let chart = usl::chart(&found);
    let right = &chart.panels[1];
    let servers = right.x.as_ref().unwrap();
    assert!(right.beside && (servers.from, servers.to) == (1.0, 6.0));
    assert_eq!(shaped(right, Shape::Between)[0].points.len(), 12);
    assert_eq!(series(right, "next wall").points[0].1, Some(9500.0));
    assert_eq!(series(right, "wanted").points[0].1, Some(5000.0));
    let words = "Forecast: for 5,000 requests/s you need 3 to 4 databases; the next wall is the proxy's CPU";
    assert!(chart.subtitle.starts_with(words), "{}", chart.subtitle);
    let words = (right.title.as_str(), servers.title.as_str());
    assert_eq!(words, ("Ceiling by number of databases, if they add up", "databases"));
    found.forecast.as_mut().unwrap().tier = forecast::MACHINE.into();
    let chart = usl::chart(&found);
    assert!(chart.subtitle.contains("you need 3 to 4 machines; "), "{}", chart.subtitle);
    found.forecast.as_mut().unwrap().wall_rps = Some(1e6);
    let chart = usl::chart(&found);
    assert!(chart.panels[1].series.iter().all(|series| series.label != "next wall"));
    assert!(usl::chart(&fixture::at_least()).panels[1].note.is_some());
}
