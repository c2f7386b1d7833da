"""Each named bad input is refused in words that name the part and the limit, in bounded memory."""

from __future__ import annotations

import contextlib
import json
import re
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.extraction.bad_inputs import BAD_INPUTS, BadInput
from tests.extraction.sizes import CASES

# An engine that has read nothing holds some 150 MB of libraries.
MOST_MB = 300
LARGE_MB = 170
# Two seconds are promised on an idle machine; ten times that proves that there is a limit. The
# time itself is printed by `make fuzz`, for no test depends on how busy a machine is.
TIMEOUT_SECONDS = 20
REPOSITORY = Path(__file__).parents[2]


class Engine:
    """The engine in a process of its own."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self._start()

    def ask(self, kind: str, path: Path) -> dict[str, Any]:
        try:
            answer = self._answer(f"{kind}\t{path}\n")
        except BaseException:
            self.restart()
            raise
        # In the long run each input meets a fresh process; in the short one those after a large.
        if CASES or answer["peak_mb"] > LARGE_MB:
            self.restart()
        return answer

    def restart(self) -> None:
        self.stop()
        self._start()

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdin and self._process.stdout
        self._process.stdout.close()
        # What is left of a question to a process that crashed cannot be written.
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.extraction.refusal"],
            cwd=REPOSITORY,
            env={"TMPDIR": str(self.work), "PATH": "/usr/bin:/bin", "OPENBLAS_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def _answer(self, question: str) -> dict[str, Any]:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(question)
        self._process.stdin.flush()
        ready, _, _ = select.select([self._process.stdout], [], [], TIMEOUT_SECONDS)
        assert ready, f"no answer within {TIMEOUT_SECONDS} seconds"
        line = self._process.stdout.readline()
        assert line, "the process crashed"
        answer: dict[str, Any] = json.loads(line)
        return answer


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = Engine(tmp_path_factory.mktemp("work"))
    yield engine
    engine.stop()


@pytest.mark.fuzz
@pytest.mark.parametrize("bad", BAD_INPUTS, ids=lambda bad: bad.name)
def test_bad_input_is_refused_by_name_in_bounded_memory(
    bad: BadInput, tmp_path: Path, engine: Engine
) -> None:
    path = bad.make(tmp_path)
    before = set(tmp_path.rglob("*"))
    found = engine.ask(bad.kind, path)
    print(
        f"\n{bad.name}: {found['seconds']:.2f} s, {found['peak_mb']:.0f} MB, child "
        f"{found['child_mb']:.0f} MB: {found['message']}",
        end="",
    )
    assert (found["error"] is None) == (not bad.says), found["message"]
    assert re.search(bad.says, found["message"])
    assert max(found["peak_mb"], found["child_mb"]) < MOST_MB
    assert str(tmp_path) not in found["message"], "users see no folders of the server"
    assert not set(tmp_path.rglob("*")) - before - {tmp_path / "out.zip"}, "nothing is left over"
    assert not list(engine.work.iterdir())
