"""One group of an optimizer for all parameters with the same settings.

mmengine makes a group of each parameter where a config has settings by kind
or name of parameters. Optimizers do an operation for all tensors of a group
at once, so a step of AdamW over 150 groups took longer on an accelerator than
the backward pass of its network.
"""

from collections import defaultdict
from typing import Any

from torch.optim import Optimizer


class MergedGroups:
    """Merges the groups of an optimizer, and those of its older states.

    Groups of equal settings become one, at the place of the first; its
    parameters keep their order.

    Args:
        optimizer (Optimizer): Not stepped yet; its groups are replaced.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        kinds: dict[str, list[int]] = defaultdict(list)
        for number, group in enumerate(optimizer.param_groups):
            kinds[repr(sorted(_settings(group).items()))].append(number)
        self.sizes = [len(g['params']) for g in optimizer.param_groups]
        self.members = list(kinds.values())
        optimizer.param_groups[:] = [
            {
                **_settings(optimizer.param_groups[numbers[0]]),
                'params': [
                    weight
                    for number in numbers
                    for weight in optimizer.param_groups[number]['params']
                ],
            }
            for numbers in self.members
        ]

    def of_state(self, state: dict[str, Any]) -> dict[str, Any]:
        """A saved state with its groups merged in the same way.

        Args:
            state (dict): Of `Optimizer.state_dict`.

        Returns:
            dict: The same one unless it has the groups of before.
        """
        groups = state['param_groups']
        if (
            len(self.members) == len(self.sizes)
            or [len(group['params']) for group in groups] != self.sizes
        ):
            return state
        order = [
            [key for number in numbers for key in groups[number]['params']]
            for numbers in self.members
        ]
        number_of = {
            key: number for number, key in enumerate(sum(order, start=[]))
        }
        return {
            **state,
            'state': {
                number_of[key]: value for key, value in state['state'].items()
            },
            'param_groups': [
                {
                    **groups[numbers[0]],
                    'params': [number_of[key] for key in keys],
                }
                for numbers, keys in zip(self.members, order)
            ],
        }


def _settings(group: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in group.items() if key != 'params'}
