#!/usr/bin/env python3
"""Tests of the tunnel benchmark end to end, between the cable and Debian's wireguard-go. No speed is asserted.

    test/bench/tunnel_test.py TUNNEL_PROBE          as root
"""
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True

from cases import Cases  # noqa: E402  (after dont_write_bytecode)

DRIVER = pathlib.Path(__file__).resolve().parent / "tunnel.py"
PATIENCE = 60  # seconds
STREAM_PORT = 9999

# A program that has left another one behind by the time it is ended.
WITH_A_CHILD = "wireguard-go=uapi:sh -c 'sh -c \"sleep 1000; :\" {if} & exec wireguard-go -f {if}'"

case = Cases()


def command(probe, json_path, *words):
    return [sys.executable, DRIVER, "--probe", probe, "--alone", "--rounds", "1", "--secs", "1", "--settings", "none",
            "--json", json_path, *words]


def leftovers(driver):
    """Namespaces, processes and sockets of a driver, by its process number."""
    spaces = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
    found = [line for line in spaces.split("\n") if f"sinewbench{driver}" in line]
    found += [path for path in pathlib.Path("/run/wireguard").glob(f"sb{driver}*")]
    return found + [path for path in pathlib.Path("/proc").glob("[0-9]*/cmdline") if f"sb{driver}" in told(path)]


def told(path):
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def eventually(condition):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.05)


@case("a round gives every figure of its rows, a table and a file, and leaves nothing behind")
def _(probe):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "out.json")
        driver = subprocess.Popen(command(probe, path, "--ours", WITH_A_CHILD, "--peer", "raw", "--only",
                                          "tcp1,small,paced,idle"), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  text=True)
        table, errors = driver.communicate(timeout=PATIENCE)
        assert driver.returncode == 0, errors
        assert not leftovers(driver.pid)
        assert "TCP, 1 stream" in table and "x0." in table, table
        kept = json.loads(path.read_text(encoding="utf-8"))
    medians = {name: entry["median"] for name, entry in kept["summary"]["none"].items()}
    for name in ("tcp1.gbps", "tcp1.machine_s_per_gb", "small.kpps", "paced.p50_us", "paced.std99_us"):
        assert medians[name]["wireguard-go"] > 0 and medians[name]["raw"] > 0, name
    for name in ("tcp1.tunnel_s_per_gb", "idle.idle_mib", "idle.peak_mib"):
        assert medians[name]["wireguard-go"] > 0 and medians[name]["raw"] is None, name
    assert "added_p50_us" in kept["rounds"][0]["none"]["wireguard-go"]["paced"]


@case("a peer that does not start ends the run, loudly, and says what it said")
def _(probe):
    driver = subprocess.Popen(command(probe, "/dev/null", "--ours", "broken=uapi:sh -c 'echo no luck {if}; exit 3'"),
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    _, errors = driver.communicate(timeout=PATIENCE)
    assert driver.returncode == 1 and "broken does not start" in errors and "no luck" in errors, errors
    assert not leftovers(driver.pid)


@case("a corrupted transfer ends the run, loudly, before any figure")
def _(probe):
    with tempfile.TemporaryDirectory() as folder:
        liar = pathlib.Path(folder, "probe")
        liar.write_text('#!/bin/sh\n[ "$1 $3" = "transfer 32" ] && echo \'{"intact": false}\' && exit\n'
                        f'exec {probe} "$@"\n', encoding="utf-8")
        liar.chmod(0o755)
        done = subprocess.run(command(liar, "/dev/null", "--ours", "raw"), capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "did not arrive as they were sent" in done.stderr, done.stderr
    assert "TCP" not in done.stdout + done.stderr


@case("an interrupted run ends what it started")
def _(probe):
    driver = started(probe)
    driver.send_signal(signal.SIGINT)
    driver.communicate(timeout=PATIENCE)
    assert driver.returncode == 130
    assert not leftovers(driver.pid)


@case("of a killed run no program is left, and the next run removes its namespaces")
def _(probe):
    driver = started(probe)
    driver.kill()
    driver.communicate(timeout=PATIENCE)
    eventually(lambda: all("sinewbench" in str(left) or ".sock" in str(left) for left in leftovers(driver.pid)))
    subprocess.run(command(probe, "/dev/null", "--ours", "broken=uapi:false {if}"), capture_output=True, check=False)
    assert not leftovers(driver.pid)


def started(probe):
    """A driver whose tunnel is up."""
    driver = subprocess.Popen(command(probe, "/dev/null", "--ours", "wireguard-go", "--only", "tcp1", "--rounds", "9"),
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    eventually(lambda: pathlib.Path(f"/run/wireguard/sb{driver.pid}b.sock").exists())
    return driver


@case("a transfer is intact with its own bytes, and not with one of them changed")
def _(probe):
    server = subprocess.Popen([probe, "serve", "127.0.0.1"], stdout=subprocess.PIPE)
    try:
        assert server.stdout.readline() == b"ready\n"
        seed, size = 12345, 64 * 1024
        right = stream(seed, size)
        wrong = right[:-1] + bytes([right[-1] ^ 1])
        assert verdict(seed, right) == b"\1"
        assert verdict(seed, wrong) == b"\0"
        assert verdict(seed, right[:-1]) == b"\0"
    finally:
        server.kill()
        server.communicate()


def verdict(seed, sent):
    with socket.create_connection(("127.0.0.1", STREAM_PORT), timeout=PATIENCE) as connection:
        connection.sendall(seed.to_bytes(8, "little") + (64 * 1024).to_bytes(8, "little") + sent)
        connection.shutdown(socket.SHUT_WR)
        return connection.recv(1)


def stream(seed, size):
    """The bytes tunnel_probe sends, once more."""
    state, words = seed | 1, []
    for _ in range(size // 8):
        state ^= state << 13 & (1 << 64) - 1
        state ^= state >> 7
        state ^= state << 17 & (1 << 64) - 1
        words.append(state.to_bytes(8, "little"))
    return b"".join(words)


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("[skip] tunnel_test: network namespaces need root")
        sys.exit(0)
    if not os.path.exists("/dev/net/tun"):
        print("[skip] tunnel_test: /dev/net/tun is missing")
        sys.exit(0)
    sys.exit(case.run(sys.argv[1]))
