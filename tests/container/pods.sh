#!/usr/bin/env bash
# The pods of deploy/kubernetes and deploy/kserve, run by podman from the very manifests. CONTAINER_ID names a container of
# the image they are to have.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=$here/../../.venv/bin/python
[ -x "$python" ] || python=python3
exec "$python" "$here/pods.py"
