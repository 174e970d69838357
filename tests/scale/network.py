"""Hosts of their own on one machine: network namespaces, each on a cable (veth) to a switch (bridge) in this process's.

This process is in a network namespace of its own already (`run.sh`), so none of the machine's is touched.
"""

from __future__ import annotations

import subprocess

MASK = 24
CLIENT = "192.0.2.1"  # RFC 5737: addresses for examples, which are those in deploy/haproxy/haproxy.cfg
PROXY = "192.0.2.10"
HOSTS = {"a": "192.0.2.11", "b": "192.0.2.12", "c": "192.0.2.13"}
SWITCH = "switch"


def build() -> None:
    """The switch with this process's own address, and a namespace on it for the proxy and for each host."""
    ip("link", "add", SWITCH, "type", "bridge")
    ip("address", "add", f"{CLIENT}/{MASK}", "dev", SWITCH)
    for link in ("lo", SWITCH):
        ip("link", "set", link, "up")
    for name, address in {"proxy": PROXY, **HOSTS}.items():
        _attach(name, address)


def _attach(name: str, address: str) -> None:
    ip("netns", "add", name)
    ip("link", "add", _port(name), "type", "veth", "peer", "name", "eth0", "netns", name)
    ip("link", "set", _port(name), "master", SWITCH, "up")
    ip("-n", name, "address", "add", f"{address}/{MASK}", "dev", "eth0")
    for link in ("lo", "eth0"):
        ip("-n", name, "link", "set", link, "up")


def unplug(name: str) -> None:
    """Takes a host off the network: what is sent to it gets no answer of any kind."""
    ip("link", "set", _port(name), "down")


def plug_in(name: str) -> None:
    ip("link", "set", _port(name), "up")


def inside(name: str) -> list[str]:
    """What a command begins with that runs on that host; it becomes the process itself."""
    return ["ip", "netns", "exec", name]


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=10)


def _port(name: str) -> str:
    return f"to-{name}"
