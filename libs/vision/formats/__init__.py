"""Label files in and out, a format a file: yolo.py, coco.py, voc.py (reading only), csv_file.py; values in items.py.

Segments of clips, in three formats: segment_files.py.
"""
