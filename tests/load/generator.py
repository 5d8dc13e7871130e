"""Posts prepared requests over many keep-alive connections, with as little work per request as Python allows.

A process of its own (`python generator.py PORT CONNECTIONS SECONDS REQUESTS_FILE`), so that it has a core to itself:
a plain epoll loop over sockets, no HTTP library. Prints one JSON line: requests answered with 200, others, seconds,
median and 99th percentile of the latency in milliseconds, and its own CPU time in microseconds a request.
"""

from __future__ import annotations

import gc
import json
import pickle
import select
import socket
import sys
import time
from pathlib import Path


def run(port: int, connections: int, seconds: float, requests: list[bytes]) -> dict[str, float | int]:
    """Send `requests`, each once, one at a time on each connection, until time or requests are up."""
    poll = select.epoll()
    sockets: dict[int, socket.socket] = {}
    sent_at: dict[int, float] = {}
    latencies: list[float] = []
    waiting = requests[::-1]
    good = bad = 0
    for _ in range(min(connections, len(requests))):
        one = socket.create_connection(("127.0.0.1", port))
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sockets[one.fileno()] = one
        poll.register(one.fileno(), select.EPOLLIN)
    busy, began = time.process_time(), time.perf_counter()
    for number, one in sockets.items():
        sent_at[number] = time.perf_counter()
        one.sendall(waiting.pop())
    under_way = len(sockets)
    end = began + seconds
    while under_way:
        for number, _ in poll.poll():
            answer = sockets[number].recv(4096)  # both servers send an answer in one piece
            now = time.perf_counter()
            latencies.append(now - sent_at[number])
            if answer.startswith(b"HTTP/1.1 200"):
                good += 1
            else:
                bad += 1
            if waiting and now < end and answer:
                sent_at[number] = now
                sockets[number].sendall(waiting.pop())
            else:
                poll.unregister(number)
                under_way -= 1
    took, busy = time.perf_counter() - began, time.process_time() - busy
    for one in sockets.values():
        one.close()
    latencies.sort()
    return {
        "good": good,
        "bad": bad,
        "seconds": took,
        "p50_ms": latencies[len(latencies) // 2] * 1000,
        "p99_ms": latencies[len(latencies) * 99 // 100] * 1000,
        "generator_us": busy / len(latencies) * 1e6,
    }


if __name__ == "__main__":
    port, connections, seconds, file = sys.argv[1:]
    gc.disable()
    prepared: list[bytes] = pickle.loads(Path(file).read_bytes())
    print(json.dumps(run(int(port), int(connections), float(seconds), prepared)))
