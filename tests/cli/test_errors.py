"""What the system refuses is one line."""

import errno

import pytest

from pcam.cli.errors import system_errors_expected
from pcam.errors import AccessError, ConfigError


@pytest.mark.parametrize(
    ("error", "place"),
    [
        (MemoryError("Unable to allocate 3 TiB"), "this machine"),
        (RuntimeError("[enforce fail at alloc_cpu.cpp] can't allocate memory: 9"), "this machine"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB."), "the GPU"),
    ],
)
def test_no_memory_left(error: Exception, place: str) -> None:
    message = f"^{place} has not enough memory .*; lower data.batch_size"
    with pytest.raises(ConfigError, match=message), system_errors_expected():
        raise error


def test_a_full_disk_whose_file_is_not_known() -> None:
    message = "^no space left on device; make room on the disks of hydra.run.dir"
    with pytest.raises(AccessError, match=message), system_errors_expected():
        raise OSError(errno.ENOSPC, "No space left on device")


def test_another_error_stays_as_it_is() -> None:
    with pytest.raises(RuntimeError, match="shapes"), system_errors_expected():
        raise RuntimeError("shapes differ")
