"""A mail server for tests, in another process: what it took, and how it behaves."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


class MailServer:
    def __init__(self, folder: Path, mode: str = "sound") -> None:
        self._notes, self._mode = folder / "letters", folder / "mode"
        self.behave(mode)
        command = [sys.executable, "-m", "tests.mail.smtp_receiver", self._notes, self._mode]
        self._process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        self.port = int(self._process.stdout.readline())

    def behave(self, mode: str) -> None:
        """Be sound, mute, trickling, refusing or cutting (it takes letters, and hangs up)."""
        # In one step: the server may be reading.
        new = self._mode.with_name("mode-new")
        new.write_text(mode)
        new.rename(self._mode)

    def letters(self) -> list[dict[str, Any]]:
        """Return what was taken so far."""
        text = self._notes.read_text() if self._notes.exists() else ""
        # The last may still be being written.
        return [json.loads(line) for line in text.split("\n")[:-1]]

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()
