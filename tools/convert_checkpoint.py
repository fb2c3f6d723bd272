#!/usr/bin/env python
"""Turn any checkpoint into a verified backbone file (ssl-bench convert)."""

import sys

from ssl_bench.cli import main

if __name__ == '__main__':
    sys.exit(main(['convert', *sys.argv[1:]]))
