"""Stands in for a server that cannot be had here. It starts only with the files, variables and directories that the real one needs,
says what it read, and answers what health checks and neighbours ask for. /stand-in.json says which server it stands in for."""

import hashlib
import json
import os
import pathlib
import re
import signal
import socket
import sys
import tempfile
import time
import tomllib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import yaml

SERVER = json.loads(pathlib.Path("/stand-in.json").read_text())
# What the real servers put in from their environment before they read a file: {{NAME}}, $NAME, ${NAME}.
PLACEHOLDER = re.compile(r"\{\{\w+\}\}|\$\{[^}]*\}|\$[A-Za-z_]\w*")
PARSERS = {
    ".json": json.loads,
    ".toml": tomllib.loads,
    ".conf": tomllib.loads,
    ".yaml": lambda text: list(yaml.safe_load_all(text)),
    ".yml": lambda text: list(yaml.safe_load_all(text)),
}


def say(text):
    print(f"{SERVER['name']} (stand-in): {text}", flush=True)


def refuse(text):
    say(f"cannot start: {text}")
    sys.exit(1)


def read(path):
    """Reads a file as the real server would, and says by its digest which contents it had."""
    try:
        contents = path.read_bytes()
        parse = PARSERS.get(path.suffix)
        if parse:
            parse(PLACEHOLDER.sub("0", contents.decode()))
    except (OSError, ValueError, yaml.YAMLError) as error:
        refuse(f"{path}: {error}")
    say(f"read {path} sha256:{hashlib.sha256(contents).hexdigest()}")


def check_variable(name):
    path = os.environ.get(f"{name}_FILE")
    if path:
        try:
            if pathlib.Path(path).read_text().strip():
                return
        except OSError as error:
            refuse(f"{name}_FILE: {error}")
    if not os.environ.get(name):
        refuse(f"the variable {name} is missing or empty")


def check_writable(path):
    try:
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        refuse(f"cannot write to {path} as uid {os.getuid()}: {error}")


def check_reachable(name, port):
    """The host in a variable answers on its port, as what the real server needs from the start."""
    address = os.environ[name].split("//")[-1].split(":")[0]
    until = time.monotonic() + 60
    while True:
        try:
            socket.create_connection((address, port), timeout=5).close()
            return
        except OSError as error:
            if time.monotonic() > until:
                refuse(f"{name}: {address}:{port}: {error}")
            time.sleep(1)


def configuration(arguments):
    """The files of the configuration: those that the command line names, or the usual ones."""
    named = [argument.split("=", 1)[1] for argument in arguments if argument.startswith("-config.file=")]
    named += [argument for argument in arguments if argument.startswith("/")]
    for path in map(pathlib.Path, named or SERVER.get("reads", [])):
        if path.is_dir():
            yield from sorted(file for file in path.rglob("*") if file.is_file() and "logs" not in file.parts)
        elif path.exists():
            yield path
        else:
            refuse(f"{path}: no such file")


class Answers(BaseHTTPRequestHandler):
    def do_GET(self):
        path = self.path.split("?")[0]
        answer = SERVER["answers"].get(path)
        body = (answer if answer is not None else f"{SERVER['name']}: nothing here\n").encode()
        self.send_response(200 if answer is not None else 404)
        self.send_header("Content-Type", "application/json" if body.startswith(b"{") else "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


for variable in SERVER.get("variables", []):
    check_variable(variable)
for directory in SERVER.get("writes", []):
    check_writable(directory)
for variable, port in SERVER.get("reaches", {}).items():
    check_reachable(variable, port)
for file in configuration(sys.argv[1:]):
    read(file)
# As the first process of a container it would ignore the signal.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
server = ThreadingHTTPServer(("", SERVER["port"]), Answers)
say(f"listens on port {SERVER['port']}")
server.serve_forever()
