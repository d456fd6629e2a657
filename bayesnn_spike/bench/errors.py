"""The error of a benchmark that was asked for something it does not have."""


class BenchError(ValueError):
    """A bench, case or implementation is unknown or cannot run here; the message says which."""
