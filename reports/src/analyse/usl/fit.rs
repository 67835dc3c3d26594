//! The least squares behind the scalability law. Turned over, the law is `N / X = a + b N + c N (N - 1)` with λ = 1 / (a + b),
//! σ = b / (a + b), κ = c / (a + b), which is linear in three coefficients; that none of them is negative is what the law asks
//! for (and σ <= 1: a request alone does not wait for itself). From points to the coefficients with the least relative
//! residuals of X. Every start is the same, so the same points give the same law.

/// Rounds of the Gauss-Newton method; it takes two or three.
const ROUNDS: usize = 20;
/// Relative changes of the sum of squares that are none.
const SETTLED: f64 = 1e-14;
/// The share of a time that is nothing.
const NOTHING: f64 = 1e-9;
const COEFFICIENTS: usize = 3;

/// A law, by its coefficients.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Law([f64; COEFFICIENTS]);

impl Law {
    /// Correct answers per second with `n` requests in flight.
    pub(super) fn rate(&self, n: f64) -> f64 {
        if n > 0.0 { n / self.time(n) } else { 0.0 }
    }

    /// Requests per second of one request at a time.
    pub(super) fn lambda(&self) -> f64 {
        1.0 / (self.0[0] + self.0[1])
    }

    /// Contention.
    pub(super) fn sigma(&self) -> f64 {
        self.0[1] * self.lambda()
    }

    /// Coherency.
    pub(super) fn kappa(&self) -> f64 {
        self.0[2] * self.lambda()
    }

    /// Where the rate is highest, sqrt((1 - σ) / κ); `None` where it grows without end.
    pub(super) fn peak_n(&self) -> Option<f64> {
        (self.0[2] > 0.0).then(|| (self.0[0] / self.0[2]).sqrt()).filter(|n| n.is_finite() && *n > 0.0)
    }

    /// The rate there, or λ / σ, which it approaches where it has no peak; `None` of a line.
    pub(super) fn peak_rps(&self) -> Option<f64> {
        let limit = || (self.0[1] > 0.0).then(|| 1.0 / self.0[1]).filter(|rate| rate.is_finite());
        self.peak_n().map(|n| self.rate(n)).or_else(limit)
    }

    /// N / X, which is the mean time of a request in seconds.
    fn time(&self, n: f64) -> f64 {
        terms(n).iter().zip(self.0).map(|(term, coefficient)| term * coefficient).sum()
    }

    /// Whether it gives a rate for all that was measured.
    fn serves(&self, points: &[[f64; 2]]) -> bool {
        let positive = |value: f64| value.is_finite() && value > 0.0;
        positive(self.lambda()) && points.iter().all(|[n, _]| positive(self.time(*n)))
    }

    /// Without the terms that make up nothing of any point's time: they are what rounding left of zero, and would set a
    /// peak where there is none.
    fn tidy(mut self, points: &[[f64; 2]]) -> Self {
        for i in 0..COEFFICIENTS {
            let counts = |[n, _]: &[f64; 2]| (terms(*n)[i] * self.0[i]).abs() > NOTHING * self.time(*n);
            if !points.iter().any(counts) {
                self.0[i] = 0.0;
            }
        }
        self
    }

    /// The sum of the squares of X̂ / X - 1.
    fn squares(&self, points: &[[f64; 2]]) -> f64 {
        points.iter().map(|[n, x]| (self.rate(*n) / x - 1.0).powi(2)).sum()
    }
}

/// The law with the least squares of relative residuals over `points`, N and X, all positive and finite; `None` where no law
/// gives rates for them.
pub(super) fn fit(points: &[[f64; 2]]) -> Option<Law> {
    // First on N / X, whose relative residuals are nearly those of X.
    let start: Vec<Row> = points.iter().map(|[n, x]| (terms(*n).map(|term| term * x / n), 1.0)).collect();
    let mut law = Law(non_negative(&start)?);
    if !law.serves(points) {
        return None;
    }
    let mut squares = law.squares(points);
    for _ in 0..ROUNDS {
        let Some(next) = closer(&law, points, squares) else { break };
        let after = next.squares(points);
        let settled = squares - after <= SETTLED * squares;
        (law, squares) = (next, after);
        if settled {
            break;
        }
    }
    Some(law.tidy(points))
}

/// One step of Gauss and Newton from `law`, as far as it leads down.
fn closer(law: &Law, points: &[[f64; 2]], squares: f64) -> Option<Law> {
    // With u = X̂ / X at `law` and t its time, another law's residual is u t / t' - 1, near `law` u (2 - t' / t) - 1, which is
    // linear in its coefficients.
    let row = |[n, x]: &[f64; 2]| {
        let ratio = law.rate(*n) / x;
        (terms(*n).map(|term| term * ratio / law.time(*n)), 2.0 * ratio - 1.0)
    };
    let aim = non_negative(&points.iter().map(row).collect::<Vec<_>>())?;
    let part = |share: f64| Law([0, 1, 2].map(|i| law.0[i] + share * (aim[i] - law.0[i])));
    [1.0, 0.5, 0.25, 0.125]
        .into_iter()
        .map(part)
        .find(|next| next.serves(points) && next.squares(points) < squares)
}

/// What the coefficients are multiplied by.
fn terms(n: f64) -> [f64; COEFFICIENTS] {
    [1.0, n, n * (n - 1.0)]
}

/// Factors and what their sum should be.
type Row = ([f64; COEFFICIENTS], f64);

/// The coefficients >= 0 with the least squares over `rows`. The minimum over each set of coefficients with the others at
/// zero is one linear system; of those that are allowed the best is the minimum, since the problem is convex.
fn non_negative(rows: &[Row]) -> Option<[f64; COEFFICIENTS]> {
    let squares = |solution: &[f64; COEFFICIENTS]| -> f64 {
        let sum = |row: &Row| row.0.iter().zip(solution).map(|(factor, value)| factor * value).sum::<f64>();
        rows.iter().map(|row| (sum(row) - row.1).powi(2)).sum()
    };
    let allowed = (1..1usize << COEFFICIENTS).filter_map(|set| {
        let solution = least_squares(rows, |i| set >> i & 1 == 1)?;
        solution.iter().all(|value| *value >= 0.0).then_some(solution)
    });
    allowed.min_by(|a, b| squares(a).total_cmp(&squares(b)))
}

/// The least squares over `rows` with the coefficients that are `free`, the others 0. By modified Gram-Schmidt (Björck,
/// "Numerical Methods for Least Squares Problems", 1996, section 2.4), which loses fewer digits than the normal equations.
fn least_squares(rows: &[Row], free: impl Fn(usize) -> bool) -> Option<[f64; COEFFICIENTS]> {
    let chosen: Vec<usize> = (0..COEFFICIENTS).filter(|i| free(*i)).collect();
    let mut columns: Vec<Vec<f64>> =
        chosen.iter().map(|i| rows.iter().map(|row| row.0[*i]).collect()).collect();
    let mut rest: Vec<f64> = rows.iter().map(|row| row.1).collect();
    let mut triangle = [[0.0; COEFFICIENTS]; COEFFICIENTS];
    let mut right = [0.0; COEFFICIENTS];
    for k in 0..columns.len() {
        let before: f64 = rows.iter().map(|row| row.0[chosen[k]].powi(2)).sum::<f64>().sqrt();
        let norm = dot(&columns[k], &columns[k]).sqrt();
        // A column that the ones before it make up has nothing of its own to tell.
        if !norm.is_finite() || norm <= 1e-12 * before {
            return None;
        }
        triangle[k][k] = norm;
        let unit: Vec<f64> = columns[k].iter().map(|value| value / norm).collect();
        for j in k + 1..columns.len() {
            triangle[k][j] = dot(&unit, &columns[j]);
            take(&mut columns[j], &unit, triangle[k][j]);
        }
        right[k] = dot(&unit, &rest);
        take(&mut rest, &unit, right[k]);
    }
    let mut solution = [0.0; COEFFICIENTS];
    for k in (0..chosen.len()).rev() {
        let known: f64 = (k + 1..chosen.len()).map(|j| triangle[k][j] * solution[chosen[j]]).sum();
        solution[chosen[k]] = (right[k] - known) / triangle[k][k];
    }
    Some(solution)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Takes `factor` times `unit` off `column`.
fn take(column: &mut [f64], unit: &[f64], factor: f64) {
    for (value, unit) in column.iter_mut().zip(unit) {
        *value -= factor * unit;
    }
}
