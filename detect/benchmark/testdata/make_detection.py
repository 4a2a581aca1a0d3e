"""Writes detection.json: energies and what scikit-learn computes from them, to check the Go code against.

    pip install scikit-learn==1.9.1
    python make_detection.py > detection.json
"""
import json
import sys

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

random = np.random.default_rng(2021)


def case(name, inside, outside):
    inside, outside = np.asarray(inside, dtype=np.float64), np.asarray(outside, dtype=np.float64)
    energies = np.concatenate([inside, outside])
    is_out = np.concatenate([np.zeros(len(inside)), np.ones(len(outside))])
    # Outliers positive, score = energy.
    fpr, tpr, _ = roc_curve(is_out, energies, drop_intermediate=False)
    # In-distribution positive, score = -energy: the first threshold to accept 95% of the images.
    accepted_out, accepted_in, _ = roc_curve(1 - is_out, -energies, drop_intermediate=False)
    return {
        "name": name,
        "in": inside.tolist(),
        "out": outside.tolist(),
        "auroc": float(roc_auc_score(is_out, energies)),
        "aupr": float(average_precision_score(is_out, energies)),
        "aupr_in": float(average_precision_score(1 - is_out, -energies)),
        "fpr95": float(accepted_out[np.argmax(accepted_in >= 0.95)]),
        "roc_fpr": fpr.tolist(),
        "roc_tpr": tpr.tolist(),
    }


normal = random.standard_normal
cases = [
    case("overlapping", normal(120), normal(90) + 1),
    case("separate", normal(30), normal(20) + 100),
    case("reversed", normal(20) + 100, normal(30)),
    case("float32", normal(60).astype(np.float32) * 0.01, normal(70).astype(np.float32) * 0.01 + 0.005),
    case("heavy ties", random.integers(0, 4, 150), random.integers(1, 6, 130)),
    case("nearly all tied", [0.0] * 99 + [1.0], [0.0] * 40 + [2.0]),
    case("all tied", [-3.25] * 7, [-3.25] * 11),
    case("one of each", [0.5], [0.25]),
    case("ties at the 95% threshold", list(range(94)) + [94.0] * 6, [0.5, 94.0, 94.0, 93.5, 95.0]),
    case("exactly 95% at 19 of 20", list(range(20)), [17.5, 18.0, 18.5, 19.0]),
    case("unbalanced, rounded", np.round(normal(300), 1), np.round(normal(6) * 3, 1)),
    case("wide range", [-1e30, -1e-30, 0.0, 1e-30, 5.0], [1e30, 0.0, -1e30, 7.0, 1e300]),
]
json.dump(cases, sys.stdout, indent=None, separators=(",", ":"))
print()
