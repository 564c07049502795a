"""Detections of best.pt by PyTorch, for comparison: its own process, because the framework warns and writes settings.

python predict_with_torch.py WEIGHTS INPUTS.npy    rows of x1 y1 x2 y2 confidence class for each input, as JSON
"""

import json
import sys

import numpy as np


def main(weights: str, inputs: str) -> None:
    """`inputs`: float32 [N, 3, H, W], letterboxed already, as a camera would give it to the ONNX file."""
    import torch
    from ultralytics import YOLO

    model = YOLO(weights)
    answers: list[list[list[float]]] = []
    for image in np.load(inputs):
        (result,) = model.predict(torch.from_numpy(image[None]), conf=0.001, iou=0.7, max_det=300, verbose=False)
        answers.append(result.boxes.data.tolist())
    print(json.dumps(answers))  # noqa: T201 - the answer of this program


if __name__ == "__main__":
    main(*sys.argv[1:])
