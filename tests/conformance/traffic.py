"""What the conformance tests share: models from the registry, clients that
speak to them, and what a server process holds."""
import json
import os
import random
import resource
import select
import socket
import threading
import time

from programs import PATIENCE_S, SANITIZED, SERVE, run, serving, side_by_side  # noqa: F401

# Clients are descriptors of the test, too.
DESCRIPTORS = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))

GRACE_S = 2.0
HOSTS = ("127.0.0.1", "[::1]")
SERVICES = {"echo": bytes, "upper": bytes.upper}  # bytes.upper: a-z alone


# These have a worker for each client, and a fixed number of workers.
FIXED = ("prefork", "pool")
# SOCKBENCH_MODELS=fork,poll tries those alone.
CHOSEN = os.environ.get("SOCKBENCH_MODELS")


def models(transport, wanted=None):
    """The models of a transport that can run here, by the program's own list."""
    rows = json.loads(run(SERVE, "--list", "--json").stdout)
    names = [row["name"] for row in rows if row["transport"] == transport and row["available"]]
    return [name for name in names
            if (wanted is None or name in wanted) and (not CHOSEN or name in CHOSEN.split(","))]


def crowd(model, count):
    """Options with which the model serves so many clients at the same time."""
    return ("--workers", count) if model in FIXED else ()


def unavailable():
    rows = json.loads(run(SERVE, "--list", "--json").stdout)
    return {row["name"]: row["reason"] for row in rows if not row["available"]}


def stream(model, *options, host="127.0.0.1", **popen):
    return serving(model, "tcp://%s:0" % host, *options, **popen)


def datagram(model, *options, host="127.0.0.1", **popen):
    return serving(model, "udp://%s:0" % host, *options, **popen)


def noise(size, seed=1):
    """Bytes of all values, the same in every run."""
    return random.Random(seed).randbytes(size)


# What a service answers to the bytes of a whole stream, and to a datagram.
def ok_lines(data):
    *lines, tail = data.split(b"\n")
    return b"".join(b"OK..." + line + b"\n" for line in lines) + (b"OK..." + tail if tail else b"")


ON_STREAMS = {
    "echo": bytes,
    "upper": bytes.upper,
    "ok": ok_lines,
    "greeting": lambda data: b"Thank you for connecting",
    "discard": lambda data: b"%d\n" % len(data),
}
ON_DATAGRAMS = {"echo": bytes, "upper": bytes.upper, "ok": lambda data: b"OK..." + data}

# Several sockets on one address, or segments: not with Unix sockets.
NEED_INET = ("epoll-workers", "reuseport", "gso")


def addresses(transport, model, folder):
    """Where a model can serve, one of each family; folder is for socket files."""
    inet, local = ("tcp", "unix") if transport == "stream" else ("udp", "unix-dgram")
    found = ["%s://127.0.0.1:0" % inet, "%s://[::1]:0" % inet]
    if model not in NEED_INET:
        found += ["%s:%s/socket" % (local, folder), "%s:@sockbench-test-%d" % (local, os.getpid())]
    return found


def target(server):
    """(family, address) as the socket module wants them."""
    if server.scheme == "unix":
        return socket.AF_UNIX, server.host.replace("@", "\0", 1) if server.host[0] == "@" else server.host
    return socket.AF_INET6 if ":" in server.host else socket.AF_INET, (server.host, server.port)


def connect(server, rcvbuf=None, sndbuf=None, timeout=PATIENCE_S):
    family, address = target(server)
    client = socket.socket(family, socket.SOCK_STREAM)
    if rcvbuf:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
    if sndbuf:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, sndbuf)
    client.settimeout(timeout)
    client.connect(address)
    if family != socket.AF_UNIX:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def peer(server, timeout=PATIENCE_S):
    """A datagram socket that talks to the server alone."""
    family, address = target(server)
    client = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_UNIX:
        client.bind("")  # a name that the kernel chooses: without one no reply
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    client.settimeout(timeout)
    client.connect(address)
    return client


def read_exactly(client, size):
    data = bytearray()
    while len(data) < size:
        part = client.recv(min(size - len(data), 1 << 20))
        if not part:
            break
        data += part
    return bytes(data)


def read_to_end(client):
    data = bytearray()
    while True:
        part = client.recv(1 << 16)
        if not part:
            return bytes(data)
        data += part


def half_closed_exchange(client, data):
    """Sends everything and a FIN while another thread reads: what came back."""
    def send():
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        return read_to_end(client)
    finally:
        sender.join()


def exchange_all(clients, messages):
    """Every client sends its message and reads as many bytes back, all at once
    from one thread: {client: reply}."""
    poller = select.poll()
    by_fd = {}
    for client, message in zip(clients, messages):
        client.setblocking(False)
        by_fd[client.fileno()] = [client, memoryview(message), bytearray(), len(message)]
        poller.register(client, select.POLLIN | select.POLLOUT)
    open_fds = set(by_fd)
    while open_fds:
        events = poller.poll(1000 * PATIENCE_S)
        if not events:
            raise AssertionError("%d clients got nothing for %d s" % (len(open_fds), PATIENCE_S))
        for fd, event in events:
            entry = by_fd[fd]
            if event & select.POLLOUT and entry[1]:
                entry[1] = entry[1][entry[0].send(entry[1]):]
                if not entry[1]:
                    poller.modify(fd, select.POLLIN)
            if event & (select.POLLIN | select.POLLHUP | select.POLLERR):
                part = entry[0].recv(1 << 16)
                entry[2] += part
                if not part or len(entry[2]) >= entry[3]:
                    poller.unregister(fd)
                    open_fds.discard(fd)
    for client in clients:
        client.settimeout(PATIENCE_S)
    return [bytes(by_fd[client.fileno()][2]) for client in clients]


def stuff(clients, data=b"s" * (64 << 20)):
    """Each client sends of data what the server takes and never reads: how much
    that was. They are stuck when none could send for 300 ms."""
    poller = select.poll()
    sent = {}
    by_fd = {client.fileno(): client for client in clients}
    for fd, client in by_fd.items():
        client.setblocking(False)
        poller.register(fd, select.POLLOUT)
        sent[fd] = 0
    view = memoryview(data)
    while by_fd:
        events = poller.poll(300)
        if not events:
            break
        for fd, event in events:
            try:
                if event & (select.POLLERR | select.POLLHUP):
                    raise ConnectionResetError
                sent[fd] += by_fd[fd].send(view[sent[fd]:sent[fd] + 65536])
                done = sent[fd] == len(data)
            except BlockingIOError:
                done = False
            except ConnectionError:
                done = True
            if done:
                poller.unregister(fd)
                del by_fd[fd]
    return [sent[client.fileno()] for client in clients]


def held(server):
    """What the server process holds now: descriptors, threads, children."""
    root = "/proc/%d" % server.pid
    with open("%s/task/%d/children" % (root, server.pid)) as file:
        children = len(file.read().split())
    return {"descriptors": len(os.listdir(root + "/fd")), "threads": len(os.listdir(root + "/task")),
            "children": children}


def resident_bytes(server):
    with open("/proc/%d/status" % server.pid) as file:
        for line in file:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")


def cpu_s(server):
    total = 0
    for task in os.listdir("/proc/%d/task" % server.pid):
        with open("/proc/%d/task/%s/schedstat" % (server.pid, task)) as file:
            total += int(file.read().split()[0])
    return total / 1e9


def until(condition, what, timeout_s=PATIENCE_S):
    """Polls for a state that the kernel gives no event for. Fails after the
    time is over: it bounds the test, it does not pace it."""
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("not within %g s: %s" % (timeout_s, what))
        select.select([], [], [], 0.01)


def becomes(wanted, look, timeout_s=PATIENCE_S):
    """As until, for a state that is to be `wanted`; says what it was instead."""
    end = time.monotonic() + timeout_s
    while (found := look()) != wanted:
        if time.monotonic() > end:
            raise AssertionError("not within %g s: %s; it is %s" % (timeout_s, wanted, found))
        select.select([], [], [], 0.01)


def settled(look):
    """What `look` sees once it has seen the same for a while: a server that serves may still be tidying up after
    its start."""
    found, since = look(), time.monotonic()
    while time.monotonic() < since + 0.1:
        select.select([], [], [], 0.01)
        if look() != found:
            found, since = look(), time.monotonic()
    return found


def allowed(count):
    """So many descriptors, or fewer where that is too near to what a process may have."""
    return min(count, DESCRIPTORS // 2)


def light(full, sanitized):
    return sanitized if SANITIZED else full
