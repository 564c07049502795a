"""From a video to the features of a clip: one extractor a file, found by name (`registry.py`), called by `extracting.py`.

`python -m libs.vision.extractors VIDEO OUT.npz --extractor hands|classic|pose` runs one by hand.
"""
