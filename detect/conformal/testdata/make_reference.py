"""Writes reference.json: what scipy and numpy compute, to check the Go code against.

    pip install numpy==2.4.6 scipy==1.17.1
    python make_reference.py > reference.json

Conditional p-values have no standard implementation: the formula of Bates et al. (2023) is evaluated here by products of exact
fractions.
"""
import json
import sys
from fractions import Fraction

import numpy as np
from scipy import stats

random = np.random.default_rng(2023)


def p_values(calibration, scores):
    # percentileofscore(-c, -s, "weak") is the percentage of calibration scores >= s.
    n = len(calibration)
    return [(1 + stats.percentileofscore(-calibration, -s, "weak") / 100 * n) / (n + 1) for s in scores]


def p_case(name, calibration, scores):
    calibration, scores = np.asarray(calibration, float), np.asarray(scores, float)
    return {"name": name, "calibration": calibration.tolist(), "scores": scores.tolist(), "p": p_values(calibration, scores)}


def adjust_case(name, p):
    return {"name": name, "p": list(map(float, p)), "q": stats.false_discovery_control(p, method="bh").tolist()}


def range_case(n, rate, confidence):
    k = max(k for k in range(n + 2) if k / (n + 1) <= rate)
    b = stats.beta(k, n + 1 - k)
    return {"n": n, "rate": rate, "confidence": confidence,
            "low": b.ppf((1 - confidence) / 2), "high": b.ppf((1 + confidence) / 2)}


def conditional_case(n, delta):
    k = max(1, n // 2)
    values = []
    for i in range(1, n + 2):
        product = Fraction(1)
        for j in range(k):
            product *= Fraction(max(0, n + 1 - i - j), n - j)
        log = None if product == 0 else (np.log(product.numerator) - np.log(product.denominator)) if n < 20 else \
            sum(np.log(n + 1 - i - j) - np.log(n - j) for j in range(k))
        values.append(1.0 if log is None else float(-np.expm1((np.log(delta) + log) / k)))
    return {"n": n, "delta": delta, "values": values}


normal, uniform = random.standard_normal, random.random
json.dump({
    "p_values": [
        p_case("normal", normal(99), normal(40) + 1),
        p_case("ties", random.integers(0, 5, 50), range(-1, 7)),
        p_case("one", [0.5], [0.4, 0.5, 0.6]),
    ],
    "adjusted": [
        adjust_case("uniform", uniform(200)),
        adjust_case("signal", np.concatenate([uniform(80), uniform(20) * 1e-3])),
        adjust_case("ties", np.round(uniform(100), 1) * 0.9 + 0.1),
        adjust_case("one", [0.03]),
        adjust_case("all ones", np.ones(5)),
    ],
    "ranges": [range_case(n, r, c) for n in (99, 1000, 10000) for r in (0.01, 0.05) for c in (0.9, 0.95)] + [range_case(1000, 0.001, 0.95)],
    "conditional": [conditional_case(n, d) for n in (1, 2, 10, 101) for d in (0.05, 0.1)],
}, sys.stdout, separators=(",", ":"))
print()
