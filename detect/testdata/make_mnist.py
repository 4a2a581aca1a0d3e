"""Writes mnist-test.f32: energy and norm of the gradient of each of the 10,000 MNIST test images by the model that `joule train`
makes with its defaults, pairs of float32, little-endian.

    joule train --out runs/mnist
    joule score runs/mnist mnist:test --detector gradient-norm --format csv | python make_mnist.py > mnist-test.f32
"""
import csv
import struct
import sys

for row in csv.DictReader(sys.stdin):
    sys.stdout.buffer.write(struct.pack("<ff", float(row["energy"]), float(row["score"])))
