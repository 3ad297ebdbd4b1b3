"""Batches that another thread reads ahead."""

import threading
from collections.abc import Iterator

import pytest

from pcam.data.read_ahead import read_ahead
from pcam.errors import DataError


def reading() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "read ahead"]


def test_items_come_in_order_and_the_thread_ends() -> None:
    assert list(read_ahead(range(20))) == list(range(20))
    assert reading() == []


def test_an_error_is_raised_where_its_item_would_be() -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise DataError("patch 2 cannot be read")

    items = read_ahead(failing())
    assert next(items) == 1
    with pytest.raises(DataError, match="patch 2 cannot be read"):
        next(items)
    assert reading() == []


def test_a_reader_that_is_no_longer_needed_ends() -> None:
    items = read_ahead(iter(range(1000)))
    assert next(items) == 0
    items.close()
    assert reading() == []
