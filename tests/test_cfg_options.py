"""--cfg-options as OpenMMLab's tools read them, and what is different."""

import argparse
import math

import pytest
from mmengine.config import DictAction

from ssl_bench.cfg_options import option_words, read_options
from ssl_bench.errors import UserError

READ = {
    'a.b=1': 1,
    'a=-2.5': -2.5,
    'a=1e-3': 1e-3,
    'a=text': 'text',
    'a=true': True,
    'a=False': False,
    'a=None': None,
    'a=none': 'none',
    'a=': '',
    'a=b=c': 'b=c',
    # lists and tuples
    'a=x,2': ['x', 2],
    'a=[1, 2]': [1, 2],
    'a=[]': [],
    'a=(1,2)': (1, 2),
    'a=(1,)': (1,),
    'a=[(1,2),[x,None]]': [(1, 2), ['x', None]],
    # quotes are taken off and mean nothing
    'a="q=r"': 'q=r',
    "a='1'": 1,
    'a="[x,y]"': ['x', 'y'],
    # no dicts
    "a={'b':1}": "{'b':1}",
}


@pytest.mark.parametrize('word', READ)
def test_words_are_read_as_mmengine_does(word):
    key = word.partition('=')[0]
    assert read_options([word]) == {key: READ[word]}
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    args = parser.parse_args(['--cfg-options', word])
    assert args.cfg_options == {key: READ[word]}


def test_the_last_of_two_counts():
    assert read_options(['a=1', 'b=2', 'a=3']) == {'a': 3, 'b': 2}
    assert read_options([]) == {}


@pytest.mark.parametrize('word', ['novalue', '=3'])
def test_option_without_key_or_value(word):
    with pytest.raises(UserError, match='^--cfg-options takes key=value, got'):
        read_options([word])


def test_brackets_that_do_not_match():
    with pytest.raises(UserError, match=r"'a=\[1,\(2\]': .* brackets"):
        read_options(['a=[1,(2]'])


def test_a_text_with_spaces_is_kept_or_refused():
    """mmengine would take the spaces away: another folder."""
    assert read_options(['a="my data/set 1"']) == {'a': 'my data/set 1'}
    with pytest.raises(UserError, match='in quotes, a="my data"'):
        read_options(['a=my data'])


WRITTEN = [
    1,
    0.1,
    -math.inf,
    True,
    None,
    'text',
    '',
    'my data/set 1',
    [1, 2],
    ['a', [2, None]],
    (1, 2),
    [],
]


@pytest.mark.parametrize('value', WRITTEN)
def test_options_are_written_so_that_they_are_read_again(value):
    flag, word = option_words({'a.b': value})
    assert flag == '--cfg-options'
    assert read_options([word]) == {'a.b': value}


def test_a_dict_is_written_key_by_key():
    words = option_words({'a': dict(b=1, c=dict(d='x', e=[2]))})
    assert words == ['--cfg-options', 'a.b=1', 'a.c.d=x', 'a.c.e=[2]']
    assert option_words({}) == []


@pytest.mark.parametrize('value', ['1', 'a,b', 'None', {}, [dict(b=1)]])
def test_what_would_be_read_as_something_else_is_refused(value):
    with pytest.raises(UserError, match='a cannot be set to .* in a config'):
        option_words(dict(a=value))
