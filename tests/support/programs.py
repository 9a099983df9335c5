"""Starting the real programs in tests.

Servers are ready by descriptor, ports are chosen by the system, and every
process that a test starts is ended by that test, by its pid.
"""
import concurrent.futures
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import unittest

BIN = os.environ.get("SOCKBENCH_BIN", os.path.join(os.path.dirname(__file__), "../../build/release/bin"))
# For what must happen: only a failure waits so long. Below a minute, when servers part with silent clients by themselves.
PATIENCE_S = 30
SANITIZED = bool(os.environ.get("SOCKBENCH_SANITIZE"))
SERVE = os.path.join(BIN, "sockbench-serve")
LOAD = os.path.join(BIN, "sockbench-load")
BENCH = os.path.join(BIN, "sockbench")
SELFTEST = os.path.join(BIN, "sockbench-selftest")


def has_ipv6():
    """Containers often come without."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


IPV6 = has_ipv6()
NO_IPV6 = "no IPv6 on the loopback here"


def run(*argv, timeout=4 * PATIENCE_S, **options):
    """Runs a program to its end: CompletedProcess with text output."""
    return subprocess.run([str(a) for a in argv], capture_output=True, text=True,
                          timeout=timeout, stdin=subprocess.DEVNULL, **options)


def patient(words):
    """Words of a load, and so much time for every reply of a stream that a busy machine has it too. (Datagrams are
    waited for so long at the end.)"""
    words = [str(word) for word in words]
    return words if words[0].startswith("udp") or "--timeout" in words else [*words, "--timeout", "20s"]


class Server:
    """A sockbench-serve that has said that it is ready."""

    def __init__(self, process, ready_line):
        self.process = process
        self.ready_line = ready_line
        self.address = ready_line.split()[1]
        match = re.fullmatch(r"(\w+)://\[?(.*?)\]?:(\d+)", self.address)
        self.scheme, self.host, port = match.groups() if match else ("unix", self.address.split(":", 1)[1], 0)
        self.port = int(port)
        self.pid = process.pid

    def stop(self, timeout=PATIENCE_S):
        """SIGTERM, then (exit code, what it wrote on stderr)."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            _, err = self.process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            _, err = self.process.communicate()
            raise AssertionError("server did not end %s s after SIGTERM; stderr: %s" % (timeout, err))
        return self.process.returncode, err


@contextlib.contextmanager
def serving(model, address, *options, pass_also=(), ends_with=0, **popen):
    """A server for the time of a with block; it must end with 0 on SIGTERM, or
    as the test says. pass_also: descriptors that it inherits."""
    if "://[" in address and not IPV6:
        raise unittest.SkipTest(NO_IPV6)
    reader, writer = os.pipe()
    argv = [SERVE, "--model", model, "--listen", address, "--ready-fd", str(writer)]
    process = subprocess.Popen(argv + [str(o) for o in options], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True, pass_fds=[writer, *pass_also], stdin=subprocess.DEVNULL, **popen)
    os.close(writer)
    try:
        ready = os.read(reader, 1)
        if ready != b"\n":
            _, err = process.communicate(timeout=10)
            raise AssertionError("%s %s not ready: exit %s, stderr: %s" % (model, address, process.returncode, err))
        server = Server(process, process.stdout.readline().strip())
        yield server
        code, err = server.stop()
        if code not in (ends_with, -signal.SIGKILL):
            raise AssertionError("%s %s ended with %s; stderr: %s" % (model, address, code, err))
    finally:
        os.close(reader)
        if process.poll() is None:
            process.kill()
            process.communicate()


def side_by_side(test, names, check, at_once=4):
    """check(name) for each of several, at the same time: what mostly waits may wait together. Failures are
    subtests of `test`."""
    def outcome(name):
        try:
            check(name)
        except BaseException as error:  # handed on below
            return error
        return None
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        for name, error in zip(names, pool.map(outcome, names)):
            with test.subTest(name=name):
                if error:
                    raise error


def skip(reason):
    """The whole test file is skipped, and says why."""
    print("skipped:", reason)
    sys.exit(77)
