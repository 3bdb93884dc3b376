"""What is measured: settings of the two hosts, and the rows of measurements taken in each.

A visit brings one peer up in one setting and takes all rows of that setting. A row is a function that returns figures
by name; figures.py says what each of them means.
"""
import json
import time
from typing import NamedTuple

from figures import round_trips
from network import BenchError, Network, wait_for
from peers import Tunnel
from usage import Window, memory_mib

HEADERS = 28              # bytes of IPv4 and UDP in an inner packet
HEADERS_V6 = 48
SMALL = 64                # bytes of a small datagram
TRANSFER = 32             # MiB of the verified stream
PACE = 1000               # microseconds between paced round trips
BULK_LEAD = 1             # seconds a bulk stream runs before round trips beside it are noted
IDLE_SECONDS = 2
CONNECT_PATIENCE = 10     # seconds for the first answer through a tunnel
DATAGRAM_PORT = 9998      # of tunnel_probe
STREAM_PORT = 9999
# The pacing of BBR, the default of some kernels, makes runs erratic that are bound by the processor.
IPERF = ("iperf3", "-C", "cubic", "-c")
SETUP_SECONDS = 3         # of a visit, to foretell how long all takes


class Setting(NamedTuple):
    title: str
    quick: tuple = ()         # rows of a run without --full
    full: tuple = ()          # rows that --full adds
    pin: str = "hosts"
    has_offloads: bool = True
    mtu: int = 1420
    is_v6: bool = False


SETTINGS = {
    "hosts": Setting("a core for each host", ("tcp1", "tcp4", "udp", "small", "loaded", "idle"),
                     ("reverse", "reverse4", "rtt")),
    "one": Setting("both hosts on one core", ("rtt", "paced"), pin="one"),
    "none": Setting("two hosts share all cores", full=("tcp1", "tcp4", "udp", "small", "rtt"), pin="none"),
    "segmented": Setting("a core for each host, a link without offloads", full=("tcp1", "tcp4", "udp"),
                         has_offloads=False),
    "ipv6": Setting("a core for each host, IPv6 inside", full=("tcp1", "udp"), is_v6=True),
    "mtu1280": Setting("a core for each host, MTU 1280", full=("tcp1", "udp"), mtu=1280),
}


class Visit:
    """One peer, up in one setting. `with Visit(...) as visit:` and then visit.take(row)."""

    def __init__(self, peer, setting, options, logs):
        self._peer = peer
        self._setting = setting
        self._probe = str(options.probe)
        self._seconds = options.secs
        self._network = Network(setting.pin, setting.has_offloads, logs)
        self._tunnel = Tunnel(self._network, peer, setting.mtu)
        self._idle_mib = 0

    def __enter__(self):
        self._network.__enter__()
        try:
            self._tunnel.start()
            self._start_servers()
            self._verify()
        except BaseException:
            self._network.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self._network.__exit__()

    def take(self, row):
        """The figures of a row, with those that say how far others disturbed it."""
        with Window(self._tunnel.groups) as used:
            figures = ROWS[row].function(self, used)
        return figures | derived(figures, used, bool(self._tunnel.groups))

    @property
    def _server(self):
        return self._tunnel.addresses["b"][1 if self._setting.is_v6 else 0]

    def _endpoint(self, port):
        return f"[{self._server}]:{port}" if self._setting.is_v6 else f"{self._server}:{port}"

    def _start_servers(self):
        server = self._network.start("b", [self._probe, "serve", "::"], "probe")
        self._network.start("b", ["iperf3", "-s"], "iperf3")
        wait_for("tunnel_probe does not start", lambda: "ready" in read(server.log), CONNECT_PATIENCE, server)
        # The first packet begins the handshake.
        wait_for(f"{self._peer.name}: nothing comes through the tunnel", self._is_connected, CONNECT_PATIENCE)
        self._idle_mib = self._memory("VmRSS")

    def _is_connected(self):
        try:
            answer = self._ask("transfer", STREAM_PORT, "0")
        except BenchError:
            return False
        return answer["intact"]

    def _verify(self):
        """A transfer whose every byte is checked, before any figure is believed."""
        if not self._ask("transfer", STREAM_PORT, str(TRANSFER))["intact"]:
            raise BenchError(f"{self._peer.name}: {TRANSFER} MiB through the tunnel did not arrive as they were sent. "
                             "Its figures are worth nothing; this has to be found first")

    def _ask(self, verb, port, *words):
        return json.loads(self._network.run("a", [self._probe, verb, self._endpoint(port), *words]))

    def _memory(self, key):
        """Of the larger end."""
        return max((memory_mib(group, key) for group in self._tunnel.groups), default=0)

    # ---- the rows ---------------------------------------------------------------------------------------------------

    def tcp(self, _, *words):
        command = [*IPERF, self._server, "-J", "-t", str(self._seconds), *words]
        answer = json.loads(self._network.run("a", command))["end"]
        received = answer["sum_received"]
        return {"gbps": received["bits_per_second"] / 1e9, "bytes": received["bytes"],
                "retransmits": answer["sum_sent"].get("retransmits", 0)}

    def udp(self, _, size=None):
        largest = self._setting.mtu - (HEADERS_V6 if self._setting.is_v6 else HEADERS)
        answer = self._ask("flood", DATAGRAM_PORT, str(self._seconds), str(size or largest))
        if not answer["arrived"] or not answer["nanoseconds"]:
            raise BenchError(f"{self._peer.name}: of {answer['sent']} datagrams none arrived")
        return {"kpps": answer["arrived"] / answer["nanoseconds"] * 1e6, "packets": answer["arrived"],
                "lost_percent": 100 * (1 - answer["arrived"] / answer["sent"])}

    def round_trips(self, _, pace):
        return round_trips(self._ask("echo", DATAGRAM_PORT, str(self._seconds), str(pace)))

    def loaded(self, used):
        length = str(self._seconds + BULK_LEAD + 1)
        bulk = self._network.start("a", [*IPERF, self._server, "-t", length], "bulk")
        time.sleep(BULK_LEAD)
        figures = self.round_trips(used, PACE)
        bulk.wait()
        if bulk.returncode != 0:
            raise BenchError(f"{self._peer.name}: the bulk stream broke: {read(bulk.log)[-500:]}")
        return figures

    def idle(self, _):
        if not self._tunnel.groups:
            return {}
        figures = {"idle_mib": self._idle_mib, "peak_mib": self._memory("VmHWM")}
        with Window(self._tunnel.groups) as pause:
            time.sleep(IDLE_SECONDS)
        return figures | {"cpu_percent": pause.tunnel / pause.seconds * 100}


def derived(figures, used, has_tunnel):
    """Costs for each unit of traffic, and how far others disturbed the measurement."""
    found = {"foreign_percent": used.foreign_percent, "stolen_percent": used.stolen_percent}
    if "bytes" in figures:
        found["machine_s_per_gb"] = used.machine / figures["bytes"] * 1e9
        if has_tunnel:
            found["tunnel_s_per_gb"] = used.tunnel / figures["bytes"] * 1e9
    if "packets" in figures:
        found["machine_us_per_packet"] = used.machine / figures["packets"] * 1e6
    return found


class Row(NamedTuple):
    title: str
    function: object
    overhead: float = 0.3  # seconds beside --secs


ROWS = {
    "tcp1": Row("TCP, 1 stream", Visit.tcp),
    "tcp4": Row("TCP, 4 streams", lambda visit, used: visit.tcp(used, "-P", "4")),
    "reverse": Row("TCP, 1 stream back", lambda visit, used: visit.tcp(used, "-R")),
    "reverse4": Row("TCP, 4 streams back", lambda visit, used: visit.tcp(used, "-R", "-P", "4")),
    "udp": Row("UDP, full packets", Visit.udp),
    "small": Row(f"UDP, {SMALL} bytes", lambda visit, used: visit.udp(used, SMALL)),
    "rtt": Row("round trip, closed loop", lambda visit, used: visit.round_trips(used, 0)),
    "paced": Row("round trip, 1 kHz", lambda visit, used: visit.round_trips(used, PACE)),
    "loaded": Row("round trip beside bulk", Visit.loaded, BULK_LEAD + 1.3),
    "idle": Row("at rest", Visit.idle),
}


def plan(is_full, only, settings):
    """[(name of the setting, rows)], in the order of the tables. Whoever names a row or a setting does not need --full
    for it, and a row named for a setting that does not list it is taken all the same."""
    for names, known, what in ((only, ROWS, "row"), (settings, SETTINGS, "setting")):
        for name in names or ():
            if name not in known:
                raise BenchError(f"'{name}' is no {what}; there are {', '.join(known)}")
    found = [(name, rows_of(SETTINGS[name], is_full, only, bool(settings)))
             for name in SETTINGS if not settings or name in settings]
    found = [(name, rows) for name, rows in found if rows]
    return found if found or is_full else plan(True, only, settings)


def rows_of(setting, is_full, only, is_chosen):
    listed = setting.quick + (setting.full if is_full or is_chosen else ())
    if not only:
        return [row for row in ROWS if row in listed]
    return [row for row in ROWS if row in only and (is_chosen or row in listed)]


def foretell(chosen, peer_count, options):
    """Seconds that a run takes, about."""
    visit = sum(SETUP_SECONDS + sum(options.secs + ROWS[row].overhead for row in rows) for _, rows in chosen)
    return visit * peer_count * options.rounds


def read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()
