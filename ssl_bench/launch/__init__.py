"""Run stations: commands on this machine or Slurm, and suites of them."""

from ssl_bench.launch.local import Command, run_commands

__all__ = ['Command', 'run_commands']
