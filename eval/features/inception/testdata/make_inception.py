"""Writes inception.safetensors: what pytorch-fid's InceptionV3, in float64, makes of two images with weights that Go can make too.

    pip install torch==2.15.0 torchvision==0.29.2 pytorch-fid==0.3.0 torch-fidelity==0.4.0 safetensors==0.8.0
    python make_inception.py
"""
import numpy as np
import torch
import torch.nn.functional as F
from pytorch_fid import inception
from safetensors.numpy import save_file
from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

SAMPLES = 48  # of each block's result


def bits(key, n):
    """n numbers of 64 bits: splitmix64 of the counters from key * 2^32 on."""
    z = np.arange(n, dtype=np.uint64) + np.uint64(key << 32)
    z += np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def key(name):
    """FNV-1a, 32 bits."""
    h = 2166136261
    for c in name.encode():
        h = (h ^ c) * 16777619 % 2**32
    return h


def weight(name, shape):
    n = int(np.prod(shape))
    u = (bits(key(name), n) >> np.uint64(40)).astype(np.float64) / 2**24
    if name.endswith("bn.weight") or name.endswith("running_var"):
        v = 0.5 + u
    elif name.endswith("bn.bias") or name.endswith("running_mean"):
        v = 0.4 * u - 0.2
    else:
        v = (2 * u - 1) * np.sqrt(6 / np.prod(shape[1:], dtype=np.float64)) if len(shape) > 1 else u
    return torch.from_numpy(v.astype(np.float32).reshape(shape))


def image(height, width):
    return (bits(key("image"), height * width * 3) >> np.uint64(56)).astype(np.uint8).reshape(height, width, 3)


def network():
    def weights(*_, **__):
        shapes = inception._inception_v3(num_classes=1008, aux_logits=False, weights=None).state_dict()
        return {name: t if name.endswith("tracked") else weight(name, tuple(t.shape)) for name, t in shapes.items()}

    inception.load_state_dict_from_url = weights
    return inception.fid_inception_v3().eval().double()


def run(net, x, side, out):
    order = ["Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "maxpool1", "Conv2d_3b_1x1", "Conv2d_4a_3x3", "maxpool2",
             "Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e",
             "Mixed_7a", "Mixed_7b", "Mixed_7c"]
    for name in order:
        x = getattr(net, name)(x)
        flat = x[0].permute(1, 2, 0).reshape(-1).numpy()  # height, width, channel
        at = (bits(key(name), SAMPLES) >> np.uint64(32)).astype(np.int64) % len(flat)
        out[f"{side}/{name}"] = np.append(flat[at], np.sqrt((flat**2).mean())).astype(np.float32)
    features = x.mean(dim=(2, 3))
    out[f"{side}/features"] = features[0].numpy().astype(np.float32)
    out[f"{side}/logits"] = (features @ net.fc.weight.T)[0].numpy().astype(np.float32)


with torch.no_grad():
    net, out = network(), {}
    pixels = torch.from_numpy(image(41, 32)).permute(2, 0, 1)[None].double()
    for side in (107, 299):
        x = F.interpolate(pixels / 255, size=(side, side), mode="bilinear", align_corners=False)
        run(net, 2 * x - 1, side, out)
        # That these are the blocks that pytorch-fid runs: its own forward, on the same input.
        if side == 299:
            fid = inception.InceptionV3([3]).eval().double()
            assert torch.allclose(fid(pixels / 255)[0].flatten(), torch.from_numpy(out["299/features"]).double(), rtol=1e-5, atol=1e-5)
        out[f"{side}/pytorch"] = (2 * x - 1)[0].permute(1, 2, 0).numpy().astype(np.float32)[::9, ::7].copy()
        y = interpolate_bilinear_2d_like_tensorflow1x(pixels, size=(side, side), align_corners=False)
        out[f"{side}/tensorflow"] = ((y - 128) / 128)[0].permute(1, 2, 0).numpy().astype(np.float32)[::9, ::7].copy()
        big = torch.from_numpy(image(150, 400)).permute(2, 0, 1)[None].double()
        x = F.interpolate(big / 255, size=(side, side), mode="bilinear", align_corners=False)
        out[f"{side}/smaller"] = (2 * x - 1)[0].permute(1, 2, 0).numpy().astype(np.float32)[::9, ::7].copy()
    print({name: float(v[-1]) for name, v in out.items() if "ixed" in name or "onv" in name})
    save_file(out, "inception.safetensors")
