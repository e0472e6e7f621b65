"""How many files and connections a process may have open."""

from __future__ import annotations

import resource


def raise_descriptor_limit() -> int:
    """Let this process, and those that it starts, open as many descriptors as the system allows it; return how many.

    Systems begin processes with 1,024, for the sake of programs that wait with select(): a server whose clients stay
    connected has used them up with its thousandth.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
