"""Parting from clients: SIGTERM drains, a second signal ends at once, and the
port is free again."""
import os
import signal
import time
import unittest

from programs import PATIENCE_S, SANITIZED, serving
from traffic import (GRACE_S, connect, crowd, light, models, noise, read_exactly, read_to_end, side_by_side, stream,
                     stuff, until)

MODELS = models("stream")
SLACK_S = 5.0 if SANITIZED else 2.0  # on top of the promise; a leak check takes its time


class Drain(unittest.TestCase):
    @staticmethod
    def asked_to_end(server):
        begin = time.monotonic()
        os.kill(server.pid, signal.SIGTERM)
        return begin

    def ended(self, server, begin):
        """After how many seconds, in peace."""
        self.assertEqual(server.process.wait(PATIENCE_S), 0)
        return time.monotonic() - begin

    def in_time(self, names, check):
        """check(name) returns how long the end took: a busy machine may hold one of three up."""
        def tries(name):
            took_s = []
            while len(took_s) < 3 and (not took_s or took_s[-1] >= GRACE_S + SLACK_S):
                took_s.append(check(name))
            self.assertLess(took_s[-1], GRACE_S + SLACK_S, took_s)

        side_by_side(self, names, tries)

    def test_clients_in_mid_message_get_every_byte_then_eof(self):
        def check(model):
            count = 1 if model == "iterative" else 100
            with stream(model, "--service", "upper", *crowd(model, count)) as server:
                clients = [connect(server) for _ in range(count)]
                for i, client in enumerate(clients):  # served, so surely accepted
                    client.sendall(b"hi")
                    self.assertEqual(read_exactly(client, 2), b"HI")
                    client.sendall(noise(1000, i))
                begin = self.asked_to_end(server)
                for i, client in enumerate(clients):
                    client.sendall(noise(500, i + count))
                for i, client in enumerate(clients):
                    self.assertTrue(read_to_end(client) == (noise(1000, i) + noise(500, i + count)).upper(), i)
                    client.close()
                return self.ended(server, begin)

        self.in_time(MODELS, check)

    def test_clients_that_stay_do_not_hold_it(self):
        def check(model):
            with stream(model) as server, connect(server) as client:
                client.sendall(b"hi")
                self.assertEqual(read_exactly(client, 2), b"hi")
                begin = self.asked_to_end(server)
                self.assertEqual(read_to_end(client), b"")
                return self.ended(server, begin)

        self.in_time(MODELS, check)

    def test_a_client_that_talks_on_does_not_hold_it(self):
        def check(model):
            with stream(model) as server, connect(server) as client:
                client.sendall(b"hi")
                self.assertEqual(read_exactly(client, 2), b"hi")
                begin = self.asked_to_end(server)
                try:
                    while True:
                        client.sendall(b"more")
                        if not client.recv(100):
                            break
                except ConnectionError:
                    pass
                return self.ended(server, begin)

        self.in_time(MODELS, check)

    def test_work_that_takes_long_does_not_hold_it(self):
        def check(model_and_work):
            model, work = model_and_work
            with stream(model, "--work", work) as server:
                clients = [connect(server) for _ in range(64)]
                for client in clients:
                    client.sendall(b"hi")
                begin = self.asked_to_end(server)
                took_s = self.ended(server, begin)
                for client in clients:
                    client.close()
                return took_s

        self.in_time([(model, work) for model in MODELS for work in ("sleep:20ms", "sleep:1h")], check)

    def test_a_client_that_never_reads_does_not_hold_it(self):
        def check(model):
            with stream(model) as server, connect(server, rcvbuf=4096) as client:
                stuff([client])
                begin = self.asked_to_end(server)
                return self.ended(server, begin)

        self.in_time(MODELS, check)

    def test_a_slow_reader_gets_what_is_pending(self):
        """Its bytes are queued in the server when the stop comes."""
        data = noise(200000, 4)
        def check(model):
            with stream(model, "--sndbuf", "8k", "--rcvbuf", "1M") as server, \
                    connect(server, rcvbuf=8192) as client:
                client.sendall(b"hi")  # served, so surely accepted
                self.assertEqual(read_exactly(client, 2), b"hi")
                client.sendall(data)
                begin = self.asked_to_end(server)
                self.assertTrue(read_to_end(client) == data)
                client.close()
                return self.ended(server, begin)

        self.in_time(MODELS, check)

    def test_nobody_new_is_served(self):
        def check(model):
            with stream(model) as server, connect(server) as client:
                client.sendall(b"hi")
                self.assertEqual(read_exactly(client, 2), b"hi")
                begin = self.asked_to_end(server)

                def refused():
                    try:
                        connect(server).close()
                        return False
                    except ConnectionError:
                        return True

                until(refused, "new clients are refused")
                client.close()
                return self.ended(server, begin)

        self.in_time(MODELS, check)


class SecondSignal(unittest.TestCase):
    def ends_at_once(self, model, number, *options):
        with stream(model, *options, ends_with=128 + number) as server, connect(server) as client:
            client.sendall(b"hi")
            self.assertEqual(read_exactly(client, 2), b"hi")
            client.sendall(b"hi")  # with work, it is at that now
            os.kill(server.pid, signal.SIGTERM)

            def the_first_was_taken():
                with open("/proc/%d/status" % server.pid) as file:
                    pending = [line.split()[1] for line in file if line.startswith("ShdPnd")]
                return not int(pending[0], 16) >> (signal.SIGTERM - 1) & 1
            until(the_first_was_taken, "the first signal is handled")
            os.kill(server.pid, number)  # the client stays: the drain goes on
            self.assertEqual(server.process.wait(PATIENCE_S), 128 + number)

    def test_it_ends_at_once(self):
        for model in MODELS:
            for number in (signal.SIGTERM, signal.SIGINT):
                with self.subTest(model=model, signal=number):
                    self.ends_at_once(model, number)

    def test_it_ends_work_that_sleeps(self):
        def check(model):
            self.ends_at_once(model, signal.SIGTERM, "--work", "sleep:1s")

        side_by_side(self, MODELS, check)


class Again(unittest.TestCase):
    def test_stop_and_start_on_one_port(self):
        for model in MODELS:
            with stream(model) as server:
                port = server.port
            for i in range(light(50, 10)):
                with self.subTest(model=model, turn=i), serving(model, "tcp://127.0.0.1:%d" % port) as server, \
                        connect(server) as client:
                    client.sendall(b"again")
                    self.assertEqual(read_exactly(client, 5), b"again")

    def test_a_killed_server_leaves_its_port_to_the_next(self):
        for model in (m for m in MODELS if "uring" in m):  # the kernel closes what a ring holds after the process
            with self.subTest(model=model):
                address = "tcp://127.0.0.1:0"
                for _ in range(12):
                    with serving(model, address) as server:
                        address = server.address
                        server.process.kill()
                        server.process.wait(PATIENCE_S)

    def test_an_idle_server_stops_at_once(self):
        def check(model):
            took_s = []
            for _ in range(3):  # a busy machine may hold one of them up
                with stream(model) as server:
                    begin = time.monotonic()
                    code, _ = server.stop()
                    self.assertEqual(code, 0)
                took_s.append(time.monotonic() - begin)
                if took_s[-1] < GRACE_S:
                    return
            self.fail("%s: %s s" % (model, took_s))

        side_by_side(self, MODELS, check)


if __name__ == "__main__":
    unittest.main(verbosity=2)
