#!/usr/bin/env python3
"""Writes the small pictures beside it, and pictures.json with what Pillow reads from each: upright, RGB, on a white ground.

    pip install pillow numpy && python3 make_pictures.py

Pillow is the reference that most people compare with. Values that differ from Go's decoders by rounding are the test's concern.
"""
import io, json, os, struct, zlib
import numpy as np
from PIL import Image, ImageOps

here = os.path.dirname(os.path.abspath(__file__))
W, H = 14, 10
y, x = np.mgrid[0:H, 0:W]
scene = np.stack([x * 255 // (W - 1), y * 255 // (H - 1), 255 - (x + y) * 255 // (W + H - 2)], -1).astype(np.uint8)
scene[:3, :4] = (255, 0, 0)  # a corner that tells all eight orientations apart
scene[-2:, :4] = 0
scene[:2, -3:] = 255
rgb, grey = Image.fromarray(scene), Image.fromarray(scene[..., 1])
alpha = np.dstack([scene, (x * 255 // (W - 1)).astype(np.uint8)])
files = {}


def save(name, image, **options):
    path = os.path.join(here, name)
    image.save(path, **options)
    expect(name)


def expect(name):
    image = ImageOps.exif_transpose(Image.open(os.path.join(here, name)))
    if image.mode.startswith("I;16") or image.mode == "I":
        image = Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        ground = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(ground, image)
    image = image.convert("RGB")
    files[name] = {"width": image.width, "height": image.height, "rgb": image.tobytes().hex()}


def stored(o):
    """The scene as a camera would store it under that orientation."""
    turn = {1: [], 2: [Image.FLIP_LEFT_RIGHT], 3: [Image.ROTATE_180], 4: [Image.FLIP_TOP_BOTTOM], 5: [Image.TRANSPOSE],
            6: [Image.ROTATE_90], 7: [Image.TRANSVERSE], 8: [Image.ROTATE_270]}[o]
    image = rgb
    for t in turn:
        image = image.transpose(t)
    exif = Image.Exif()
    exif[0x0112] = o
    return image, exif


save("plain.png", rgb)
save("palette.png", rgb.quantize(16))
save("bits1.png", grey.convert("1"))
save("alpha.png", Image.fromarray(alpha))
save("grey-alpha.png", Image.fromarray(alpha).convert("LA"))
save("sixteen.png", Image.fromarray((scene[..., 0].astype(np.uint16) << 8) + 37))
save("twelve.png", Image.fromarray(scene[..., 0].astype(np.uint16) << 4))
for o in range(1, 9):
    image, exif = stored(o)
    save(f"orientation-{o}.jpg", image, quality=98, subsampling=0, exif=exif)
for name, options in {"orientation-6.png": {}, "orientation-6.tif": {}, "orientation-8.webp": {"lossless": True}}.items():
    image, exif = stored(int(name[12]))
    save(name, image, exif=exif, **options)
save("grey.jpg", grey, quality=98)
save("progressive.jpg", rgb, quality=98, subsampling=0, progressive=True)
save("subsampled.jpg", rgb, quality=98)
save("cmyk.jpg", rgb.convert("CMYK"), quality=98, subsampling=0)
whole = open(os.path.join(here, "orientation-1.jpg"), "rb").read()
open(os.path.join(here, "no-end-mark.jpg"), "wb").write(whole[:-2])
files["no-end-mark.jpg"] = files["orientation-1.jpg"]
open(os.path.join(here, "half.jpg"), "wb").write(whole[:-len(whole) // 4])
save("plain.gif", rgb.quantize(16))
save("plain.bmp", rgb)
save("grey.pgm", grey)
save("plain.ppm", rgb)
save("bits1.pbm", grey.convert("1"))
open(os.path.join(here, "text.ppm"), "w").write("P3 # with a comment\n3 1\n# another\n15\n0 5 15  15 0 0\n7 7 7\n")
expect("text.ppm")
open(os.path.join(here, "ten-bits.pgm"), "wb").write(b"P5\n4 1\n1023\n" + struct.pack(">4H", 0, 1, 512, 1023))
files["ten-bits.pgm"] = {"width": 4, "height": 1, "rgb": "".join(f"{v * 65535 // 1023 >> 8:02x}" * 3 for v in (0, 1, 512, 1023))}
save("plain.tif", rgb)
save("lzw.tif", rgb, compression="tiff_lzw")
save("deflate.tif", grey, compression="tiff_adobe_deflate")
save("sixteen.tif", Image.fromarray((scene[..., 0].astype(np.uint16) << 8) + 37))
save("lossless.webp", rgb, lossless=True)
save("lossless-alpha.webp", Image.fromarray(alpha), lossless=True, exact=True)
for name, image in {"lossy.webp": rgb, "lossy-alpha.webp": Image.fromarray(alpha)}.items():
    save(name, image, quality=90)
big = Image.fromarray(np.kron(scene, np.ones((3, 3, 1), np.uint8))).crop((0, 0, 41, 29))
save("lossy-odd.webp", big, quality=50)

unused = np.dstack([scene, np.zeros((H, W), np.uint8)])
Image.fromarray(unused).save(os.path.join(here, "unused-alpha.png"))
files["unused-alpha.png"] = files["plain.png"]
save("two-pages.tif", rgb, save_all=True, append_images=[rgb])

# Animations: the first frame is a part of the canvas.
second = Image.new("RGB", rgb.size, "blue")
for lossless in (True, False):
    save("animated-lossless.webp" if lossless else "animated-lossy.webp", rgb, save_all=True, append_images=[second], lossless=lossless, quality=90)


def chunk(kind, body):
    return kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


still = open(os.path.join(here, "lossless.webp"), "rb").read()[12:]
u24 = lambda n: struct.pack("<I", n)[:3]
frame = u24(2) + u24(1) + u24(W - 1) + u24(H - 1) + u24(100) + b"\0" + still
body = b"WEBP" + chunk(b"VP8X", b"\x02\0\0\0" + u24(W + 9) + u24(H + 5)) + chunk(b"ANIM", b"\xff" * 4 + b"\0\0") + chunk(b"ANMF", frame) * 2
open(os.path.join(here, "animated-part.webp"), "wb").write(b"RIFF" + struct.pack("<I", len(body)) + body)
canvas = Image.new("RGB", (W + 10, H + 6), "white")
canvas.paste(rgb, (4, 2))
files["animated-part.webp"] = {"width": canvas.width, "height": canvas.height, "rgb": canvas.tobytes().hex()}

gif = bytearray(open(os.path.join(here, "plain.gif"), "rb").read())
at = gif.index(b",", 13 + 3 * 16)  # the image descriptor after the palette
gif[6:10] = struct.pack("<HH", W + 5, H + 4)
gif[at + 1:at + 5] = struct.pack("<HH", 3, 2)
open(os.path.join(here, "part.gif"), "wb").write(gif)
canvas = Image.new("RGB", (W + 5, H + 4), "white")
canvas.paste(Image.open(os.path.join(here, "plain.gif")).convert("RGB"), (3, 2))
files["part.gif"] = {"width": canvas.width, "height": canvas.height, "rgb": canvas.tobytes().hex()}

# Kinds within kinds: palettes with transparency, faxes, which may have white for 0, 16 bits in colour, animations of other formats.
save("palette-alpha.png", Image.fromarray(alpha).quantize(16))
save("palette-alpha.gif", Image.fromarray(alpha).quantize(16))
save("trns-grey.png", grey, transparency=0)
save("fax.tif", grey.convert("1"), compression="group4")
save("fax3.tif", grey.convert("1"), compression="group3")
save("bits1.tif", grey.convert("1"))
save("palette.tif", rgb.quantize(16))
save("alpha.tif", Image.fromarray(alpha))
save("palette.bmp", rgb.quantize(16))
save("bits1.bmp", grey.convert("1"))
save("animated.png", rgb, save_all=True, append_images=[second])
save("animated.gif", rgb.quantize(16), save_all=True, append_images=[second.quantize(4)])


def png16(name, values, kind):
    """Pillow writes no PNG of 16 bits a channel in colour, but reads it."""
    piece = lambda k, b: struct.pack(">I", len(b)) + k + b + struct.pack(">I", zlib.crc32(k + b))
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    data = piece(b"IHDR", struct.pack(">IIBBBBB", W, H, 16, kind, 0, 0, 0)) + piece(b"IDAT", zlib.compress(rows)) + piece(b"IEND", b"")
    open(os.path.join(here, name), "wb").write(b"\x89PNG\r\n\x1a\n" + data)
    expect(name)


wide = (alpha.astype(np.uint16) << 8) + 37
png16("sixteen-rgb.png", wide[..., :3], 2)
png16("sixteen-rgba.png", wide, 6)
png16("sixteen-grey-alpha.png", wide[..., [1, 3]], 4)

with open(os.path.join(here, "pictures.json"), "w") as f:
    json.dump(files, f, indent=0, sort_keys=True)
    f.write("\n")
