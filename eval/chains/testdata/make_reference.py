"""Records what ArviZ and SciPy say of a few chains and samples: python make_reference.py > reference.json"""
import json

import arviz as az
import numpy as np
from scipy import stats

rng = np.random.default_rng(1)


def autoregressive(chains, draws, phi, offsets):
    x = np.zeros((chains, draws))
    for t in range(1, draws):
        x[:, t] = phi * x[:, t - 1] + rng.normal(size=chains)
    return x + np.asarray(offsets)[:, None]


cases = {
    "independent": rng.normal(size=(4, 60)),
    "slow": autoregressive(3, 101, 0.9, [0, 0, 0]),
    "apart": autoregressive(3, 50, 0.3, [0, 4, -4]),
    "alternating": autoregressive(2, 64, -0.8, [0, 0]),
    "one chain": autoregressive(1, 80, 0.5, [0]),
    "short": rng.normal(size=(2, 8)),
    "drift": rng.normal(size=(2, 40)) + np.linspace(0, 5, 40),
}
traces = {}
for name, x in cases.items():
    x = np.round(x, 6)
    halves = np.concatenate([x[:, : x.shape[1] // 2], x[:, -(x.shape[1] // 2) :]])
    traces[name] = {
        "draws": x.tolist(),
        "ess": float(az.ess(x, method="mean")),
        "rhat": float(az.rhat(halves, method="identity")),
    }
ranks = []
for a, b in [
    (rng.normal(size=20), rng.normal(size=30) + 0.5),
    (rng.integers(0, 5, size=25), rng.integers(1, 6, size=18)),
    (np.zeros(6), np.arange(9) % 3),
]:
    a, b = np.round(np.asarray(a, float), 6), np.round(np.asarray(b, float), 6)
    u = stats.mannwhitneyu(a, b, use_continuity=False, method="asymptotic")
    ranks.append({"a": a.tolist(), "b": b.tolist(), "u": float(u.statistic), "p": float(u.pvalue)})
print(json.dumps({"arviz": az.__version__, "traces": traces, "ranks": ranks}))
