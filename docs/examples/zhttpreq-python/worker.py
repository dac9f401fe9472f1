#!/usr/bin/env python3
"""A backend without a web server: one REP socket answers the gateway's requests.

Route: * zhttpreq/tcp://127.0.0.1:10000 (the gateway binds, workers connect; start as many as you like).
Needs pyzmq (Debian: python3-zmq). ADDRESS in the environment is where the gateway has bound.

GET /stream?channel=NAME opens an HTTP stream on the channel; anything else is answered with what was asked.
"""

import os
from urllib.parse import parse_qs, urlsplit

import zmq


def dumps(value):
    """A tnetstring: length, colon, payload, a byte for the type."""
    if isinstance(value, bool):
        payload, kind = (b"true" if value else b"false"), b"!"
    elif isinstance(value, int):
        payload, kind = str(value).encode(), b"#"
    elif isinstance(value, str):
        payload, kind = value.encode(), b","
    elif isinstance(value, bytes):
        payload, kind = value, b","
    elif isinstance(value, dict):
        payload, kind = b"".join(dumps(part) for pair in value.items() for part in pair), b"}"
    else:
        payload, kind = b"".join(dumps(part) for part in value), b"]"
    return b"%d:%s%s" % (len(payload), payload, kind)


def loads(data):
    return parse(data, 0)[0]


def parse(data, start):
    """The value that begins at `start`, and where the next one begins."""
    colon = data.index(b":", start)
    begin = colon + 1
    end = begin + int(data[start:colon])
    payload, kind = data[begin:end], data[end : end + 1]
    if kind == b"#":
        return int(payload), end + 1
    if kind == b"^":
        return float(payload), end + 1
    if kind == b"!":
        return payload == b"true", end + 1
    if kind == b"~":
        return None, end + 1
    if kind == b",":
        return payload, end + 1
    parts, at = [], begin
    while at < end:
        part, at = parse(data, at)
        parts.append(part)
    if kind == b"]":
        return parts, end + 1
    return {key.decode(): value for key, value in zip(parts[::2], parts[1::2])}, end + 1


def answer(request):
    uri = urlsplit(request["uri"].decode())
    headers = [["Content-Type", "text/plain"]]
    if uri.path == "/stream":
        channel = parse_qs(uri.query).get("channel", ["test"])[0]
        headers += [["Grip-Hold", "stream"], ["Grip-Channel", channel]]
        body = "welcome to the stream\n"
    else:
        method, size = request["method"].decode(), len(request.get("body", b""))
        body = f"{method} {uri.path} with {size} bytes\n"
    return {"id": request["id"], "code": 200, "reason": "OK", "headers": headers, "body": body}


def main():
    sock = zmq.Context().socket(zmq.REP)
    sock.connect(os.environ.get("ADDRESS", "tcp://127.0.0.1:10000"))
    print("waiting for requests", flush=True)
    while True:
        request = loads(sock.recv()[1:])
        sock.send(b"T" + dumps(answer(request)))


if __name__ == "__main__":
    main()
