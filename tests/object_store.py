"""A real server that speaks S3, for tests."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

_SERVE = """
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
input()
"""
_names = itertools.count(1)


class ObjectStore:
    """A store of which tests make buckets."""

    def __init__(self, url: str) -> None:
        self.url = url

    def make_bucket(self) -> str:
        """Return the URL of a new bucket, as the setting `media_store` has it."""
        name = f"bucket-{os.getpid()}-{next(_names)}"
        with httpx.Client(trust_env=False) as http:
            assert http.put(f"{self.url}/{name}").status_code == 200
        return f"s3://{name}/media"

    def keys(self, bucket: str) -> list[str]:
        """Return what is in a bucket."""
        name = bucket.removeprefix("s3://").partition("/")[0]
        with httpx.Client(trust_env=False) as http:
            listing = http.get(f"{self.url}/{name}").text
        return [part.partition("</Key>")[0] for part in listing.split("<Key>")[1:]]


@contextmanager
def object_store() -> Iterator[ObjectStore]:
    """Run a store; the usual variables name it meanwhile."""
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        port = int(process.stdout.readline())
        url = f"http://127.0.0.1:{port}"
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("AWS_ENDPOINT_URL", url)
            environment.setenv("AWS_ALLOW_HTTP", "true")
            environment.setenv("AWS_REGION", "us-east-1")
            environment.setenv("AWS_ACCESS_KEY_ID", "testing")
            environment.setenv("AWS_SECRET_ACCESS_KEY", "testing")
            yield ObjectStore(url)
    finally:
        process.kill()
        process.stdin.close()
        process.stdout.close()
        process.wait()
