"""Keeping freed memory for the next iteration, on Linux with glibc; elsewhere nothing happens.

glibc takes every large block from the system and gives it back when it is freed, so the gradients and activations of
each iteration, a few MiB each and always of the same sizes, cost a page fault for every 4 KiB, over and over.
"""

from __future__ import annotations

import ctypes
import platform
import sys

__all__ = ["keep_freed_memory"]

# parameters of mallopt, from glibc's malloc.h
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_LARGEST_BLOCKS = (2**30, 2**25)  # older versions refuse more than 32 MiB


def keep_freed_memory() -> bool:
    """Serve blocks of up to 1 GiB from the heap, and let the heap keep what is freed.

    Holds for the rest of the process. It changes no number that is computed.

    Returns:
        Whether the allocator took the setting.
    """
    if not sys.platform.startswith("linux") or platform.libc_ver()[0] != "glibc":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    taken = any(mallopt(_M_MMAP_THRESHOLD, size) == 1 for size in _LARGEST_BLOCKS)
    return taken and mallopt(_M_TRIM_THRESHOLD, -1) == 1
