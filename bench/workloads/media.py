"""Files: how quickly one is sent, beside nginx, and how much memory one that arrives takes."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench.errors import BenchError
from bench.load.files import Downloads, download, has_nginx, nginx, upload
from bench.procfs import resident_bytes
from bench.results import Sample
from bench.servers.base import free_port
from bench.workloads.base import Context

FILE_MB = 20
"""Of the file that is downloaded: a minute of video."""
_DOWNLOAD = "/_matrix/client/v1/media/download/"


def measure_media(context: Context) -> list[Sample]:
    """Upload a large file, then download a smaller one over and over, from the server and from nginx."""
    token = context.world.rooms[0].members[0].token
    values = _upload_memory(context, token)
    address = upload(context.running.port, token, FILE_MB)
    if address is None:
        raise BenchError(f"the server takes no file of {FILE_MB} MB")
    seconds = context.scale.media_seconds
    own = download(context.running.port, _DOWNLOAD + address, token, context.running.pids, seconds)
    values |= {"download_mb_per_s": own.bytes_per_second / 1e6, "download_cpu_s": own.cpu_seconds_per_gb}
    if has_nginx():
        other = _from_nginx(context.cores.server, seconds)
        values |= {
            "nginx_mb_per_s": other.bytes_per_second / 1e6,
            "nginx_cpu_s": other.cpu_seconds_per_gb,
            "nginx_percent": 100 * own.bytes_per_second / other.bytes_per_second,
        }
    return [context.sample("media", values)]


def _upload_memory(context: Context, token: str) -> dict[str, float]:
    """Return how much the server grows while a large file arrives; nothing if it takes none."""
    before = most = resident_bytes(context.running.pids)

    def look() -> None:
        nonlocal most
        most = max(most, resident_bytes(context.running.pids))

    if upload(context.running.port, token, context.scale.media_upload_mb, look) is None:
        return {}
    look()
    return {"upload_growth_mb": (most - before) / 2**20}


def _from_nginx(core: int, seconds: float) -> Downloads:
    with tempfile.TemporaryDirectory(prefix="bench-nginx-") as name:
        folder = Path(name)
        (folder / "file").write_bytes(bytes(range(256)) * (FILE_MB * 4096))
        port = free_port()
        with nginx(folder, port, core) as pids:
            return download(port, "/file", None, pids, seconds)
