"""Writes update.json: updates of a few parameters by PyTorch, to check the Go code against.

    pip install torch==2.15.0
    python make_update.py > update.json

Each case has the parameters at the start, the gradients of each step, and after each step the norm that the gradient had, the
parameters and their moving average.
"""
import json
import sys

import torch

torch.manual_seed(2021)


def case(name, betas, lr, eps, clip, decay, scale, steps=6, size=7):
    start = torch.randn(size)
    p = torch.nn.Parameter(start.clone())
    optimiser = torch.optim.Adam([p], lr=lr, betas=betas, eps=eps)
    average = start.clone()
    gradients = scale * torch.randn(steps, size)
    gradients[:, 0] = 0  # a parameter without a gradient
    gradients[2] = 0  # and a step without one
    norms, params, averages = [], [], []
    for g in gradients:
        p.grad = g.clone()
        limit = clip if clip > 0 else float("inf")
        norms.append(torch.nn.utils.clip_grad_norm_([p], limit).item())
        optimiser.step()
        average = decay * average + (1 - decay) * p.detach()
        params.append(p.detach().tolist())
        averages.append(average.tolist())
    return {"name": name, "beta1": betas[0], "beta2": betas[1], "lr": lr, "eps": eps, "clip": clip, "decay": decay,
            "start": start.tolist(), "gradients": gradients.tolist(), "norms": norms, "params": params, "averages": averages}


cases = [
    case("the paper's", (0.0, 0.9), 2e-4, 1e-8, 0.5, 0.99, 3.0),
    case("usual betas, not clipped", (0.9, 0.999), 1e-2, 1e-8, 0.0, 0.9, 0.1),
    case("now and then clipped", (0.5, 0.99), 1e-3, 1e-3, 1.0, 0.999, 0.4),
]
json.dump(cases, sys.stdout, indent=1)
print()
