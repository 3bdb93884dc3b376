"""What the processes of this machine use: processor time, ours and that of others, and memory. All from /proc.

Processor seconds are counted for three parties: ours (the driver and all it started), threads of the kernel, which work
for us, and foreign programs, which disturb. Time of processes that end meanwhile is kept by whoever waits for them.
"""
import os
import time
from typing import NamedTuple

TICK = os.sysconf("SC_CLK_TCK")
KERNEL_THREAD = 0x00200000  # PF_KTHREAD


class Process(NamedTuple):
    parent: int
    group: int
    is_kernel: bool
    own: float     # seconds
    waited: float  # seconds of its children that ended


class Snapshot:
    """All processes at one moment."""

    def __init__(self):
        self.time = time.monotonic()
        self.stolen = stolen()
        self.processes = {int(name): process for name in os.listdir("/proc") if name.isdigit()
                          and (process := read_process(name))}

    def of_group(self, group):
        return sum(process.own for process in self.processes.values() if process.group == group)

    def parties(self):
        """Seconds of (ours, the kernel's threads, foreign programs)."""
        ours = self.descendants(os.getpid())
        sums = [0.0, 0.0, 0.0]
        for number, process in self.processes.items():
            party = 0 if number in ours else 1 if process.is_kernel else 2
            sums[party] += process.own + process.waited
        return sums

    def descendants(self, ancestor):
        children = {}
        for number, process in self.processes.items():
            children.setdefault(process.parent, []).append(number)
        found, waiting = set(), [ancestor]
        while waiting:
            number = waiting.pop()
            found.add(number)
            waiting += children.get(number, [])
        return found


class Window:
    """A stretch of time: `with Window(groups) as used:` and afterwards what was used meanwhile."""

    def __init__(self, groups):
        self._groups = groups

    def __enter__(self):
        self._before = Snapshot()
        return self

    def __exit__(self, *_):
        before, after = self._before, Snapshot()
        self.seconds = after.time - before.time
        ours, kernel, foreign = (b - a for a, b in zip(before.parties(), after.parties()))
        self.machine = ours + kernel
        self.tunnel = sum(after.of_group(group) - before.of_group(group) for group in self._groups)
        self.foreign_percent = max(0.0, foreign / self.seconds * 100)
        self.stolen_percent = (after.stolen - before.stolen) / self.seconds * 100


def read_process(name):
    try:
        with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:  # it has ended
        return None
    user, system, waited_user, waited_system = (int(field) / TICK for field in fields[11:15])
    return Process(int(fields[1]), int(fields[2]), bool(int(fields[6]) & KERNEL_THREAD), user + system,
                   waited_user + waited_system)


def stolen():
    """Seconds that the host of a virtual machine gave to others."""
    with open("/proc/stat", encoding="utf-8") as file:
        return int(file.readline().split()[8]) / TICK


def memory_mib(group, key):
    """VmRSS or VmHWM of the processes of a group."""
    return sum(memory_of(number, key) for number, process in Snapshot().processes.items() if process.group == group)


def memory_of(number, key):
    try:
        with open(f"/proc/{number}/status", encoding="utf-8", errors="replace") as file:
            return sum(int(line.split()[1]) for line in file if line.startswith(key + ":")) / 1024
    except OSError:
        return 0


def two_cores():
    """The first two processors of this machine that do not share a core; one twice where there is one."""
    processors = sorted(os.sched_getaffinity(0))
    first = processors[0]
    siblings = siblings_of(first)
    others = [number for number in processors[1:] if number not in siblings] or processors[1:]
    return first, others[0] if others else first


def siblings_of(processor):
    path = f"/sys/devices/system/cpu/cpu{processor}/topology/thread_siblings_list"
    try:
        with open(path, encoding="utf-8") as file:
            return numbers_of(file.read())
    except OSError:
        return {processor}


def numbers_of(ranges):
    """{0, 2, 3} of "0,2-3"."""
    found = set()
    for part in ranges.strip().split(","):
        low, _, high = part.partition("-")
        found |= set(range(int(low), int(high or low) + 1))
    return found
