"""What every stream model must do with bytes, whatever its clients do."""
import socket
import struct
import threading
import unittest

from programs import PATIENCE_S, SANITIZED
from traffic import (DESCRIPTORS, HOSTS, SERVICES, allowed, connect, crowd, exchange_all, half_closed_exchange, light, models,
                     noise, read_exactly, resident_bytes, stream, stuff)

MODELS = models("stream")
CONCURRENT = [model for model in MODELS if model != "iterative"]


class Content(unittest.TestCase):
    def test_the_reply_is_the_transform_of_the_request(self):
        for model in MODELS:
            for service, transform in SERVICES.items():
                for host in HOSTS:
                    with self.subTest(model=model, service=service, host=host), \
                            stream(model, "--service", service, host=host) as server, connect(server) as client:
                        for size in (1, 19, 64, 4096, 65536, 100003):
                            data = noise(size, size)
                            client.sendall(data)
                            self.assertTrue(read_exactly(client, size) == transform(data), size)

    def test_the_default_service_is_echo(self):
        for model in MODELS:
            with self.subTest(model=model), stream(model) as server, connect(server) as client:
                client.sendall(b"as it is")
                self.assertEqual(read_exactly(client, 8), b"as it is")

    def test_clients_do_not_mix(self):
        count = 64
        for model in CONCURRENT:
            with self.subTest(model=model), \
                    stream(model, "--service", "upper", *crowd(model, count)) as server:
                clients = [connect(server) for _ in range(count)]
                for turn in range(light(20, 5)):
                    messages = [noise(1 + (i * 997 + turn * 131) % 5000, i + turn * count) for i in range(count)]
                    replies = exchange_all(clients, messages)
                    for message, reply in zip(messages, replies):
                        self.assertTrue(reply == message.upper())
                for client in clients:
                    client.close()

    def test_one_client_after_the_other(self):
        for model in MODELS:
            with self.subTest(model=model), stream(model) as server:
                for i in range(50):
                    with connect(server) as client:
                        data = noise(500, i)
                        self.assertEqual(half_closed_exchange(client, data), data)

    def test_segments_of_one_byte(self):
        data = noise(500)
        for model in MODELS:
            with self.subTest(model=model), stream(model, "--service", "upper") as server, connect(server) as client:
                for i in range(len(data)):
                    client.send(data[i:i + 1])
                self.assertEqual(read_exactly(client, len(data)), data.upper())

    def test_small_buffers_of_the_server(self):
        data = noise(50000)
        for model in MODELS:
            with self.subTest(model=model), \
                    stream(model, "--buffer", 7, "--sndbuf", "4k", "--rcvbuf", "4k") as server, \
                    connect(server) as client:
                self.assertTrue(half_closed_exchange(client, data) == data)


class HalfClose(unittest.TestCase):
    def test_every_byte_then_fin(self):
        for model in MODELS:
            with stream(model, "--service", "upper") as server:
                for size in (0, 1, 64 << 10, light(8 << 20, 1 << 20)):
                    with self.subTest(model=model, size=size), connect(server) as client:
                        data = noise(size, 3)
                        self.assertTrue(half_closed_exchange(client, data) == data.upper())

    def test_a_slow_reader_gets_everything_in_order(self):
        data = noise(light(8 << 20, 2 << 20), 5)
        for model in MODELS:
            with self.subTest(model=model), stream(model) as server, connect(server, rcvbuf=4096) as client:
                sender = threading.Thread(target=lambda: (client.sendall(data), client.shutdown(socket.SHUT_WR)))
                sender.start()
                got = bytearray()
                while True:  # small pieces: the window opens and closes all the time
                    part = client.recv(3001)
                    if not part:
                        break
                    got += part
                sender.join()
                self.assertTrue(bytes(got) == data)


class Peers(unittest.TestCase):
    def test_a_reset_in_mid_send_hurts_nobody_else(self):
        for model in MODELS:
            with self.subTest(model=model), stream(model) as server:
                for _ in range(light(50, 10)):
                    client = connect(server, rcvbuf=4096)
                    client.setblocking(False)
                    try:
                        while True:  # a reply is on its way when the reset comes
                            client.send(b"x" * 65536)
                    except BlockingIOError:
                        pass
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    client.close()
                with connect(server) as client:
                    self.assertEqual(half_closed_exchange(client, b"still here"), b"still here")

    def test_peers_that_never_read_hold_little_and_harm_nobody(self):
        buffers = ("--rcvbuf", "64k", "--sndbuf", "64k")
        for model in CONCURRENT:
            # A thousand where one process or loop has them all.
            count = allowed(light(1000 if model in ("poll", "epoll", "uring", "uring-multishot") else 200, 50))
            with self.subTest(model=model), stream(model, *buffers, *crowd(model, count + 1)) as server:
                before = resident_bytes(server)
                stuck = [connect(server, rcvbuf=65536, sndbuf=65536) for _ in range(count)]
                stuff(stuck)
                with connect(server) as client:
                    for i in range(100):
                        data = noise(1000, i)
                        client.sendall(data)
                        self.assertEqual(read_exactly(client, 1000), data)
                if not SANITIZED:
                    grown = resident_bytes(server) - before
                    # The promise is 80 MiB for 1,000. A ring whose receives the kernel does not cap holds more.
                    capped = "uring-multishot" != model or "receive=capped" in server.ready_line
                    self.assertLess(grown, 80 << 20 if capped else count * 160 * 1024, model)
                for client in stuck:
                    client.close()

    def test_what_was_stuck_comes_out_whole(self):
        data = noise(light(4 << 20, 1 << 20), 9)
        for model in CONCURRENT:
            with self.subTest(model=model), stream(model, "--sndbuf", "16k", "--rcvbuf", "16k") as server:
                clients = [connect(server, rcvbuf=8192) for _ in range(4)]
                sent = stuff(clients, data)
                for client, at in zip(clients, sent):
                    client.settimeout(PATIENCE_S)
                    self.assertTrue(read_exactly(client, at) == data[:at])
                    client.close()


class TenThousand(unittest.TestCase):
    @unittest.skipIf(SANITIZED, "memory figures mean nothing under sanitizers")
    def test_idle_clients_cost_little(self):
        count = min(10000, DESCRIPTORS - 500)
        for model in models("stream", ("poll", "epoll", "epoll-et", "epoll-workers", "uring", "uring-multishot")):
            with self.subTest(model=model), stream(model) as server:
                clients = [connect(server) for _ in range(count)]
                replies = exchange_all(clients, [b"once"] * count)
                self.assertEqual(set(replies), {b"once"})
                self.assertLess(resident_bytes(server), 64 << 20)
                for client in clients:
                    client.close()


if __name__ == "__main__":
    unittest.main(verbosity=2)
