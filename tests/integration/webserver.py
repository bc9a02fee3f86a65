#!/usr/bin/python3
"""webserver.py FOLDER ADDRESS: shows the folder on port 80, and once more below /cut/, where all files but scripts end in the
middle, though their whole length was told."""

import functools
import http.server
import pathlib
import sys

CUT = "/cut/"


class Handler(http.server.SimpleHTTPRequestHandler):
    def translate_path(self, path):
        return super().translate_path(path.removeprefix(CUT.rstrip("/")))

    def do_GET(self):
        if not self.path.startswith(CUT) or self.path.endswith(".ipxe"):
            super().do_GET()
            return
        data = pathlib.Path(self.translate_path(self.path)).read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[:len(data) // 2])
        self.close_connection = True


if __name__ == "__main__":
    handler = functools.partial(Handler, directory=sys.argv[1])
    http.server.ThreadingHTTPServer((sys.argv[2], 80), handler).serve_forever()
