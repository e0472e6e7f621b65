"""The providers of the demo: each a process of its own, with a name, ports, a data folder and a certificate."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from hamrasan.cli.demo.authority import Authority
from hamrasan.runtime.outbound import Outbound, OutboundFailed, Reach

HOST = "127.0.0.1"
START_S = 60.0
"""A start takes a second; on a small machine that starts three at once, some."""
STOP_S = 10.0
"""After this a process that was asked to stop is killed."""
POLL_S = 0.05
ANSWER_S = 2.0
"""For the question whether it runs: perhaps somebody else listens at its port, and says nothing."""
LOG_CHARS = 2_000
"""As much of a log as is shown when a provider does not start."""
LABELS = ("peyk", "chapar", "ghasedak")
"""Those who carried letters in Iran: the courier, the rider of the royal post, and the seed that flies with news."""


class ProviderFailed(Exception):
    """A provider does not start; `reason` is the end of its log."""

    def __init__(self, label: str, reason: str) -> None:
        super().__init__(f"{label}: {reason}")
        self.label = label
        self.reason = reason


class Ports(NamedTuple):
    """Where a provider listens for people and for other servers."""

    people: int
    servers: int


class Provider:
    """One provider. Its name holds the port for servers, so that it is found without any name server."""

    def __init__(self, label: str, folder: Path, ports: Ports, outbound: Outbound) -> None:
        self.label = label
        self.name = f"{label}.localhost:{ports.servers}"
        self.url = f"http://localhost:{ports.people}"
        self._folder = folder
        self._ports = ports
        self._outbound = outbound
        self._process: Process | None = None

    @property
    def log(self) -> Path:
        """What the process writes."""
        return self._folder / f"{self.label}.log"

    def configure(self, authority: Authority) -> None:
        """Write the provider's settings, with a certificate for its name."""
        certificate = authority.certify(f"{self.label}.localhost")
        lines = {
            "server_name": self.name,
            "data_dir": self.label,
            "listen": f"{HOST}:{self._ports.people}",
            "registration": "open",
            "federation_listen": f"{HOST}:{self._ports.servers}",
            "federation_certificate": certificate.certificate.name,
            "federation_key": certificate.key.name,
            "federation_ca": authority.file.name,
            "reachable_networks": f"{HOST}/32",
        }
        text = "".join(f'{name} = "{value}"\n' for name, value in lines.items())
        (self._folder / f"{self.label}.toml").write_text(text, "utf-8")

    async def start(self) -> None:
        """Start the process and return once it answers. Raises `ProviderFailed`."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HAMRASAN_")}
        with self.log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "hamrasan.cli", "serve"),
                *("--config", str(self._folder / f"{self.label}.toml")),
                stdin=DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
                start_new_session=True,  # the keyboard's interrupt is for the demo, which stops them in order
            )
        try:
            async with asyncio.timeout(START_S):
                while not await self._answers():
                    if self._process.returncode is not None:
                        raise ProviderFailed(self.label, self._end_of_log())
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            raise ProviderFailed(self.label, self._end_of_log()) from None

    async def _answers(self) -> bool:
        url = f"http://{HOST}:{self._ports.people}/_matrix/federation/v1/version"
        try:
            answer = await self._outbound.send(
                "GET", url, timeout_s=ANSWER_S, max_bytes=LOG_CHARS, reach=Reach.ANYWHERE
            )
        except OutboundFailed:
            return False
        return answer.status == 200

    def _end_of_log(self) -> str:
        return self.log.read_text("utf-8", errors="replace")[-LOG_CHARS:].strip()

    async def stop(self) -> None:
        """Stop the process, if it runs."""
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


def make_providers(folder: Path, first_port: int, outbound: Outbound) -> Sequence[Provider]:
    """Return the three providers, with settings in `folder`; they take six ports from `first_port` on.

    The authority is made anew each time, and so are the certificates.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in (*folder.glob("*.pem"), *folder.glob("*.key")):
        old.unlink()
    authority = Authority(folder)
    providers = [
        Provider(label, folder, Ports(first_port + number, first_port + len(LABELS) + number), outbound)
        for number, label in enumerate(LABELS)
    ]
    for provider in providers:
        provider.configure(authority)
    return providers
