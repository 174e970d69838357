#!/usr/bin/env bash
# What a running container must do. BASE_URL says where it listens; CONTAINER_PID, where it is set, is its first
# process, which is told to stop at the end.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=$here/../../.venv/bin/python
[ -x "$python" ] || python=python3
exec "$python" "$here/smoke.py"
