"""Trains in forked processes that are killed by SIGKILL, and resumes until one of them is done.

    python tests/integration/resume_harness.py FOLDER

A fork costs milliseconds where a new interpreter costs seconds, and is as mortal: the kernel gives
SIGKILL to it alone, nothing is flushed and no `finally` runs. Prints one JSON object per scenario.
`tests/integration/test_resume.py` starts this file and judges what it prints.
"""

import json
import os
import random
import signal
import stat
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bayesnn_spike import io
from bayesnn_spike.learn import RateCrossEntropy, Temperature, learner
from bayesnn_spike.learn.checkpoint import Checkpoint
from bayesnn_spike.learn.fit import EpochEvent, StepEvent, fit
from bayesnn_spike.learn.rules.bayes_bisnn import BayesBiSNN
from bayesnn_spike.models import mlp
from bayesnn_spike.rng import Stream
from tests.learn.toy import ToyData, ToyLearner

EPOCHS, BATCH_SIZE, STEPS = 4, 4, 20
Trap = Callable[[], Callable[[StepEvent | EpochEvent], None]]


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def toy() -> tuple[Any, Any]:
    """A learner of one weight vector, quick enough to be killed at every step."""
    return ToyLearner(), ToyLearner().init()


def bayes() -> tuple[Any, Any]:
    """The Bayesian rule on a small spiking network, two steps of time per credit."""
    rule = BayesBiSNN(Temperature(22))
    bayesian = learner(rule, mlp(4, (8,), 3), RateCrossEntropy(), horizon=2)
    return bayesian, bayesian.init(Stream(1))


PROBLEMS = {"toy": toy, "bayes": bayes}


def last_bits(problem: str, **options: Any) -> str:
    """Train to the end and return the digest of the last state."""
    chosen, state = PROBLEMS[problem]()
    state = fit(
        chosen,
        state,
        ToyData(),
        np.arange(22),
        epochs=EPOCHS,
        batch_size=BATCH_SIZE,
        stream=Stream(5),
        **options,
    )
    return io.digest_tree(state)


def train(folder: Path, *, problem: str, every: int, trap: Trap) -> None:
    """Run or resume the training, under a trap that may kill it, and write its last bits."""
    io.remove_leftovers(folder / "digest")
    checkpoint = Checkpoint(folder / "fit.safetensors", every=every)
    digest = last_bits(problem, callbacks=[trap()], checkpoint=checkpoint)
    io.atomic_write_text(folder / "digest", digest)


def no_trap() -> Callable[[StepEvent | EpochEvent], None]:
    return lambda event: None


def at_step(step: int) -> Trap:
    """Die after an update, before it is saved."""
    return lambda: lambda event: die() if event.step == step else None


def in_write(moment: str, count: int) -> Trap:
    """Die in the `count`-th checkpoint write: half written, before or after the renaming."""

    def trap() -> Callable[[StepEvent | EpochEvent], None]:
        calls = {"n": 0}
        fsync, replace = os.fsync, os.replace

        def due() -> bool:
            calls["n"] += 1
            return calls["n"] == count

        def cut_then_die(descriptor: int) -> None:
            if stat.S_ISREG(os.fstat(descriptor).st_mode) and due():
                os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)
                die()
            fsync(descriptor)

        def die_around(source: str, target: str) -> None:
            if due():
                if moment == "after rename":
                    replace(source, target)
                die()
            replace(source, target)

        if moment == "half written":
            os.fsync = cut_then_die
        else:
            os.replace = die_around
        return lambda event: None

    return trap


def slowly() -> Callable[[StepEvent | EpochEvent], None]:
    """Leave the parent time to kill between any two instructions."""
    return lambda event: time.sleep(0.002)


def spawn(folder: Path, *, problem: str = "toy", every: int, trap: Trap) -> int:
    """Fork a training process; return its process id."""
    child = os.fork()
    if child == 0:
        try:
            train(folder, problem=problem, every=every, trap=trap)
        except BaseException as error:
            sys.stderr.write(f"{error!r}\n")
            os._exit(1)
        os._exit(0)
    return child


def finish(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def scenarios(problem: str) -> Iterator[tuple[str, int, list[Trap]]]:
    """Yield (name, steps between checkpoints, one trap per life)."""
    yield "uninterrupted", 3, []
    if problem == "bayes":
        yield "killed at steps 1, 8 and 17", 2, [at_step(step) for step in (1, 8, 17)]
        yield "killed in a write", 5, [in_write("half written", 2)]
        return
    for step in range(1, STEPS + 1):
        yield f"killed at step {step}", 3, [at_step(step)]
    for moment in ("half written", "before rename", "after rename"):
        for count in (1, 2, 7):
            yield f"killed {moment}, write {count}", 3, [in_write(moment, count)]
    yield "killed again and again", 1, [at_step(step) for step in (1, 2, 3, 9, 9, 20)]
    yield "killed in every write", 2, [in_write("before rename", 2)] * 9


def main(root: Path) -> None:
    for problem in PROBLEMS:
        for number, (name, every, traps) in enumerate(scenarios(problem)):
            folder, lives = root / f"{problem}{number}", [*traps, no_trap]
            children = (spawn(folder, problem=problem, every=every, trap=trap) for trap in lives)
            report(problem, name, folder, [finish(child) for child in children])
    chance = random.Random(0)
    for number in range(6):
        folder, codes = root / f"random{number}", []
        while not codes or codes[-1] != 0:
            child = spawn(folder, every=1, trap=slowly)
            time.sleep(chance.uniform(0.0, 0.06))
            os.kill(child, signal.SIGKILL)
            codes.append(finish(child))
            if len(codes) >= 12:
                codes.append(finish(spawn(folder, every=1, trap=no_trap)))
        report("toy", f"killed at random, {number}", folder, codes)


def report(problem: str, name: str, folder: Path, codes: list[int]) -> None:
    run = {
        "problem": problem,
        "name": f"{problem}: {name}",
        "codes": codes,
        "digest": (folder / "digest").read_text(),
        "left": sorted(p.name for p in folder.iterdir()),
    }
    sys.stdout.write(json.dumps(run) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
