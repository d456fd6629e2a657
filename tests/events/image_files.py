"""Writers of small image files in the true formats, independent of the readers."""

import gzip
import struct
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

CIFAR100_NAMES = [f"class_{number:02}" for number in range(100)]


def pixels(n: int, shape: tuple[int, ...], key: int = 1) -> np.ndarray:
    """Random bytes [n, *shape]."""
    random = np.random.Generator(np.random.Philox(key=key))
    return random.integers(0, 256, (n, *shape)).astype(np.uint8)


def write_idx(path: Path, array: np.ndarray) -> None:
    head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(gzip.compress(head + array.astype(np.uint8).tobytes()))


def write_mnist(folder: Path, n_train: int, n_test: int) -> np.ndarray:
    """The four files; labels are 0 .. 9 in turn. Returns all images, training first."""
    folder.mkdir(parents=True, exist_ok=True)
    images = pixels(n_train + n_test, (28, 28))
    for stem, part in (("train", images[:n_train]), ("t10k", images[n_train:])):
        write_idx(folder / f"{stem}-images-idx3-ubyte.gz", part)
        write_idx(folder / f"{stem}-labels-idx1-ubyte.gz", np.arange(len(part)) % 10)
    return images


def write_cifar10(folder: Path, per_file: int) -> np.ndarray:
    """The six files of the binary version; labels are 0 .. 9 in turn. Returns all images."""
    folder.mkdir(parents=True, exist_ok=True)
    images = pixels(6 * per_file, (3, 32, 32))
    files = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]
    for number, file in enumerate(files):
        part = images[number * per_file : (number + 1) * per_file]
        records = [bytes([row % 10]) + image.tobytes() for row, image in enumerate(part)]
        (folder / file).write_bytes(b"".join(records))
    names = "airplane automobile bird cat deer dog frog horse ship truck"
    (folder / "batches.meta.txt").write_text(names.replace(" ", "\n") + "\n\n")
    return images


def write_cifar100(folder: Path, n_train: int, n_test: int) -> np.ndarray:
    """Coarse label 19, fine labels 0 .. 99 in turn. Returns all images."""
    folder.mkdir(parents=True, exist_ok=True)
    images = pixels(n_train + n_test, (3, 32, 32))
    for file, part in (("train.bin", images[:n_train]), ("test.bin", images[n_train:])):
        records = [bytes([19, row % 100]) + image.tobytes() for row, image in enumerate(part)]
        (folder / file).write_bytes(b"".join(records))
    (folder / "fine_label_names.txt").write_text("\n".join(CIFAR100_NAMES) + "\n\n")
    return images


def jpeg(image: np.ndarray, *, quality: int = 95) -> bytes:
    """A [H, W, 3] or [H, W] array as JPEG."""
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def write_cifar10_jpeg(path: Path, images: np.ndarray, labels: list[int], split: list[int]) -> None:
    """The npz of `cifar10-jpeg`: JPEGs of [n, 32, 32, 3] share the bytes that they begin with."""
    files = [jpeg(image, quality=75) for image in images]
    shared = files[0].index(b"\xff\xda")  # the start of the scan
    assert len({file[:shared] for file in files}) == 1
    scans = [file[shared:] for file in files]
    np.savez_compressed(
        path,
        header=np.frombuffer(files[0][:shared], np.uint8),
        scan=np.frombuffer(b"".join(scans), np.uint8),
        offsets=np.cumsum([0, *map(len, scans)]),
        labels=np.array(labels, np.uint8),
        split=np.array(split, np.uint8),
        classes=np.array([f"class{number}" for number in range(10)]),
    )


def write_image_folder(
    folder: Path, sizes: list[tuple[int, int]], classes: tuple[str, ...] = ("n01", "n02")
) -> None:
    """train/ and val/ with a JPEG of every size (width, height) in each class.

    The red plane rises from left to right, the green one from top to bottom, the blue one is the
    number of the class times 100.
    """
    for part in ("train", "val"):
        for label, name in enumerate(classes):
            inner = folder / part / name
            inner.mkdir(parents=True)
            for number, (width, height) in enumerate(sizes):
                image = np.zeros((height, width, 3), np.uint8)
                image[..., 0] = np.linspace(0, 255, width)[None, :]
                image[..., 1] = np.linspace(0, 255, height)[:, None]
                image[..., 2] = 100 * label
                (inner / f"{name}_{number}.JPEG").write_bytes(jpeg(image))
