"""W5: the syncs of a user who is in very many rooms."""

from __future__ import annotations

import time

import msgspec

from bench.errors import BenchError
from bench.figures import median, percentile
from bench.load.blocking import BlockingClient, Timed
from bench.load.chat import decode_sync
from bench.load.wire import send_path, sync_target
from bench.procfs import cpu_seconds
from bench.results import Sample
from bench.workloads.base import Context
from bench.world import PASSWORD, Hub

CHANGES_LIMIT_SECONDS = 60.0

_BODY = b'{"msgtype":"m.text","body":"one change among many rooms"}'


def measure_syncs(context: Context) -> list[Sample]:
    """Measure initial syncs on new devices, then incremental ones after a single message each."""
    hub = context.world.hub
    if hub is None or not hub.changing_rooms:
        raise BenchError("no room of the hub user could be made in the time")
    with BlockingClient(context.running.port) as client:
        initial, cpu = _initial_syncs(context, client, hub)
        since = decode_sync(initial[-1].response.body).next_batch
        times = _incremental_syncs(context, client, hub, since)
    values = {
        "initial_s": median([timed.total for timed in initial]),
        "initial_cpu_s": median(cpu),
        "initial_mb": len(initial[-1].response.body) / 1e6,
        "sync_p50_ms": percentile(times, 0.5) * 1000,
        "sync_p99_ms": percentile(times, 0.99) * 1000,
    }
    return [context.sample("w5", values, axis=hub.reached)]


def _initial_syncs(context: Context, client: BlockingClient, hub: Hub) -> tuple[list[Timed], list[float]]:
    """Each on a device of its own: servers may keep the answer to a repeated request."""
    timed: list[Timed] = []
    cpu: list[float] = []
    for _ in range(context.scale.hub_initial_syncs):
        token = log_in(client, hub.user.user_id)
        before = cpu_seconds(context.running.pids)
        timed.append(client.call("GET", sync_target(None, 0), token))
        cpu.append(cpu_seconds(context.running.pids) - before)
        timed[-1].response.expect_success("initial sync")
    return timed, cpu


def _incremental_syncs(context: Context, client: BlockingClient, hub: Hub, since: str) -> list[float]:
    times: list[float] = []
    deadline = time.monotonic() + CHANGES_LIMIT_SECONDS
    for number in range(context.scale.hub_changes):
        room_id = hub.changing_rooms[number % len(hub.changing_rooms)]
        target = f"{send_path(room_id)}{context.tag}w5-{number}"
        client.call("PUT", target, hub.other.token, _BODY).response.expect_success("send")
        timed = client.call("GET", sync_target(since, 0), hub.user.token)
        body = decode_sync(timed.response.expect_success("sync"))
        if list(body.rooms.join) != [room_id]:
            raise BenchError(
                f"an acknowledged message's sync shows {len(body.rooms.join)} rooms, not its one"
            )
        since = body.next_batch
        times.append(timed.total)
        if time.monotonic() >= deadline:
            break
    return times


def log_in(client: BlockingClient, user_id: str) -> str:
    """Log somebody in on a new device and return its token."""
    body = msgspec.json.encode(
        {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": user_id},
            "password": PASSWORD,
        }
    )
    timed = client.call("POST", "/_matrix/client/v3/login", None, body)
    return str(msgspec.json.decode(timed.response.expect_success("login"))["access_token"])
