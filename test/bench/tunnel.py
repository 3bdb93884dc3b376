#!/usr/bin/env python3
"""Compares tunnels: `sinew wg` with other WireGuard programs, between two network namespaces on this machine.

    ./dev bench tunnel                             about eight minutes: ours against Debian's wireguard-go
    ./dev bench tunnel --peer new=PATH             and against another program (wireguard-go, boringtun-cli)
    ./dev bench tunnel --full                      every row in every setting; half an hour
    ./dev bench tunnel --only tcp1,rtt --rounds 9  these rows alone, more often

Peers take turns within a round, the other way round in every second one, and what counts is the median of the ratios of
the rounds: figures by themselves drift with the machine. A verified transfer goes before every measurement. Raw figures
are kept as JSON. Needs root.
"""
import argparse
import datetime
import json
import os
import pathlib
import shlex
import signal
import sys
import tempfile

sys.dont_write_bytecode = True

import figures  # noqa: E402  (after dont_write_bytecode)
import peers  # noqa: E402  (after dont_write_bytecode)
import report  # noqa: E402  (after dont_write_bytecode)
import rows  # noqa: E402  (after dont_write_bytecode)
from network import BenchError, check_machine, remove_leftovers  # noqa: E402  (after dont_write_bytecode)
from usage import two_cores  # noqa: E402  (after dont_write_bytecode)

ROOT = pathlib.Path(__file__).resolve().parents[2]
RELEASE = ROOT / "build" / "release"
RAW = "raw"
DEBIAN = "wireguard-go"
WITHOUT_CIPHER = "no-cipher"


def main(arguments):
    options = parse(arguments)
    try:
        bench = Bench(options)
        check_machine()
        remove_leftovers()
    except BenchError as error:
        return fail(error)
    catch_signals()
    try:
        bench.run()
    except Interrupted:
        report.say("interrupted; what was measured so far:")
        bench.close()
        return 130
    except BenchError as error:
        bench.close()
        return fail(error)
    bench.close()
    return 0


class Bench:
    """One run: `rounds` collects {setting: {peer: {row: {figure: value}}}} round by round."""

    def __init__(self, options):
        self._options = options
        self._ours = peers.parse_peer(options.ours)
        self._others = [peers.parse_peer(text) for text in others_of(options)]
        self._all = [self._ours, *self._others]
        if len({peer.name for peer in self._all}) < len(self._all):
            raise BenchError("two peers have one name; give each its own: NAME=PATH")
        for peer in self._all:
            peers.check_peer(peer)
        self._chosen = rows.plan(options.full, options.only, options.settings)
        if not options.probe.exists():
            raise BenchError(f"{options.probe} is not built: ninja -C build/release tunnel_probe")
        self._rounds = []
        self._began = datetime.datetime.now()

    def run(self):
        minutes = rows.foretell(self._chosen, len(self._all), self._options) / 60
        names = ", ".join(peer.name for peer in self._all)
        report.say(f"{names}: {self._options.rounds} rounds, about {minutes:.0f} minutes")
        if len(set(two_cores())) == 1:
            report.say("warning: this machine has one core, so that both hosts share it in every setting")
        total = len(self._all) * self._options.rounds * sum(len(chosen) for _, chosen in self._chosen)
        progress = report.Progress(total)
        with tempfile.TemporaryDirectory(prefix="sinewbench.") as logs:
            for number in range(1, self._options.rounds + 1):
                self._rounds.append({})
                self._round(number, progress, logs)

    def _round(self, number, progress, logs):
        for setting, chosen in self._chosen:
            taken = self._rounds[-1].setdefault(setting, {})
            for peer in self._all if number % 2 else self._all[::-1]:
                taken[peer.name] = {}
                with rows.Visit(peer, rows.SETTINGS[setting], self._options, logs) as visit:
                    for row in chosen:
                        taken[peer.name][row] = visit.take(row)
                        progress.note(number, setting, peer.name, row, taken[peer.name][row])
            for name in taken:
                figures.add_derived(taken[name], taken.get(RAW, {}))

    def close(self):
        """The tables, the warnings and the file, of what there is."""
        if not self._has_figures():
            return
        others = [peer.name for peer in self._others]
        tables = report.Tables(self._rounds, self._chosen, self._ours.name, others, self._options.full)
        body = tables.markdown() if self._options.markdown else tables.text()
        print(f"\n{self._caption()}\n\n{body}\n", flush=True)
        disturbed = list(figures.disturbances(self._rounds))
        for sentence in disturbed:
            report.say(f"{report.paint('warning', report.RED, sys.stderr)}: {sentence}")
        if disturbed:
            report.say("Disturbed rounds pull the ratios about: run again on a quiet machine, or with more --rounds.")
        self._keep(disturbed, others)

    def _has_figures(self):
        return any(of_rows for taken in self._rounds for of_peers in taken.values() for of_rows in of_peers.values())

    def _caption(self):
        return (f"{processor_model()}, {os.cpu_count()} processors, Linux {os.uname().release}; "
                f"{len(self._rounds)} rounds of {self._options.secs} s.\nMedians; a ratio is {self._ours.name} to the "
                "other, the median of the rounds, with the least and the greatest.")

    def _keep(self, disturbed, others):
        stamp = self._began.strftime("%Y-%m-%d-%H%M%S")
        path = self._options.json or ROOT / "build" / "bench" / f"tunnel-{stamp}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({
            "began": self._began.isoformat(timespec="seconds"),
            "machine": {"kernel": os.uname().release, "processors": os.cpu_count(), "model": processor_model()},
            "options": {name: str(value) for name, value in vars(self._options).items()},
            "peers": {peer.name: {"command": peer.command, "sha256": peer.fingerprint()} for peer in self._all},
            "settings": {name: rows.SETTINGS[name]._asdict() for name, _ in self._chosen},
            "ours": self._ours.name,
            "summary": figures.summary(self._rounds, self._chosen, self._ours.name, others),
            "disturbed": disturbed,
            "rounds": self._rounds}, indent=1) + "\n", encoding="utf-8")
        report.say(f"raw figures: {path}")


def others_of(options):
    if options.alone:
        return options.peer
    without = [sinew_peer(WITHOUT_CIPHER, options.without_cipher)] if options.without_cipher else []
    return [DEBIAN, *options.peer, *without, RAW]


def sinew_peer(name, program):
    return f"{name}=uapi:{shlex.quote(str(program))} wg -f {{if}}"


def parse(arguments):
    parser = argparse.ArgumentParser(prog="./dev bench tunnel", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", default=sinew_peer("sinew", RELEASE / "sinew"), metavar="PEER",
                        help="what is compared with all others (default: the release build)")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=PATH",
                        help="a further program; also NAME=uapi:COMMAND with {if} in it")
    parser.add_argument("--alone", action="store_true", help="only --ours and --peer, not Debian's and the bare cable")
    parser.add_argument("--without-cipher", metavar="PATH", help="our program with the cipher left out")
    parser.add_argument("--full", action="store_true", help="every row in every setting, and all figures")
    parser.add_argument("--rounds", type=positive, default=5)
    parser.add_argument("--secs", type=positive, default=3, help="of each measurement")
    parser.add_argument("--only", type=listed, metavar="ROWS", help=", ".join(rows.ROWS))
    parser.add_argument("--settings", type=listed, metavar="SETTINGS", help=", ".join(rows.SETTINGS))
    parser.add_argument("--markdown", action="store_true", help="the tables as Markdown")
    parser.add_argument("--json", type=pathlib.Path, help="where the raw figures go (build/bench/tunnel-DATE.json)")
    parser.add_argument("--probe", type=pathlib.Path, default=RELEASE / "test" / "bench" / "tunnel_probe",
                        help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def positive(text):
    if (value := int(text)) <= 0:
        raise argparse.ArgumentTypeError(f"{text} is not positive")
    return value


def listed(text):
    return text.split(",")


def processor_model():
    for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown"


class Interrupted(BaseException):
    """Not an Exception: nobody handles it but main()."""


def catch_signals():
    """The first one ends the run in order; what follows cannot disturb that."""
    wanted = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def interrupt(*_):
        for number in wanted:
            signal.signal(number, signal.SIG_IGN)
        raise Interrupted

    for number in wanted:
        signal.signal(number, interrupt)


def fail(error):
    print(f"{report.paint('bench tunnel failed', report.RED, sys.stderr)}: {error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
