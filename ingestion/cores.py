"""What this machine's processor has for the embedding model: cores, and which numbers it multiplies in hardware."""

import os
from pathlib import Path


def own_cores() -> int:
    """Return how many processor cores this process may use, which can be fewer than the machine has."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


def cores() -> int:
    """Return the number of cores a model may use here: those of this process, or fewer where OMP_NUM_THREADS says so."""
    allowed = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, min(own_cores(), int(allowed))) if allowed.isdecimal() else own_cores()


def has_native_bf16() -> bool:
    """Tell whether this CPU multiplies bfloat16 in hardware; without it bfloat16 is slower than float32."""
    return not _cpu_flags().isdisjoint({"avx512_bf16", "amx_bf16"})


def has_amx() -> bool:
    """Tell whether this CPU multiplies whole tiles of bfloat16 (AMX), several times as many numbers at once as otherwise."""
    return "amx_bf16" in _cpu_flags()


def has_vnni() -> bool:
    """Tell whether this CPU multiplies bytes with a sign by bytes without, and adds four products up, at once (VNNI)."""
    return not _cpu_flags().isdisjoint({"avx512_vnni", "avx_vnni"})


def _cpu_flags() -> frozenset[str]:
    try:
        with Path("/proc/cpuinfo").open() as stream:
            line = next((line for line in stream if line.startswith(("flags", "Features"))), "")
    except OSError:
        return frozenset()
    return frozenset(line.partition(":")[2].split())
