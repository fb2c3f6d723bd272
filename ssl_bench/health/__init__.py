"""What `ssl-bench doctor` looks at: facts of an installation, judged."""

from ssl_bench.health.checks import FAIL, OK, WARN, Check, report, worst

__all__ = ['FAIL', 'OK', 'WARN', 'Check', 'report', 'worst']
