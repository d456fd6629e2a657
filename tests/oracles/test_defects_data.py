"""Section 8 again: the rows about data sets, scores, schedules and studies."""

import numpy as np
import pytest
import torch
from torch import nn

from bayesnn_spike.calibration import ece, evaluate, nll
from bayesnn_spike.events import EventStream, bin_events
from bayesnn_spike.events.datasets import load
from bayesnn_spike.events.splits import Ledger, Split, SplitReuseError
from bayesnn_spike.learn.credit import Credit, Draw
from bayesnn_spike.learn.initial import Given
from bayesnn_spike.learn.rules import StBiSNN
from bayesnn_spike.learn.schedule import Cosine
from bayesnn_spike.models import mlp
from bayesnn_spike.posterior import Bernoulli, Point
from bayesnn_spike.predict import Committee, Mode, predict
from bayesnn_spike.rng import Stream
from bayesnn_spike.study.build import make_network
from bayesnn_spike.study.config import load_config
from tests.architecture.scan import ROOT
from tests.ops import cases

PERFECT = np.eye(3)[[0, 1, 2, 1]]
STREAM = Stream(11)


def test_defect_14_the_labels_of_two_moons_are_the_moons() -> None:
    """Their test "label" was the y-coordinate of the grid point."""
    data = load("two-moons", bins=5)
    assert data.labels.dtype == torch.int64
    assert set(data.labels.tolist()) == {0, 1}
    test = data.part(data.splits["test"])
    assert abs(float(test.labels.float().mean()) - 0.5) < 0.05


def test_defect_16_a_batch_is_time_first_with_integer_labels() -> None:
    """(size, T) against (T, size), integers against one-hot: transposed without a word."""
    data = load("two-moons", bins=7)
    batch = data.batch(np.array([3, 0, 5]))
    assert batch.spikes.shape == (7, 3, 20)
    assert batch.spikes.dtype == torch.float32
    assert torch.equal(batch.spikes[:, 0].to(torch.uint8), data.spikes[3])
    assert batch.labels.shape == (3,)
    assert batch.labels.dtype == torch.int64


def test_defect_17_times_count_from_the_window_s_start_and_pixels_are_x_then_y() -> None:
    """Their slicing took timestamps to start at 0, and x and y changed places."""
    stream = EventStream(
        t_us=np.array([500, 600, 999]),
        x=np.array([4, 1, 4]),
        y=np.array([2, 0, 2]),
        p=np.array([1, 0, 1]),
        width=6,
        height=3,
        duration_us=1000,
    )
    spikes, report = bin_events(stream, bins=2)
    assert spikes.shape == (2, 2, 3, 6)
    assert spikes[0].sum() == 0
    assert spikes[1].nonzero().tolist() == [[0, 0, 1], [1, 2, 4]]
    assert (report.kept, report.merged) == (2, 1)
    late = stream.slice_time(500, 1000)
    assert bin_events(late, bins=1)[0].sum() == 2


def test_defect_18_confidence_one_is_counted() -> None:
    """Their last bin was open: confidence 1 fell out and tripped an assert."""
    labels = np.array([0, 1, 2, 1])
    assert ece(PERFECT, labels).value == 0
    assert ece(PERFECT, (labels + 1) % 3).value == 1


def test_defect_18_three_bins_by_hand() -> None:
    """Fifteen bins: .71 and .72 share one (half right), .9 is right, 1.0 wrong."""
    top = np.array([0.71, 0.72, 0.9, 1.0])
    found = ece(np.stack([top, 1 - top], 1), np.array([0, 1, 0, 1]))
    assert found.value == pytest.approx(0.5 * 0.215 + 0.25 * 0.1 + 0.25 * 1.0)


class OneUnit(nn.Module):
    """A binary head: one readout unit, the mean spike count less three."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.ones(1))

    def forward(self, x, state=None):
        return (x.sum(-1, keepdim=True) - 3) * self.w, None


def test_defect_19_a_head_of_one_unit_is_not_always_certain() -> None:
    """Softmax over an axis of length 1 is 1 for ever."""
    x = torch.tensor([[0.0] * 4, [1.0] * 4]).expand(5, 2, 4)
    found = predict(OneUnit(), Point({"w": torch.ones(1)}), x, stream=Stream(0), how=Mode())
    assert found.probabilities.shape == (2, 2)
    assert found.classes().tolist() == [0, 1]
    assert float(found.probabilities.max()) < 0.99


def test_defect_20_a_split_that_fitted_anything_is_not_scored() -> None:
    """Model selection on the test split; "in-distribution" scores on the test loader."""
    used = Split("toy:1", "val", np.arange(4))
    same = Split("toy:1", "test", np.arange(3, 7))
    ledger = Ledger().fitted("the step size", used)
    with pytest.raises(SplitReuseError, match="the step size was fitted on split 'val'"):
        evaluate(PERFECT, np.array([0, 1, 2, 1]), split=same, ledger=ledger)
    fresh = Split("toy:1", "test", np.arange(10, 14))
    scores = evaluate(PERFECT, np.array([0, 1, 2, 1]), split=fresh, ledger=ledger)
    assert scores.accuracy.value == 1


@pytest.mark.parametrize("study", ["rules_on_digits", "rules_on_nmnist", "rules_on_images"])
def test_defect_23_all_rules_of_a_study_share_one_network(study: str) -> None:
    """The frequentist network had 400 units, the Bayesian one five wide layers."""
    config = load_config(ROOT / "studies" / study / "config.yaml")
    shapes = []
    for rule in config.rules.names():
        settings = {
            "network": config.network.model_dump(mode="json"),
            "recipe": config.rules.recipe(rule, config.data[0].name, {}),
        }
        network, _ = make_network(settings, shape=(2, 8, 8), classes=10)
        shapes.append({name: tuple(p.shape) for name, p in network.named_parameters()})
    assert len(shapes) >= 5
    assert all(shape == shapes[0] for shape in shapes)


def test_defect_24_equal_members_score_as_one_whatever_the_batches() -> None:
    """Logits were averaged under the name of probabilities, and a sum of batch means was
    divided by the number of examples."""
    network, spikes, labels = mlp(6, (5,), 3), cases.spikes(5, 8, 6, rate=0.4), torch.arange(8) % 3
    certain = Bernoulli({n: 50 * cases.signs(*p.shape) for n, p in network.named_parameters()})
    scores = [
        nll(
            predict(
                network, certain, spikes, stream=STREAM, how=how, batch_size=batch_size
            ).probabilities,
            labels,
        ).value
        for how in (Mode(), Committee(1), Committee(7))
        for batch_size in (1, 3, 8)
    ]
    assert scores == pytest.approx([scores[0]] * 9, rel=1e-6)


def test_defect_26_the_first_step_takes_the_first_step_size() -> None:
    """Their scheduler stepped before the first epoch. (There are no batch statistics here.)"""
    rule = StBiSNN(Cosine(2.0, 10), Given())
    state = rule.init({"w": torch.zeros(1)}, STREAM)
    after = rule.step(state, Draw({}, {}), Credit(torch.zeros(1), {"w": torch.ones(1, 1)}))
    assert after.latents["w"].item() == -2.0
