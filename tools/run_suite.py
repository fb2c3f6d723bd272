"""`ssl-bench run` as an OpenMMLab tool, with the same arguments."""

import sys

from ssl_bench.cli import main

if __name__ == '__main__':
    sys.exit(main(['run', *sys.argv[1:]]))
