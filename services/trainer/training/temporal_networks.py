"""The networks of the back-end `temporal`, and the whole that ships: features in, posteriors out, everything inside.

Every network maps numbers float [1, C, T] to logits float [1, L, T], one per stage; the last is the answer, the others are
only taught. Causal ones read nothing of t + 1 for t. Sources: Farha and Gall, "MS-TCN: Multi-Stage Temporal Convolutional
Network for Action Segmentation", CVPR 2019; Hochreiter and Schmidhuber, "Long short-term memory", Neural Computation 9, 1997;
attention in blocks with their neighbours as in Beltagy, Peters and Cohan, "Longformer", arXiv 2004.05150, 2020; biases by
distance: Shaw, Uszkoreit and Vaswani, "Self-attention with relative position representations", NAACL 2018.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from services.trainer.training.hyperparameters import TemporalHyperparameters

HEADS = 4


class Reader(nn.Module):
    """From an extractor's numbers to a network's: standardised, 0 where nothing was visible, projected if there are many.

    `features` [1, T, D] and `visible` [1, T] become [1, C, T], of which the last number is `visible` itself.
    """

    mean: Tensor
    deviation: Tensor
    projection: Tensor | None

    def __init__(self, mean: Tensor, deviation: Tensor, projection: Tensor | None) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", deviation)
        self.register_buffer("projection", projection)

    @property
    def numbers(self) -> int:
        """C."""
        return (self.projection.shape[1] if self.projection is not None else len(self.mean)) + 1

    def forward(self, features: Tensor, visible: Tensor) -> Tensor:
        seen = visible.unsqueeze(2)
        values = (features - self.mean) / self.deviation * (seen > 0).to(features.dtype)
        if self.projection is not None:
            values = values @ self.projection
        return torch.cat([values, seen], dim=2).transpose(1, 2)


def reader_for(features: Tensor, visible: Tensor, components: int) -> Reader:
    """The reader that standardises these moments, float [N, D] and [N], by those of them with something in sight.

    More than twice `components` columns are projected on that many principal components.
    """
    rows = features[visible > 0] if bool((visible > 0).any()) else features
    rows = rows.double()
    mean, deviation = rows.mean(dim=0), rows.std(dim=0, unbiased=False)
    deviation = torch.where(deviation > 1e-6, deviation, torch.ones_like(deviation))
    projection = None
    if features.shape[1] > 2 * components:
        standard = (rows - mean) / deviation
        _, vectors = torch.linalg.eigh(standard.T @ standard / len(standard))
        projection = vectors[:, -components:].flip(1).float()
    return Reader(mean.float(), deviation.float(), projection)


class _Dilated(nn.Module):
    """A residual convolution over three moments that lie `dilation` apart."""

    def __init__(self, maps: int, dilation: int, dropout: float, *, causal: bool) -> None:
        super().__init__()
        self.before, self.after = (2 * dilation, 0) if causal else (dilation, dilation)
        self.wide = nn.Conv1d(maps, maps, 3, dilation=dilation)
        self.narrow, self.dropout = nn.Conv1d(maps, maps, 1), nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        seen = functional.relu(self.wide(functional.pad(x, (self.before, self.after))))
        return x + self.dropout(self.narrow(seen))


class _Stage(nn.Module):
    """Dilations 1, 2, 4 ... between two mixing layers."""

    def __init__(self, inputs: int, labels: int, hyper: TemporalHyperparameters) -> None:
        super().__init__()
        maps, layers = hyper.maps or 32, hyper.layers or 7
        self.enter, self.leave = nn.Conv1d(inputs, maps, 1), nn.Conv1d(maps, labels, 1)
        self.layers = nn.Sequential(
            *(_Dilated(maps, 2**number, hyper.dropout, causal=hyper.causal) for number in range(layers))
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.leave(self.layers(self.enter(x)))


class MultiStage(nn.Module):
    """Stages of dilated convolutions: the first reads the clip, each further one corrects the posteriors before it."""

    def __init__(self, inputs: int, labels: int, hyper: TemporalHyperparameters) -> None:
        super().__init__()
        self.first = _Stage(inputs, labels, hyper)
        self.others = nn.ModuleList(_Stage(labels, labels, hyper) for _ in range(hyper.stages - 1))

    def forward(self, x: Tensor) -> list[Tensor]:
        logits = [self.first(x)]
        for stage in self.others:
            logits.append(stage(functional.softmax(logits[-1], dim=1)))
        return logits


class Recurrent(nn.Module):
    """A memory that runs forward, or one each way (`bilstm`)."""

    def __init__(self, inputs: int, labels: int, hyper: TemporalHyperparameters) -> None:
        super().__init__()
        units, layers, both_ways = hyper.maps or 64, hyper.layers or 1, hyper.model == "bilstm"
        between = hyper.dropout if layers > 1 else 0.0
        self.memory = nn.LSTM(inputs, units, layers, batch_first=True, bidirectional=both_ways, dropout=between)
        self.dropout, self.leave = nn.Dropout(hyper.dropout), nn.Linear(units * (1 + both_ways), labels)

    def forward(self, x: Tensor) -> list[Tensor]:
        known, _ = self.memory(self.dropout(x.transpose(1, 2)))
        return [self.leave(self.dropout(known)).transpose(1, 2)]


class _Neighbourhood(nn.Module):
    """Attention of each moment to those at most `window` moments away, [1, T, M] to [1, T, M].

    Moments are taken in blocks of `window`; a block looks at itself and its two neighbours, so that cost grows with T alone.
    """

    distance: Tensor
    allowed: Tensor

    def __init__(self, maps: int, window: int, *, causal: bool) -> None:
        super().__init__()
        self.window, self.width = window, maps // HEADS
        self.ask, self.answer = nn.Linear(maps, maps), nn.Linear(maps, 2 * maps)
        self.leave = nn.Linear(maps, maps)
        self.by_distance = nn.Parameter(torch.zeros(HEADS, 2 * window + 1))
        mine, theirs = torch.arange(window)[:, None] + window, torch.arange(3 * window)[None]
        distance = theirs - mine
        self.register_buffer("distance", distance.clamp(-window, window) + window, persistent=False)
        allowed = (distance.abs() <= window) & (distance <= (0 if causal else window))
        self.register_buffer("allowed", allowed, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        window, moments = self.window, x.shape[1]
        filling = window - moments % window
        blocks = functional.pad(x, (0, 0, 0, filling)).reshape(-1, window, x.shape[2])
        asked = self.ask(blocks).reshape(-1, window, HEADS, self.width).transpose(1, 2)
        around = self._with_neighbours(functional.pad(self.answer(x), (0, 0, window, filling + window)))
        keys, values = around.reshape(-1, 3 * window, 2, HEADS, self.width).permute(2, 0, 3, 1, 4)
        real = self._with_neighbours(functional.pad(torch.ones_like(x[:, :, :1]), (0, 0, window, filling + window)))
        likeness = asked @ keys.transpose(2, 3) / self.width**0.5 + self.by_distance[:, self.distance]
        hidden = (1 - self.allowed.to(x.dtype) * real.transpose(1, 2)) * -1e4
        share = functional.softmax(likeness + hidden.unsqueeze(1), dim=3)
        told = (share @ values).transpose(1, 2).reshape(1, -1, x.shape[2])
        return self.leave(told)[:, :moments]

    def _with_neighbours(self, x: Tensor) -> Tensor:
        blocks = x.reshape(-1, self.window, x.shape[2])
        return torch.cat([blocks[:-2], blocks[1:-1], blocks[2:]], dim=1)


class _Layer(nn.Module):
    def __init__(self, maps: int, hyper: TemporalHyperparameters) -> None:
        super().__init__()
        self.look = _Neighbourhood(maps, hyper.window, causal=hyper.causal)
        self.think = nn.Sequential(
            nn.Linear(maps, 2 * maps), nn.ReLU(), nn.Dropout(hyper.dropout), nn.Linear(2 * maps, maps)
        )
        self.before_look, self.before_think = nn.LayerNorm(maps), nn.LayerNorm(maps)
        self.dropout = nn.Dropout(hyper.dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.dropout(self.look(self.before_look(x)))
        return x + self.dropout(self.think(self.before_think(x)))


class Transformer(nn.Module):
    """Layers of attention to the neighbourhood."""

    def __init__(self, inputs: int, labels: int, hyper: TemporalHyperparameters) -> None:
        super().__init__()
        maps = hyper.maps or 64
        self.enter, self.leave = nn.Linear(inputs, maps), nn.Linear(maps, labels)
        self.layers = nn.Sequential(*(_Layer(maps, hyper) for _ in range(hyper.layers or 2)))
        self.last_norm = nn.LayerNorm(maps)

    def forward(self, x: Tensor) -> list[Tensor]:
        known = self.layers(self.enter(x.transpose(1, 2)))
        return [self.leave(self.last_norm(known)).transpose(1, 2)]


def network(inputs: int, labels: int, hyper: TemporalHyperparameters) -> nn.Module:
    """An untrained network of the model that the hyperparameters name."""
    kinds = {"mstcn": MultiStage, "bilstm": Recurrent, "lstm": Recurrent, "transformer": Transformer}
    return kinds[hyper.model](inputs, labels, hyper)


class TemporalNet(nn.Module):
    """What ships: `features` [1, T, D] and `visible` [1, T] to the mean of the members' posteriors, [1, T, L]."""

    def __init__(self, reader: Reader, members: list[nn.Module]) -> None:
        super().__init__()
        self.reader, self.members = reader, nn.ModuleList(members)

    def forward(self, features: Tensor, visible: Tensor) -> Tensor:
        read = self.reader(features, visible)
        told = [functional.softmax(member(read)[-1], dim=1) for member in self.members]
        return (torch.stack(told).mean(dim=0) if len(told) > 1 else told[0]).transpose(1, 2)
