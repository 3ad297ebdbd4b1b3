"""Memory of large arrays is used again."""

import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
import numpy as np
from pcam.runs.allocator import keep_freed_memory

if sys.argv[1] == "keep":
    keep_freed_memory()
np.ones(8_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    np.ones(8_000_000)  # 64 MB, freed at once
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def count_page_faults(word: str) -> int:
    words = [sys.executable, "-c", FAULTS, word]
    return int(subprocess.run(words, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries are left alone")
def test_freed_arrays_do_not_go_back_to_the_system() -> None:
    pages = 10 * 64_000_000 // 4096
    assert count_page_faults("keep") < pages // 100
    assert count_page_faults("as it is") > pages // 1000
