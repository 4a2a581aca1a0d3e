"""Writes reference.json: score maps and masks of a few small pictures, and what others make of them.

    pip install torch torchmetrics scikit-learn anomalib opencv-python-headless
    python make_reference.py > reference.json

Pixel AUROC is torchmetrics' BinaryAUROC and scikit-learn's roc_auc_score, which must agree; AUPRO is anomalib's, at several limits of the
false-positive rate; image AUROC is scikit-learn's, of the highest score of each map. Some maps have many equal scores, some masks regions
that touch at a corner or reach the border, some pictures no defect. Runs with the versions that the file names.
"""

import json
import sys

import numpy as np
import sklearn
import torch
import torchmetrics
from sklearn.metrics import roc_auc_score
from torchmetrics.classification import BinaryAUROC

import anomalib
from anomalib.metrics.aupro import _AUPRO

LIMITS = [0.05, 0.3, 1.0]


def blob(rng, h, w):
    y, x = np.mgrid[:h, :w]
    cy, cx, r = rng.integers(0, h), rng.integers(0, w), rng.uniform(1, 3.5)
    return (y - cy) ** 2 + (x - cx) ** 2 <= r * r


def case(name, rng, n, h, w, signal, levels):
    maps, masks = [], []
    for i in range(n):
        mask = np.zeros((h, w), bool)
        if i % 3:
            for _ in range(rng.integers(1, 4)):
                mask |= blob(rng, h, w)
        if i == 1:  # two regions that touch at a corner are one, a pixel alone is another
            mask[:] = False
            mask[2:4, 2:4] = mask[4, 4] = mask[0, w - 1] = True
        score = rng.normal(size=(h, w)) + signal * mask
        if levels:
            score = np.floor(score * levels) / levels
        maps.append(score.astype(np.float32))
        masks.append(mask)
    maps, masks = np.stack(maps), np.stack(masks)
    pixel = roc_auc_score(masks.ravel(), maps.ravel())
    other = BinaryAUROC(thresholds=None)(torch.tensor(maps.ravel()).sigmoid().double(), torch.tensor(masks.ravel()).int()).item()
    assert abs(pixel - other) < 1e-5, (pixel, other)
    aupro = {}
    for limit in LIMITS:
        metric = _AUPRO(fpr_limit=limit)
        metric.update(torch.tensor(maps), torch.tensor(masks.astype(np.int64)))
        aupro[str(limit)] = metric.compute().item()
    image = roc_auc_score(masks.any(axis=(1, 2)), maps.max(axis=(1, 2)))
    return dict(name=name, height=h, width=w, maps=maps.reshape(n, -1).tolist(), masks=masks.reshape(n, -1).astype(int).tolist(),
                image_auroc=image, pixel_auroc=pixel, aupro=aupro)


rng = np.random.default_rng(7)
cases = [
    case("clear", rng, 6, 12, 10, 2.5, 0),
    case("faint", rng, 8, 9, 13, 0.5, 0),
    case("ties", rng, 7, 10, 10, 1.0, 2),
    case("chance", rng, 6, 8, 8, 0.0, 4),
]
versions = dict(anomalib=getattr(anomalib, "__version__", "?"), torchmetrics=torchmetrics.__version__, scikit_learn=sklearn.__version__, torch=torch.__version__)
json.dump(dict(versions=versions, cases=cases), sys.stdout, separators=(",", ":"))
