"""What is compared: programs that make a tunnel, and how each is brought up.

A peer is NAME=[TYPE:]WHAT:

    raw                       no tunnel at all: the cable itself
    wireguard-go[:PATH]       PATH -f INTERFACE
    uapi:COMMAND              any command that stays in the foreground and can be configured by wg(8); {if} stands
                              for the interface
    PATH                      PATH -f INTERFACE, which wireguard-go and boringtun-cli understand
"""
import hashlib
import os
import shlex
import shutil
import tempfile
from typing import NamedTuple

from network import ENDS, OUTER, BenchError, end_of_other, run, wait_for

INNER = {"a": ("10.99.0.1", "fd99::1"), "b": ("10.99.0.2", "fd99::2")}
PORT = 51820
START_PATIENCE = 10  # seconds
# wireguard-go declines where the kernel knows WireGuard; boringtun-cli looks for another user to become.
ENVIRONMENT = {"LOG_LEVEL": "error", "WG_I_PREFER_BUGGY_USERSPACE_TO_POLISHED_KMOD": "1", "WG_SUDO": "1"}


class Peer(NamedTuple):
    name: str
    command: str  # with {if}; empty for none

    @property
    def program(self):
        return shutil.which(shlex.split(self.command)[0]) if self.command else None

    def fingerprint(self):
        """Which program it was, for the raw figures."""
        if not self.program:
            return None
        with open(self.program, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def parse_peer(text):
    name, _, what = text.partition("=")
    kind, _, rest = (what or name).partition(":")
    if kind == "raw" and not rest:
        return Peer(name, "")
    if kind == "wireguard-go":
        return Peer(name, f"{shlex.quote(rest or 'wireguard-go')} -f {{if}}")
    if kind == "uapi" and "{if}" in rest:
        return Peer(name, rest)
    if what and os.sep in what and kind != "uapi":
        return Peer(name, f"{shlex.quote(what)} -f {{if}}")
    raise BenchError(f"'{text}' is no peer. It is raw, wireguard-go, NAME=PATH or NAME=uapi:COMMAND with {{if}} in it")


def check_peer(peer):
    if peer.command and not peer.program:
        raise BenchError(f"{peer.name}: there is no program {shlex.split(peer.command)[0]}")


class Tunnel:
    """A peer that runs on both hosts. `groups` are its processes, `addresses` where the traffic goes."""

    def __init__(self, network, peer, mtu):
        self._network = network
        self._peer = peer
        self._mtu = mtu
        self.groups = []
        self.addresses = INNER if peer.command else OUTER

    def start(self):
        if not self._peer.command:
            return
        keys = {end: key_pair() for end in ENDS}
        for end in ENDS:
            self._start_end(end, keys)

    def _start_end(self, end, keys):
        interface = self._network.tunnels[end]
        command = shlex.split(self._peer.command.replace("{if}", interface))
        program = self._network.start(end, command, self._peer.name, ENVIRONMENT)
        self.groups.append(program.pid)
        what = f"{self._peer.name} does not start ({' '.join(command)})"
        wait_for(what, lambda: self._has_interface(end, interface), START_PATIENCE, program)
        wait_for(f"{what}: wg(8) cannot configure it", lambda: self._is_configured(end, interface, keys),
                 START_PATIENCE, program)
        v4, v6 = INNER[end]
        self._network.ip(end, "address", "add", f"{v4}/24", "dev", interface)
        self._network.ip(end, "link", "set", interface, "mtu", str(self._mtu), "up")
        self._network.ip(end, "address", "add", f"{v6}/64", "dev", interface, "nodad")

    def _has_interface(self, end, interface):
        return does(self._network.ip, end, "link", "show", "dev", interface)

    def _is_configured(self, end, interface, keys):
        # The file is private and gone at once, as a key should be.
        with tempfile.NamedTemporaryFile("w", suffix=".conf", encoding="utf-8") as file:
            file.write(configuration(end, keys))
            file.flush()
            return does(self._network.run, end, ["wg", "setconf", interface, file.name])


def does(function, *arguments):
    try:
        function(*arguments)
        return True
    except BenchError:
        return False


def key_pair():
    private = run(["wg", "genkey"]).strip()
    return private, run(["wg", "pubkey"], given=private).strip()


def configuration(end, keys):
    other = end_of_other(end)
    v4, v6 = INNER[other]
    return "\n".join([
        "[Interface]", f"PrivateKey = {keys[end][0]}", f"ListenPort = {PORT}",
        "[Peer]", f"PublicKey = {keys[other][1]}", f"AllowedIPs = {v4}/32, {v6}/128",
        f"Endpoint = {OUTER[other][0]}:{PORT}", ""])
