#!/usr/bin/python3
"""A foreign server for the bench: TCP echo in Python, with faults on demand.

echo_server.py HOST PORT [--words TEXT] [--exit N] [--deaf] [--die-after N]
    [--burn-thread S] [--burn-child S] [--hold BYTES] [--leave FOLDER] [--chatter BYTES]

--exit ends at once; --deaf never listens; --die-after ends after N reads; the
burns use so much CPU before the first reply, in a thread or a child that is
gone then; --leave starts a child and a child in a session of its own, which
write their pids into the folder and stay.
"""
import argparse
import contextlib
import os
import select
import signal
import socket
import sys
import threading
import time

parser = argparse.ArgumentParser()
parser.add_argument("host")
parser.add_argument("port", type=int)
parser.add_argument("--words", default="")
parser.add_argument("--exit", type=int)
parser.add_argument("--deaf", action="store_true")
parser.add_argument("--die-after", type=int)
parser.add_argument("--burn-thread", type=float, default=0)
parser.add_argument("--burn-child", type=float, default=0)
parser.add_argument("--hold", type=int, default=0)
parser.add_argument("--leave")
parser.add_argument("--chatter", type=int, default=0)
plan = parser.parse_args()

sys.stderr.write("x" * plan.chatter + "\n" if plan.chatter else "")
sys.stderr.write(plan.words)
sys.stderr.flush()
if plan.exit is not None:
    sys.exit(plan.exit)
if plan.deaf:
    signal.pause()


def stay(name):
    with open(os.path.join(plan.leave, name + ".new"), "w") as file:
        file.write(str(os.getpid()))
    os.rename(os.path.join(plan.leave, name + ".new"), os.path.join(plan.leave, name))
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    while True:
        signal.pause()


if plan.leave:
    with open(os.path.join(plan.leave, "server"), "w") as file:
        file.write(str(os.getpid()))
    if os.fork() == 0:
        stay("child")
    if os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        stay("session")


def burn(clock, seconds):
    until = clock() + seconds
    while clock() < until:
        pass


def first_request():
    """What the burns ask for, and memory that is really touched."""
    global held
    held = bytearray(b"x") * plan.hold
    if plan.burn_thread:
        thread = threading.Thread(target=burn, args=(time.thread_time, plan.burn_thread))
        thread.start()
        thread.join()
    if plan.burn_child:
        child = os.fork()
        if child == 0:
            burn(time.process_time, plan.burn_child)
            os._exit(0)
        os.waitpid(child, 0)


listener = socket.socket(socket.AF_INET6 if ":" in plan.host else socket.AF_INET)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind((plan.host, plan.port))
listener.listen(128)
poller = select.epoll()
poller.register(listener, select.EPOLLIN)
clients = {}
reads = 0
while True:
    for fd, _ in poller.poll():
        if fd == listener.fileno():
            client, _ = listener.accept()
            clients[client.fileno()] = client
            poller.register(client, select.EPOLLIN)
            continue
        try:
            data = clients[fd].recv(65536)
        except ConnectionError:
            data = b""
        if data:
            reads += 1
            if reads == 1:
                first_request()
            if plan.die_after is not None and reads > plan.die_after:
                sys.stderr.write("no more of this\n")
                sys.exit(3)
            with contextlib.suppress(ConnectionError):  # a client may be gone
                clients[fd].sendall(data)
        else:
            poller.unregister(fd)
            clients.pop(fd).close()
