"""A registry, an ingest and a camera for tests: real HTTP on a free port, a tiny real model, the example as a child."""

import hashlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import onnx
from onnx import TensorProto, helper

EXAMPLE = Path(__file__).parents[3] / "deploy/examples/camera.py"
TOKEN = "secret-of-line-3"


def tiny_detector(width: int, height: int, boxes: list[list[float]]) -> bytes:
    """A `detector/1` that is always sure of these boxes: as sure as the picture's channels are bright (red, green, ...).

    Row i has class i % 2 and as confidence the mean of channel i of the input.
    """
    count = len(boxes)
    classes = [[float(number % 2)] for number in range(count)]
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["means"], axes=[2, 3], keepdims=0),
        helper.make_node("Slice", ["means", "first", "last", "axis"], ["some"]),
        helper.make_node("Reshape", ["some", "column"], ["confidences"]),
        helper.make_node("Concat", ["boxes", "confidences", "classes"], ["rows"], axis=1),
        helper.make_node("Unsqueeze", ["rows", "batch"], ["detections"]),
    ]
    constants = [
        helper.make_tensor("boxes", TensorProto.FLOAT, [count, 4], [edge for box in boxes for edge in box]),
        helper.make_tensor("classes", TensorProto.FLOAT, [count, 1], [row[0] for row in classes]),
        helper.make_tensor("first", TensorProto.INT64, [1], [0]),
        helper.make_tensor("last", TensorProto.INT64, [1], [count]),
        helper.make_tensor("axis", TensorProto.INT64, [1], [1]),
        helper.make_tensor("column", TensorProto.INT64, [2], [count, 1]),
        helper.make_tensor("batch", TensorProto.INT64, [1], [0]),
    ]
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, height, width])
    detections = helper.make_tensor_value_info("detections", TensorProto.FLOAT, [1, count, 6])
    graph = helper.make_graph(nodes, "tiny", [images], [detections], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def metadata_of(version: int, operating_confidence: dict[str, float] | None = None) -> dict[str, Any]:
    return {
        "abi": "detector/1",
        "model": "hairnet",
        "version": version,
        "classes": [{"id": 0, "name": "hairnet"}, {"id": 1, "name": "no_hairnet"}],
        "input": {"height": 64, "width": 96},
        "operating_confidence": operating_confidence or {"hairnet": 0.01, "no_hairnet": 0.01},
    }


class Plant:
    """What the camera talks to. `promote` a version, `answer` uploads with another status for a while, read `received`."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.resolved: dict[str, Any] | None = None
        self.received: list[dict[str, Any]] = []
        self.pictures: list[bytes] = []
        self.refusals: list[tuple[int, str]] = []
        self.unauthorised: list[str] = []
        self.linked_with_token: list[str] = []
        self.upload_links: dict[str, tuple[str, str]] = {}

    def promote(self, version: int, *, truthful: bool = True) -> None:
        model = tiny_detector(96, 64, [[10, 10, 40, 50], [50, 12, 80, 60]])
        metadata = json.dumps(metadata_of(version)).encode()
        artifacts: list[dict[str, Any]] = []
        for name, data in (("best.onnx", model), ("metadata.json", metadata)):
            self.files[f"/files/{version}/{name}"] = data if truthful else data + b" "
            digest = hashlib.sha256(data).hexdigest()
            link = f"{self.url}/files/{version}/{name}"
            artifacts.append({"name": name, "url": link, "sha256": digest, "bytes": len(data)})
        self.resolved = {
            "model": "hairnet",
            "version": version,
            "workflow": "hairnet",
            "abi": "detector/1",
            "alias": "champion",
            "artifacts": artifacts,
        }

    @contextmanager
    def running(self) -> Iterator["Plant"]:
        server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        plant = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(*plant.on_get(self.path, self.headers))

            def do_PUT(self) -> None:
                plant.files[urlsplit(self.path).path] = self._body()
                plant.linked_with_token += [self.path] if "Authorization" in self.headers else []
                self._answer(200, b"")

            def do_POST(self) -> None:
                self._answer(*plant.on_post(self.path, self.headers, self._body()))

            def _body(self) -> bytes:
                return self.rfile.read(int(self.headers["Content-Length"]))

            def _answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler

    def on_get(self, path: str, headers: Message) -> tuple[int, bytes]:
        where = urlsplit(path)
        if where.path in self.files:
            self.linked_with_token += [path] if "Authorization" in headers else []
            return 200, self.files[where.path]
        if where.path != "/v1/resolve" or parse_qs(where.query) != {"workflow": ["hairnet"], "camera": ["line-3"]}:
            return 400, b"unknown"
        if not self._trusts(headers, path):
            return 401, b"{}"
        return (404, b"{}") if self.resolved is None else (200, json.dumps(self.resolved).encode())

    def on_post(self, path: str, headers: Message, body: bytes) -> tuple[int, bytes]:
        if not self._trusts(headers, path):
            return 401, b"{}"
        if path == "/v1/uploads":
            wanted = json.loads(body)
            self.received.append(wanted)
            own = (f"s3://camloop/{wanted['sha256']}", f"{self.url}/put/{wanted['sha256']}?signed=1")
            uri, url = self.upload_links.get(wanted["sha256"], own)
            link = {"uri": uri, "url": url, "headers": {"Content-Type": wanted["content_type"]}}
            return 200, json.dumps(link).encode()
        parts = form_of(headers, body)
        metadata = json.loads(parts["metadata"])
        if self.refusals and self.refusals[0][1] in ("", metadata["snapshot_id"]):
            return self.refusals.pop(0)[0], b"{}"
        self.received.append(metadata)
        self.pictures.append(parts["image"])
        return 202, json.dumps({"snapshot_id": metadata["snapshot_id"]}).encode()

    def _trusts(self, headers: Message, path: str) -> bool:
        trusted = headers.get("Authorization") == f"Bearer {TOKEN}"
        self.unauthorised += [] if trusted else [path]
        return trusted


def form_of(headers: Message, body: bytes) -> dict[str, bytes]:
    """The parts of a multipart form by name."""
    whole = message_from_bytes(f"Content-Type: {headers['Content-Type']}\r\n\r\n".encode() + body)
    parts: dict[str, bytes] = {}
    for part in whole.get_payload():
        assert isinstance(part, Message)
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        parts[str(part.get_param("name", header="content-disposition"))] = content
    return parts


class RunningCamera:
    """The example as its user starts it; `lines` grows while it runs."""

    def __init__(self, plant: Plant, folder: Path, *extra: str) -> None:
        token = folder.parent / "token"
        token.write_text(f"{TOKEN}\n")
        words = ("--camera", "line-3", "--workflow", "hairnet", "--source", str(folder), "--token-file", str(token))
        urls = ("--ingest", plant.url, "--registry", plant.url, "--interval", "0.05", *extra)
        self.process = subprocess.Popen(
            [sys.executable, str(EXAMPLE), *words, *urls], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(line.rstrip() for line in iter(self.process.stdout.readline, ""))

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()


def wait_until(condition: Callable[[], object], *, seconds: float = 60) -> None:
    """Returns as soon as the condition holds; fails when it does not in time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
