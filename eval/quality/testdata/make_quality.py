"""Writes quality.json: figures that standard Python implementations compute from arrays that Go can make too.

    pip install numpy==2.4.6 scipy==1.17.1 torch torchmetrics==1.9.0 torch-fidelity==0.4.0 pytorch-fid==0.3.0 prdc==0.2
    python make_quality.py > quality.json
"""
import json
import sys

import numpy as np
import torch
from pytorch_fid.fid_score import calculate_frechet_distance
from scipy import linalg
from torchmetrics.image import inception, kid

sys.stdout, out = sys.stderr, sys.stdout  # prdc talks
from prdc import compute_prdc


def bits(key, n):
    """n numbers of 64 bits: splitmix64 of the counters from key * 2^32 on."""
    z = np.arange(n, dtype=np.uint64) + np.uint64(key << 32)
    z += np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def features(key, n, dim, shift):
    """Correlated, skewed, with all values exact in float32: u[i,j] + 2 u[i,j+1] + shift, u of 10 bits, the first in steps of 64."""
    u = (bits(key, n * dim) >> np.uint64(54)).astype(np.float64).reshape(n, dim) / 1024
    u[:, 0] = np.round(u[:, 0] * 16) / 4
    return u + 2 * np.roll(u, -1, axis=1) + shift


def fid(x, y):
    mean = [a.mean(axis=0) for a in (x, y)]
    cov = [np.cov(a, rowvar=False) for a in (x, y)]
    try:
        return float(calculate_frechet_distance(mean[0], cov[0], mean[1], cov[1]))
    except TypeError:  # a scipy without sqrtm's disp: the same formula
        root = linalg.sqrtm(cov[0] @ cov[1])
        return float(((mean[0] - mean[1]) ** 2).sum() + np.trace(cov[0]) + np.trace(cov[1]) - 2 * np.trace(root).real)


def case(name, key, n, m, dim, shift, k):
    x, y = features(key, n, dim, shift), features(key + 1, m, dim, 0.0)
    few = min(n, m)
    result = {"name": name, "key": key, "samples": n, "data": m, "dim": dim, "shift": shift, "neighbours": k, "fid": fid(x, y)}
    mmd = kid.poly_mmd(torch.from_numpy(y[:few]), torch.from_numpy(x[:few]))
    result["kid"] = float(mmd)
    result.update(compute_prdc(real_features=y[:few], fake_features=x[:few], nearest_k=k))
    return {key: float(v) if isinstance(v, np.floating) else v for key, v in result.items()}


def score(name, key, n, classes, splits, sharp):
    weights = ((bits(key, n * classes) >> np.uint64(54)).astype(np.float64).reshape(n, classes) + 1) ** sharp
    torch.randperm = torch.arange  # in order
    metric = inception.InceptionScore(feature=torch.nn.Identity(), splits=splits)
    metric.features = [torch.from_numpy(np.log(weights))]
    mean, std = metric.compute()
    return {"name": name, "key": key, "n": n, "classes": classes, "splits": splits, "sharp": sharp, "mean": float(mean), "std": float(std) if splits > 1 else 0.0}


json.dump({
    "cases": [
        case("apart", 1, 300, 300, 16, 0.25, 5),
        case("alike", 3, 200, 200, 4, 0.0, 3),
        case("unequal", 5, 150, 400, 24, 0.125, 5),
        case("far", 7, 60, 60, 6, 3.0, 2),
        case("fewer images than features", 9, 40, 30, 64, 0.125, 4),
        case("more than one tile", 11, 1100, 1300, 8, 0.0625, 5),
    ],
    "scores": [
        score("sharp", 21, 500, 10, 10, 8),
        score("blunt", 22, 503, 7, 10, 1),
        score("one split", 23, 64, 1000, 1, 3),
    ],
}, out, indent=1)
print(file=out)
