#!/usr/bin/env bash
# Transfer on several devices (NCCL) or CPU processes (gloo) of one or more
# machines:  bash tools/dist_transfer.sh PROCESSES CHECKPOINT --tasks ...
# From the environment: NNODES, NODE_RANK, MASTER_ADDR, PORT, PYTHON. One
# machine without PORT takes a free one.
set -euo pipefail
if [ $# -lt 2 ] || ! [[ $1 =~ ^[1-9][0-9]*$ ]]; then
    echo "usage: bash tools/dist_transfer.sh PROCESSES CHECKPOINT" \
        "--tasks TASK ... [arguments of transfer.py]" >&2
    exit 2
fi
TOOLS=$(cd "$(dirname "$0")" && pwd)
exec "${PYTHON:-python}" -m ssl_bench.launch.torchrun --nproc_per_node="$1" \
    "$TOOLS/transfer.py" "${@:2}"
