"""The layout: imports go downwards only, without circles; only the CLI imports Hydra or prints."""

import ast
from collections.abc import Collection, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "pcam"
LAYERS = (  # from the lowest
    "stats",
    "config",
    "runs",
    "data",
    "models",
    "features",
    "sweeps",
    "evaluation",
    "training",
    "attribution",
    "position_bias",
    "slides",
    "galleries",
    "reporting",
    "probing",
    "exporting",
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


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def nodes_that_run(node: ast.AST) -> Iterator[ast.AST]:
    """Return all nodes below a node but those that only type checkers see."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        yield child
        yield from nodes_that_run(child)


def modules_imported_at_run_time(source: str, known: Collection[str]) -> set[str]:
    """Return the known modules that a source imports, at its top or in a function."""
    found = set()
    for node in nodes_that_run(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                found.add(submodule if submodule in known else str(node.module))
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found.intersection(known)


def find_circle(sources: Mapping[str, str]) -> list[str]:
    """Return the modules of an import circle; none if there is no circle.

    Args:
        sources: the text of each module by its name.
    """
    imports = {name: modules_imported_at_run_time(text, sources) for name, text in sources.items()}
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1]
        return circle
    return []


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert find_circle({module_name(path): path.read_text() for path in MODULES}) == []


def test_a_circle_is_found_in_functions_and_not_among_types() -> None:
    guarded = "if TYPE_CHECKING:\n    import pcam.a"
    assert find_circle({"pcam.a": "import pcam.b", "pcam.b": guarded}) == []
    in_function = "def f():\n    from pcam import a"
    circle = find_circle({"pcam.a": "from pcam.b import f", "pcam.b": in_function})
    assert set(circle) == {"pcam.a", "pcam.b"}


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
