"""docs/extending.md: its files and commands, as a user would type them in an empty folder."""

import csv
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

from pcam.config import registry
from pcam.config.plugins import discard_plugins
from pcam.data.sources.synthetic.source import SyntheticSource
from tests.forked import forked
from tests.run import run_command

PAGE = (Path(__file__).parents[1] / "docs" / "extending.md").read_text()
FILES = re.findall(r'^```\w+ title="([^"]+)"\n(.*?)^```$', PAGE, re.MULTILINE | re.DOTALL)
SECTIONS = {
    title: re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    for title, text in re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
}
EXAMPLES = [title for title, scripts in SECTIONS.items() if scripts]

LONG = ("A network", "A data source", "An attribution method")  # these train and evaluate


def command_lines(title: str) -> list[list[str]]:
    """Return the words of each command of a section."""
    script = "".join(SECTIONS[title]).replace("\\\n", " ")
    return [shlex.split(line) for line in script.splitlines()]


@pytest.fixture
def user_folder(tmp_path: Path) -> Path:
    """An empty folder with the page's files, and patches for its HDF5 source."""
    for name, text in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "patches").mkdir()
    for split in ("train", "valid", "test"):
        source = SyntheticSource(split, 32)
        with h5py.File(tmp_path / "patches" / f"{split}.h5", "w") as file:
            file["images"] = source.read(np.arange(32))
            file["labels"] = source.labels
    return tmp_path


@pytest.fixture
def own_registries(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Registries that lose a test's entries at its end."""
    for value in vars(registry).values():
        if isinstance(value, registry.Registry):
            value.names()
            monkeypatch.setattr(value, "_entries", dict(value._entries))
    yield
    discard_plugins()


@pytest.mark.parametrize(
    "title",
    [pytest.param(title, marks=[pytest.mark.slow] * (title in LONG)) for title in EXAMPLES],
)
@pytest.mark.usefixtures("own_registries")
def test_an_example_runs(title: str, user_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(user_folder)
    for words in command_lines(title):
        name = words[2].removeprefix("pcam.")
        run_command(monkeypatch, user_folder, name, *words[3:])
    if title == "A callback":
        assert (user_folder / "callback" / "steps.txt").read_text() == "8\n"
    if title == "A data source":
        with (user_folder / "source" / "predictions" / "test.csv").open() as file:
            assert next(csv.DictReader(file))["id"] == "test-0"


def test_every_example_has_its_commands() -> None:
    assert EXAMPLES == [
        "A network",
        "A data source",
        "An augmentation",
        "An attribution method",
        "A callback",
    ]


@pytest.mark.slow
def test_a_run_s_plugin_is_imported_only_if_the_user_names_it(user_folder: Path) -> None:
    train, evaluate = command_lines("A network")
    assert forked(*train[2:], cwd=user_folder).returncode == 0
    unnamed = [word for word in evaluate[2:] if not word.startswith("plugins=")]
    refused = forked(*unnamed, cwd=user_folder)
    assert refused.returncode == 2
    assert "add plugins=[my_network]" in refused.stderr
    by_environment = forked(*unnamed, cwd=user_folder, PCAM_PLUGINS="my_network")
    assert by_environment.returncode == 0, by_environment.stderr
