"""Work that processes share."""

import pytest

from ssl_bench.errors import UserError
from ssl_bench.transfer.together import dealt, each, from_all, mine
from tests.processes import run_in_processes

PROCESSES = 3


def fails(rank, which):
    def make():
        if rank == which:
            raise UserError(f'process {rank} could not')
        return rank

    try:
        return from_all(make)
    except UserError as error:
        return str(error)


@pytest.mark.slow
def test_an_error_of_one_process_reaches_all():
    assert (
        run_in_processes(fails, PROCESSES, 1)
        == ['process 1 could not'] * PROCESSES
    )
    assert run_in_processes(fails, PROCESSES, None) == [[0, 1, 2]] * PROCESSES


def squares(rank):
    own = [value**2 for value in mine(range(7))]
    return own, dealt(from_all(lambda: own)), each(lambda: rank)


@pytest.mark.slow
def test_what_is_dealt_comes_back_in_order():
    found = run_in_processes(squares, PROCESSES)
    assert [own for own, _, _ in found] == [[0, 9, 36], [1, 16], [4, 25]]
    for rank, (_, joined, kept) in enumerate(found):
        assert joined == [0, 1, 4, 9, 16, 25, 36] and kept == rank


def test_one_process():
    assert from_all(lambda: 3) == [3]
    assert mine([1, 2]) == [1, 2] == dealt([[1, 2]])
    with pytest.raises(UserError, match='alone'):
        each(lambda: (_ for _ in ()).throw(UserError('alone')))
