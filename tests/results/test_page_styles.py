"""The style of one section of the page does not reach into another."""

import re

from ssl_bench.results.report import PAGE, SECTIONS, SHEETS


def first_classes(style):
    """The first class of each selector, without media queries."""
    style = re.sub(r'/\*.*?\*/', '', style, flags=re.DOTALL)
    found = set()
    for selectors in re.findall(r'([^{}@;]+)\{', style):
        for selector in selectors.split(','):
            first = re.match(r'\s*\.([a-zA-Z][\w-]*)', selector)
            if first:
                found.add(first[1])
    return found


def shared():
    """Classes that every section may use."""
    sheets = [name for name in SHEETS if not name.startswith('sections/')]
    return first_classes('\n'.join((PAGE / n).read_text() for n in sheets))


def test_a_class_is_styled_by_one_section_only():
    """A name that two chose made text of one letter a line."""
    base = shared()
    owners = {}
    for name in SECTIONS:
        style = (PAGE / 'sections' / f'{name}.css').read_text()
        for found in first_classes(style) - base:
            owners.setdefault(found, []).append(name)
    assert {k: v for k, v in owners.items() if len(v) > 1} == {}


def used_classes(text):
    """Classes that a script or a template gives to elements."""
    found = re.findall(r"""class(?:=|: )["'`]([^"'`]*)["'`]""", text)
    return set(re.findall(r'[a-zA-Z][\w-]*', ' '.join(found)))


def test_a_class_of_a_section_is_not_used_by_another():
    """Unless it is styled below something of that section's own."""
    sections = PAGE / 'sections'
    styled = {
        name: first_classes((sections / f'{name}.css').read_text()) - shared()
        for name in SECTIONS
    }
    reached = {
        (name, path.name): styled[name] & used_classes(path.read_text())
        for name in SECTIONS
        for other in SECTIONS
        if other != name
        for path in (
            sections / f'{other}.js',
            sections / f'{other}.html.jinja',
        )
    }
    assert {k: v for k, v in reached.items() if v} == {}


def test_first_classes():
    style = '/* .no { } */ .a b, .c.d { x: y } @media print { .e .f { x: y } }'
    assert first_classes(style) == {'a', 'c', 'e'}
