"""The process in which files of strangers are looked into: `python -m hamrasan.media.worker`.

It reads one order (a line of JSON) after the other from its input, and writes one answer for each to its output. It is
limited in memory, time and what it may write; whatever it runs into, only it ends, and the server starts another one.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from pathlib import Path
from typing import Any

from hamrasan.media.imaging import examine_picture, make_thumbnail
from hamrasan.media.pages import describe_file
from hamrasan.media.refusals import Refused

MEMORY_BYTES = 1536 * 1024 * 1024
"""Address space: a picture of the most pixels at four bytes each, twice, and as much again for libraries and codecs."""
CPU_SECONDS = 10
"""For one order; the largest picture that is taken needs about four."""
MAX_RESULT_BYTES = 32 * 1024 * 1024
"""Of a thumbnail: the largest one is an animation of full size."""
POLITENESS = 10
"""Answers to people go before pictures."""


def limit_process() -> None:
    """Take from this process what it does not need."""
    os.nice(POLITENESS)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_RESULT_BYTES, MAX_RESULT_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def limit_order() -> None:
    """Give the order that comes now its time; the system ends the process that takes more."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    used = int(usage.ru_utime + usage.ru_stime)
    resource.setrlimit(resource.RLIMIT_CPU, (used + CPU_SECONDS + 1, resource.RLIM_INFINITY))


def carry_out(order: dict[str, Any]) -> dict[str, Any]:
    """Do what an order asks for with the file `source`, and return the answer."""
    try:
        match order["do"]:
            case "page":
                return {"properties": describe_file(Path(order["source"]), order["charset"])}
            case "picture":
                return {"picture": examine_picture(Path(order["source"]))}
            case _:
                return _thumbnail(order)
    except Refused as refused:
        return {"refused": refused.reason}


def _thumbnail(order: dict[str, Any]) -> dict[str, Any]:
    """Make a thumbnail, and write it to the file `target`. Raises `Refused`."""
    box = order["box"]
    made = make_thumbnail(
        Path(order["source"]), None if box is None else (box[0], box[1]), order["crop"], order["animated"]
    )
    if made.content is None:
        return {"type": made.content_type, "size": None}
    if len(made.content) > MAX_RESULT_BYTES:
        raise Refused("too large")
    with open(order["target"], "wb") as file:
        file.write(made.content)
        file.flush()
        os.fsync(file.fileno())
    return {"type": made.content_type, "size": len(made.content)}


def main() -> None:
    """Carry out orders until the input ends."""
    limit_process()
    for line in sys.stdin:
        limit_order()
        try:
            answer = carry_out(json.loads(line))
        except MemoryError:
            answer = {"refused": "too large"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
