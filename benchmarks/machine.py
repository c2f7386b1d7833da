"""What a benchmark ran on: without it a figure means nothing."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path


def describe_machine(folder: Path, packages: Sequence[str] = ()) -> list[str]:
    """Return lines on processor, memory, disk and versions.

    Parameters
    ----------
    folder : Path
        Where the benchmark writes; its file system is named and its disk measured.
    packages : sequence of str
        Python packages whose versions count.
    """
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    cores = len(os.sched_getaffinity(0))
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    return [
        f"{cores} cores of {_read_cpu_model()}, {memory_gb:.0f} GB, {describe_load()}",
        f"{platform.system()} {platform.release()}, {folder} on {find_file_system(folder)}, "
        f"{measure_syncs(folder):,.0f} fdatasync/s",
        f"Python {platform.python_version()}, {versions}",
    ]


def describe_load() -> str:
    """Return how busy the machine has been in the last minute."""
    return f"load {os.getloadavg()[0]:.1f}"


def find_file_system(folder: Path) -> str:
    """Return the type of the file system that a folder is on, such as ``ext4``."""
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    above = [(mount, kind) for mount, kind in mounts if folder.resolve().is_relative_to(mount)]
    return max(above, key=lambda one: len(one[0]))[1]


def measure_syncs(folder: Path, seconds: float = 0.5) -> float:
    """Return how often a second a 4 kB append can be made durable: no broker can be faster."""
    path = folder / "sync-probe"
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY)
    begin, count = time.monotonic(), 0
    try:
        while time.monotonic() < begin + seconds:
            os.write(descriptor, bytes(4096))
            os.fdatasync(descriptor)
            count += 1
    finally:
        os.close(descriptor)
        path.unlink()
    return count / (time.monotonic() - begin)


def read_program_version(*command: str) -> str:
    """Return the first line that a program says about itself."""
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return result.stdout.strip().splitlines()[0]


def _read_cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
