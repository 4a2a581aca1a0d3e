"""Writes zip.pth, legacy.pth and other files of torch.save to read in Go.

    pip install torch==2.15.0 numpy
    python make_files.py
"""
import argparse
import collections

import numpy
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
strided = {"w": torch.arange(6.0).reshape(2, 3).T, "last": torch.arange(24.0).reshape(2, 3, 2, 2).to(memory_format=torch.channels_last),
           "repeated": torch.ones(1, 3).expand(1000, 3)}
torch.save(strided, "strided.pth")
options = argparse.Namespace(steps=40, rate=numpy.float64(0.1), wide=numpy.bool_(True), seed=numpy.int64(-7), name="x")
torch.save({"FLAGS": options, "best": numpy.float32(1.5), "all": numpy.arange(3), "on": torch.device("cuda:0"), "w": torch.ones(1)}, "options.pth")
torch.save(torch.nn.Linear(1, 1), "module.pth")
torch.save([torch.ones(1)], "list.pth")
