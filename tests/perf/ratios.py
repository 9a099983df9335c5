#!/usr/bin/python3
"""Claims of speed, each as the ratio of two things run interleaved.

    tests/perf/ratios.py [--pairs 9] [--seconds 1.5] [NAME ...]

Each pair runs A and B one after the other, in an order drawn by a fair coin; a
fresh server process each time, the server on the first CPU and the generator on
the last, unless the claim says otherwise. What is printed is the median of the
pairs' ratios with the least and the greatest. A ratio that misses its bound is
a failure (exit 1); absolute times are never judged, but for how late sends are.
"""
import argparse
import functools
import json
import os
import random
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
sys.path.insert(0, os.path.join(ROOT, "tests/support"))
import machine  # noqa: E402
from programs import BIN, LOAD, SERVE  # noqa: E402

CPUS = sorted(os.sched_getaffinity(0))
# Idle clients are descriptors of this process.
DESCRIPTORS = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
MINIMAL = os.path.join(BIN, "../tests/minimal_epoll")


def cpu_ns(pid):
    """CPU time of a process: what the scheduler counted, over its threads."""
    total = 0
    for task in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/schedstat" % (pid, task), encoding="ascii") as file:
            total += int(file.read().split()[0])
    return total


SPLIT = ({CPUS[0]}, {CPUS[-1]})
SHARDED = ({CPUS[0], CPUS[-1]},) * 2
SAME = ({CPUS[-1]},) * 2


def listed(cpus):
    return ",".join(map(str, sorted(cpus)))


def idle_clients(address, count):
    """Connections that say nothing; closed with the list."""
    host, port = address.removeprefix("tcp://").rsplit(":", 1)
    return [socket.create_connection((host, int(port)), timeout=10) for _ in range(count)]


def measure(server_argv, load_argv, layout=SPLIT, idle=0):
    """One fresh server under one load, beside so many idle clients: (server ns a request, report)."""
    server_cpus, generator_cpus = layout
    reader, writer = os.pipe()
    argv = [word.replace("{ready_fd}", str(writer)) for word in server_argv]
    server = subprocess.Popen(argv, stdout=subprocess.PIPE, pass_fds=[writer], text=True,
                              preexec_fn=lambda: os.sched_setaffinity(0, server_cpus))
    os.close(writer)
    try:
        if os.read(reader, 1) != b"\n":
            raise SystemExit("not ready: " + " ".join(argv))
        address = server.stdout.readline().split()[1]
        silent = idle_clients(address, idle)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "report.json")
            begin = cpu_ns(server.pid)
            subprocess.run([LOAD, address, "-q", "-o", path, "--cpus", listed(generator_cpus),
                            "--server-cpus", listed(server_cpus), *load_argv], check=True, stdout=subprocess.DEVNULL)
            used = cpu_ns(server.pid) - begin
            with open(path, encoding="utf-8") as file:
                report = json.load(file)
        with open("/proc/%d/status" % server.pid, encoding="ascii") as file:
            report["server_rss_kib"] = next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
        for client in silent:
            client.close()
        return used / report["generator"]["requests_total"], report
    finally:
        os.close(reader)
        server.terminate()
        server.wait(10)
        server.stdout.close()


def serve(model, *options, listen="tcp://127.0.0.1:0"):
    return [SERVE, "--model", model, "--listen", listen, "--ready-fd", "{ready_fd}", *options]


def server_ns(argv, load):
    return lambda seconds: measure(argv, [*load, "-d", "%gs" % seconds, "-w", "300ms"])[0]


def generator_ns(argv, load):
    def one(seconds):
        report = measure(argv, [*load, "-d", "%gs" % seconds, "-w", "300ms"])[1]
        return report["generator"]["cpu_ns_per_request"]
    return one


def rate(argv, load, layout=SPLIT):
    def one(seconds):
        report = measure(argv, [*load, "-d", "%gs" % seconds, "-w", "300ms"], layout)[1]
        return report["throughput"]["requests_per_s"]
    one.unit = "requests/s"
    return one


def p99(argv, load, idle=0):
    def one(seconds):
        report = measure(argv, [*load, "-d", "%gs" % seconds, "-w", "300ms"], idle=idle)[1]
        return quantile(report["latency"]["response"], 0.99)
    return one


def quantile(histogram, q):
    return next(row["value_ns"] for row in histogram["quantiles"] if row["q"] == q)


def lone_round_trip(transport):
    """The median round trip of one connection, both ends on one CPU."""
    argv = serve("iterative", "--service", "echo", listen=transport + "://127.0.0.1:0")
    load = ["-c", "1", "-s", "64", "--service", "echo", "--engine", "epoll"]

    def one(seconds):
        report = measure(argv, [*load, "-d", "%gs" % seconds, "-w", "300ms"], SAME)[1]
        return quantile(report["latency"]["response"], 0.5)
    return one


def sockperf(transport):
    def one(seconds):
        return machine.sockperf_round_trip_ns(transport, seconds, CPUS[-1])
    one.why_not = machine.why_no_sockperf()
    return one


def lateness(q):
    """How late sends are, constant and spinning; of five windows the quietest."""
    load = ["-c", "16", "-s", "64", "-r", "100k", "--arrival", "constant", "--pacing", "spin", "-w", "100ms"]
    argv = serve("batch", listen="udp://127.0.0.1:0")

    def one(seconds):
        window = ["-d", "%gs" % max(0.3, seconds / 5)]
        reports = [measure(argv, [*load, *window])[1] for _ in range(5)]
        return min(quantile(report["latency"]["send_lateness"], q) for report in reports)
    return one


def raw_loop(_seconds):
    return machine.selftest(CPUS[-1])["raw_loop"]["tcp"]["median_per_s"]


def time_and_histogram(_seconds):
    found = machine.selftest(CPUS[-1])
    return found["clock"]["reading_ns"] + found["histogram"]["sample_ns"]


LOAD_64 = ["-c", "64", "-s", "64"]
MANY_DATAGRAMS = ["-c", "4", "-P", "32", "-s", "64"]

# name: (what, A, B, bound on A/B, is the bound the least or the most?)
CLAIMS = {
    "uring": ("server CPU a request, epoll / uring-multishot, 64 connections, 64 B",
              server_ns(serve("epoll"), LOAD_64), server_ns(serve("uring-multishot"), LOAD_64), 1.08, "least"),
    "epoll-page": ("server CPU a request, epoll page / a minimal epoll loop, 64 connections, 64 B",
                   server_ns(serve("epoll"), LOAD_64), server_ns([MINIMAL, "{ready_fd}"], LOAD_64), 1.08, "most"),
    "verify": ("generator CPU a request, verified / --no-verify, 64 connections, 64 B",
               generator_ns(serve("epoll"), LOAD_64), generator_ns(serve("epoll"), [*LOAD_64, "--no-verify"]),
               1.04, "most"),
    "engine": ("generator CPU a request, engine uring / epoll, 64 connections, 64 B",
               generator_ns(serve("epoll"), [*LOAD_64, "--engine", "uring"]),
               generator_ns(serve("epoll"), [*LOAD_64, "--engine", "epoll"]), 0.92, "most"),
    "raw-loop": ("requests answered, uring-multishot and generator on one CPU, 64 connections, 64 B / the raw loop",
                 rate(serve("uring-multishot"), LOAD_64, SAME), raw_loop, 0.90, "least"),
    "time": ("a reading of the clock and a sample / generator CPU a request, 64 connections, 64 B",
             time_and_histogram, generator_ns(serve("epoll"), LOAD_64), 0.006, "most"),
    "late-p50": ("p50 of how late sends are, 100,000/s constant, spinning / 1 us", lateness(0.5),
                 lambda _: 1000, 1, "most"),
    "late-p99": ("p99 of how late sends are, 100,000/s constant, spinning / 10 us", lateness(0.99),
                 lambda _: 10000, 1, "most"),
    "ping-tcp": ("round trip of one TCP connection, one CPU / sockperf ping-pong", lone_round_trip("tcp"),
                 sockperf("tcp"), 1.05, "most"),
    "ping-udp": ("round trip of one UDP flow, one CPU / sockperf ping-pong", lone_round_trip("udp"),
                 sockperf("udp"), 1.05, "most"),
    "one-shot": ("server CPU a request, uring / uring-multishot, 64 connections, 64 B",
                 server_ns(serve("uring"), LOAD_64), server_ns(serve("uring-multishot"), LOAD_64), 1.05, "most"),
    "two-rings": ("server CPU a request, uring-multishot with 2 workers / with 1, 64 connections, 64 B",
                  server_ns(serve("uring-multishot", "--workers", "2"), LOAD_64),
                  server_ns(serve("uring-multishot", "--workers", "1"), LOAD_64), 1.10, "most"),
    "two-epolls": ("server CPU a request, epoll-workers with 2 workers / with 1, 64 connections, 64 B",
                   server_ns(serve("epoll-workers", "--workers", "2"), LOAD_64),
                   server_ns(serve("epoll-workers", "--workers", "1"), LOAD_64), 1.10, "most"),
    "sharded": ("requests answered, uring-multishot, 64 connections, 64 B, 2 + 2 sharded / 1 + 1 split",
                rate(serve("uring-multishot", "--steer", "cpu", "--cpus", listed(SHARDED[0])),
                     [*LOAD_64, "-t", "2"], SHARDED),
                rate(serve("uring-multishot"), LOAD_64), 1.5, "least"),
    "idle-epoll": ("p99 of 64 clients, epoll, beside 10,000 idle ones / alone",
                   p99(serve("epoll"), LOAD_64, idle=10000), p99(serve("epoll"), LOAD_64), 2.0, "most"),
    "idle-ring": ("p99 of 64 clients, uring-multishot, beside 10,000 idle ones / alone",
                  p99(serve("uring-multishot"), LOAD_64, idle=10000), p99(serve("uring-multishot"), LOAD_64),
                  2.0, "most"),
    "gso": ("datagrams answered, gso / batch, 4 flows x 32 in flight, 64 B, the generator with offload",
            rate(serve("gso", listen="udp://127.0.0.1:0"), MANY_DATAGRAMS),
            rate(serve("batch", listen="udp://127.0.0.1:0"), MANY_DATAGRAMS), 3.0, "least"),
    "gso-alone": ("datagrams answered, gso / batch, 4 flows x 32 in flight, 64 B, each with the better generator",
                  rate(serve("gso", listen="udp://127.0.0.1:0"), MANY_DATAGRAMS),
                  rate(serve("batch", listen="udp://127.0.0.1:0"), [*MANY_DATAGRAMS, "--udp-offload", "off"]),
                  3.0, "least"),
}


def compare(name, pairs, seconds, coin):
    what, a, b, bound, side = CLAIMS[name]
    why_not = getattr(b, "why_not", None)
    if why_not:
        print("%-10s skipped: %s; %s" % (name, why_not, what), flush=True)
        return True
    a(0.2), b(0.2)  # one of each is thrown away
    ratios, firsts, seconds_ = [], [], []
    for _ in range(pairs):
        if coin.random() < 0.5:
            x = a(seconds)
            y = b(seconds)
        else:
            y = b(seconds)
            x = a(seconds)
        ratios.append(x / y)
        firsts.append(x)
        seconds_.append(y)
    median = statistics.median(ratios)
    good = median >= bound if side == "least" else median <= bound
    print("%-10s %.3g (%.3g to %.3g, %d pairs; %s %g) %s: %.4g / %.4g %s; %s" % (
        name, median, min(ratios), max(ratios), pairs, "at", bound, side, statistics.median(firsts),
        statistics.median(seconds_), getattr(a, "unit", "ns"), what), "" if good else "MISSED", flush=True)
    return good


def ten_thousand(*_):
    """10,000 connections on both: resident memory of each side."""
    good = True
    for model in ("epoll", "uring-multishot"):
        argv = ["/usr/bin/python3", "-c", """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)"""]
        reader, writer = os.pipe()
        server = subprocess.Popen([w.replace("{ready_fd}", str(writer)) for w in serve(model)], pass_fds=[writer],
                                  stdout=subprocess.PIPE, text=True)
        os.close(writer)
        os.read(reader, 1)
        os.close(reader)
        address = server.stdout.readline().split()[1]
        result = subprocess.run([*argv, LOAD, address, "-c", "10000", "-d", "2s", "-w", "1s", "-q"], check=True,
                                capture_output=True, text=True)
        generator_kib = int(result.stdout.split()[-1])
        with open("/proc/%d/status" % server.pid, encoding="ascii") as file:
            server_kib = next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
        server.terminate()
        server.wait(10)
        server.stdout.close()
        fits = max(generator_kib, server_kib) < 64 * 1024
        good = good and fits
        print("memory     10,000 connections, %s: server %.1f MiB, generator %.1f MiB (at most 64)%s" % (
            model, server_kib / 1024, generator_kib / 1024, "" if fits else " MISSED"), flush=True)
    return good


def our_way(seconds):
    """(delivered/s, part lost) of one flow with offload, by the server's own counts."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as folder:
        trace = os.path.join(folder, "trace")
        argv = serve("gso", "--service", "discard", "--trace", trace, "--trace-records", "0", "--rcvbuf", "4M",
                     listen="udp://127.0.0.1:0")
        udp = measure(argv, ["--one-way", "--server-trace", trace, "-c", "1", "-P", "64", "--udp-offload", "on",
                             "-s", "64", "-d", "%gs" % seconds, "-w", "300ms"])[1]["udp"]
    return udp["delivered_per_s"], udp["loss_ratio"]


def iperf3_way(seconds):
    """The same of iperf3, by its own report. Version 3.12 knows no offload."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    server = subprocess.Popen(["iperf3", "--server", "--one-off", "--bind", "127.0.0.1", "--port", port,
                               "--forceflush"], stdout=subprocess.PIPE, text=True,
                              preexec_fn=lambda: os.sched_setaffinity(0, SPLIT[0]))
    try:
        for line in server.stdout:
            if "listening" in line:
                break
        done = subprocess.run(["iperf3", "--client", "127.0.0.1", "--port", port, "--udp", "--bitrate", "0",
                               "--length", "64", "--window", "4M", "--time", "%g" % seconds, "--json"],
                              check=True, capture_output=True, text=True,
                              preexec_fn=lambda: os.sched_setaffinity(0, SPLIT[1]))
    finally:
        server.stdout.close()
        server.terminate()
        server.wait(10)
    end = json.loads(done.stdout)["end"]["sum"]
    return (end["packets"] - end["lost_packets"]) / end["seconds"], end["lost_packets"] / max(end["packets"], 1)


def one_way(pairs, seconds, coin):
    """One way, 64 B: datagrams that arrived, ours with offload beside iperf3's."""
    if not shutil.which("iperf3"):
        print("one-way    skipped: iperf3 is not installed (scripts/setup --tests)", flush=True)
        return True
    sides = {our_way: [], iperf3_way: []}
    for _ in range(pairs):
        for side in sorted(sides, key=lambda _: coin.random()):
            sides[side].append(side(seconds))
    ours, theirs = ([statistics.median(values) for values in zip(*sides[side])] for side in (our_way, iperf3_way))
    ratios = [a[0] / b[0] for a, b in zip(sides[our_way], sides[iperf3_way])]
    good = statistics.median(ratios) >= 1
    print("one-way    %.3f (%.3f to %.3f, %d pairs; at least 1.00): %.0f / %.0f datagrams/s arrived, %.4f / %.4f lost; "
          "one flow, 64 B, gso / iperf3 -u%s" % (statistics.median(ratios), min(ratios), max(ratios), pairs, ours[0],
                                                 theirs[0], ours[1], theirs[1], "" if good else " MISSED"), flush=True)
    return good


# Claims that are more than one ratio.
OTHERS = {"memory": ten_thousand, "one-way": one_way}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("names", nargs="*", help="of " + ", ".join([*CLAIMS, *OTHERS]))
    words = parser.parse_args()
    unknown = set(words.names) - set(CLAIMS) - set(OTHERS)
    if unknown:
        parser.error("no such claim: " + ", ".join(sorted(unknown)))
    if len(CPUS) < 2:
        print("skipped: server and generator need a CPU each")
        return 77
    coin = random.Random(words.seed)
    names = words.names or [*CLAIMS, *OTHERS]
    good = [OTHERS.get(name, functools.partial(compare, name))(words.pairs, words.seconds, coin) for name in names]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
