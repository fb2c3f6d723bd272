"""Compare measured results with published ones.

The same as ``ssl-bench leaderboard``: see its ``--help``.
"""

import sys

from ssl_bench.cli import main

if __name__ == '__main__':
    sys.exit(main(['leaderboard', *sys.argv[1:]]))
