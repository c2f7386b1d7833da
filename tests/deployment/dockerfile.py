"""Read a Dockerfile, and take its steps without an engine: in an empty Debian, by chroot.

It knows what ours uses: no ONBUILD, no flags but those of COPY --from.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

# Of this machine, whose way to the registries may have authorities of its own.
_CERTIFICATES = "etc/certificates-of-the-host.crt"


@dataclass(frozen=True)
class Step:
    """One instruction, such as RUN, with its words as they are written."""

    name: str
    words: str

    @property
    def command(self) -> list[str]:
        """The words as a command: a JSON list, or else for the shell of ``SHELL``."""
        return list(json.loads(self.words))


@dataclass
class Stage:
    """What follows a FROM, and what it leaves."""

    base: str
    name: str
    steps: list[Step] = field(default_factory=list)

    def last(self, name: str) -> Step:
        """Return the last step of a name: that which counts."""
        return [step for step in self.steps if step.name == name][-1]

    @property
    def environment(self) -> dict[str, str]:
        """What ENV sets."""
        words = (shlex.split(step.words) for step in self.steps if step.name == "ENV")
        return dict(word.split("=", 1) for line in words for word in line)


def read_dockerfile(path: Path) -> list[Stage]:
    """Return the stages of a Dockerfile."""
    text = "\n".join(line for line in path.read_text().splitlines() if not line.startswith("#"))
    stages: list[Stage] = []
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        name, _, words = line.strip().partition(" ")
        if name == "FROM":
            base, _, alias = words.partition(" AS ")
            stages.append(Stage(base, alias))
        elif name:
            stages[-1].steps.append(Step(name, words.strip()))
    return stages


class Root:
    """A root file system in a folder, in which the steps of a stage are taken.

    Parameters
    ----------
    folder, context : Path
    others : dict
        The roots of other stages, by their names.
    arguments : dict, optional
        What a build is told (``--build-arg``); of others the default counts.
    """

    def __init__(
        self,
        folder: Path,
        context: Path,
        others: dict[str, Path],
        arguments: dict[str, str] | None = None,
    ) -> None:
        self.folder, self._context, self._others = folder, context, others
        self._told = arguments or {}
        self._directory = "/"
        self._arguments: dict[str, str] = {}

    def take(self, stage: Stage) -> None:
        """Take each step; what only says how to run the image is left."""
        for step in stage.steps:
            if step.name == "RUN":
                self.run([*stage.last("SHELL").command, step.words])
            elif step.name == "COPY":
                self._copy(step.words.split())
            elif step.name == "ARG":
                name, _, value = step.words.partition("=")
                self._arguments[name] = self._told.get(name, value.strip('"'))
            elif step.name == "WORKDIR":
                self._directory = step.words
                self._inside(step.words).mkdir(parents=True, exist_ok=True)

    def run(self, command: list[str], *before: str) -> None:
        """Run a command in it, as root unless what comes before it changes that."""
        enter = ["chroot", str(self.folder), "env", "-C", self._directory, *before]
        environment = _environment() | self._arguments
        subprocess.run([*enter, *command], check=True, env=environment)

    def _copy(self, words: list[str]) -> None:
        source_root = self._context
        if words[0].startswith("--from="):
            source_root = self._others[words.pop(0).partition("=")[2]]
        *sources, target = words
        place = self._inside(os.path.join(self._directory, target))
        place.mkdir(parents=True, exist_ok=True)
        for source in sources:
            found = source_root / source.lstrip("/")
            if found.is_dir():
                shutil.copytree(found, place, symlinks=True, dirs_exist_ok=True)
            else:
                shutil.copy2(found, place)

    def _inside(self, path: str) -> Path:
        return self.folder / path.lstrip("/")


def make_context(project: Path, target: Path) -> None:
    """Copy what a build is sent: of what git knows that which ``.dockerignore`` lets in.

    Ours begins with ``*`` and names what is taken with ``!``.
    """
    rules = (project / ".dockerignore").read_text().splitlines()
    taken = tuple(rule[1:] for rule in rules if rule.startswith("!"))
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=project,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in listed.stdout.splitlines():
        if name.startswith(taken):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(project / name, target / name)


@contextmanager
def empty_debian(folder: Path, archive: Path) -> Iterator[Path]:
    """Give a root with nothing but Debian's smallest set of packages, as the base image has it.

    Parameters
    ----------
    folder : Path
        Where it is put.
    archive : Path
        A tar file of it, which is made where it is missing.
    """
    if not archive.exists():
        subprocess.run(
            ["mmdebstrap", "--quiet", "--variant=minbase", "bookworm", str(archive)], check=True
        )
    folder.mkdir()
    subprocess.run(["tar", "-xf", str(archive), "-C", str(folder)], check=True)
    # How this machine reaches the registries is no part of the image.
    for name in ("etc/resolv.conf", "etc/hosts"):
        shutil.copy(Path("/", name), folder / name)
    shutil.copy("/etc/ssl/certs/ca-certificates.crt", folder / _CERTIFICATES)
    mounted = []
    try:
        # Semaphores lie in dev/shm, a file system of its own with every system that starts.
        for kind, place in (("proc", "proc"), ("devtmpfs", "dev"), ("tmpfs", "dev/shm")):
            subprocess.run(["mount", "-t", kind, kind, str(folder / place)], check=True)
            mounted.append(place)
        yield folder
    finally:
        for place in reversed(mounted):
            subprocess.run(["umount", "--lazy", str(folder / place)], check=False)


def _environment() -> dict[str, str]:
    passed = ("PIP_INDEX_URL", "npm_config_registry", "HTTP_PROXY", "HTTPS_PROXY")
    kept = {name: os.environ[name] for name in passed if name in os.environ}
    for name in ("SSL_CERT_FILE", "PIP_CERT", "NODE_EXTRA_CA_CERTS"):
        kept[name] = f"/{_CERTIFICATES}"
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", **kept}
