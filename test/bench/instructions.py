#!/usr/bin/env python3
"""Counts the instructions a packet costs and compares them with the committed figures.

    test/bench/instructions.py --program PROGRAM             a test: fails when a figure moved
    test/bench/instructions.py --program PROGRAM --accept    takes what it counts as the new figures

A count is no time: it is the same on a busy machine, so it can fail a build. PROGRAM is
instructions_work of a release tree. valgrind runs each workload for N rounds and for 2N, and the
difference, which holds no start and no set-up, divided by the packets in it is the figure. Kernels are
named by the workload, so that a count does not depend on what this processor has.
"""
import argparse
import json
import pathlib
import platform
import re
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True

FIGURES = pathlib.Path(__file__).resolve().parent / "instructions.json"
TOLERANCE = 0.03  # of a figure: above what a patch release of the compiler or of libc moves
ROUNDS = 10       # of a batch; counts repeat, so few are enough
BATCH = 32        # packets; kBatch of instructions_work.cpp
ACCEPT = "./dev bench instructions --accept"


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True, type=pathlib.Path)
    parser.add_argument("--accept", action="store_true")
    options = parser.parse_args(arguments)
    known = json.loads(FIGURES.read_text(encoding="utf-8"))
    compiler = output_of([options.program, "--compiler"]).strip()
    if reason := why_not(known, compiler, options.accept):
        print(f"[skip] instructions: {reason}")
        return 0
    counted = {name: count(options.program, name) for name in
               output_of([options.program, "--list"]).splitlines()}
    if options.accept:
        accept(counted, known["packet"], compiler)
        return 0
    findings = list(compare(counted, known["packet"]))
    print(table(counted, known["packet"]))
    return close(findings, len(known["packet"] | counted))


def why_not(known, compiler, is_accepting):
    """Why the figures say nothing about this machine, if they do not."""
    if platform.machine() != "x86_64":
        return "the figures are of x86-64"
    if not shutil.which("valgrind"):
        return "valgrind is missing: apt-get install valgrind"
    if not is_accepting and compiler != known["compiler"]:
        return f"the figures are of {known['compiler']}, this is {compiler}"
    return None


def count(program, workload):
    """Instructions a packet of one workload."""
    short, long = (collected(program, workload, rounds) for rounds in (ROUNDS, 2 * ROUNDS))
    return round((long - short) / (ROUNDS * BATCH), 1)


def collected(program, workload, rounds):
    run = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program, workload,
                          str(rounds)], capture_output=True, text=True, check=False)
    match = re.search(r"Collected : (\d+)", run.stderr)
    if run.returncode != 0 or not match:
        sys.exit(f"instructions: '{workload}' does not run under valgrind:\n{run.stderr[-2000:]}")
    return int(match[1])


def compare(counted, known):
    """What is wrong, a sentence each. Less than before is wrong too: it would hide the next regression."""
    for name in sorted(counted.keys() | known.keys()):
        if name not in known:
            yield f"{name}: has no figure yet. Take it: {ACCEPT}"
        elif name not in counted:
            if "AVX2" in name and "avx2" not in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8"):
                print(f"[skip] {name}: this processor has no AVX2")
            else:
                yield f"{name}: has a figure and is not counted any more. Drop it: {ACCEPT}"
        elif abs(ratio := counted[name] / known[name] - 1) > TOLERANCE:
            word = "more" if ratio > 0 else "less"
            yield (f"{name}: {counted[name]:.0f} instructions a packet, {abs(ratio):.1%} {word} than "
                   f"{known[name]:.0f}. If that is meant, say why in the commit, and: {ACCEPT}")


def accept(counted, known, compiler):
    figures = {"compiler": compiler, "packet": known | counted}
    for name in known.keys() - counted.keys():
        if "AVX2" not in name:
            del figures["packet"][name]
    FIGURES.write_text(json.dumps(figures, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    print(table(counted, known))
    print(f"kept in {FIGURES.name}; commit it with what changed the figures, and say why")


def table(counted, known):
    rows = [f"{'instructions a packet':<24}{'counted':>10}{'figure':>10}{'change':>9}"]
    for name, value in counted.items():
        figure = known.get(name)
        change = f"{value / figure - 1:>+9.1%}" if figure else f"{'new':>9}"
        rows.append(f"{name:<24}{value:>10,.0f}{figure or 0:>10,.0f}{change}")
    return "\n".join(rows)


def close(findings, total):
    """The closing line of a test program, which ./dev test adds up."""
    for finding in findings:
        print(f"FAILED {finding}")
    print(f"[doctest] test cases: {total} | {total - len(findings)} passed | {len(findings)} failed | 0 skipped")
    return 1 if findings else 0


def output_of(command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
