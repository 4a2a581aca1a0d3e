"""Writes ks.json: Kolmogorov-Smirnov tests and Beta densities by scipy, to check the Go code against.

    pip install numpy==2.4.6 scipy==1.17.1
    python make_ks.py > ks.json
"""
import json
import sys

import numpy as np
from scipy import stats

random = np.random.default_rng(1933)


def case(ranks):
    r = stats.ks_1samp(ranks, stats.uniform.cdf, method="asymp")
    return {"ranks": ranks.tolist(), "distance": float(r.statistic), "p": float(r.pvalue)}


json.dump({
    "tests": [case(random.random(n)) for n in (1, 10, 100, 500)] + [case(random.random(200) ** p) for p in (0.7, 0.9, 1.1, 1.5)],
    "densities": [{"a": a, "b": b, "u": u, "f": float(stats.beta(a, b).pdf(u))}
                  for a, b in ((0.5, 1), (1, 0.8), (0.6, 0.6), (1.6, 1.6)) for u in (1e-9, 0.001, 0.3, 0.999)],
}, sys.stdout, separators=(",", ":"))
print()
