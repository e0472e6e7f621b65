"""A process that a test starts, listens to and sends signals."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading

WAIT_S = 20


class RunningProcess:
    """A server process, and the words that it prints, line by line."""

    def __init__(self, *arguments: str, environ: dict[str, str] | None = None) -> None:
        """Start Python with `arguments`, in English and with no settings but those in `environ`."""
        self.process = subprocess.Popen(
            [sys.executable, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), **(environ or {})},
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.strip())

    def wait_for(self, text: str) -> str:
        """Return the next line with `text` in it, once it is printed or logged."""
        while True:
            line = self._lines.get(timeout=WAIT_S)
            if text in line:
                return line

    def has_said(self, text: str) -> bool:
        """Return whether a line with `text` in it has been printed or logged since the last one that was asked for."""
        while not self._lines.empty():
            if text in self._lines.get():
                return True
        return False

    def end(self) -> int:
        """Return the exit status once the process has ended."""
        return self.process.wait(WAIT_S)

    def close(self) -> None:
        """Leave nothing of the process behind."""
        self.process.kill()
        self.process.wait(WAIT_S)
        self._reader.join(WAIT_S)
        assert self.process.stdout is not None
        self.process.stdout.close()
