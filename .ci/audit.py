"""Look up every installed package in the list of known vulnerabilities.

Runs pip-audit and reads its report. A package that could not be looked up is
a failure, not a pass: pip-audit itself ends with 0 where an index knows no
package at all. Network trouble is tried again, then it is a failure that says
so.

Exit code: 0 nothing known, 1 vulnerabilities, 2 the check could not be made.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

OWN = 'ssl-bench'  # is on no index
TRIES, PAUSE = 3, 60  # seconds


def report() -> dict:
    """What pip-audit found; empty where it ended without a report."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'audit.json'
        subprocess.run(
            [
                *(sys.executable, '-m', 'pip_audit', '--progress-spinner'),
                *('off', '--format', 'json', '--output', str(path)),
            ],
            check=False,
        )
        text = path.read_text(encoding='utf-8') if path.is_file() else ''
    return json.loads(text or '{}')


def vulnerable(found: dict) -> list[str]:
    """A line for each vulnerability."""
    return [
        f'{package["name"]} {package["version"]}: {entry["id"]}, fixed in '
        f'{", ".join(entry["fix_versions"]) or "no version"}'
        for package in found.get('dependencies', [])
        for entry in package.get('vulns', [])
    ]


def unknown(found: dict) -> list[str]:
    """Why the check is not complete; empty when it is."""
    packages = found.get('dependencies', [])
    if not packages:
        return ['pip-audit made no report']
    return [
        package['skip_reason']
        for package in packages
        if 'skip_reason' in package and package['name'] != OWN
    ]


def main() -> int:
    """Try until every package was looked up."""
    missing: list[str] = []
    for attempt in range(TRIES):
        if attempt:
            time.sleep(PAUSE)
        found = report()
        if lines := vulnerable(found):
            print('\n'.join(f'::error::{line}' for line in lines))
            return 1
        missing = unknown(found)
        if not missing:
            print(f'{len(found["dependencies"])} packages, nothing known')
            return 0
    print('\n'.join(f'::error::not checked: {line}' for line in missing))
    return 2


if __name__ == '__main__':
    sys.exit(main())
