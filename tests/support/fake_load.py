#!/usr/bin/python3
"""Stands in for sockbench-load where a test wants to decide what the load says.

The file fake.json beside it may hold {"exit", "stderr", "hang_at", "report",
"reasons", ...}, and under "by_connections" the same for loads of so many
connections; everything has a default that makes a short, good measurement.
"by_turn": [...] holds the same for the n-th load. "hang_at": N lets the N-th load hang. It talks to the server once, so that a
server that is not there is noticed.
"""
import json
import os
import re
import signal
import socket
import sys

here = os.path.dirname(os.path.abspath(__file__))
plan = {}
if os.path.exists(os.path.join(here, "fake.json")):
    with open(os.path.join(here, "fake.json")) as file:
        plan = json.load(file)
words = sys.argv[2:]
values = {words[i][2:]: words[i + 1] for i in range(len(words) - 1) if words[i].startswith("--")}
plan.update(plan.get("by_connections", {}).get(values.get("connections"), {}))
with open(os.path.join(here, "loads.log"), "a+") as log:
    log.write(json.dumps(sys.argv[1:]) + "\n")
    log.seek(0)
    turn = len(log.readlines())

plan.update(plan.get("by_turn", {})[turn - 1] if "by_turn" in plan else {})

scheme, host, port = re.fullmatch(r"(\w+)://\[?(.*?)\]?:(\d+)", sys.argv[1]).groups()
kind = socket.SOCK_STREAM if scheme == "tcp" else socket.SOCK_DGRAM
with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind) as client:
    client.settimeout(20)
    client.connect((host, int(port)))
    client.send(b"ping")
    client.recv(100)

if plan.get("hang_at") == turn:
    with open(os.path.join(here, "hanging.new"), "w") as mark:
        mark.write(str(os.getpid()))
    os.rename(os.path.join(here, "hanging.new"), os.path.join(here, "hanging"))
    signal.pause()
sys.stderr.write(plan.get("stderr", ""))
flows = int(values.get("connections", "64"))
rate = plan.get("requests_per_s", 1000.0)
quantiles = [{"q": 0.5, "value_ns": 1000, "lo_ns": 900, "hi_ns": 1100},
             {"q": 0.99, "value_ns": 9000, "lo_ns": 8000, "hi_ns": 9900}]
quantiles = [row for row in quantiles if row["q"] in plan.get("quantiles", [0.5, 0.99])]
report = {
    "schema": {"name": "sockbench-load", "version": 1},
    "run": {"complete": True},
    "server": None,
    "load": {"offered_per_s": None, "achieved_per_s": rate, "flows": {"offered": flows, "connected": flows,
                       "served": plan.get("served", flows), "unserved": 0}},
    "throughput": {"requests_per_s": rate},
    "latency": {"response": {"quantiles": quantiles}, "connect": None},
    "udp": {"sent": 100, "lost": 5} if scheme == "udp" else None,
    "generator": {"requests_total": 1000, "cpu_ns_per_request": 2000.0},
    "verdict": {"status": plan.get("verdict", "ok"), "reasons": plan.get("reasons", [])},
}
if plan.get("report", True):
    with open(values["output"], "w") as file:
        json.dump(report, file)
sys.exit(plan.get("exit", 0))
