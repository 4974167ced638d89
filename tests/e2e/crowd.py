#!/usr/bin/env python3
"""crowd - many clients at once in a process of their own, since descriptors of one do not reach for both sides.

SPDX-License-Identifier: MIT

    crowd.py ADDRESS N LEAVING     reads the body of a request from its input: one line

Sends it over N connections and says "sent"; at a line of its input the first LEAVING of them leave, and it says
"left"; then it reads the others' answers and says how many had which status, as JSON.
"""

import collections
import json
import resource
import selectors
import socket
import sys


def status_of(raw):
    if not raw:
        return "nothing"
    head, _, body = raw.partition(b"\r\n\r\n")
    whole = f"content-length: {len(body)}\r\n".encode() in head.lower() + b"\r\n"
    return raw[9:12].decode() if whole else "cut"


def read_all(socks):
    counts, data = collections.Counter(), dict.fromkeys(socks, b"")
    with selectors.DefaultSelector() as selector:
        for sock in socks:
            sock.setblocking(False)
            selector.register(sock, selectors.EVENT_READ)
        while data:
            ready = selector.select(60)
            if not ready:
                counts["waiting"] = len(data)
                return counts
            for key, _ in ready:
                sock = key.fileobj
                try:
                    more = sock.recv(65536)
                except OSError:
                    more = b""
                data[sock] += more
                if not more or status_of(data[sock]) not in ("nothing", "cut"):
                    counts[status_of(data.pop(sock))] += 1
                    selector.unregister(sock)
                    sock.close()
    return counts


def main(address, n, leaving):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    host, _, port = address.rpartition(":")
    body = sys.stdin.buffer.readline().rstrip(b"\n")
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n"
    socks = []
    for _ in range(int(n)):
        sock = socket.create_connection((host, int(port)), timeout=60)
        sock.sendall(head.encode() + body)
        socks.append(sock)
    print("sent", flush=True)
    sys.stdin.buffer.readline()
    for sock in socks[: int(leaving)]:
        sock.close()
    print("left", flush=True)
    print(json.dumps(read_all(socks[int(leaving) :])), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
