"""A Ray cluster of two nodes with one CPU each, which does what it is told line by line: `look` prints how many
replicas and proxies are in service, `lose` kills every process of the second node, `gain` gives it another one.

It prints its address first and ends with its input. Both nodes are on the loopback interface."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import ray
from ray import serve
from ray.cluster_utils import Cluster

NODE = {"num_cpus": 1, "object_store_memory": 80 << 20, "node_ip_address": "127.0.0.1", "include_dashboard": False}


def in_service() -> str:
    """The replicas that run and the proxies that are healthy."""
    status = serve.status()
    deployments = [one for app in status.applications.values() for one in app.deployments.values()]
    replicas = sum(one.replica_states.get("RUNNING", 0) for one in deployments)
    return f"{replicas} {list(status.proxies.values()).count('HEALTHY')}"


def main(folder: str) -> None:
    Path(folder, "ray").mkdir()  # where Ray writes the address; it takes for granted that there is such a folder
    os.environ["RAY_TMPDIR"] = folder
    cluster = Cluster(initialize_head=True, head_node_args={**NODE, "temp_dir": folder})
    second = cluster.add_node(**NODE)
    ray.init(cluster.address, namespace="serve", log_to_driver=False)
    tell(cluster.address)
    for line in sys.stdin:
        if line == "lose\n":
            cluster.remove_node(second, allow_graceful=False)
        elif line == "gain\n":
            second = cluster.add_node(**NODE)
        tell(in_service())
    ray.shutdown()
    cluster.shutdown()


def tell(text: str) -> None:
    """Marked, since Ray prints what it pleases on the same stream."""
    print(f"> {text}", flush=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="actserve-ray-", ignore_cleanup_errors=True) as folder:
        main(folder)
