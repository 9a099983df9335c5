"""What claims are held against: the raw loop of this machine, and sockperf."""
import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile

from programs import SELFTEST


def selftest(cpu):
    """The findings of a hasty selftest on this CPU, measured now."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([SELFTEST, "--quick", "--json"], check=True, capture_output=True, text=True,
                              env=dict(os.environ, XDG_CACHE_HOME=folder),
                              preexec_fn=lambda: os.sched_setaffinity(0, {cpu}))
    return json.loads(done.stdout)


def why_no_sockperf():
    return None if shutil.which("sockperf") else "sockperf is absent (a Debian package)"


def free_port(kind):
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def sockperf_server(words, cpu):
    server = subprocess.Popen(["stdbuf", "-oL", "sockperf", "server", *words], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, preexec_fn=lambda: os.sched_setaffinity(0, {cpu}))
    try:
        for line in server.stdout:
            if "to block on socket" in line:
                break
        yield
    finally:
        server.terminate()
        server.wait(10)
        server.stdout.close()


def sockperf_round_trip_ns(transport, seconds, cpu):
    """The median round trip of sockperf's ping-pong, 64 B, both ends on one CPU."""
    kind = socket.SOCK_STREAM if transport == "tcp" else socket.SOCK_DGRAM
    words = ["-i", "127.0.0.1", "-p", str(free_port(kind)), *(["--tcp"] if transport == "tcp" else [])]
    with sockperf_server(words, cpu):
        done = subprocess.run(["sockperf", "ping-pong", *words, "-m", "64", "-t", str(max(1, round(seconds))),
                               "--full-rtt"], check=True, capture_output=True, text=True,
                              preexec_fn=lambda: os.sched_setaffinity(0, {cpu}))
    return 1000 * float(re.search(r"percentile 50\.000 = *([0-9.]+)", done.stdout).group(1))
