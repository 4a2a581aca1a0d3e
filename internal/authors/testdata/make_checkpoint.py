"""Writes model_1000.pth, a checkpoint as the training script of Du et al. (2021) writes it, and pictures and expected.json: the energies of
their network for MNIST, written out here in float64. Needs torch, easydict, numpy and pillow. Run in this folder."""
import json, os
from collections import OrderedDict
import numpy, torch, torch.nn as nn, torch.nn.functional as F
from easydict import EasyDict
from PIL import Image

torch.manual_seed(1)
FILTERS, LATENT = 4, 3


class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.bn1, self.conv1 = nn.InstanceNorm2d(c, affine=True), nn.Conv2d(c, c, 3, padding=1)
        self.bn2, self.conv2 = nn.InstanceNorm2d(c, affine=True), nn.Conv2d(c, c, 3, padding=1)
        self.latent_map, self.latent_map_2 = nn.Linear(LATENT, 2 * c), nn.Linear(LATENT, 2 * c)  # unused without labels
        self.conv_downsample = nn.Conv2d(c, 2 * c, 3, padding=1)

    def standardised(self, conv, x):
        w = conv.weight - conv.weight.mean((1, 2, 3), keepdim=True)
        return F.conv2d(x, w / (w.flatten(1).std(1).view(-1, 1, 1, 1) + 1e-5), conv.bias, padding=1)

    def forward(self, x):
        h = F.silu(self.bn1(self.standardised(self.conv1, x)))
        x = x + F.silu(self.bn2(self.standardised(self.conv2, h)))
        return F.silu(F.avg_pool2d(self.conv_downsample(x), 3, 2, 1))


class Network(nn.Module):
    def __init__(self, f):
        super().__init__()
        self.conv1, self.res1, self.res2, self.res3 = nn.Conv2d(1, f, 3, padding=1), Block(f), Block(2 * f), Block(4 * f)
        self.energy_map, self.map_fc1, self.map_fc2 = nn.Linear(8 * f, 1), nn.Linear(10, 4), nn.Linear(4, 4)

    def forward(self, x):
        h = self.res3(self.res2(self.res1(F.silu(self.conv1(x)))))
        return self.energy_map(F.silu(h).mean((2, 3)))


model, average = Network(FILTERS), Network(FILTERS)
with torch.no_grad():
    for net in (model, average):
        for p in net.parameters():
            p.copy_(torch.randn_like(p) * 0.3 + (0.5 if p.ndim == 1 else 0))
optimiser = torch.optim.Adam(model.parameters(), lr=2e-4, betas=(0.0, 0.9))
model(torch.rand(2, 1, 28, 28)).sum().backward()
optimiser.step()
flags = EasyDict(filter_dim=FILTERS, multiscale=False, self_attn=True, cond=False, spec_norm=False, norm=True, alias=False, square_energy=False,
                 sigmoid=False, im_size=32, dataset="mnist", num_steps=40, step_lr=100.0, ensembles=1, ema=False)
torch.save({"optimizer_state_dict": optimiser.state_dict(), "FLAGS": flags, "best_inception": 0.0,
            "model_state_dict_0": model.state_dict(), "ema_model_state_dict_0": average.state_dict()}, "model_1000.pth")

os.makedirs("pictures", exist_ok=True)
average.double()
images = []
for i in range(3):
    u = numpy.random.default_rng(i).integers(0, 256, (28, 28), dtype=numpy.uint8) // (i + 1)
    Image.fromarray(u).save(f"pictures/{i}.png")
    with torch.no_grad():
        e = average((torch.from_numpy(u).double() + 0.5).view(1, 1, 28, 28) / 256)
    images.append({"picture": f"{i}.png", "energy_by_scale": {"None": e[0].tolist()}})
json.dump({"network": "mnist", "filters": FILTERS, "images": images}, open("expected.json", "w"), indent=1)
