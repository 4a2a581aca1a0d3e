#!/usr/bin/env python3
"""Writes small data sets of every format into arrays/, and arrays.json with the images, labels and classes each holds.

    pip install numpy scipy pillow pyarrow && python3 make_arrays.py

As the published files are made: by numpy.savez, scipy.io.savemat, pickle, pyarrow with the metadata of Hugging Face.
"""
import gzip, io, json, os, pickle, struct
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.io
from PIL import Image

here = os.path.dirname(os.path.abspath(__file__))
out = os.path.join(here, "arrays")
os.makedirs(out, exist_ok=True)
rng = np.random.default_rng(1)
sets = {}


def file(name):
    path = os.path.join(out, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return path


def expect(ref, images, labels=None, classes=None):
    images = images if images.ndim == 4 else images[..., None]
    sets[ref] = {"shape": images.shape, "pixels": images.tobytes().hex() if images.nbytes < 20000 else "",
                 "sum": int(images.astype(np.int64).sum()), "first": images[0].tobytes()[:300].hex(),
                 "labels": None if labels is None else [int(v) for v in labels], "classes": classes}


def numbered(labels):
    return [str(i) for i in range(max(labels) + 1)]


grey = rng.integers(0, 256, (5, 8, 6), np.uint8)
colour = rng.integers(0, 256, (5, 8, 6, 3), np.uint8)
test = rng.integers(0, 256, (3, 8, 6), np.uint8)
labels = np.array([2, 0, 1, 1, 0])
np.save(file("grey.npy"), grey)
expect("grey.npy", grey)
np.save(file("pair/x.npy"), colour)
np.save(file("pair/y.npy"), labels)
expect("pair", colour, labels, numbered(labels))
expect("pair/x.npy", colour, labels, numbered(labels))
np.save(file("first.npy"), colour.transpose(0, 3, 1, 2).copy())
expect("first.npy", colour)
np.savez(file("keras.npz"), x_train=grey, y_train=labels.astype(np.uint8), x_test=test, y_test=labels[:3].astype(np.uint8))
expect("keras.npz", grey, labels, numbered(labels))
expect("keras.npz:test", test, labels[:3], numbered(labels[:3]))
np.savez_compressed(file("medmnist.npz"), train_images=grey, train_labels=labels[:, None].astype(np.uint8), val_images=test,
                    val_labels=labels[:3, None].astype(np.uint8), test_images=test[:2], test_labels=labels[:2, None].astype(np.uint8))
expect("medmnist.npz", grey, labels, numbered(labels))
expect("medmnist.npz:val", test, labels[:3], numbered(labels[:3]))
for kind in ("fog", "snow"):
    np.save(file(f"cifar-c/{kind}.npy"), colour if kind == "fog" else 255 - colour)
np.save(file("cifar-c/labels.npy"), labels.astype(np.uint8))
expect("cifar-c/fog.npy", colour, labels, numbered(labels))
np.save(file("float.npy"), grey.astype(np.float32) / 255)
np.save(file("flat.npy"), grey.reshape(5, -1))
np.save(file("one.npy"), colour[0])
np.save(file("which.npy"), rng.integers(0, 256, (4, 3, 9, 3), np.uint8))
np.save(file("column-major.npy"), np.asfortranarray(grey))
np.save(file("object.npy"), np.array([grey, "x"], dtype=object), allow_pickle=True)

# SVHN: 32x32, 10 is 0.
svhn = rng.integers(0, 256, (2, 32, 32, 3), np.uint8)
for name, options in {"train_32x32.mat": {"do_compression": True}, "test_32x32.mat": {}}.items():
    scipy.io.savemat(file("svhn/" + name), {"X": svhn.transpose(1, 2, 3, 0), "y": np.array([[10], [3]], np.uint8)}, **options)
expect("svhn", svhn, [0, 3], numbered([3]))
expect("svhn:test", svhn, [0, 3], numbered([3]))
scipy.io.savemat(file("other.mat"), {"a": np.eye(3), "name": "x"})

# STL-10: planes column by column.
stl = np.tile(np.arange(96, dtype=np.uint8)[None, :, None, None], (1, 1, 96, 3)) + np.arange(96, dtype=np.uint8)[None, None, :, None] // 2
stl = np.concatenate([stl, 255 - stl])
for split, n in (("train", 2), ("test", 1)):
    open(file(f"stl10/{split}_X.bin"), "wb").write(stl[:n].transpose(0, 3, 2, 1).tobytes())
    open(file(f"stl10/{split}_y.bin"), "wb").write(bytes([2, 1])[:n])
open(file("stl10/class_names.txt"), "w").write("airplane\nbird\n")
expect("stl10", stl, [1, 0], ["airplane", "bird"])
expect("stl10:test", stl[:1], [1], ["airplane", "bird"])

# Kaggle's tables, and the one without a heading.
square = rng.integers(0, 256, (4, 7, 7), np.uint8)
rows = [",".join(map(str, [l, *image.ravel()])) for l, image in zip([3, 1, 0, 3], square)]
heading = "label," + ",".join(f"pixel{i}" for i in range(49))
open(file("kaggle/train.csv"), "w").write("\n".join([heading, *rows]) + "\n")
open(file("kaggle/test.csv"), "w").write("\n".join([heading[6:], *[",".join(map(str, i.ravel())) for i in square[:2]]]) + "\n")
open(file("kaggle/sample_submission.csv"), "w").write("ImageId,Label\n1,0\n")
expect("kaggle", square, [3, 1, 0, 3], numbered([3]))
expect("kaggle:test", square[:2])
big = rng.integers(100, 256, (2, 10, 10), np.uint8)
gzip.GzipFile(file("mnist_train.csv.gz"), "w", mtime=0).write("\n".join(",".join(map(str, [l, *i.ravel()])) for l, i in zip([1, 0], big)).encode())
expect("mnist_train.csv.gz", big, [1, 0], numbered([1]))

# Downsampled ImageNet: both forms, labels from 1.
tiny = rng.integers(0, 256, (3, 8, 8, 3), np.uint8)
flat = tiny.transpose(0, 3, 1, 2).reshape(3, -1)
for n in range(1, 11):
    batch = {"data": flat[:1] + n, "labels": [n], "mean": flat.mean(0)}
    pickle.dump(batch, open(file(f"imagenet/train_data_batch_{n}"), "wb"), protocol=2 + n % 4)
    np.savez(file(f"imagenet-npz/train_data_batch_{n}.npz"), data=batch["data"], labels=np.array(batch["labels"]), mean=batch["mean"])
for form in ("imagenet", "imagenet-npz"):
    expect(form, np.stack([tiny[0] + n for n in range(1, 11)]), range(10), numbered(range(10)))


def png(image):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def parquet(name, images, labels, features, **options):
    columns = {"image": pa.array([{"bytes": None if i is None else png(i), "path": f"{n}.png"} for n, i in enumerate(images)])}
    if labels is not None:
        columns["label"] = pa.array([int(l) for l in labels])
    table = pa.table(columns)
    table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})} if features else {})
    pq.write_table(table, file(name), **options)


hub = {"image": {"_type": "Image"}, "label": {"names": ["ant", "bee", "cat"], "_type": "ClassLabel"}}
parquet("hub/data/train-00000-of-00002.parquet", colour[:3], labels[:3], hub, row_group_size=2)
parquet("hub/data/train-00001-of-00002.parquet", colour[3:], labels[3:], hub, compression="zstd")
parquet("hub/data/test-00000-of-00001.parquet", colour[:2], labels[:2], hub)
parquet("hub/data/validation-00000-of-00001.parquet", colour[:1], labels[:1], hub, compression="gzip")
expect("hub", colour, labels, ["ant", "bee", "cat"])
expect("hub:test", colour[:2], labels[:2], ["ant", "bee", "cat"])
expect("hub:val", colour[:1], labels[:1], ["ant", "bee", "cat"])
expect("hub/data/train-00001-of-00002.parquet", colour[3:], labels[3:], ["ant", "bee", "cat"])
parquet("plain.parquet", colour, labels, None, data_page_version="2.0", use_dictionary=False)
expect("plain.parquet", colour, labels, numbered(labels))
parquet("unlabelled.parquet", colour, None, None, compression="none")
expect("unlabelled.parquet", colour)
parquet("by-path.parquet", [None, colour[0], None], labels[:3], hub)
pq.write_table(pa.table({"text": ["a", "b"], "n": [1, 2]}), file("text.parquet"))


# Arrow as datasets.Dataset.save_to_disk writes it, a DatasetDict's folders, and what pyarrow writes by itself.
def arrow(name, images, labels, features, new=pa.ipc.new_stream, compression=None, rows=2):
    columns = {"image": pa.array([None if i is None else {"bytes": png(i), "path": f"{n}.png"} for n, i in enumerate(images)],
                                 pa.struct({"bytes": pa.binary(), "path": pa.string()})),
               "label": pa.array([int(l) for l in labels], pa.int64() if features else pa.int8())}
    table = pa.table(columns)
    table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})} if features else {})
    with pa.OSFile(file(name), "wb") as out, new(out, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as w:
        w.write_table(table, max_chunksize=rows)


def beside(folder, files):
    with open(file(folder + "/state.json"), "w") as f:
        json.dump({"_data_files": [{"filename": name} for name in files], "_split": None}, f)
    with open(file(folder + "/dataset_info.json"), "w") as f:
        json.dump({"features": hub}, f)


arrow("saved/train/data-00000-of-00002.arrow", colour[:3], labels[:3], hub)
arrow("saved/train/data-00001-of-00002.arrow", colour[3:], labels[3:], hub)
arrow("saved/test/data-00000-of-00001.arrow", colour[:2], labels[:2], hub)
arrow("saved/test/cache-3c18a6d0e56a1c6f.arrow", colour[:1], labels[:1], hub)
beside("saved/train", ["data-00000-of-00002.arrow", "data-00001-of-00002.arrow"])
beside("saved/test", ["data-00000-of-00001.arrow"])
with open(file("saved/dataset_dict.json"), "w") as f:
    json.dump({"splits": ["train", "test"]}, f)
expect("saved", colour, labels, ["ant", "bee", "cat"])
expect("saved/train", colour, labels, ["ant", "bee", "cat"])
expect("saved:test", colour[:2], labels[:2], ["ant", "bee", "cat"])
for compression in ["lz4", "zstd", None]:
    name = f"file-{compression}.arrow"
    arrow(name, colour, labels, None, pa.ipc.new_file, compression)
    expect(name, colour, labels, numbered(labels))
arrow("gone/data-00000-of-00003.arrow", colour[:3], labels[:3], hub)
expect("gone", colour[:3], labels[:3], ["ant", "bee", "cat"])
arrow("untold.arrow", colour[:3], [-1, 0, -1], hub)
expect("untold.arrow", colour[:3])
arrow("by-path.arrow", [None, colour[0], None], labels[:3], hub)
with pa.OSFile(file("text.arrow"), "wb") as out, pa.ipc.new_stream(out, pa.schema({"image": pa.string(), "n": pa.int64()})) as w:
    w.write_table(pa.table({"image": ["a.png"], "n": [1]}))

with open(os.path.join(here, "arrays.json"), "w") as f:
    json.dump(sets, f, indent=0, sort_keys=True)
    f.write("\n")
