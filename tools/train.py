"""`ssl-bench pretrain` as an OpenMMLab tool, with the same arguments."""

import sys

from ssl_bench.cli import main

if __name__ == '__main__':
    sys.exit(main(['pretrain', *sys.argv[1:]]))
