"""Writes zip.pth, legacy.pth and other files of torch.save to read in Go.

    pip install torch==2.15.0
    python make_files.py
"""
import collections

import torch

state = torch.nn.Sequential(torch.nn.Conv2d(2, 3, (1, 2)), torch.nn.BatchNorm2d(3)).state_dict()
for i, (name, tensor) in enumerate(state.items()):
    values = torch.arange(tensor.numel()).reshape(tensor.shape) + 100 * i
    state[name] = values.to(tensor.dtype) if tensor.dtype == torch.int64 else values.to(tensor.dtype) / 8
base = torch.arange(12, dtype=torch.float64)
state["shared.tail"] = base[4:10].reshape(2, 3)
state["half"] = torch.tensor([1, -2.5], dtype=torch.float16)
state["parameter"] = torch.nn.Parameter(torch.tensor([0.25]))
torch.save(state, "zip.pth")
torch.save(state, "legacy.pth", _use_new_zipfile_serialization=False)
torch.save({"epoch": 3, "loss": 0.5, "state_dict": collections.OrderedDict(w=torch.tensor([1.0, 2.0]))}, "checkpoint.pth")
torch.save({"w": torch.arange(6.0).reshape(2, 3).T}, "transposed.pth")
torch.save(torch.nn.Linear(1, 1), "module.pth")
torch.save([torch.ones(1)], "list.pth")
