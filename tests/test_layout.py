"""The layout: imports go downwards only, and only the CLI imports Hydra or prints."""

import ast
from collections.abc import Iterator
from pathlib import Path

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


def upward_imports(path: Path) -> Iterator[str]:
    own = layer(path)
    for module in imported_modules(path):
        parts = module.split(".")
        if own is None or parts[0] != "pcam" or len(parts) < 2 or parts[1] not in LAYERS:
            continue
        if LAYERS.index(parts[1]) > LAYERS.index(own):
            yield f"{path.relative_to(PACKAGE)} imports {module}"


def test_imports_go_downwards_only() -> None:
    assert [line for path in MODULES for line in upward_imports(path)] == []


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


def prints(path: Path) -> bool:
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    return any(isinstance(call.func, ast.Name) and call.func.id == "print" for call in calls)


def test_only_the_cli_and_the_commands_print() -> None:
    assert {layer(path) for path in MODULES if prints(path)} <= {"cli", None}


def test_nothing_that_a_file_names_is_instantiated() -> None:
    for path in MODULES:
        assert "hydra.utils" not in path.read_text(), path
        assert "weights_only=False" not in path.read_text(), path
