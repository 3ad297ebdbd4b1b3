"""The C library's memory allocator, set so that large arrays reuse memory."""

import ctypes
import sys

# Of glibc's malloc.h.
M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4
NEVER = -1  # as an unsigned number, the largest


def keep_freed_memory() -> None:
    """Let this process and those that it forks keep memory that they free, for the next arrays.

    glibc gives an array of more than 32 MB back to the system when it is freed, so that each step
    of a network gets new pages, which the system fills with zeros first. Other libraries are left
    as they are.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return
    mallopt(M_MMAP_MAX, 0)
    mallopt(M_TRIM_THRESHOLD, NEVER)
