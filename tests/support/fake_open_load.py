#!/usr/bin/python3
"""Stands in for sockbench-load where a test of `sockbench find` wants a server
that is known.

The file fake.json beside it holds {"capacity": N} (p99 is below 1 ms up to this
rate, and 2.4 ms above), and may hold {"generator": N} (above it the generator
is late), {"invalid": N} (above it replies are wrong) and {"hang_at": N} (the
N-th load hangs). It talks to the server once, so that one that is not there is
noticed.
"""
import json
import os
import re
import signal
import socket
import sys

here = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(here, "fake.json")) as file:
    plan = json.load(file)
words = sys.argv[2:]
values = {words[i][2:]: words[i + 1] for i in range(len(words) - 1) if words[i].startswith("--")}
with open(os.path.join(here, "loads.log"), "a+") as log:
    log.write(json.dumps(sys.argv[1:]) + "\n")
    log.seek(0)
    turn = len(log.readlines())
rate = float(values["rate"])

host, port = re.fullmatch(r"tcp://\[?(.*?)\]?:(\d+)", sys.argv[1]).groups()
with socket.create_connection((host, int(port)), timeout=20) as client:
    client.sendall(b"ping")
    client.recv(100)

if plan.get("hang_at") == turn:
    with open(os.path.join(here, "hanging.new"), "w") as mark:
        mark.write(str(os.getpid()))
    os.rename(os.path.join(here, "hanging.new"), os.path.join(here, "hanging"))
    signal.pause()

holds = rate <= plan["capacity"]
status, reasons = "ok", []
if rate > plan.get("generator", 1e12):
    status, reasons, holds = "generator_bound", ["sends were late"], False
if rate > plan.get("invalid", 1e12):
    status, reasons = "invalid", ["7 replies with wrong bytes"]
p99 = 900000 if holds else 2400000
report = {
    "schema": {"name": "sockbench-load", "version": 1},
    "server": None,
    "load": {"offered_per_s": rate, "achieved_per_s": rate},
    "accounting": {"scheduled": 100000, "ok": 100000, "error": 0, "timeout": 0},
    "latency": {"response": {"max_ns": 2 * p99, "quantiles": [{"q": 0.5, "value_ns": 50000},
                                                              {"q": 0.99, "value_ns": p99}]}},
    "udp": None,
    "generator": {"requests_total": 100000, "cpu_ns_per_request": 2000.0},
    "verdict": {"status": status, "reasons": reasons},
}
with open(values["output"], "w") as file:
    json.dump(report, file)
sys.exit(4 if status == "invalid" else 0)
