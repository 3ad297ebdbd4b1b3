"""The order of preparing data: get it, describe it, write its splits, audit it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from pcam.cli.console import progress_bar, show
from pcam.errors import format_override

if TYPE_CHECKING:
    from pcam.cli.command import Invocation
    from pcam.config.schema import PrepareConfig
    from pcam.data.loading import Splits

TRAINING_KEYS = ("data.", "splits", "seed")  # overrides that a training takes over


def run_preparation(invocation: Invocation[PrepareConfig]) -> None:
    """Get what is missing of the data, describe its splits and, if asked, audit it.

    Raises:
        DataError: files cannot be downloaded, or are missing or malformed.
    """
    from pcam.data.loading import open_splits
    from pcam.data.preparation import obtain
    from pcam.stats.formatting import format_warning

    config, folder = invocation.config, invocation.folder
    for note in obtain(config.data, config.address):
        show(format_warning(note))
    splits = open_splits(config.data, config.splits, config.seed)
    show(_describe(config, splits))
    if splits.how != "official":
        show(_write_splits(folder, splits))
    if config.audit:
        show(_audit(folder, splits))
    show(f"\nnext:\n  {_training_command(invocation, splits)}")


def _describe(config: PrepareConfig, splits: Splits) -> str:
    """Return what each split contains, and how the splits were made."""
    from pcam.data.base import describe_source
    from pcam.data.loading import describe_splits, open_source
    from pcam.data.provider import source_provider
    from pcam.stats.formatting import format_facts

    name = config.data.name
    facts = []
    for split, source in splits.splits.items():
        facts.append((split, f"{name}: {describe_source(source, splits.classes)}"))
    provider = source_provider(config.data)
    if provider.unlabelled_split is not None and provider.has_unlabelled:
        unlabelled = open_source(config.data, provider.unlabelled_split)
        facts.append((provider.unlabelled_split, f"{name}: {describe_source(unlabelled)}"))
    facts.append(("splits", describe_splits(splits)))
    return format_facts(facts)


def _write_splits(folder: Path, splits: Splits) -> str:
    """Write splits.csv; return how to use it."""
    from pcam.runs.predictions import write_splits

    write_splits(folder, splits.splits)
    path = folder / "splits.csv"
    return f"\n{path}: use this split again with splits=file {format_override('splits.file', path)}"


def _audit(folder: Path, splits: Splits) -> str:
    """Look at every patch; write audit.html and audit.json; return the findings."""
    from pcam.data.audit.page import render_page
    from pcam.data.audit.run import audit
    from pcam.data.audit.text import format_audit
    from pcam.runs.files import write_file, write_json

    with progress_bar("audit") as update:
        found = audit(splits.splits, update, splits.classes)
    write_file(folder / "audit.html", render_page(found, splits.splits))
    write_json(folder / "audit.json", found.as_dict())
    return f"\n{format_audit(found)}\n\n{folder / 'audit.html'}"


def _training_command(invocation: Invocation[PrepareConfig], splits: Splits) -> str:
    """Return the command that trains on the prepared data, of any shape."""
    words = [f"data={invocation.config.data.name}"]
    words += [word for word in invocation.overrides if word.startswith(TRAINING_KEYS)]
    if splits.size is not None and splits.size[0] != splits.size[1]:
        words.append("aug=none")  # the default makes quarter turns
    return f"python -m pcam.train {shlex.join(words)}"
