#!/usr/bin/env python3
"""Writes fixture.json beside itself: what scipy and statsmodels say of published and of random data, which the tests of
`analyse::statistics` are held against.

Made once, and committed; the random data come from a seed, so that it comes again:

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install scipy==1.17.1 numpy==2.4.6 statsmodels==0.15.0
    /tmp/venv/bin/python fixture.py

Of each sample: `p_greater` and `p_less` of the signed-rank test without the zeros; exact by scipy's distribution where no
two magnitudes are equal, exact by all signs where some are and no more than 14 are not zero, and by the normal
approximation, with the corrections for ties and for continuity, past 200. `interval` is the 95 % percentile interval of
the median of RESAMPLES resamples.
"""

import json
import pathlib

import numpy
import scipy
import statsmodels
from scipy import stats
from statsmodels.stats.multitest import multipletests

RESAMPLES = 20_000
MOST_SIGNS = 14

PUBLISHED = [
    # Heights of cross-fertilised less self-fertilised plants of Zea mays, in eighths of an inch: C. Darwin, "The Effects of
    # Cross and Self Fertilisation in the Vegetable Kingdom", 1876; the example of scipy.stats.wilcoxon.
    ("Darwin, Zea mays", [6, 8, 14, 16, 23, 24, 28, 29, 41, -48, 49, 56, 60, -67, 75]),
    # Hamilton's depression scale factor IV after less before: M. Hollander, D. A. Wolfe, "Nonparametric Statistical
    # Methods", 1973, page 29; the example of R's wilcox.test.
    (
        "Hollander and Wolfe, depression scale",
        [-0.952, 0.147, -1.022, -0.430, -0.620, -0.590, -0.490, 0.080, -0.010],
    ),
    # Extra hours of sleep by the second drug less those by the first, with ties and a zero: Student, "The probable error of
    # a mean", Biometrika 6, 1908; R's `sleep`.
    ("Student, sleep", [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]),
]


def random_samples(random):
    """Names and values; four digits, without equal magnitudes but where the name says so."""
    draw = {
        "normal": lambda n: random.normal(0.3, 1.0, n),
        "log-normal": lambda n: random.lognormal(0.0, 1.0, n) - 1.0,
        "Laplace": lambda n: random.laplace(-0.2, 1.0, n),
        "Cauchy": lambda n: random.standard_cauchy(n),
        "two normals": lambda n: random.normal(0.0, 0.2, n) + random.choice([-1.0, 1.0], n),
    }
    for n in (5, 6, 8, 11, 20, 33, 60):
        for name, of in draw.items():
            values = numpy.round(of(n), 4)
            while len(set(numpy.abs(values))) < n or 0.0 in values:
                values = numpy.round(of(n), 4)
            yield f"{name}, {n}", values.tolist()
    for n in (5, 8, 10, 12, 13, 14):
        yield f"with ties, {n}", random.integers(-3, 6, n).astype(float).tolist()
    yield "normal, 251", numpy.round(random.normal(0.05, 1.0, 251), 4).tolist()
    yield "with ties, 251", random.integers(-8, 10, 251).astype(float).tolist()


def p_values(values):
    """Of the signed-rank test, one-sided: for a shift above 0, and for one below."""
    left = numpy.array([value for value in values if value != 0.0])
    ties = len(set(numpy.abs(left))) < len(left)
    if len(left) > 200:
        method = "approx"
    elif not ties:
        method = "exact"
    elif len(left) <= MOST_SIGNS:
        method = stats.PermutationMethod(n_resamples=numpy.inf)
    else:
        raise ValueError("too many signs to try them all")
    said = lambda way: stats.wilcoxon(
        left, zero_method="wilcox", correction=True, alternative=way, method=method
    )
    return float(said("greater").pvalue), float(said("less").pvalue)


def sample(name, values, random):
    greater, less = p_values(values)
    found = stats.bootstrap(
        (values,), numpy.median, n_resamples=RESAMPLES, method="percentile", rng=random
    ).confidence_interval
    return {
        "name": name,
        "values": values,
        "p_greater": greater,
        "p_less": less,
        "interval": [float(found.low), float(found.high)],
    }


def main():
    random = numpy.random.default_rng(20_200_520)
    samples = [sample(name, values, random) for name, values in PUBLISHED]
    samples += [sample(name, values, random) for name, values in random_samples(random)]
    families = [[0.01, 0.04, 0.03, 0.005], [0.2, 0.2, 0.9], [0.0, 1.0], [0.03]]
    families += [numpy.round(random.beta(0.4, 2.0, n), 6).tolist() for n in (2, 4, 5, 9, 20)]
    holm = [{"p": p, "adjusted": multipletests(p, method="holm")[1].tolist()} for p in families]
    versions = {of.__name__: of.__version__ for of in (numpy, scipy, statsmodels)}
    # A sample a line.
    lines = lambda rows: "[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]"
    text = (
        f'{{"versions": {json.dumps(versions)},\n"resamples": {RESAMPLES},\n'
        f'"samples": {lines(samples)},\n"holm": {lines(holm)}}}\n'
    )
    json.loads(text)
    pathlib.Path(__file__).with_name("fixture.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
