"""What the figures mean, and how rounds become one figure: medians, and ratios of neighbours in time.

The speed of a shared machine drifts, so a figure by itself says little. A ratio compares two peers of one round, which
were measured one after the other, and the ratio shown is the median of those of all rounds, with the least and the
greatest beside it.
"""
import statistics
from typing import NamedTuple

DISTURBED = 10.0  # percent of one core that went to foreign programs or to the host's other guests


class Figure(NamedTuple):
    row: str
    name: str
    title: str
    digits: int
    better: str = "less"     # "more", "less", or "" where a ratio says nothing
    is_detail: bool = False  # shown by --full only


def of_tcp(row, what):
    return [Figure(row, "gbps", f"{what}, Gb/s", 2, "more"),
            Figure(row, "machine_s_per_gb", "  CPU s/GB, whole machine", 2),
            Figure(row, "tunnel_s_per_gb", "  CPU s/GB, the tunnel's processes", 2, is_detail=True),
            Figure(row, "retransmits", "  retransmits", 0, "", is_detail=True)]


def of_udp(row, what):
    return [Figure(row, "kpps", f"{what}, delivered kpps", 1, "more"),
            Figure(row, "lost_percent", "  lost, %", 1, "", is_detail=True),
            Figure(row, "machine_us_per_packet", "  CPU us a packet, whole machine", 2, is_detail=True)]


def of_round_trips(row, what):
    return [Figure(row, "added_p50_us", f"{what}, added p50, us", 1),
            Figure(row, "p50_us", "  p50, us", 1, is_detail=True),
            Figure(row, "p99_us", "  p99, us", 1, is_detail=True),
            Figure(row, "std99_us", "  stddev of the fastest 99 %, us", 2),
            Figure(row, "lost", "  lost", 0, "", is_detail=True)]


FIGURES = [
    *of_tcp("tcp1", "TCP, 1 stream"), *of_tcp("tcp4", "TCP, 4 streams"),
    *of_tcp("reverse", "TCP, 1 stream back"), *of_tcp("reverse4", "TCP, 4 streams back"),
    *of_udp("udp", "UDP, full packets"), *of_udp("small", "UDP, 64 bytes"),
    *of_round_trips("rtt", "round trip, closed loop"), *of_round_trips("paced", "round trip, 1 kHz"),
    Figure("loaded", "p50_us", "round trip beside bulk, p50, us", 0),
    Figure("loaded", "p99_us", "  p99, us", 0),
    Figure("loaded", "lost", "  lost", 0, ""),
    Figure("idle", "peak_mib", "memory under load, MiB", 1),
    Figure("idle", "idle_mib", "  before, MiB", 1, is_detail=True),
    Figure("idle", "cpu_percent", "idle CPU, % of a core", 1, ""),
]


class Ratio(NamedTuple):
    """Ours to another's."""
    median: float
    least: float
    greatest: float
    of_medians: float


def round_trips(answer):
    """Figures of what `tunnel_probe echo` measured."""
    times = sorted(answer["microseconds"])
    if not times:
        return {"count": 0, "lost": answer["sent"]}
    return {"count": len(times), "lost": answer["sent"] - len(times), "p50_us": quantile(times, 0.5),
            "p99_us": quantile(times, 0.99), "max_us": times[-1], "std_us": statistics.pstdev(times),
            # Pauses of a virtual machine are not the tunnel's.
            "std99_us": statistics.pstdev(times[:max(1, int(len(times) * 0.99))])}


def quantile(ordered, share):
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def add_derived(taken, raw):
    """What a peer added to the round trip of the cable, in every row of a round that has both. `taken` is {row:
    {figure: value}} of a peer, `raw` that of the cable."""
    for row, figures in taken.items():
        bare = raw.get(row, {}).get("p50_us")
        if bare is not None and "p50_us" in figures and taken is not raw:
            figures["added_p50_us"] = figures["p50_us"] - bare


def values(rounds, setting, peer, figure):
    """By round; None where it is missing."""
    return [taken.get(setting, {}).get(peer, {}).get(figure.row, {}).get(figure.name) for taken in rounds]


def median(found):
    present = [value for value in found if value is not None]
    return statistics.median(present) if present else None


def ratio(ours, theirs):
    """Over the rounds that have both; None if there is none. Added time can come out negative or zero in a disturbed
    round, and then has no ratio."""
    pairs = [(mine, other) for mine, other in zip(ours, theirs)
             if mine is not None and other is not None and mine > 0 and other > 0]
    if not pairs:
        return None
    ratios = [mine / other for mine, other in pairs]
    return Ratio(statistics.median(ratios), min(ratios), max(ratios),
                 statistics.median(p[0] for p in pairs) / statistics.median(p[1] for p in pairs))


def disturbances(rounds):
    """A sentence for every visit that others disturbed."""
    for number, taken in enumerate(rounds, 1):
        for setting, of_peers in taken.items():
            for peer, of_rows in of_peers.items():
                for name, who in (("foreign_percent", "other programs"), ("stolen_percent", "other guests")):
                    shares = [figures[name] for figures in of_rows.values() if figures[name] > DISTURBED]
                    if shares:
                        yield (f"round {number}, {setting}, {peer}: {who} used up to {max(shares):.0f} % of a core in "
                               f"{len(shares)} of {len(of_rows)} measurements")


def summary(rounds, chosen, ours, others):
    """All medians and ratios, for the file: {setting: {row.figure: {"median": {peer: x}, "ratio": {peer: ...}}}}."""
    found = {}
    for setting, rows in chosen:
        for figure in (figure for figure in FIGURES if figure.row in rows):
            of = {peer: values(rounds, setting, peer, figure) for peer in [ours, *others]}
            entry = {"median": {peer: median(by_round) for peer, by_round in of.items()}}
            if figure.better:
                entry["ratio"] = {peer: pair._asdict() for peer in others if (pair := ratio(of[ours], of[peer]))}
            found.setdefault(setting, {})[f"{figure.row}.{figure.name}"] = entry
    return found
