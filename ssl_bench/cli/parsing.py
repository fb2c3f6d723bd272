"""How the command line reads words: short errors, near names, a first help."""

import argparse
import re
from typing import Any, NoReturn

from ssl_bench.errors import (
    alternatives,
    near_names,
    one_line,
    printable,
    unknown_name,
)

COMMANDS = ('command', 'data_command')  # from the first word on
UNKNOWN = 'unrecognized arguments: '
FIRST_STEPS = """\
first steps:
  ssl-bench doctor              what this installation has, and what it lacks
  ssl-bench demo                the whole chain on generated images, on a CPU
  ssl-bench tasks               what can be measured; `tasks TASK` says more
  ssl-bench methods pixpro      a method: paper, configs, settings
  ssl-bench COMMAND --help      the options of a command
"""


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line with the nearest names.

    argparse prints the usage first, which is a screen of options, and lists
    every choice.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault('formatter_class', Help)
        super().__init__(*args, **kwargs)
        self.commands: dict[str, Parser] = {}

    def add_subparsers(self, **kwargs: Any) -> Any:
        """As argparse; the parsers by name are in ``commands``."""
        found = super().add_subparsers(**kwargs)
        self.commands = found.choices  # filled later
        return found

    def parse_args(self, args=None, namespace=None):  # type: ignore[override]
        """As argparse; the command in question says what it does not know."""
        found, rest = self.parse_known_args(args, namespace)
        if rest:
            parser: Parser = self
            for name in COMMANDS:
                chosen = getattr(found, name, None) or ''
                parser = parser.commands.get(chosen, parser)
            parser.error(f'{UNKNOWN}{" ".join(map(str, rest))}')
        return found

    def error(self, message: str) -> NoReturn:
        """Print one line, with the cure, and exit with 2."""
        line = one_line(printable(message), 400)
        word = re.match(f'{UNKNOWN}(-[^= ]*)', line)
        if word:
            known = [
                option
                for option in self._option_string_actions
                if option.startswith('--')
            ]
            near = near_names(word[1], known)
            if near:
                line += f'. Did you mean {alternatives(near)}?'
        end = '' if line.endswith(('.', '?')) else '.'
        self.exit(
            2, f'{self.prog}: {line}{end} `{self.prog} --help` shows usage.\n'
        )

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        name = '/'.join(action.option_strings) or action.dest
        if action.dest in COMMANDS:
            name = 'command'
        choices = [*map(str, action.choices)]
        error = unknown_name(name, str(value), choices, len(choices))
        # without the option's name before it, which the text has
        raise argparse.ArgumentError(None, str(error))


class Help(argparse.RawDescriptionHelpFormatter):
    """Descriptions as they are written; a command is one line."""

    def __init__(self, prog: str, **kwargs: Any) -> None:
        super().__init__(prog, **{'max_help_position': 22, **kwargs})

    def _format_action(self, action: argparse.Action) -> str:
        if not isinstance(action, argparse._SubParsersAction):
            return super()._format_action(action)
        rows = [
            (choice.dest, str(choice.help))
            for choice in action._choices_actions
        ]
        width = max(len(name) for name, _ in rows)
        lines = [f'  {name:{width}}  {text}' for name, text in rows]
        if any(len(line) > self._width or '\n' in line for line in lines):
            return super()._format_action(action)
        return ''.join(f'{line}\n' for line in lines)


def first_line(text: str | None) -> str:
    """The summary of a docstring."""
    return (text or '').partition('\n')[0]
