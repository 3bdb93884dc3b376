#!/usr/bin/env python3
"""Tests of the benchmark drivers that need no network: what they parse, plan, compute and show."""
import sys

sys.dont_write_bytecode = True

import figures  # noqa: E402  (after dont_write_bytecode)
import instructions  # noqa: E402  (after dont_write_bytecode)
import peers  # noqa: E402  (after dont_write_bytecode)
import report  # noqa: E402  (after dont_write_bytecode)
import rows  # noqa: E402  (after dont_write_bytecode)
import tunnel  # noqa: E402  (after dont_write_bytecode)
import usage  # noqa: E402  (after dont_write_bytecode)
from cases import Cases  # noqa: E402  (after dont_write_bytecode)
from network import BenchError  # noqa: E402  (after dont_write_bytecode)

case = Cases()


def refuses(function, *arguments):
    try:
        function(*arguments)
    except BenchError:
        return True
    return False


def three_rounds(ours, theirs):
    """Rounds of one setting and one row, as tunnel.py collects them."""
    return [{"hosts": {"sinew": {"tcp1": {"gbps": mine} | QUIET}, "other": {"tcp1": {"gbps": other} | QUIET}}}
            for mine, other in zip(ours, theirs)]


QUIET = {"foreign_percent": 0.0, "stolen_percent": 0.0}
GBPS = next(figure for figure in figures.FIGURES if (figure.row, figure.name) == ("tcp1", "gbps"))


@case("a peer is told by its type, and a path is a program that stays in the foreground")
def _():
    assert peers.parse_peer("raw") == ("raw", "")
    assert peers.parse_peer("cable=raw") == ("cable", "")
    assert peers.parse_peer("wireguard-go") == ("wireguard-go", "wireguard-go -f {if}")
    assert peers.parse_peer("new=wireguard-go:/x/y") == ("new", "/x/y -f {if}")
    assert peers.parse_peer("bt=/x/a b") == ("bt", "'/x/a b' -f {if}")
    assert peers.parse_peer("own=uapi:sinew wg -f {if}") == ("own", "sinew wg -f {if}")


@case("what is no peer is refused")
def _():
    for text in ("", "sinew", "x=", "x=uapi:", "x=uapi:no-interface", "x=raw:1", "x=nothing"):
        assert refuses(peers.parse_peer, text), text


@case("a program that is not there is refused before anything starts")
def _():
    assert refuses(peers.check_peer, peers.parse_peer("x=/no/such/program"))
    peers.check_peer(peers.parse_peer("x=uapi:sh -c {if}"))


@case("a configuration names the other end")
def _():
    text = peers.configuration("a", {"a": ("private-a", "public-a"), "b": ("private-b", "public-b")})
    assert "private-a" in text and "public-b" in text and "10.77.0.2:51820" in text and "10.99.0.2/32" in text
    assert "private-b" not in text and "public-a" not in text


@case("without options the plan is the quick rows, with --full every row that a setting lists")
def _():
    quick = rows.plan(False, None, None)
    assert [name for name, _ in quick] == ["hosts", "one"]
    assert quick[0][1] == ["tcp1", "tcp4", "udp", "small", "loaded", "idle"]
    full = dict(rows.plan(True, None, None))
    assert full.keys() == rows.SETTINGS.keys() and "reverse" in full["hosts"]


@case("rows and settings that are named are taken without --full, in the order of the tables")
def _():
    assert rows.plan(False, ["small", "tcp1"], None) == [("hosts", ["tcp1", "small"])]
    assert rows.plan(False, ["reverse"], None) == [("hosts", ["reverse"])]
    assert rows.plan(False, ["idle"], ["ipv6"]) == [("ipv6", ["idle"])]
    assert rows.plan(False, None, ["ipv6"]) == [("ipv6", ["tcp1", "udp"])]
    assert refuses(rows.plan, False, ["tcp9"], None) and refuses(rows.plan, False, None, ["nowhere"])
    assert refuses(rows.plan, False, ["hosts"], None) and refuses(rows.plan, False, None, ["tcp1"])


@case("every figure belongs to a row, and every row has a figure")
def _():
    assert {figure.row for figure in figures.FIGURES} == rows.ROWS.keys()
    assert {row for setting in rows.SETTINGS.values() for row in setting.quick + setting.full} == rows.ROWS.keys()


@case("a ratio is the median of neighbours, not the ratio of the medians")
def _():
    found = figures.ratio([10, 1, 6], [1, 1, 3])
    assert (found.median, found.least, found.greatest, found.of_medians) == (2, 1, 10, 6)


@case("rounds that one of the two lacks have no ratio, nor do those with nothing to divide by")
def _():
    assert figures.ratio([1, None, 3], [None, 2, 1]).median == 3
    assert figures.ratio([-1, 0, 5], [2, 2, 0]) is None


@case("round trips: lost ones are counted, and the slowest hundredth is left out of the deviation")
def _():
    found = figures.round_trips({"sent": 101, "microseconds": [10.0] * 99 + [1000.0]})
    assert found["lost"] == 1 and found["p50_us"] == 10 and found["p99_us"] == 1000
    assert found["std99_us"] == 0 and found["std_us"] > 90
    assert figures.round_trips({"sent": 3, "microseconds": []}) == {"count": 0, "lost": 3}


@case("what a tunnel adds to a round trip is taken from the cable of the same round")
def _():
    raw, ours = {"rtt": {"p50_us": 10}}, {"rtt": {"p50_us": 42}, "tcp1": {"gbps": 1}}
    figures.add_derived(ours, raw)
    figures.add_derived(raw, raw)
    assert ours["rtt"]["added_p50_us"] == 32 and "added_p50_us" not in raw["rtt"]


@case("a disturbed visit is said, a quiet one is not")
def _():
    rounds = three_rounds([1, 2], [1, 1])
    assert not list(figures.disturbances(rounds))
    rounds[1]["hosts"]["other"]["tcp1"]["foreign_percent"] = 10.1
    rounds[0]["hosts"]["sinew"]["tcp1"]["stolen_percent"] = 30
    assert [text[:20] for text in figures.disturbances(rounds)] == ["round 1, hosts, sine", "round 2, hosts, othe"]


@case("tables show medians and ratios, as text and as Markdown")
def _():
    tables = report.Tables(three_rounds([8, 9, 7], [4, 3, 7]), [("hosts", ["tcp1"])], "sinew", ["other"], False)
    line = next(line for line in tables.text().split("\n") if "1 stream" in line)
    assert line.split() == ["TCP,", "1", "stream,", "Gb/s", "8.00", "4.00", "x2.00", "[1.00..3.00]"], line
    assert "| TCP, 1 stream, Gb/s | 8.00 | 4.00 | x2.00 [1.00..3.00] |" in tables.markdown()


@case("a peer without figures leaves a dash")
def _():
    rounds = three_rounds([8], [4])
    rounds[0]["hosts"]["other"] = {}
    assert "| 8.00 | - | - |" in report.Tables(rounds, [("hosts", ["tcp1"])], "sinew", ["other"], False).markdown()
    assert figures.values(rounds, "hosts", "other", GBPS) == [None]


@case("numbers show the digits that count")
def _():
    assert [report.three_digits(value) for value in (0.01234, 1.234, 12.34, 123.4, 12345, 0)] == [
        "0.0123", "1.23", "12.3", "123", "12345", "0"]


@case("the program without a cipher and the cable are peers like others")
def _():
    options = tunnel.parse(["--without-cipher", "/a b", "--peer", "x=/y"])
    assert tunnel.others_of(options) == ["wireguard-go", "x=/y", "no-cipher=uapi:'/a b' wg -f {if}", "raw"]
    assert tunnel.others_of(tunnel.parse(["--alone"])) == []


@case("lists of processors are read as the kernel writes them")
def _():
    assert usage.numbers_of("0\n") == {0} and usage.numbers_of("0,2-4") == {0, 2, 3, 4}


@case("a count within three percent passes, one above fails, and one below too")
def _():
    known = {"seal": 1000}
    assert not list(instructions.compare({"seal": 1029}, known))
    assert not list(instructions.compare({"seal": 971}, known))
    for count, word in ((1031, "more"), (969, "less")):
        [finding] = instructions.compare({"seal": count}, known)
        assert word in finding and instructions.ACCEPT in finding


@case("a count without a figure fails, and so does a figure without a count")
def _():
    assert "no figure" in next(instructions.compare({"seal": 1}, {}))
    assert "not counted" in next(instructions.compare({}, {"seal": 1}))


if __name__ == "__main__":
    sys.exit(case.run())
