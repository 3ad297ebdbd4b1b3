"""The layout of the package: imports go downwards only, and only the CLI imports Hydra or prints."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "pcam"
LAYERS = (  # from the lowest
    "stats",
    "config",
    "runs",
    "data",
    "models",
    "sweeps",
    "evaluation",
    "training",
    "attribution",
    "position_bias",
    "reporting",
    "api",
    "cli",
)
MODULES = sorted(PACKAGE.rglob("*.py"))


def imported_modules(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            if node.module == "pcam":
                yield from (f"pcam.{alias.name}" for alias in node.names)
            else:
                yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def layer(path: Path) -> str | None:
    folder = path.relative_to(PACKAGE).parts[0]
    return folder if folder in LAYERS else None


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_downwards_only(path: Path) -> None:
    own = layer(path)
    for module in imported_modules(path):
        parts = module.split(".")
        if own is None or parts[0] != "pcam" or len(parts) < 2 or parts[1] not in LAYERS:
            continue
        assert LAYERS.index(parts[1]) <= LAYERS.index(own), f"{own} imports {module}"


def test_every_folder_is_a_layer() -> None:
    folders = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    assert folders == set(LAYERS)


def test_only_the_cli_imports_hydra() -> None:
    importing = {
        layer(path)
        for path in MODULES
        if any(module.split(".")[0] in ("hydra", "omegaconf") for module in imported_modules(path))
    }
    assert importing == {"cli"}


def test_only_the_cli_and_the_commands_print() -> None:
    printing = {
        layer(path)
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    }
    assert printing <= {"cli", None}


def test_nothing_that_a_file_names_is_instantiated() -> None:
    for path in MODULES:
        assert "hydra.utils" not in path.read_text(), path
        assert "weights_only=False" not in path.read_text(), path
