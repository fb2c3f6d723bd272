"""The pages that a reader may open, and the commands and code on them."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / 'README.md',
    ROOT / 'CONTRIBUTING.md',
    *sorted((ROOT / 'docs').rglob('*.md')),
]
# what opens and closes it: indentation, marks, language, code
FENCE = re.compile(
    r'^([ >]*)(```+|~~~+) *([^\n]*)\n(.*?)^\1\2 *$', re.M | re.S
)
SHELL = ('bash', 'console', 'sh', 'shell')
# programs whose commands are looked for in text that is not shell
OURS = re.compile(
    r'(?:\w+=\S+ )*(?:\.venv/bin/)?'
    r'(?:ssl-bench|python3?|bash|make|torchrun|pip|sbatch|srun)(?= |$)'
)
CODE = re.compile(r'(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)', re.S)
LOOP = re.compile(r'for (\w+) in (.+?); *do$')


def name_of(page: Path) -> str:
    """A page as a path from the root."""
    return page.relative_to(ROOT).as_posix()


def without_code(text: str) -> str:
    """A page's text without its fenced code; lines keep their numbers."""
    return FENCE.sub(lambda match: '\n' * match[0].count('\n'), text)


@dataclass(frozen=True)
class Block:
    """Fenced code of a page.

    Attributes:
        place: Page and line.
        language: As it stands behind the marks; often empty.
        text: The code without the indentation of the fence.
    """

    place: str
    language: str
    text: str


@dataclass(frozen=True)
class Command:
    """A command of a page.

    Attributes:
        place: Page and line.
        words: Program and arguments, without what is set before it.
        mention: Whether it stands in a sentence, and may lack arguments.
        after: The line that the page shows below it, or nothing.
    """

    place: str
    words: tuple[str, ...]
    mention: bool = False
    after: str = field(default='', compare=False)

    def __str__(self) -> str:
        return shlex.join(self.words)


def blocks(page: Path) -> Iterator[Block]:
    """The fenced code of a page."""
    text = page.read_text(encoding='utf-8')
    for match in FENCE.finditer(text):
        indent, _, language, code = match.groups()
        lines = [line.removeprefix(indent) for line in code.splitlines(True)]
        number = text[: match.start()].count('\n') + 2
        language = (language.split() or [''])[0].strip('{}.')
        yield Block(f'{name_of(page)}:{number}', language, ''.join(lines))


def commands(page: Path) -> Iterator[Command]:
    """The commands of a page: of its blocks, and between backticks."""
    for block in blocks(page):
        if block.language in (*SHELL, '', 'text'):
            yield from _of_block(block)
    text = without_code(page.read_text(encoding='utf-8'))
    for match in CODE.finditer(text):
        code = ' '.join(match[2].split())
        if OURS.match(code):
            number = text[: match.start()].count('\n') + 1
            yield from _of_line(code, f'{name_of(page)}:{number}', True)


def _of_block(block: Block) -> Iterator[Command]:
    """The commands of a block.

    In a session (``console``, or where a line begins with ``$``) they follow
    ``$``, in a script each line is one; in other text those that are found.
    """
    text = re.sub(r'\\\n\s*|\n\s+(?=\[-)', ' ', block.text)
    lines = text.splitlines()
    session = block.language == 'console' or any(
        line.startswith('$ ') for line in lines
    )
    script = block.language in SHELL and not session
    variables: dict[str, str] = {}
    for number, line in enumerate(lines):
        line = line.strip()
        if session and not line.startswith('$ '):
            continue
        line = line.removeprefix('$ ')
        loop = LOOP.match(line)
        if loop:
            variables[loop[1]] = shlex.split(loop[2])[0]
        elif line and (script or OURS.match(line)):
            for name, value in variables.items():
                line = re.sub(rf'\$({name}\b|\{{{name}\}})', value, line)
            after = lines[number + 1] if number + 1 < len(lines) else ''
            yield from _of_line(line, block.place, False, after)


def _of_line(
    line: str, place: str, mention: bool, after: str = ''
) -> Iterator[Command]:
    """The commands of a line: parted by ``;``, ``&&`` and pipes."""
    if '[-' in line:  # the form of a command, with what may be left out
        line = re.sub(r'\b([\w-]+)(\|[\w-]+)+', r'\1', line)
        line = re.sub(r'[][]', ' ', line)
    lexer = shlex.shlex(line, posix=True, punctuation_chars=';&|')
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ';']:
        if not re.fullmatch(r'[;&|]+', word):
            words.append(word)
            continue
        words = _plain(words)
        if words and not (words[0].endswith(':') or _speaks(words)):
            yield Command(place, tuple(words), mention, after)
        words = []


def _speaks(words: list[str]) -> bool:
    """Whether it is what `ssl-bench` says: ``ssl-bench transfer: ...``."""
    return len(words) > 1 and words[1].endswith(':')


def _plain(words: list[str]) -> list[str]:
    """Words without settings in front, redirections and marks of loops."""
    while words and re.match(r'[A-Z_]+=', words[0]):
        words = words[1:]
    kept = []
    for word in words:
        if word in ('>', '>>', '<', '2>'):
            break
        kept.append(word)
    if kept[:1] in (['done'], ['do'], ['fi']):
        kept = kept[1:]
    if kept:
        kept[0] = kept[0].removeprefix('.venv/bin/')
    return [word for word in kept if word not in ('...', '…')]
