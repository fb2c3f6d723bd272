"""OpenMMLab's door to `ssl-bench pretrain`: same arguments."""

import sys

from ssl_bench.cli import main

if __name__ == '__main__':
    sys.exit(main(['pretrain', *sys.argv[1:]]))
