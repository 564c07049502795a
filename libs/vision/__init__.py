"""Arrays in, values out: boxes, label formats, quality, hashing, video, metrics, inference. No torch, no Kafka, no storage."""
