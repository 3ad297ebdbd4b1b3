"""Entries that a test registers, removed again after it."""

from collections.abc import Iterator
from contextlib import contextmanager

from pcam.config.registry import Registry


@contextmanager
def restored(registry: Registry) -> Iterator[None]:
    """Restore a registry's entries afterwards."""
    registry.names()  # loads the entries that are built in
    known = dict(registry._entries)
    try:
        yield
    finally:
        registry._entries = known
