#!/usr/bin/env bash
# Pretrain on several devices (NCCL) or CPU processes (gloo) of one or more
# machines:  bash tools/dist_train.sh CONFIG PROCESSES [train.py arguments]
# From the environment: NNODES, NODE_RANK, MASTER_ADDR, PORT, PYTHON. One
# machine without PORT takes a free one.
set -euo pipefail
if [ $# -lt 2 ]; then
    echo "usage: bash tools/dist_train.sh CONFIG PROCESSES [arguments]" >&2
    exit 2
fi
CONFIG=$1
PROCESSES=$2
TOOLS=$(cd "$(dirname "$0")" && pwd)
PYTHON=${PYTHON:-python}
exec "$PYTHON" -m ssl_bench.launch.torchrun --nproc_per_node="$PROCESSES" \
    "$TOOLS/train.py" "$CONFIG" "${@:3}"
