import hashlib
import tarfile

import numpy as np
import pytest

from bayesnn_spike.events.datasets import image_download
from bayesnn_spike.events.datasets.dataset import DataSetError
from bayesnn_spike.events.datasets.image_download import PUBLISHED, Publication, download_still
from bayesnn_spike.events.datasets.still import load_still, still_names
from bayesnn_spike.events.errors import EventFileError
from tests.events.image_files import write_cifar10, write_mnist


def publish(monkeypatch, name, folder, *, members=()):
    """Let a folder stand for the address that publishes a data set."""
    files = {
        path.name: f"md5:{hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()}"
        for path in folder.iterdir()
        if path.is_file()
    }
    own = {**PUBLISHED, name: Publication(f"{folder.as_uri()}/", files, members)}
    monkeypatch.setattr(image_download, "PUBLISHED", own)


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_the_hashes_are_those_of_the_real_files(shared_data, name):
    for file, digest in PUBLISHED[name].files.items():
        data = (shared_data / name.replace("-", "_") / file).read_bytes()
        assert digest == f"sha256:{hashlib.sha256(data).hexdigest()}"


def test_files_are_fetched_once(monkeypatch, tmp_path):
    source, root = tmp_path / "there", tmp_path / "here"
    images = write_mnist(source, 60, 20)
    publish(monkeypatch, "mnist", source)
    data = load_still("mnist", root=root, val_size=10, download=True)
    np.testing.assert_array_equal(data.images[:, 0].numpy(), images)
    kept = {path.name: path.stat().st_mtime_ns for path in root.iterdir()}
    assert len(kept) == 4
    for path in source.iterdir():
        path.unlink()  # nothing is asked for again
    assert download_still("mnist", root) == root
    assert {path.name: path.stat().st_mtime_ns for path in root.iterdir()} == kept


def test_only_what_is_missing_is_fetched(monkeypatch, tmp_path):
    source, root = tmp_path / "there", tmp_path / "here"
    write_mnist(source, 60, 20)
    publish(monkeypatch, "mnist", source)
    download_still("mnist", root)
    (root / "t10k-images-idx3-ubyte.gz").unlink()
    for path in source.glob("train*"):
        path.unlink()
    download_still("mnist", root)
    assert len(list(root.iterdir())) == 4


def test_an_archive_is_unpacked_and_not_kept(monkeypatch, tmp_path):
    plain, source, root = tmp_path / "plain", tmp_path / "there", tmp_path / "here"
    write_cifar10(plain / "cifar-10-batches-bin", 4)
    (plain / "unwanted").write_text("no member that is wanted")
    source.mkdir()
    with tarfile.open(source / "cifar-10-binary.tar.gz", "w:gz") as archive:
        archive.add(plain / "cifar-10-batches-bin", "cifar-10-batches-bin")
        archive.add(plain / "unwanted", "unwanted")
    members = PUBLISHED["cifar10"].members
    publish(monkeypatch, "cifar10", source, members=members)
    data = load_still("cifar10", root=root, val_size=0, download=True)
    assert len(data) == 24
    assert [path.name for path in root.iterdir()] == ["cifar-10-batches-bin"]
    assert len(list((root / "cifar-10-batches-bin").iterdir())) == 6
    (source / "cifar-10-binary.tar.gz").unlink()
    assert download_still("cifar10", root) == root


def test_an_archive_without_its_files_is_refused(monkeypatch, tmp_path):
    source = tmp_path / "there"
    source.mkdir()
    with tarfile.open(source / "cifar-10-binary.tar.gz", "w:gz"):
        pass
    publish(monkeypatch, "cifar10", source, members=("cifar-10-batches-bin/test_batch.bin",))
    with pytest.raises(EventFileError, match=r"test_batch\.bin: found no such file in the arch"):
        download_still("cifar10", tmp_path / "here")


def test_another_hash_is_refused_and_nothing_is_kept(monkeypatch, tmp_path):
    source, root = tmp_path / "there", tmp_path / "here"
    write_mnist(source, 60, 20)
    publish(monkeypatch, "mnist", source)
    changed = source / "train-images-idx3-ubyte.gz"
    changed.write_bytes(changed.read_bytes() + b"x")
    with pytest.raises(EventFileError, match=r"bytes with md5:\w+, expected md5:\w+ as publ"):
        download_still("mnist", root)
    assert not (root / changed.name).exists()


def test_what_is_there_is_left_alone(monkeypatch, tmp_path):
    """A file of the user's own, also unzipped; and an archive, which is checked and unpacked."""
    source, root = tmp_path / "there", tmp_path / "here"
    write_mnist(source, 60, 20)
    publish(monkeypatch, "mnist", source)
    root.mkdir()
    for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte.gz"):
        (root / name).write_bytes(b"the user's own")
    download_still("mnist", root)
    assert (root / "train-images-idx3-ubyte").read_bytes() == b"the user's own"
    assert len(list(root.iterdir())) == 4
    (root / "cifar-10-binary.tar.gz").write_bytes(b"the user's own")
    with pytest.raises(EventFileError, match="14 bytes with md5"):
        download_still("cifar10", root)


def test_what_cannot_be_fetched_is_said(monkeypatch, tmp_path):
    with pytest.raises(DataSetError, match="cifar10-jpeg cannot be downloaded, only mnist, "):
        download_still("cifar10-jpeg", tmp_path)
    empty = tmp_path / "empty"
    empty.mkdir()
    files = {"a.gz": "md5:0"}
    own = {"mnist": Publication(f"{empty.as_uri()}/", files)}
    monkeypatch.setattr(image_download, "PUBLISHED", own)
    with pytest.raises(DataSetError, match=r"a\.gz does not answer .* give its folder as root"):
        download_still("mnist", tmp_path / "here")


def test_the_cache_is_the_default_and_every_name_exists(monkeypatch, tmp_path):
    monkeypatch.setenv("BAYESNN_SPIKE_CACHE", str(tmp_path / "cache"))
    assert set(PUBLISHED) < set(still_names())
    source = tmp_path / "there"
    write_mnist(source, 60, 20)
    publish(monkeypatch, "mnist", source)
    assert download_still("mnist") == tmp_path / "cache" / "mnist"
    assert len(load_still("mnist", val_size=10)) == 80
