"""Hamrasan with the cheapest password hashes, while the benchmark's thousands of accounts are made.

Twenty thousand hashes at the shipped cost are half an hour of two cores, and Synapse gets `bcrypt_rounds: 4`.
Nothing is measured on this process: the rounds run `hamrasan serve` on the data that it leaves.
"""

from __future__ import annotations

import os
from functools import partial

from hamrasan.accounts.passwords import PasswordCost
from hamrasan.cli.process import run_process
from hamrasan.runtime.settings import Settings, load_settings
from hamrasan.server import start_server

CHEAPEST = PasswordCost(memory_kib=8, passes=1, lanes=1)


def main() -> None:
    """Serve with the settings of the environment until a signal comes."""
    run_process(partial(start_server, password_cost=CHEAPEST), partial(load_settings, {}, os.environ), _ready)


def _ready(_settings: Settings, _url: str) -> None:
    pass


if __name__ == "__main__":
    main()
