"""The three phases of a recipe: train the ANN, convert it, train the spiking network.

Each reads what the one before has left in the folder, and leaves its own; a training that was
stopped goes on from its checkpoint. What is read is checked against its record.

Oracle: tests/study/test_conversion_phases.py.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, final

import torch
from torch import Tensor, nn

from bayesnn_spike.convert import Conversion, load_conversion, save_conversion
from bayesnn_spike.convert.keep import FORM
from bayesnn_spike.io import IoError, digest_tree, load_tree, save_tree
from bayesnn_spike.learn import Learner, learner
from bayesnn_spike.learn.checkpoint import Checkpoint
from bayesnn_spike.learn.fit import EpochEvent, StepEvent, fit
from bayesnn_spike.posterior import AbstractPosterior
from bayesnn_spike.study.conversion_ann import ann_learner
from bayesnn_spike.study.conversion_build import (
    calibration_images,
    make_conversion,
    make_loss,
    set_leaks,
)
from bayesnn_spike.study.conversion_check import build_ann
from bayesnn_spike.study.conversion_data import Rows, reading
from bayesnn_spike.study.conversion_files import anew, model_file, read_phase, write_phase
from bayesnn_spike.study.conversion_scores import (
    ann_logits,
    definitions,
    score,
    summed_readouts,
)
from bayesnn_spike.study.conversion_steps import make_chunks, make_rule, steps_a_batch
from bayesnn_spike.study.conversion_work import Work
from bayesnn_spike.study.errors import StudyError
from bayesnn_spike.study.grid import fingerprint
from bayesnn_spike.study.record import versions
from bayesnn_spike.study.training_config import TrainingConfig

CHECKPOINT_UPDATES = 200
"""How often a training is saved at least, besides the end of every epoch of fewer."""


def train_ann(work: Work) -> None:
    """Train the ANN on the split `train` and score the others. The last epoch's weights are kept.

    Raises:
        StudyError: the loss is not finite.
    """
    recipe = work.recipe
    ann = new_ann(work).to(work.device)
    rule = make_rule(recipe.ann, per_epoch=work.batches(recipe.ann))
    read = reading(recipe, work.data, device=work.device)
    trained = _train(work, "ann", ann_learner(rule, ann), recipe.ann, read)
    put(ann, trained.posterior)
    weights = {name: value.cpu() for name, value in ann.state_dict().items()}
    logits = {s: ann_logits(recipe, ann, work.data, s, work.device) for s in work.scored()}
    save_tree(model_file(work.folder, "ann"), {"weights": weights}, {"recipe": recipe.recipe})
    _finish(work, "ann", ann, None, logits, trained.facts)


def convert_ann(work: Work) -> None:
    """Convert the trained ANN and score it at the recipe's T, on the scale of the ANN's logits.

    Raises:
        StudyError: it does not convert: a layer gets no positive current; or as `load_ann`.
    """
    recipe, stream = work.recipe, work.stream.child("converted")
    started = time.perf_counter()
    ann = load_ann(work).to(work.device)
    images = calibration_images(recipe, work.data, stream=stream).to(work.device)
    try:
        made = make_conversion(recipe, ann, images, stream=stream.child("thresholds"))
    except ValueError as error:
        raise StudyError(f"the trained ANN does not convert: {error}") from error
    network = made.network.to(work.device)
    seconds = time.perf_counter() - started
    summed = _summed(work, network, "converted")
    steps = recipe.hybrid.steps
    made = replace(made, scales={name: scale.cpu() for name, scale in made.scales.items()})
    logits = {split: made.descale(readout, steps) for split, readout in summed.items()}
    save_conversion(model_file(work.folder, "converted"), made)
    facts = {"seconds": seconds, "report": str(made.report).splitlines()}
    _finish(work, "converted", network, "ann", logits, facts)


def train_hybrid(work: Work) -> None:
    """Train the spiking network through time and score it. The last epoch's weights are kept.

    The file keeps the report and the scales of the conversion, measured before this training.

    Raises:
        StudyError: the loss is not finite; or as `load_made`.
    """
    recipe, config = work.recipe, work.recipe.hybrid
    made = load_made(work, "converted")
    network = made.network.to(work.device)
    set_leaks(recipe, network)
    rule = make_rule(config, per_epoch=work.batches(config) * steps_a_batch(config))
    learning = learner(
        rule, network, make_loss(config), horizon=config.horizon, chunks=make_chunks(config)
    )
    read = reading(recipe, work.data, device=work.device, steps=config.steps)
    trained = _train(work, "hybrid", learning, config, read)
    put(network, trained.posterior)
    summed = _summed(work, network, "hybrid")
    part = 1.0 if config.readout == "sum" else 1.0 / config.steps
    logits = {split: readout * part for split, readout in summed.items()}
    save_conversion(model_file(work.folder, "hybrid"), replace(made, network=network))
    _finish(work, "hybrid", network, "converted", logits, trained.facts)


def new_ann(work: Work) -> nn.Sequential:
    """Return the ANN of a run with its first weights, on the CPU."""
    data = work.data
    stream = work.stream.child("ann", "network")
    return build_ann(work.recipe, shape=data.shape, classes=len(data.classes), stream=stream)


def load_ann(work: Work) -> nn.Sequential:
    """Return the trained ANN of a run, on the CPU, in evaluation mode.

    Raises:
        StudyError: its file is damaged or not the one that `ann.json` tells of.
    """
    ann, path = new_ann(work), model_file(work.folder, "ann")
    try:
        tree = load_tree(path, {"weights": ann.state_dict()})
    except IoError as error:
        raise StudyError(f"{error}; {anew(work.folder, 'ann')}") from error
    ann.load_state_dict(tree["weights"])
    _require_recorded(work, "ann", ann)
    return ann.eval()


def load_made(work: Work, phase: str) -> Conversion:
    """Return the conversion of a run, or the trained one, on the CPU.

    Args:
        work: the run.
        phase: "converted" or "hybrid".

    Raises:
        StudyError: its file is damaged or not the one that the phase's record tells of.
    """
    try:
        made = load_conversion(model_file(work.folder, phase))
    except IoError as error:
        raise StudyError(f"{error}; {anew(work.folder, phase)}") from error
    _require_recorded(work, phase, made.network)
    return made


def require_networks(work: Work, finished: Iterable[str]) -> None:
    """Check that the networks of finished phases are those that their records tell of.

    Raises:
        StudyError: as `load_ann` and `load_made`.
    """
    for phase in finished:
        load_ann(work) if phase == "ann" else load_made(work, phase)


@torch.no_grad()
def put(network: nn.Module, posterior: AbstractPosterior) -> None:
    """Write the weights of a point into a network's parameters."""
    weights = posterior.mode()
    for name, parameter in network.named_parameters():
        parameter.copy_(weights[name][0])


@final
@dataclass(frozen=True, eq=False)
class _Trained:
    posterior: AbstractPosterior
    facts: dict[str, Any]


def _train(
    work: Work, phase: str, learning: Learner, config: TrainingConfig, read: Callable
) -> _Trained:
    started, done, losses = time.perf_counter(), [], []
    epochs, batches = config.epochs, work.batches(config)

    def watch(event: StepEvent | EpochEvent) -> None:
        if isinstance(event, StepEvent):
            done.append(event.step)
            return
        losses.append(sum(float(info.loss) for info in event.infos) / len(event.infos))
        seconds = time.perf_counter() - started
        work.tell(
            f"{phase}: epoch {event.epoch + 1} of {epochs}, loss {losses[-1]:.4f}, {seconds:.0f} s"
        )

    mark = fingerprint(work.settings[phase])
    stream = work.stream.child(phase)
    try:
        state = fit(
            learning,
            learning.init(stream.child("learner")),
            Rows(work.data.labels),
            work.data.splits["train"].indices,
            epochs=epochs,
            batch_size=config.batch_size,
            stream=stream.child("order"),
            augment=read,
            callbacks=[watch],
            checkpoint=Checkpoint(
                work.folder / f"{phase}-checkpoint-{mark[:16]}.safetensors",
                every=min(batches, CHECKPOINT_UPDATES),
                config={"fingerprint": mark},
            ),
            drop_last=False,
        )
    except ValueError as error:
        if "the loss is not finite" not in str(error):
            raise
        raise StudyError(f"{phase}: {error}") from error
    seconds = time.perf_counter() - started
    if done:  # of a resumed training, extrapolated from the part since
        seconds *= epochs * batches / len(done)
    facts = {"seconds": seconds, "train_loss": losses[-1] if losses else None}
    return _Trained(learning.posterior(state), facts)


def _summed(work: Work, network: nn.Module, phase: str) -> dict[str, Tensor]:
    """The readouts of every scored split. Both phases see the same spikes."""
    stream = work.stream.child("scores")
    work.tell(f"{phase}: scores at T = {work.recipe.hybrid.steps}")
    return {
        split: summed_readouts(work.recipe, network, work.data, split, work.device, stream=stream)
        for split in work.scored()
    }


def _digest(network: nn.Module) -> str:
    return digest_tree(dict(network.named_parameters()))


def _state(network: nn.Module) -> str:
    """As `_digest`, with what is not trained: thresholds and leaks."""
    return digest_tree({k: v for k, v in network.state_dict().items() if k != FORM})


def _require_recorded(work: Work, phase: str, network: nn.Module) -> None:
    record = read_phase(work.folder, phase)
    if record is None:
        raise StudyError(f"{work.folder}: the phase {phase} is not finished; run it first")
    same = record["digest"] == _digest(network)
    if not same or record.get("state", _state(network)) != _state(network):
        raise StudyError(
            f"{model_file(work.folder, phase)}: not the network that {phase}.json was written "
            f"for; put that back, or {anew(work.folder, phase)}"
        )


def _finish(
    work: Work,
    phase: str,
    network: nn.Module,
    before: str | None,
    logits: dict[str, Tensor],
    facts: dict[str, Any],
) -> None:
    rows = {split: torch.from_numpy(work.data.splits[split].indices.copy()) for split in logits}
    labels = {split: work.data.labels[own] for split, own in rows.items()}
    scores = {split: score(values, labels[split]) for split, values in logits.items()}
    record = {
        "phase": phase,
        "settings": work.settings[phase],
        "digest": _digest(network),
        "state": _state(network),
        "made_of": None if before is None else read_phase(work.folder, before)["digest"],
        "scores": scores,
        "definitions": definitions(logits["test"], labels["test"]),
        "versions": versions(),
        **facts,
    }
    write_phase(work.folder, phase, record, logits)
    shown = ", ".join(f"{split} {row['accuracy']:.2%}" for split, row in scores.items())
    work.tell(f"{phase}: accuracy {shown}")
