"""How one network of the back-end `temporal` learns: an epoch, its measure on clips it does not learn from, its best state.

Repeatable on a CPU: each epoch draws its chance anew from run, member and epoch, so a resumed run draws the same.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn
from torch.nn import functional

from libs.vision.features import Features
from services.trainer.training.clip_manifest import Clip
from services.trainer.training.clip_runs import FloatArray, Judge, label_weights, overall
from services.trainer.training.hyperparameters import TemporalHyperparameters
from services.trainer.training.protocol import Metrics, TrainingFailed
from services.trainer.training.temporal_abi import OPSET
from services.trainer.training.temporal_networks import Reader, TemporalNet, network, reader_for

LONGEST_PIECE = 6000
"""Moments of a clip in one step: of a longer one a random piece, so that memory has a bound."""
LARGEST_JUMP = 16.0


@dataclass(frozen=True)
class Given:
    """A clip on the device: `features` [1, T, D], `visible` [1, T], `labels` [1, T]."""

    clip: Clip
    features: Tensor
    visible: Tensor
    labels: Tensor


def given(clips: Sequence[Clip], device: str) -> list[Given]:
    """The clips as tensors."""
    return [
        Given(
            clip,
            torch.from_numpy(clip.features.values).to(device)[None],
            torch.from_numpy(clip.features.visible).to(device)[None],
            torch.from_numpy(clip.labels).to(device)[None],
        )
        for clip in clips
    ]


def common_reader(clips: Sequence[Given], components: int, device: str) -> Reader:
    """The one reader of all members. It knows how the inputs are spread in all train clips, and no label."""
    features = torch.cat([each.features[0] for each in clips]).cpu()
    return reader_for(features, torch.cat([each.visible[0] for each in clips]).cpu(), components).to(device)


@dataclass
class Member:
    """One network: what it learns from and is measured on, and the best it was so far."""

    number: int
    seed: int
    hyper: TemporalHyperparameters
    reader: Reader
    learns: Sequence[Given]
    watches: Sequence[Given]
    judge: Judge
    net: nn.Module = field(init=False)
    best_epoch: int = 0
    best_metrics: Metrics = field(default_factory=dict)
    best: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        labels, device = len(self.judge.labels), self.reader.mean.device
        torch.manual_seed(self._seed_of(0))
        self.net = network(self.reader.numbers, labels, self.hyper).to(device)
        self.optimizer = torch.optim.Adam(
            self.net.parameters(), lr=self.hyper.learning_rate, weight_decay=self.hyper.weight_decay
        )
        weights = label_weights([each.clip for each in self.learns], labels)
        self.weights = torch.tensor(weights, dtype=torch.float32, device=device)

    def _seed_of(self, epoch: int) -> int:
        return int(np.random.SeedSequence([self.seed, self.number, epoch]).generate_state(1)[0])

    def learn(self, epoch: int, between: Callable[[], None]) -> float:
        """One pass over the clips in random order, `between` called after each; returns the mean loss.

        Raises TrainingFailed when the loss is no number any more.
        """
        torch.manual_seed(self._seed_of(epoch))
        dice = np.random.default_rng(self._seed_of(epoch))
        self.net.train()
        losses: list[float] = []
        for number in dice.permutation(len(self.learns)).tolist():
            losses.append(self._step(self.learns[number], dice))
            between()
        if not np.isfinite(losses).all():
            raise TrainingFailed(f"The loss of epoch {epoch} is not finite", "Lower the hyperparameter learning_rate")
        return float(np.mean(losses))

    def _step(self, clip: Given, dice: np.random.Generator) -> float:
        stride = int(dice.integers(1, self.hyper.longest_stride + 1))
        begin = int(dice.integers(min(stride, clip.labels.shape[1])))
        begin += int(dice.integers(max(0, clip.labels.shape[1] - begin - LONGEST_PIECE * stride) + 1))
        piece = slice(begin, begin + LONGEST_PIECE * stride, stride)
        features = self._varied(clip.features[:, piece])
        loss = self._loss(self.net(self.reader(features, clip.visible[:, piece])), clip.labels[:, piece])
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), self.hyper.clip_norm)
        self.optimizer.step()
        return float(loss.detach())

    def _varied(self, features: Tensor) -> Tensor:
        """A clip's features [1, T, D] as somebody else before another camera might have had them.

        Noise at every moment; a shift of each column that lasts the whole clip; some columns at their mean throughout.
        """
        hyper, per_clip = self.hyper, features[:, :1]
        spread = hyper.noise * torch.randn_like(features)
        if hyper.clip_shift > 0:
            spread = spread + hyper.clip_shift * torch.randn_like(per_clip)
        varied = features + self.reader.deviation * spread
        if hyper.left_out > 0:
            varied = torch.where(torch.rand_like(per_clip) < hyper.left_out, self.reader.mean, varied)
        return varied

    def _loss(self, stages: Sequence[Tensor], labels: Tensor) -> Tensor:
        """Cross entropy, and how much neighbouring moments differ (truncated; Farha and Gall), summed over the stages."""
        total = torch.zeros((), device=labels.device)
        for logits in stages:
            told = functional.log_softmax(logits, dim=1)
            total = total + functional.nll_loss(told, labels, weight=self.weights)
            if labels.shape[1] > 1:
                jumps = (told[:, :, 1:] - told[:, :, :-1].detach()) ** 2
                total = total + self.hyper.smoothing * torch.clamp(jumps, max=LARGEST_JUMP).mean()
        return total

    def measure(self, epoch: int) -> Metrics:
        """The epoch's metrics on the clips that are watched; its weights are kept if it is the best so far."""
        told = posteriors(TemporalNet(self.reader, [self.net]), self.watches)
        metrics = self.judge.metrics([each.clip for each in self.watches], told)
        if not self.best_metrics or overall(metrics) > overall(self.best_metrics):
            self.best_epoch, self.best_metrics = epoch, metrics
            self.best = {name: value.detach().clone() for name, value in self.net.state_dict().items()}
        return metrics

    def best_net(self) -> nn.Module:
        """The network as it was after its best epoch."""
        self.net.load_state_dict(self.best)
        return self.net.eval()

    def state(self) -> dict[str, Any]:
        """All that another machine needs to go on."""
        return {
            "net": self.net.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "best": self.best,
            "best_epoch": self.best_epoch,
            "best_metrics": self.best_metrics,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave."""
        self.net.load_state_dict(state["net"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.best, self.best_epoch = state["best"], state["best_epoch"]
        self.best_metrics = state["best_metrics"]


def posteriors(net: TemporalNet, clips: Sequence[Given]) -> list[FloatArray]:
    """What a net says of each clip, float [T, L]."""
    net.eval()
    with torch.no_grad():
        return [net(each.features, each.visible)[0].double().cpu().numpy() for each in clips]


def posteriors_of(net: TemporalNet, features: Features) -> FloatArray:
    """What a net on the CPU says of a clip's features, float [T, L]."""
    with torch.no_grad():
        told = net(torch.from_numpy(features.values)[None], torch.from_numpy(features.visible)[None])
    return told[0].double().numpy()


def traced(net: TemporalNet, path: Path) -> onnx.ModelProto:
    """The net on the CPU as ONNX, T left free; `path` is written on the way."""
    columns, moments = len(net.reader.mean), 101
    torch.onnx.export(
        net,
        (torch.zeros(1, moments, columns), torch.ones(1, moments)),
        path,
        dynamo=False,
        opset_version=OPSET,
        input_names=["features", "visible"],
        output_names=["posteriors"],
        dynamic_axes={"features": {1: "T"}, "visible": {1: "T"}, "posteriors": {1: "T"}},
    )
    return onnx.load(path)


def save_weights(path: Path, value: dict[str, Any]) -> None:
    """Write tensors and numbers; `load_weights` reads them without running anything they may hold."""
    torch.save(value, path)


def load_weights(path: Path, device: str) -> dict[str, Any]:
    """What `save_weights` wrote, on this device."""
    return torch.load(path, map_location=device, weights_only=True)
