"""Arrays in, values out: boxes, formats, quality, hashing, video, metrics, inference. No torch, Kafka or storage."""
