"""OpenMMLab's door to `ssl-bench run`: same arguments."""

import sys

from ssl_bench.cli import main

if __name__ == '__main__':
    sys.exit(main(['run', *sys.argv[1:]]))
