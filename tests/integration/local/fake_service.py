"""A service that does nothing but answer: `python -m tests.integration.local.fake_service`.

`FAKE_CRASH=1` lets it die at once, after a line that says so. It writes what it was given into `FAKE_REPORT`.
"""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path


class Ready(BaseHTTPRequestHandler):
    """200 for everything."""

    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object):
        sys.stdout.write(f"asked {self.path}\n")
        sys.stdout.flush()


def main():
    if os.environ.get("FAKE_CRASH"):
        sys.exit("ERROR: the oven is cold")
    report = Path(os.environ["FAKE_REPORT"])
    report.write_text(json.dumps(dict(os.environ)))
    HTTPServer(("127.0.0.1", int(os.environ["FAKE_HTTP_PORT"])), Ready).serve_forever()


if __name__ == "__main__":
    main()
