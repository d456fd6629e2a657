"""Reads source files without running them: each function returns sentences about what it finds."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "bayesnn_spike"
TESTS = ROOT / "tests"

# Draws that are fine with an explicit `generator=` and take the global generator without.
TORCH_DRAWS = {
    *("bernoulli", "multinomial", "normal", "poisson", "rand", "randint", "randn", "randperm"),
    *("rand_like", "randint_like", "randn_like"),
}
TENSOR_DRAWS = {
    *("bernoulli_", "cauchy_", "exponential_", "geometric_", "log_normal_", "normal_"),
    *("random_", "uniform_"),
}
NUMPY_ALLOWED = {"BitGenerator", "Generator", "Philox", "SeedSequence"}
# These have no `generator=` or change the global one.
NEVER = (
    *("random.", "torch.distributions.", "torch.random.", "torch.nn.Dropout"),
    *("torch.manual_seed", "torch.seed", "torch.set_rng_state", "torch.dropout"),
    *("torch.cuda.manual_seed", "torch.nn.functional.dropout", "torch.nn.functional.gumbel"),
)


def python_files(folder: Path) -> list[Path]:
    """Return every Python file below a folder, sorted."""
    return sorted(p for p in folder.rglob("*.py") if "__pycache__" not in p.parts)


def name_of(path: Path) -> str:
    """Return a path as the tests print it: from the root of the repository."""
    return path.relative_to(ROOT).as_posix()


def global_randomness(source: str) -> list[str]:
    """Return uses of a global random generator: calls without `generator=`, global seeds."""
    tree = ast.parse(source)
    aliases = dict(_aliases(tree))
    found = []
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = _dotted(call.func, aliases)
        if any(keyword.arg == "generator" for keyword in call.keywords):
            continue
        if _draws_globally(name):
            found.append(f"line {call.lineno}: {name} uses the global generator")
    for line, name in _imported(tree):
        if name == "random" or name.startswith(("random.", "torch.distributions")):
            found.append(f"line {line}: {name} uses the global generator")
    return found


def prints(source: str) -> list[str]:
    """Return calls of `print`."""
    return [
        f"line {node.lineno}: print"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    ]


def skips(source: str) -> list[str]:
    """Return every way in which a test can be left out or be allowed to fail."""
    tree = ast.parse(source)
    names = {"skip", "skipif", "skipIf", "importorskip", "xfail", "SkipTest"}
    return [
        f"line {node.lineno}: {node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in names
    ] + [f"line {line}: {name}" for line, name in _imported(tree) if name.split(".")[-1] in names]


def missing_docstrings(source: str) -> list[str]:
    """Return a public module, class or function at top level that has no docstring."""
    tree = ast.parse(source)
    found = [] if ast.get_docstring(tree) else ["line 1: the module"]
    kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return found + [
        f"line {node.lineno}: {node.name}"
        for node in tree.body
        if isinstance(node, kinds) and not node.name.startswith("_") and not ast.get_docstring(node)
    ]


def unfinished(source: str) -> list[str]:
    """Return marks of unfinished work: TODO and its like, bodies that only raise."""
    words = ("TODO", "FIXME", "XXX", "HACK", "raise NotImplementedError")
    lines = enumerate(source.splitlines(), start=1)
    return [f"line {n}: {word}" for n, text in lines for word in words if word in text]


def _draws_globally(name: str) -> bool:
    head, _, last = name.rpartition(".")
    if head == "torch" and last in TORCH_DRAWS:
        return True
    if head.startswith("numpy.random") or name.startswith("numpy.random."):
        return last not in NUMPY_ALLOWED
    if head == "torch.nn.init":
        return last not in {"zeros_", "ones_", "constant_", "eye_", "dirac_"}
    if name == "torch.random.fork_rng":
        return False  # it protects the global generator from what other packages do
    return last in TENSOR_DRAWS or name.startswith(NEVER)


def _imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield (line, full name) of everything imported anywhere in the file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def _aliases(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield (local name, full name) of imports, so that `F.dropout` is known by its full name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield (
                    (alias.asname, alias.name) if alias.asname else (alias.name.split(".")[0],) * 2
                )
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((a.asname or a.name, f"{node.module}.{a.name}") for a in node.names)


def _dotted(node: ast.AST, aliases: dict[str, str]) -> str:
    """Return the full dotted name of an expression; what is not imported becomes `?`."""
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value, aliases)}.{node.attr}"
    return aliases.get(node.id, "?") if isinstance(node, ast.Name) else "?"
