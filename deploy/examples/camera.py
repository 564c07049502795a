"""A whole camera in under 100 lines, none of them camloop's: it sends each .jpg that is laid into a folder.

python camera.py --camera line-3 --workflow hairnet --source FOLDER --ingest URL --registry URL --token-file FILE
Beside a.jpg may lie a.jpg.json: {"captured_at": "...", "annotations": [{"label": "hairnet", "box": [x1, y1, x2, y2]}]}
"""

import argparse, asyncio, datetime, hashlib, importlib, json, pathlib, time, uuid  # noqa: E401, I001
import cv2, httpx, numpy as np, onnxruntime  # noqa: E401


def detect(session: onnxruntime.InferenceSession, image: np.ndarray, metadata: dict) -> list[dict]:
    """`detector/1`: what the model is sure enough of in a BGR picture, boxes x1, y1, x2, y2 in the picture's pixels."""
    (height, width), (rows, columns) = session.get_inputs()[0].shape[2:], image.shape[:2]
    scale = min(width / columns, height / rows)
    inner = cv2.resize(image, (max(1, round(columns * scale)), max(1, round(rows * scale))))
    top, left = (height - inner.shape[0]) // 2, (width - inner.shape[1]) // 2
    padded = np.full((height, width, 3), 114, np.uint8)
    padded[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
    planes = padded[None, :, :, ::-1].transpose(0, 3, 1, 2).astype(np.float32) / 255
    detections, least = [], metadata["operating_confidence"]
    for *corners, confidence, number in session.run(["detections"], {"images": planes})[0][0].tolist():
        label = metadata["classes"][round(number)]["name"]
        box = np.clip((np.array(corners) - (left, top) * 2) / scale, 0, (columns, rows) * 2).tolist()
        if confidence >= max(least.get(label, 2), 1e-6) and box[0] < box[2] and box[1] < box[3]:
            detections.append({"label": label, "box": box, "confidence": confidence})
    return detections


def follow_registry(args: argparse.Namespace, http: httpx.Client, running: tuple | None) -> tuple | None:
    """The model to run: its name and version, session, metadata. Whatever is wrong with a new one, the old one stays."""
    try:
        answer = http.get(f"{args.registry}/v1/resolve", params={"workflow": args.workflow, "camera": args.camera})
        found = None if answer.status_code == 404 else answer.raise_for_status().json()  # 404: nothing is promoted yet
        name, files = found and {"name": found["model"], "version": found["version"]}, {}
        if not found or (running and running[0] == name):
            return found and running
        for file in (each for each in found["artifacts"] if each["name"] in ("best.onnx", "metadata.json")):
            files[file["name"]] = data = httpx.get(file["url"]).raise_for_status().content  # a link needs no token
            if hashlib.sha256(data).hexdigest() != file["sha256"]:
                raise ValueError(f"{file['name']} of version {name['version']} has not the digest the registry names")
        new = name, onnxruntime.InferenceSession(files["best.onnx"]), json.loads(files["metadata.json"])
        detect(new[1], np.zeros((60, 80, 3), np.uint8), new[2])
        print(f"{args.camera} runs {name['name']} version {name['version']}", flush=True)
        return new
    except Exception as error:  # noqa: BLE001 a camera outlives every bad model and every absence of the registry
        print(f"{args.camera} stays with {running and running[0]}: {error!r}", flush=True)
        return running


async def send(args: argparse.Namespace, http: httpx.Client, model: tuple | None, path: pathlib.Path) -> None:
    """Tells camloop of one picture. It has the same id whenever it is sent, so that sending it again does no harm."""
    data, image, beside = path.read_bytes(), cv2.imread(str(path)), pathlib.Path(f"{path}.json")
    digest, topic = hashlib.sha256(data).hexdigest(), "snapshot.captured"
    snapshot_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{args.camera} {path.name} {digest}"))
    taken = datetime.datetime.fromtimestamp(path.stat().st_mtime, datetime.UTC).isoformat()
    facts = {"snapshot_id": snapshot_id, "camera_id": args.camera, "workflow": args.workflow, "captured_at": taken}
    facts |= json.loads(beside.read_text()) if beside.exists() else {}
    if model and image is not None:
        facts |= {"detected_by": model[0], "detections": detect(model[1], image, model[2])}
    if not args.kafka:
        form = {"metadata": json.dumps(facts)}
        http.post(f"{args.ingest}/v1/snapshots", files={"image": data}, data=form).raise_for_status()  # noqa: ASYNC212
    else:  # the bytes by a presigned link, the event as a CloudEvent on Kafka
        media = {"sha256": digest, "bytes": len(data), "content_type": "image/jpeg"}
        answer = http.post(f"{args.ingest}/v1/uploads", json=facts | media)  # noqa: ASYNC212
        place = answer.raise_for_status().json()
        httpx.put(place["url"], content=data, headers=place["headers"]).raise_for_status()  # noqa: ASYNC210
        value = json.dumps(facts | {"image": media | {"uri": place["uri"]}}).encode()
        about = {"specversion": "1.0", "id": snapshot_id, "type": topic, "source": f"/camera/{args.camera}"}
        headers = [(f"ce_{name}", text.encode()) for name, text in about.items()]
        producer = importlib.import_module("aiokafka").AIOKafkaProducer(bootstrap_servers=args.kafka, acks="all")
        async with producer:
            await producer.send_and_wait(topic, value, args.camera.encode(), headers=headers)
    print(f"{args.camera} sent {path.name}: {len(facts.get('detections', []))} detections", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("camera", "workflow", "source", "ingest", "registry", "token-file"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--kafka", metavar="HOST:PORT", help="publish events there; needs aiokafka")
    parser.add_argument("--interval", type=float, default=1.0, help="seconds between snapshots")
    parser.add_argument("--count", type=int, default=10**9, help="stop after so many snapshots")
    args = parser.parse_args()
    token = pathlib.Path(args.token_file).read_text().strip()
    http = httpx.Client(headers={"Authorization": f"Bearer {token}"}, timeout=30)
    model, done, pause = None, set(), args.interval
    while len(done) < args.count:
        model = follow_registry(args, http, model)
        for path in sorted(set(pathlib.Path(args.source).glob("*.jpg")) - done)[:1]:
            try:
                asyncio.run(send(args, http, model, path))
                done, pause = done | {path}, args.interval
            except (httpx.HTTPError, RuntimeError) as trouble:  # aiokafka's errors are RuntimeErrors
                print(f"{args.camera} keeps {path.name}: {trouble!r}", flush=True)
                pause = min(30, 2 * pause)
                if getattr(trouble, "response", httpx.Response(500)).status_code in (400, 409, 413, 415, 422):
                    done.add(path)  # refused for good
        time.sleep(pause)
