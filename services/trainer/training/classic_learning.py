"""How the back-end `classic` learns: what a moment looks like to a classifier of scikit-learn, and the fit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from libs.vision.features import Features
from services.trainer.training.clip_manifest import Clip
from services.trainer.training.clip_runs import FloatArray, label_weights
from services.trainer.training.hyperparameters import ClassicHyperparameters

if TYPE_CHECKING:
    from sklearn.base import ClassifierMixin

SingleArray = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Stacked:
    """How a moment is shown to the classifier: itself and its neighbours, standardised, 0 where nothing was visible."""

    mean: SingleArray
    deviation: SingleArray
    offsets: tuple[int, ...]

    def rows(self, features: Features) -> SingleArray:
        """[T, (D + 1) * offsets]; beyond both ends of the clip its first and last moment go on."""
        seen = features.visible[:, None]
        values = (features.values - self.mean) / self.deviation * (seen > 0).astype(np.float32)
        shown = np.concatenate([values, seen], axis=1)
        moments = np.arange(len(shown))
        return np.concatenate([shown[np.clip(moments + o, 0, len(shown) - 1)] for o in self.offsets], axis=1)


def stacking_for(clips: Sequence[Clip], hyper: ClassicHyperparameters) -> Stacked:
    """Standardised by the moments of these clips with something in sight."""
    values = np.concatenate([clip.features.values for clip in clips])
    visible = np.concatenate([clip.features.visible for clip in clips]) > 0
    rows = (values[visible] if visible.any() else values).astype(np.float64)
    deviation = rows.std(axis=0)
    deviation[deviation <= 1e-6] = 1.0
    rate = clips[0].features.frames_per_second
    return Stacked(rows.mean(axis=0).astype(np.float32), deviation.astype(np.float32), offsets_for(hyper, rate))


def offsets_for(hyper: ClassicHyperparameters, rate: float) -> tuple[int, ...]:
    """Distances of the neighbours in moments, each once; a causal model looks back only, as far as the other in all."""
    reach = hyper.reach_seconds * rate
    begin, end = (-2 * reach, 0.0) if hyper.causal else (-reach, reach)
    return tuple(sorted({round(each) for each in np.linspace(begin, end, 2 * hyper.neighbours + 1).tolist()} | {0}))


@dataclass(frozen=True, eq=False)
class Fitted:
    """A classifier with the stacking it learned with; `labels` is how many there are, known to it or not."""

    stacked: Stacked
    classifier: "ClassifierMixin"
    labels: int

    def posteriors(self, features: Features) -> FloatArray:
        """float [T, L]; a label that never occurred has probability 0."""
        model: Any = self.classifier
        told = np.zeros((len(features.values), self.labels))
        if len(told):
            told[:, model.classes_] = model.predict_proba(self.stacked.rows(features))
        return told


def fit(clips: Sequence[Clip], hyper: ClassicHyperparameters, *, labels: int, seed: int, threads: int) -> Fitted:
    """Learn from all moments of these clips, rare labels weighing more."""
    stacked = stacking_for(clips, hyper)
    truth = np.concatenate([clip.labels for clip in clips])
    weights = label_weights(clips, labels)[truth]
    classifier: Any = _classifier(hyper, seed, threads)
    classifier.fit(np.concatenate([stacked.rows(clip.features) for clip in clips]), truth, sample_weight=weights)
    return Fitted(stacked, classifier, labels)


def _classifier(hyper: ClassicHyperparameters, seed: int, threads: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression

    if hyper.model == "logistic":
        return LogisticRegression(C=hyper.regularisation, max_iter=1000)
    return RandomForestClassifier(
        hyper.trees, max_depth=hyper.depth, min_samples_leaf=hyper.leaf, random_state=seed, n_jobs=threads
    )
