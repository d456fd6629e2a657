"""`--set rules.bayes_bisnn.lr=0.1`: change one value of a configuration before it is checked."""

import copy
from collections.abc import Sequence
from typing import Any

from bayesnn_spike.study.errors import ConfigError
from bayesnn_spike.study.yaml_file import parse_yaml


def override(tree: dict[str, Any], settings: Sequence[str]) -> dict[str, Any]:
    """Return a copy of `tree` with every `path=value` of `settings` set, left to right.

    A path is keys joined by dots; a number picks an element of a list. The last key may be new
    here (a default that the file does not write out): the check of the whole configuration then
    accepts it or names the nearest right key. The value is read as YAML.

    Raises:
        ConfigError: no "=", or the path leads through something that is not there.
    """
    tree = copy.deepcopy(tree)
    for setting in settings:
        path, equals, text = setting.partition("=")
        if not equals or not path.strip():
            raise ConfigError(f"--set {setting}: write it as path=value, e.g. seeds=3")
        value = parse_yaml(text, where=f"--set {path}")
        set_path(tree, path.strip().split("."), value, where=f"--set {setting}")
    return tree


def set_path(tree: Any, keys: Sequence[str], value: Any, *, where: str) -> None:
    """Set one value inside a tree of dicts and lists, in place.

    Raises:
        ConfigError: the path leads through something that is not there; `where` begins the message.
    """
    node = tree
    for depth, key in enumerate(keys):
        last = depth == len(keys) - 1
        here = ".".join(keys[: depth + 1])
        if isinstance(node, list):
            if not key.isdigit() or int(key) >= len(node):
                raise ConfigError(f"{where}: {here}: a list, its indices are 0 to {len(node) - 1}")
            key = int(key)
        elif not isinstance(node, dict):
            above = ".".join(keys[:depth])
            raise ConfigError(f"{where}: {above} is {node!r} and has no keys inside")
        elif not last and node.get(key) is None:
            node[key] = {}  # a block that the file leaves to its defaults
        if last:
            node[key] = value
        else:
            node = node[key]
