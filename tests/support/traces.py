"""A second implementation of the frame and of the trace's layout, slow and
simple, that the programs are held against."""
import mmap
import struct

UNCLAIMED = 0xffffffff
PAGE = 4096
FLOW = struct.Struct("<II 12Q 16Q 3Q")
FLOW_NAMES = ("unique", "duplicate", "ancient", "reordered", "bytes", "warmup", "refused", "replied", "send_errors",
              "first_ns", "last_ns", "next_expected")
RECORD = struct.Struct("<QQQQII")
RECORD_NAMES = ("sequence", "time_ns", "received_ns", "sent_ns", "flow", "state")
RECEIVED, REPLIED = 1, 2
HEADER = struct.Struct("<8s II QQQ II QQQQQ II")
HEADER_NAMES = ("magic", "version", "flows_capacity", "records_capacity", "flows_offset", "records_offset", "nonce",
                "is_shared", "records_count", "foreign", "damaged", "unnumbered", "beyond", "send_lock", "unused")


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def sextets(value, count):
    return bytes(0x20 + (value >> 6 * i & 63) for i in reversed(range(count)))


def number(text):
    value = 0
    for byte in text:
        value = value << 6 | byte - 0x20
    return value


def frame(flow, sequence, nonce, kind=b"D", time_ns=0, length=64):
    """A whole full frame; its body is dots."""
    rest = (kind + sextets(2, 1) + sextets(length, 4) + sextets(flow, 4) + sextets(sequence, 8) +
            sextets(time_ns, 8) + sextets(nonce, 4))
    return b"skb1" + rest + sextets(crc32c(b"SKB1" + rest), 6) + b"." * (length - 40)


def parse(data):
    """(type, flow, sequence, time_ns, nonce) of a full frame; its check is not looked at."""
    return (data[4:5], number(data[10:14]), number(data[14:22]), number(data[22:30]), number(data[30:34]))


class Trace:
    """The file of --trace, mapped; also a writer of one, for servers that tests make."""

    def __init__(self, path, create_records=None, flows=64):
        if create_records is not None:
            records_offset = PAGE + flows * FLOW.size
            with open(path, "wb") as file:
                file.write(HEADER.pack(b"skbtrace", 1, flows, create_records, PAGE, records_offset, UNCLAIMED, 0,
                                       0, 0, 0, 0, 0, 0, 0))
                file.truncate(records_offset + create_records * RECORD.size)
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), 0)

    def header(self):
        return dict(zip(HEADER_NAMES, HEADER.unpack_from(self.map, 0)))

    def claim(self, nonce):
        struct.pack_into("<I", self.map, 40, nonce)

    def flow(self, index):
        return dict(zip(FLOW_NAMES, FLOW.unpack_from(self.map, PAGE + index * FLOW.size)[2:14]))

    def records(self):
        header = self.header()
        kept = min(header["records_count"], header["records_capacity"])
        return [dict(zip(RECORD_NAMES, RECORD.unpack_from(self.map, header["records_offset"] + i * RECORD.size)))
                for i in range(kept)]

    def write_flow(self, index, **counts):
        at = PAGE + index * FLOW.size + 8
        for name, value in counts.items():
            struct.pack_into("<Q", self.map, at + 8 * FLOW_NAMES.index(name), value)

    def add_record(self, **fields):
        header = self.header()
        index = header["records_count"]
        if index < header["records_capacity"]:
            RECORD.pack_into(self.map, header["records_offset"] + index * RECORD.size,
                             *(fields[name] for name in RECORD_NAMES))
        struct.pack_into("<Q", self.map, 48, index + 1)

    def close(self):
        self.map.close()
