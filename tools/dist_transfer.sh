#!/usr/bin/env bash
# Transfer on several devices (NCCL) or CPU processes (gloo) of one or more
# machines:  bash tools/dist_transfer.sh PROCESSES CHECKPOINT --tasks ...
# From the environment: NNODES, NODE_RANK, MASTER_ADDR, PORT, PYTHON.
set -euo pipefail
if [ $# -lt 2 ] || ! [[ $1 =~ ^[1-9][0-9]*$ ]]; then
    echo "usage: bash tools/dist_transfer.sh PROCESSES CHECKPOINT" \
        "--tasks TASK ... [arguments of transfer.py]" >&2
    exit 2
fi
TOOLS=$(cd "$(dirname "$0")" && pwd)
# without an accelerator every process would start a thread per core
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
exec "${PYTHON:-python}" -m torch.distributed.run \
    --nnodes="${NNODES:-1}" \
    --node_rank="${NODE_RANK:-0}" \
    --nproc_per_node="$1" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" \
    --master_port="${PORT:-29500}" \
    "$TOOLS/transfer.py" "${@:2}"
