"""The one exception of the benchmark: whatever makes a figure worthless stops the run with a sentence."""


class BenchError(Exception):
    """A server, a generator or the machine did something that makes the measurement meaningless."""
