# Writes torchvision.json: what torchvision makes of a small image, for the tests of
# the augmentation. Run with torch and torchvision (0.29 was used) in this folder.
import json

import torch
import torchvision.transforms.functional as F

torch.manual_seed(1)
H, W = 9, 7
colour = torch.rand(3, H, W)
colour[:, 0, 0], colour[:, 0, 1], colour[:, 0, 2] = 0, 1, 0.5  # grays have no hue
colour[:, 1, 0] = torch.tensor([1.0, 0, 0])
colour[:, 1, 1] = torch.tensor([0.0, 1, 1])
colour[:, 1, 2] = torch.tensor([0.7, 0.7, 0.2])  # two channels equal
colour[:, 1, 3] = torch.tensor([0.2, 0.2, 0.7])
mono = torch.rand(1, H, W)


def values(x):
    return [float(f"{v:.8g}") for v in x.permute(1, 2, 0).contiguous().flatten().tolist()]


cases = []


def case(name, image, result, **parameters):
    cases.append({"name": name, "channels": image.shape[0], "want": values(result), **parameters})


for image in colour, mono:
    for box in [0, 0, 9, 7], [2, 1, 4, 5], [3, 6, 1, 1], [0, 0, 2, 7]:
        case("crop", image, F.resized_crop(image, *box, [H, W], antialias=False), box=box)
    for f in 0.0, 0.37, 1.8:
        case("brightness", image, F.adjust_brightness(image, f), factor=f)
        case("contrast", image, F.adjust_contrast(image, f), factor=f)
    for kernel, sigma in (3, 0.1), (3, 1.3), (5, 0.8), (11, 2.0):
        case("blur", image, F.gaussian_blur(image, [kernel, kernel], [sigma, sigma]), kernel=kernel, factor=sigma)
    case("flip", image, F.hflip(image))
for f in 0.0, 0.37, 1.8:
    case("saturation", colour, F.adjust_saturation(colour, f), factor=f)
for f in -0.4, -0.05, 0.0, 0.21, 0.5:
    case("hue", colour, F.adjust_hue(colour, f), factor=f)
case("grayscale", colour, F.rgb_to_grayscale(colour, 3))
x = F.adjust_hue(F.adjust_contrast(F.adjust_saturation(F.adjust_brightness(colour, 1.3), 0.4), 1.6), -0.3)
case("jitter", colour, x, order=[0, 2, 1, 3], brightness=1.3, contrast=1.6, saturation=0.4, hue=-0.3)

with open("torchvision.json", "w") as f:
    f.write(json.dumps({"height": H, "width": W, "colour": values(colour), "mono": values(mono)})[:-1])
    f.write(', "cases": [\n' + ",\n".join(json.dumps(c) for c in cases) + "\n]}\n")
