"""What is wrong with a file of labels."""


class UnusableLabels(Exception):
    """Why a mask or a depth map is unusable.

    Attributes:
        kind (str): What is wrong with many of them.
        text (str): What is wrong with this one.
    """

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind, self.text = kind, text
