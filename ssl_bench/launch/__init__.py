"""Run stations: several commands on this machine."""
from ssl_bench.launch.local import Command, run_commands

__all__ = ['Command', 'run_commands']
