"""What the fork server imports before the first fork."""

from ssl_bench import register_all_modules

register_all_modules()
