"""Run every benchmark: ``python -m benchmarks``."""

from benchmarks import extraction

extraction.main()
