"""The error of a task that takes backbones of another kind."""

from ssl_bench.errors import UserError


class WrongBackbone(UserError):
    """A task, with this recipe, takes backbones of another kind.

    Args:
        text (str): What was wrong.
        instead (str): The nearest task that takes it, if there is one.
    """

    def __init__(self, text: str, instead: str = '') -> None:
        super().__init__(text)
        self.instead = instead
