from collections.abc import Iterator
from pathlib import Path

import pytest
from lightning import Callback

from pcam.config import registry
from pcam.config.base import Section
from pcam.config.registry import register_callback
from pcam.config.schema import TrainConfig
from pcam.errors import ConfigError
from pcam.models.freezing import FreezePlan
from pcam.training.callbacks import build_callbacks
from pcam.training.epochs import FreezeBackbone
from tests.registries import restored
from tests.run import composed

PLAN = FreezePlan(0, False)


class NoteConfig(Section):
    text: str
    count: int = 1


class Note(Callback):
    def __init__(self, text: str, folder: Path) -> None:
        self.text = text
        self.folder = folder


@pytest.fixture(autouse=True)
def user_callback() -> Iterator[None]:
    with restored(registry.callbacks):

        @register_callback("note", config=NoteConfig)
        def note(settings: NoteConfig, config: TrainConfig, folder: Path) -> Callback:
            return Note(settings.text * settings.count, folder)

        yield


def names(*overrides: str, folder: Path) -> list[str]:
    return [type(one).__name__ for one in build_callbacks(composed(*overrides), folder, PLAN)]


def test_the_callbacks_of_a_plain_run(tmp_path: Path) -> None:
    assert names(folder=tmp_path) == [
        "FreezeBackbone",
        "LearningRates",
        "EpochTable",
        "FiniteSteps",
        "StepLoss",
        "StepNetworkChoice",
        "Checkpoint",
        "Checkpoint",
    ]


def test_each_key_adds_its_callback(tmp_path: Path) -> None:
    assert "WeightAveraging" in names("trainer.ema=0.9", folder=tmp_path)
    assert "SkipNotFinite" in names("trainer.on_nan=skip", folder=tmp_path)
    assert "EarlyStopping" in names("trainer.early_stopping=2", folder=tmp_path)


def test_maps_are_drawn_before_a_moving_average_takes_its_weights_back(tmp_path: Path) -> None:
    found = names("attribution.every=1", "trainer.ema=0.9", folder=tmp_path)
    assert found.index("AttributionMaps") < found.index("WeightAveraging")


def test_a_user_s_callback_gets_its_settings(tmp_path: Path) -> None:
    config = composed("+callbacks.note.text=ab", "+callbacks.note.count=2")
    callbacks = build_callbacks(config, tmp_path, PLAN)
    (note,) = [one for one in callbacks if isinstance(one, Note)]
    assert (note.text, note.folder) == ("abab", tmp_path)
    assert isinstance(callbacks[0], FreezeBackbone)


def test_wrong_settings_of_a_user_s_callback_are_all_named(tmp_path: Path) -> None:
    values = {"note": {"count": "x", "sise": 2}}
    config = composed().model_copy(update={"callbacks": values})
    with pytest.raises(ConfigError) as caught:
        build_callbacks(config, tmp_path, PLAN)
    text = str(caught.value)
    assert "callbacks.note.count=x must be an integer" in text
    assert "callbacks.note.sise" in text
    assert "missing key callbacks.note.text" in text


def test_pruning_needs_a_sweep(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="trainer.prune.after=1 needs a sweep"):
        build_callbacks(composed("trainer.prune.after=1"), tmp_path, PLAN)
