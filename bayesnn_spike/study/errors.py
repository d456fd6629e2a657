"""The two errors of a study: what the user wrote wrong, and work that failed."""


class ConfigError(ValueError):
    """The study's configuration, or a value given on the command line, is wrong.

    The message names the file, the path of the key inside it, and the nearest right key.
    """


class StudyError(RuntimeError):
    """A study could not be run or read: a cell failed, or a folder does not fit the config."""
