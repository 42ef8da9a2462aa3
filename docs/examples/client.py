#!/usr/bin/env python3
"""Submits lines to the Hive, and prints their results as they come, one JSON object a line.

    seq 1000000 | docs/examples/client.py --option algorithm=sha256d --option priority=5 > results.ndjson
    docs/examples/client.py --watch

A client of docs/API.md in Python's standard library alone. The Queen is at HIVE_URL, http://127.0.0.1:8081 unless it
says otherwise; HIVE_CA is a file with the certificate of her authority, HIVE_TOKEN_FILE one with a token. A Queen who is
killed and started again within five minutes (HIVE_PATIENCE, in seconds) costs nothing but time. A token goes over plain
http:// to this machine alone, unless HIVE_ALLOW_PLAIN_HTTP is 1.

Exit codes: 0 done, 1 the task failed or was cancelled, 2 wrong usage, 3 the Queen cannot be reached or answers 5xx,
4 she refuses.
"""
import argparse
import http.client
import io
import ipaddress
import json
import os
import shutil
import ssl
import sys
import tempfile
import time
import uuid
from urllib.parse import urlencode, urlsplit

PATIENCE = float(os.environ.get("HIVE_PATIENCE", 300))      # seconds for which a request is tried again
SILENCE = 90        # seconds without a byte after which a connection is given up: longer than what it waits for
BROKEN_OFF = (ssl.SSLEOFError, ssl.SSLSyscallError, ssl.SSLZeroReturnError)      # unlike a certificate, these pass
NOT_NOW = {408, 409, 429, 500, 502, 503, 504}      # 409: she is still busy with the same request, which broke off here


class Problem(Exception):
    """What the Queen says is wrong (RFC 9457)."""

    def __init__(self, answer):
        text = answer.read()
        is_problem = answer.headers.get_content_type() == "application/problem+json"
        # Besides these words it may say where: `line`, `column`, `index`, `path`.
        detail = json.loads(text).get("detail") if is_problem else None
        super().__init__(f"refused with {answer.status}: {detail or answer.reason}")
        self.status = answer.status
        self.retry_after = int(answer.headers.get("Retry-After", 1))


class Hive:
    def __init__(self, url, ca=None, token=None):
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"HIVE_URL has to be http://HOST:PORT or https://HOST:PORT, and is {url}")
        self.address = parts.hostname, parts.port
        self.tls = ssl.create_default_context(cafile=ca) if parts.scheme == "https" else None
        if token and not self.tls and not is_loopback(parts.hostname) and os.environ.get("HIVE_ALLOW_PLAIN_HTTP") != "1":
            raise ValueError(f"the token is not sent to {url}, since others could read it on its way: use https://, or set "
                             "HIVE_ALLOW_PLAIN_HTTP=1 if that is what you want")
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    def ask(self, method, path, headers, body=None):
        """One request on a connection of its own. The body of the answer is still to be read."""
        if self.tls:
            connection = http.client.HTTPSConnection(*self.address, timeout=SILENCE, context=self.tls)
        else:
            connection = http.client.HTTPConnection(*self.address, timeout=SILENCE)
        try:
            connection.request(method, path, body, self.headers | headers)
        except (BrokenPipeError, ConnectionResetError, *BROKEN_OFF):
            if body is None:
                raise       # else she may say why she takes no more of it
        answer = connection.getresponse()
        if answer.status >= 400:
            raise Problem(answer)
        return answer

    def submit(self, lines, options):
        """Creates a task of the lines of a file, which is sent as it is read; returns the task."""
        size = os.fstat(lines.fileno()).st_size
        # By its key she knows the task again when it is sent a second time, since the answer to the first was lost.
        key = uuid.uuid4()
        headers = {"Content-Type": "text/plain", "Content-Length": str(size), "Idempotency-Key": f'"{key}"'}
        patience = Patience()
        while True:
            lines.seek(0)
            try:
                return json.load(self.ask("POST", f"/tasks?{urlencode(options)}", headers, lines))
            except (Problem, OSError, http.client.HTTPException) as error:
                patience.bear(error)

    def wait(self, task, seconds):
        """The task, when it has ended or the time is over."""
        patience = Patience()
        while True:
            try:
                return json.load(self.ask("GET", f"/tasks/{task}", {"Prefer": f"wait={seconds}"}))
            except (Problem, OSError, http.client.HTTPException) as error:
                patience.bear(error)

    def results(self, task):
        """The results of a task in the order of its lines, as they come; to the last one that there will be."""
        offset, patience = 0, Patience()
        while True:
            try:
                answer = self.ask("GET", f"/tasks/{task}/results?format=ndjson&offset={offset}", {})
                for line in io.BufferedReader(answer, 1 << 16):     # http.client reads lines slowly
                    if not line.endswith(b"\n"):
                        break
                    row = json.loads(line)
                    if "end" in row:
                        if row["complete"]:
                            return
                        # A batch's rows may have ended at one that has none; this is where it goes on.
                        offset = row["next_offset"]
                        break
                    yield row
                    offset, patience = row["index"] + 1, Patience()
                # That was all that there is so far, or the connection broke: without the last line there may be more.
                self.wait(task, 2)
            except (Problem, OSError, http.client.HTTPException) as error:
                patience.bear(error)

    def events(self):
        """What changes, as it changes: names and data of server-sent events, for ever."""
        last, patience = {}, Patience()
        while True:
            try:
                event = {}
                for line in self.ask("GET", "/events", {"Accept": "text/event-stream"} | last):
                    name, _, value = line.decode().rstrip("\r\n").partition(": ")
                    if name:
                        event[name] = value
                        continue
                    if "data" in event:
                        yield event["event"], json.loads(event["data"])
                        # With this she tells what was missed.
                        last, patience = {"Last-Event-ID": event["id"]}, Patience()
                    event = {}
                time.sleep(1)
            except (Problem, OSError, http.client.HTTPException) as error:
                patience.bear(error)


class Patience:
    """How long errors that pass are borne."""

    def __init__(self):
        self.until = time.monotonic() + PATIENCE

    def bear(self, error):
        """Pauses before the next try, or raises the error if there should be none."""
        if isinstance(error, Problem):
            passes = error.status in NOT_NOW
        else:
            passes = isinstance(error, BROKEN_OFF) or not isinstance(error, ssl.SSLError)
        if not passes or time.monotonic() > self.until:
            raise error
        time.sleep(getattr(error, "retry_after", 1))


def main():
    parser = argparse.ArgumentParser(description="Submits lines to the Hive and prints their results as they come.")
    parser.add_argument("file", nargs="?", default="-", help="of lines; standard input if there is none")
    parser.add_argument("--option", action="append", default=[], metavar="NAME=VALUE", help="of the API, such as priority=5")
    parser.add_argument("--watch", action="store_true", help="submit nothing, but print what happens in the Hive")
    arguments = parser.parse_args()
    options = [option.partition("=")[::2] for option in arguments.option]
    token_file = os.environ.get("HIVE_TOKEN_FILE")
    try:
        token = open(token_file).read().strip() if token_file else None
        hive = Hive(os.environ.get("HIVE_URL", "http://127.0.0.1:8081"), os.environ.get("HIVE_CA"), token)
        lines = None if arguments.watch else spooled(arguments.file)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    if arguments.watch:
        for name, data in hive.events():
            out({"event": name, "data": data})
    task = hive.submit(lines, options)["id"]
    for row in hive.results(task):
        out(row)
    ended = hive.wait(task, 60)
    while ended["state"] not in ("done", "failed", "cancelled"):
        ended = hive.wait(task, 60)
    if ended["state"] != "done":
        sys.exit(f"client.py: task {task} {ended['state']}: {ended['error']}")


def is_loopback(host):
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False        # a name


def spooled(path):
    """A file that can be read again: what comes from a pipe is kept in one without a name."""
    source = sys.stdin.buffer if path == "-" else open(path, "rb")
    if source.seekable():
        return source
    spool = tempfile.TemporaryFile()
    shutil.copyfileobj(source, spool)
    spool.flush()
    return spool


def out(row):
    try:
        print(json.dumps(row, ensure_ascii=False), flush=True)
    except BrokenPipeError:
        os._exit(0)     # whoever reads this has seen enough


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except Problem as problem:
        print(f"client.py: {problem}", file=sys.stderr)
        sys.exit(3 if problem.status >= 500 else 4)
    except (OSError, http.client.HTTPException) as error:
        print(f"client.py: the Queen cannot be reached: {error}", file=sys.stderr)
        sys.exit(3)
