"""YAML as people mean it: `1e-3` is a number, and a key written twice is an error.

PyYAML follows YAML 1.1, where a float needs a dot (`1e-3` is a string there) and where the
second of two equal keys silently wins. Both have spoilt experiments; both are mended here.
"""

import re
from pathlib import Path
from typing import Any

import yaml

from bayesnn_spike.study.errors import ConfigError


class _Loader(yaml.SafeLoader):
    """A safe loader with the two changes; nothing else can be constructed from a file."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for index, key in enumerate(keys):
            if key in keys[:index]:
                line = node.value[index][0].start_mark.line + 1
                raise yaml.YAMLError(f"line {line}: the key {key!r} is written twice")
        return super().construct_mapping(node, deep=deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9_]+)[eE][-+]?[0-9]+$"),
    list("-+.0123456789"),
)


def parse_yaml(text: str, *, where: str) -> Any:
    """Return the value of a YAML text.

    Args:
        text: the YAML.
        where: names the text in an error, e.g. its path.

    Raises:
        ConfigError: the text is not YAML, or a key is written twice.
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{where}: not valid YAML: {error}") from error


def read_yaml(path: Path) -> Any:
    """Return the value of a YAML file.

    Raises:
        ConfigError: the file cannot be read or is not YAML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    return parse_yaml(text, where=str(path))


def dump_yaml(value: Any) -> str:
    """Return block-style YAML with the keys in the order given."""
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True)
