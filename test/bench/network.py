"""Two hosts and a cable: network namespaces that are always removed, and programs in them that always end.

The names of the namespaces and interfaces hold the number of this process, so that runs do not meet. Programs are
ended by the process group they were started in. Should the driver be killed outright, the kernel ends its programs
(pdeathsig), and the next run removes the namespaces.
"""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

from usage import two_cores

ENDS = ("a", "b")
NAMESPACE = "sinewbench"
OUTER = {"a": ("10.77.0.1", "fd77::1"), "b": ("10.77.0.2", "fd77::2")}
SOCKETS = pathlib.Path("/run/wireguard")  # of WireGuard programs that wg(8) configures
LINK_MTU = 1500
COMMAND_PATIENCE = 120  # seconds for a program that was not given a time
END_PATIENCE = 3        # seconds a program has between being asked and being made to end


class BenchError(Exception):
    """Something that ends the run; the text says what to do."""


def end_of_other(end):
    return "b" if end == "a" else "a"


class Network:
    """`with Network(pin, offloads, logs) as network:` and the two hosts are there."""

    def __init__(self, pin, has_offloads, logs):
        self._pin = pin
        self._has_offloads = has_offloads
        self._logs = logs
        self._programs = []
        self.names = {end: f"{NAMESPACE}{os.getpid()}{end}" for end in ENDS}
        self.tunnels = {end: f"sb{os.getpid()}{end}" for end in ENDS}

    def __enter__(self):
        try:
            self._build()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for program in reversed(self._programs):
            end_program(program)
        for end in ENDS:
            if os.path.exists(f"/run/netns/{self.names[end]}"):
                subprocess.run(["ip", "netns", "del", self.names[end]], check=False)
            # A program that was made to end leaves its socket.
            (SOCKETS / f"{self.tunnels[end]}.sock").unlink(missing_ok=True)

    def _build(self):
        for end in ENDS:
            run(["ip", "netns", "add", self.names[end]])
            self.ip(end, "link", "set", "lo", "up")
        mtu = str(LINK_MTU)
        run(["ip", "link", "add", "va", "netns", self.names["a"], "mtu", mtu, "type", "veth",
             "peer", "name", "vb", "mtu", mtu, "netns", self.names["b"]])
        for end in ENDS:
            v4, v6 = OUTER[end]
            self.ip(end, "address", "add", f"{v4}/24", "dev", f"v{end}")
            self.ip(end, "address", "add", f"{v6}/64", "dev", f"v{end}", "nodad")
            self.ip(end, "link", "set", f"v{end}", "up")
            if not self._has_offloads:
                self.run(end, ["ethtool", "-K", f"v{end}", "tso", "off", "gso", "off", "tx-udp-segmentation", "off",
                               "gro", "on"])

    def ip(self, end, *words):
        return run(["ip", "-n", self.names[end], *words])

    def run(self, end, command, patience=COMMAND_PATIENCE):
        """The output of a command in a host; fails as the command does."""
        return run(self.command(end, command), patience)

    def start(self, end, command, name, environment=None):
        """A program in a host that ends with the network; its output goes to a log."""
        path = os.path.join(self._logs, f"{name}-{end}.log")
        with open(path, "wb") as log:
            program = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *self.command(end, command)], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True, env=os.environ | (environment or {}))
        program.log = path
        self._programs.append(program)
        return program

    def command(self, end, command):
        return [*self._pinned(end), "ip", "netns", "exec", self.names[end], *command]

    def _pinned(self, end):
        if self._pin == "none":
            return []
        first, second = two_cores()
        return ["taskset", "-c", str(first if end == "a" or self._pin == "one" else second)]


def run(command, patience=COMMAND_PATIENCE, given=""):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=patience, check=False, input=given)
    except subprocess.TimeoutExpired as error:
        raise BenchError(f"no end after {patience} s: {' '.join(command)}") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()[-2000:]
        raise BenchError(f"exit code {done.returncode}: {' '.join(command)}\n{said}")
    return done.stdout


def end_program(program):
    """Ends a program and what it started; returns when it has. Until the program is waited for at the very end, the
    number of its group cannot become that of somebody else."""
    if program.returncode is not None:
        return
    os.killpg(program.pid, signal.SIGTERM)
    end = time.monotonic() + END_PATIENCE
    while how_ended(program) is None and time.monotonic() < end:
        time.sleep(0.01)
    os.killpg(program.pid, signal.SIGKILL)
    program.wait()


def how_ended(program):
    """The exit code or the signal of a program that has ended, without waiting for it; None if it lives."""
    found = os.waitid(os.P_PID, program.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    return found.si_status if found else None


def wait_for(what, is_there, patience, program=None):
    """Asks again and again. A program that ends meanwhile is the reason it will never be there."""
    end = time.monotonic() + patience
    while not is_there():
        if program and (code := how_ended(program)) is not None:
            raise BenchError(f"{what}: the program ended with {code}\n{tail(program.log)}")
        if time.monotonic() > end:
            raise BenchError(f"{what}: not within {patience} s\n{tail(program.log) if program else ''}".rstrip())
        time.sleep(0.02)


def tail(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()[-2000:].strip() or "(it said nothing)"


def remove_leftovers():
    """Namespaces and sockets of drivers that were killed."""
    for path in pathlib.Path("/run/netns").glob(f"{NAMESPACE}*"):
        if has_no_driver(path.name.removeprefix(NAMESPACE)):
            subprocess.run(["ip", "netns", "del", path.name], check=False)
    for path in SOCKETS.glob("sb*.sock"):
        if has_no_driver(path.stem.removeprefix("sb")):
            path.unlink()


def has_no_driver(label):
    """Whether "123a" is of a process that is gone."""
    match = re.fullmatch(r"(\d+)[ab]", label)
    return bool(match) and not os.path.exists(f"/proc/{match[1]}")


def check_machine():
    """What a run needs, before it begins."""
    if os.geteuid() != 0:
        raise BenchError("network namespaces need root. Run it with: sudo ./dev bench tunnel")
    needed = {"ip": "iproute2", "iperf3": "iperf3", "wg": "wireguard-tools", "ethtool": "ethtool",
              "taskset": "util-linux", "setpriv": "util-linux"}
    missing = {package for program, package in needed.items() if not shutil.which(program)}
    if missing:
        raise BenchError(f"programs are missing. ./dev bench tunnel installs them, or: apt-get install "
                         f"--no-install-recommends {' '.join(sorted(missing))}")
    if not os.path.exists("/dev/net/tun"):
        raise BenchError("/dev/net/tun is missing. On a host: modprobe tun. In a container: pass the device in")
