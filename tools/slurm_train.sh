#!/usr/bin/env bash
# Pretrain under Slurm, one torchrun on each node:
#   bash tools/slurm_train.sh PARTITION JOB_NAME CONFIG [train.py arguments]
# From the environment: GPUS (8) of the whole job, GPUS_PER_NODE (8),
# CPUS_PER_TASK (of a device, 5), SRUN_ARGS, PORT, PYTHON.
set -euo pipefail
if [ $# -lt 3 ]; then
    echo "usage: [GPUS=8] bash tools/slurm_train.sh PARTITION JOB_NAME" \
        "CONFIG [arguments]" >&2
    exit 2
fi
GPUS=${GPUS:-8}
GPUS_PER_NODE=${GPUS_PER_NODE:-$(( GPUS < 8 ? GPUS : 8 ))}
if (( GPUS % GPUS_PER_NODE )); then
    echo "slurm_train.sh: GPUS=$GPUS is not a multiple of" \
        "GPUS_PER_NODE=$GPUS_PER_NODE" >&2
    exit 2
fi
export NNODES=$(( GPUS / GPUS_PER_NODE ))
export PROCESSES=$GPUS_PER_NODE
export TOOLS=$(cd "$(dirname "$0")" && pwd)
# shellcheck disable=SC2086  # SRUN_ARGS is several words
exec srun --partition="$1" --job-name="$2" --nodes="$NNODES" \
    --ntasks-per-node=1 --gres="gpu:$GPUS_PER_NODE" \
    --cpus-per-task=$(( ${CPUS_PER_TASK:-5} * GPUS_PER_NODE )) \
    --kill-on-bad-exit=1 ${SRUN_ARGS:-} bash -c '
        export NODE_RANK=$SLURM_NODEID
        export MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" |
            head -n 1)
        export PORT=${PORT:-$(( 20000 + SLURM_JOB_ID % 30000 ))}
        exec bash "$TOOLS/dist_train.sh" "$1" "$PROCESSES" "${@:2}"
    ' slurm_train "${@:3}"
