"""Writes intervals.json: energies, the resamples of a bootstrap, and the intervals that scikit-learn's figures of these resamples
and NumPy's quantiles give, to check the Go code against.

    pip install scikit-learn==1.9.1 numpy==2.4.6
    python make_intervals.py > intervals.json
"""
import json
import sys

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

random = np.random.default_rng(1993)
FAR = 1e6  # beyond all energies


def figures(inside, outside):
    energies = np.concatenate([inside, outside])
    is_out = np.concatenate([np.zeros(len(inside)), np.ones(len(outside))])
    accepted_out, accepted_in, _ = roc_curve(1 - is_out, -energies, drop_intermediate=False)
    return {
        "auroc": roc_auc_score(is_out, energies),
        "aupr": average_precision_score(is_out, energies),
        "aupr_in": average_precision_score(1 - is_out, -energies),
        "fpr95": accepted_out[np.argmax(accepted_in >= 0.95)],
    }


def case(name, inside, outside, level=0.95, resamples=25):
    inside, outside = np.asarray(inside, dtype=np.float64), np.asarray(outside, dtype=np.float64)
    draws, worst, best = [], [], []
    for _ in range(resamples):
        i = random.integers(0, len(inside) + 1, len(inside) + 1)
        o = random.integers(0, len(outside) + 1, len(outside) + 1)
        draws += i.tolist() + o.tolist()
        # The last number stands for an image nobody has seen, as wrong or as right as can be.
        worst.append(figures(np.append(inside, FAR)[i], np.append(outside, -FAR)[o]))
        best.append(figures(np.append(inside, -FAR)[i], np.append(outside, FAR)[o]))

    def interval(figure):
        low, high = (best, worst) if figure == "fpr95" else (worst, best)
        return [
            float(np.quantile([f[figure] for f in low], (1 - level) / 2)),
            float(np.quantile([f[figure] for f in high], (1 + level) / 2)),
        ]

    return {
        "name": name,
        "in": inside.tolist(),
        "out": outside.tolist(),
        "level": level,
        "resamples": resamples,
        "draws": draws,
        **{figure: interval(figure) for figure in worst[0]},
    }


normal = random.standard_normal
cases = [
    case("overlapping", normal(40), normal(30) + 1),
    case("separate", normal(21), normal(20) + 100),
    case("reversed", normal(12) + 100, normal(13)),
    case("heavy ties", random.integers(0, 4, 45), random.integers(1, 6, 25), level=0.9),
    case("one of each", [0.5], [0.25], level=0.5, resamples=40),
    case("unbalanced", np.round(normal(60), 1), np.round(normal(4) * 3, 1), level=0.99),
]
json.dump(cases, sys.stdout, indent=None, separators=(",", ":"))
print()
