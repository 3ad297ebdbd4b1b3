"""Files of features: found by content, continued after a kill, safe for several processes."""

import dataclasses
import logging
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from pcam.config.sections import HeadConfig
from pcam.data.base import subset
from pcam.data.crop import Crop
from pcam.data.features import FeatureBatches, FeatureFile
from pcam.data.sampling import PatchOrder
from pcam.data.sources.synthetic.source import SyntheticSource
from pcam.errors import AccessError, DataError, NotFiniteError
from pcam.features import partial_file
from pcam.features.cache import FeatureCache
from pcam.features.extractor import Extractor
from pcam.features.view import PatchView, digest_patches
from pcam.models.network import Network
from tests.run import Killed

SETTINGS = {
    "name": "test_resnet",
    "kwargs": {},
    "input_size": 32,
    "interpolation": "bilinear",
    "mean": None,
    "std": None,
    "head": {"pool": "avg"},
}
SOURCE = SyntheticSource("valid", 20)


class CountingExtractor(Extractor):
    """Counts the patches that it has seen."""

    seen = 0

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        self.seen += len(image)
        return super().__call__(image)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partial_file, "CHUNK", 8)


def extractor(**changed: object) -> CountingExtractor:
    torch.manual_seed(0)
    settings = {**SETTINGS, **changed}
    head = HeadConfig.model_validate(settings["head"])
    network = Network(**{**settings, "head": head}, outputs=2)
    return CountingExtractor(network, settings, "32-true")


def cache(folder: Path, dtype: str = "float32") -> FeatureCache:
    return FeatureCache(folder, dtype, batch_size=5, num_workers=0, worker_timeout=None)


def view(crop: Crop | None = None, first: int = 0) -> PatchView:
    source = subset(SOURCE, np.arange(first, len(SOURCE)))
    return PatchView("valid", source, digest_patches(source), crop or Crop("none"))


def test_features_are_those_of_the_network(tmp_path: Path) -> None:
    compute = extractor()
    file = cache(tmp_path).obtain(compute, view())
    assert compute.network.training  # as it was
    images = torch.from_numpy(SOURCE.read(np.arange(20))).permute(0, 3, 1, 2)
    with torch.inference_mode():
        network = compute.network.eval()
        expected = network.extract(network.normalised(images)).numpy()
    np.testing.assert_allclose(file.read_all(), expected, atol=1e-6)
    np.testing.assert_array_equal(file.read(np.array([7, 2])), file.read_all()[[7, 2]])


def test_a_kill_costs_the_chunk_that_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = partial_file.PartialFile.write

    def dying(self: partial_file.PartialFile, chunk: int, features: np.ndarray) -> None:
        if chunk == 1:
            raise Killed
        write(self, chunk, features)

    with monkeypatch.context() as patch:
        patch.setattr(partial_file.PartialFile, "write", dying)
        with pytest.raises(Killed):
            cache(tmp_path / "killed").obtain(extractor(), view())
    resumed, whole = extractor(), extractor()
    file = cache(tmp_path / "killed").obtain(resumed, view())
    assert resumed.seen == 12  # of 20: the first chunk of 8 is there
    expected = cache(tmp_path / "whole").obtain(whole, view()).read_all()
    np.testing.assert_array_equal(file.read_all(), expected)


def test_a_damaged_start_is_started_again(tmp_path: Path) -> None:
    cache(tmp_path).obtain(extractor(), view())
    (path,) = tmp_path.glob("*/features.h5")
    partial = path.with_name("features.part")
    partial.write_bytes(path.read_bytes()[:500])
    path.unlink()
    again = extractor()
    assert len(cache(tmp_path).obtain(again, view())) == again.seen == 20
    assert not partial.exists()


def test_of_two_at_once_one_computes_and_the_other_waits(tmp_path: Path) -> None:
    extractors = [extractor(), extractor()]
    read: list[np.ndarray] = []

    def obtain(compute: Extractor) -> None:
        read.append(cache(tmp_path).obtain(compute, view()).read_all())

    threads = [threading.Thread(target=obtain, args=(one,)) for one in extractors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(one.seen for one in extractors) == [0, 20]
    np.testing.assert_array_equal(*read)


def test_the_key_is_the_content(tmp_path: Path) -> None:
    same = [
        (extractor(), view()),
        (extractor(head={"pool": "avg", "hidden": 4, "dropout": 0.5}), view()),
        (extractor(), dataclasses.replace(view(), name="test", copy=3)),  # nothing is drawn
        (extractor(), view(Crop("none", 32, seed=7))),
    ]
    moved = extractor()
    with torch.no_grad():
        next(moved.network.backbone.parameters()).add_(1e-3)
    different = [
        (moved, view()),
        (extractor(), view(first=1)),
        (extractor(), view(Crop("center", 64))),
        (extractor(input_size=64), view()),
        (extractor(mean=0.1), view()),
    ]
    for compute, patches in same:
        cache(tmp_path).obtain(compute, patches)
    assert len(list(tmp_path.iterdir())) == 1
    for compute, patches in different:
        cache(tmp_path).obtain(compute, patches)
    cache(tmp_path, "float16").obtain(extractor(), view())
    assert len(list(tmp_path.iterdir())) == 7


def test_size_and_place_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "pcam"):
        cache(tmp_path).obtain(extractor(), view())
    assert "features of valid: 20 x 96 float32, 7.7 kB, into" in caplog.text


def test_a_disk_without_room_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(DataError, match=r"0\.0 GB free.*\(set features\.cache\)"):
        cache(tmp_path).obtain(extractor(), view())
    assert not list(tmp_path.rglob("features.*"))


def test_nothing_is_written_or_read_through_links(tmp_path: Path) -> None:
    cache(tmp_path / "a").obtain(extractor(), view())
    (folder,) = (tmp_path / "a").iterdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / folder.name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(AccessError, match="is a link"):
        cache(tmp_path / "b").obtain(extractor(), view())
    target = tmp_path / "target"
    (folder / "features.h5").rename(target)
    (folder / "features.h5").symlink_to(target)
    with pytest.raises(AccessError, match="is a link"):
        cache(tmp_path / "a").obtain(extractor(), view())
    (folder / "features.h5").unlink()
    (folder / "features.part").symlink_to(target)
    with pytest.raises(AccessError, match="is a link"):
        cache(tmp_path / "a").obtain(extractor(), view())
    assert FeatureFile(target)


@pytest.mark.parametrize("content", [b"", b"x" * 100])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    cache(tmp_path).obtain(extractor(), view())
    (path,) = tmp_path.glob("*/features.h5")
    path.write_bytes(content)
    with pytest.raises(DataError, match="is not an HDF5 file.*move it away"):
        cache(tmp_path).obtain(extractor(), view())


def test_features_beyond_float16_are_refused(tmp_path: Path) -> None:
    compute = extractor(std=1e-12)
    with pytest.raises(NotFiniteError, match=r"valid-\d+ are not finite.*features\.dtype=float32"):
        cache(tmp_path, "float16").obtain(compute, view())


def test_epochs_and_repeats_take_the_copies_in_turn(tmp_path: Path) -> None:
    files = [
        cache(tmp_path).obtain(extractor(mean=mean), view()) for mean in (0.1, 0.2)
    ]  # two files that differ stand for two copies
    labels = np.array([1] + [0] * 19, np.uint8)
    for epoch in (0, 1):
        order = PatchOrder(20, 20, 0, True, epoch=lambda: epoch, balanced=labels)  # noqa: B023
        (batch,) = FeatureBatches(files, labels, order)
        (request,) = order
        for row, index, number in zip(
            batch["features"], request.indices, request.draws, strict=True
        ):
            copy = (epoch + int(number) // 20) % 2
            np.testing.assert_array_equal(row, files[copy].read(np.array([index]))[0])
        assert request.draws.max() >= 20
        assert torch.equal(batch["label"], torch.from_numpy(labels[request.indices]).long())
