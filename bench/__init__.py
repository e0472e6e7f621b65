"""The benchmark: Hamrasan and its peers, measured in the same run on the same machine.

`python -m bench --help` says how to run it, `docs/development/benchmarks.md` how to read what it prints.
"""
