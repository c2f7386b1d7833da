"""Fetch pinned packages from the registries, with the registries' own clients."""

import hashlib
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Package:
    """One archive of a registry: what `make samples` trusts is the hash, not the name."""

    registry: Literal["npm", "PyPI"]
    name: str
    version: str
    archive: str
    sha256: str

    @property
    def provenance(self) -> dict[str, str]:
        """What the manifest records of the package."""
        return {
            "registry": self.registry,
            "name": self.name,
            "version": self.version,
            "archive": self.archive,
            "sha256": self.sha256,
        }


WORLD_ATLAS = Package(
    registry="npm",
    name="world-atlas",
    version="2.0.2",
    archive="world-atlas-2.0.2.tgz",
    sha256="032e7765f2ce00edaeafec23ff22bc3b77e42987c257da944cc585b452c05b97",
)
SEAROUTE = Package(
    registry="PyPI",
    name="searoute",
    version="1.6.0",
    archive="searoute-1.6.0.tar.gz",
    sha256="a2f9827b0aa0f1216f4696aa9cd9d358e9950cba496e8445dc2a3d5691862697",
)


def fetch(package: Package, folder: Path) -> Path:
    """Download a package, check its hash and unpack it; return the unpacked folder.

    Nothing of the package is imported. To read its metadata pip runs the `setup.py` of an
    sdist, so the hash is given to pip, which checks it before that.

    Raises
    ------
    SystemExit
        When the client is missing or fails, or when the archive is not the recorded one.
    """
    download = _npm_pack if package.registry == "npm" else _pip_download
    download(package, folder)
    archive = folder / package.archive
    _check_sha256(package, archive)
    unpacked = folder / package.name
    with tarfile.open(archive) as tar:
        tar.extractall(unpacked, filter="data")
    return next(unpacked.iterdir())


def _npm_pack(package: Package, folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit(f"{package.name}: npm is needed to download it. Install Node.js 20+.")
    _run([npm, "pack", "--ignore-scripts", f"{package.name}@{package.version}"], folder)


def _pip_download(package: Package, folder: Path) -> None:
    requirement = folder / f"{package.name}.txt"
    requirement.write_text(f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n")
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", package.name]
    _run([*pip, "--require-hashes", "-r", requirement.name, "-d", "."], folder)


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed in {folder}:\n{done.stderr}")


def _check_sha256(package: Package, archive: Path) -> None:
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != package.sha256:
        raise SystemExit(
            f"{package.archive}: its SHA-256 is {found}, recorded is {package.sha256}. "
            "The registry served another file: look into it before you change the hash."
        )
