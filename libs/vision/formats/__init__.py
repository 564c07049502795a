"""Label files in and out, one format a file: yolo.py, coco.py, voc.py (reading only), csv_file.py; their values in items.py."""
