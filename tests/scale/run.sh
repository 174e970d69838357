#!/usr/bin/env bash
# Several hosts behind HAProxy, for real: `make test-scale`. With `--check` it only says whether it can.
#
# It lives in namespaces of its own (mounts, network, processes), which are gone with it, however it ends: nothing of this
# machine's network is touched, and no process is left. Status 77 and one sentence: it could not be run here.
set -euo pipefail
cd "$(dirname "$0")/../.."

folder=$PWD/build/haproxy
apart=(unshare --mount --net --pid --fork --kill-child --mount-proc)

refuse() {
  echo "make test-scale cannot run here: $1" >&2
  exit 77
}

# HAProxy and what it needs, as Debian has them, beside the machine's own; nothing is installed.
fetch() {
  mkdir -p "$folder/archives/partial" "$folder/root"
  local options=(--yes --no-install-recommends --download-only -o "Dir::Cache::archives=$folder/archives")
  apt-get install "${options[@]}" haproxy iproute2 || { apt-get update && apt-get install "${options[@]}" haproxy iproute2; }
  for package in "$folder"/archives/*.deb; do dpkg-deb -x "$package" "$folder/root"; done
}

[ "$(id -u)" = 0 ] || refuse "it needs root, since its hosts are network namespaces."
"${apart[@]}" true 2>/dev/null || refuse "this machine lets nobody make namespaces (in a container that takes CAP_SYS_ADMIN)."

root=$folder/root
export PATH="$root/usr/sbin:$root/usr/bin:$root/sbin:$root/bin:$PATH"
export LD_LIBRARY_PATH="$root/usr/lib/$(uname -m)-linux-gnu${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
if ! command -v haproxy >/dev/null || ! command -v ip >/dev/null; then
  mkdir -p "$folder"
  fetch >"$folder/fetch.log" 2>&1 || refuse "HAProxy could not be fetched from Debian (see build/haproxy/fetch.log)."
fi
"${apart[@]}" ip link add name probe type bridge 2>/dev/null || refuse "its kernel has no bridges."
[ "${1:-}" != --check ] || exit 0

# `ip netns` writes into /run, so that is an empty one.
exec "${apart[@]}" bash -c 'mount -t tmpfs tmpfs /run && exec "$@"' run \
  .venv/bin/python -m pytest -o "pythonpath=. tests/scale" -o faulthandler_timeout=120 -s tests/scale "$@"
