"""`python -m libs.vision.extractors VIDEO OUT.npz --extractor hands|classic|pose [--weights FILE]`.

Prints one JSON line about the features. Exit codes: 0 written, 2 wrong arguments, 3 the video can't be read, 4 the
extractor is not installed or its weights are missing; the reason is on stderr.
"""

import argparse
import json
import sys

from libs.vision.extractors.extracting import extract_to_file
from libs.vision.extractors.protocol import ExtractorUnavailable
from libs.vision.extractors.registry import EXTRACTORS

UNREADABLE, UNAVAILABLE = 3, 4


def main(arguments: list[str] | None = None) -> int:
    """Extract one video's features; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m libs.vision.extractors", description="Features of a clip")
    parser.add_argument("video")
    parser.add_argument("out", help="the .npz to write")
    parser.add_argument("--extractor", required=True, choices=sorted(EXTRACTORS))
    parser.add_argument("--weights", help="the ONNX file of an extractor that needs one")
    given = parser.parse_args(arguments)
    try:
        told = extract_to_file(given.video, given.out, given.extractor, given.weights)
    except ExtractorUnavailable as error:
        sys.stderr.write(f"{error}\n")
        return UNAVAILABLE
    if told["unreadable"]:
        sys.stderr.write(f"{told['unreadable']}\n")
        return UNREADABLE
    sys.stdout.write(json.dumps(told) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
