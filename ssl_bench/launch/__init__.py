"""Run commands on this machine or on Slurm, and suites of commands."""

from ssl_bench.launch.command import Command
from ssl_bench.launch.local import run_commands

__all__ = ['Command', 'run_commands']
