"""A task's settings of a paper, and those for a kind of backbone."""

from typing import Any

from mmengine.config import Config

from ssl_bench.config import load_config
from ssl_bench.config_edits import edit
from ssl_bench.config_keys import check_keys, plain_keys
from ssl_bench.errors import UserError, unknown_name
from ssl_bench.tasks.table import find_task, task_config, tasks
from ssl_bench.transfer.architecture import WrongBackbone, set_architecture
from ssl_bench.transfer.timm_detection import own_recipe, wrapped_net


def choose_recipe(
    config: Config, task: str, recipe: str | None, arch: dict[str, Any] | None
) -> list[str]:
    """Apply the recipe that was asked for, or the task's for this network.

    Settings of networks that are held in the wrapper of timm's are left out
    for others, so that they leave no trace.

    Args:
        config (Config): Changed in place.
        task (str): Its id.
        recipe (str, optional): That was asked for.
        arch (dict, optional): ``arch_args`` of the backbone.

    Returns:
        list[str]: What a record should say.

    Raises:
        UserError: The task has no such recipe.
    """
    net = wrapped_net(config, arch)
    own = own_recipe(config, net) if recipe is None else None
    config.pop('recipe_for', None)
    apply_recipe(config, task, recipe or own)
    if net is None:
        config.pop('timm_backbone', None)
    return [f'recipe {own}: the one for this kind of network'] if own else []


def apply_recipe(config: Config, task: str, recipe: str | None) -> None:
    """Merge a named recipe and drop the others, so that they leave no trace.

    Raises:
        UserError: The task has no such recipe.
    """
    recipes = config.pop('recipes', {})
    if recipe is None:
        return
    if recipe not in recipes:
        raise unknown_name(f'recipe of {task}', recipe, recipes or ['none'])
    override(config, recipes[recipe], task, strict=True)
    config.recipe = recipe


def fit_architecture(
    config: Config, task: str, recipe: str | None, arch: dict[str, Any]
) -> list[str]:
    """`set_architecture`, whose error names the recipes that take it.

    Args:
        config (Config): Changed in place.
        task (str): Its id.
        recipe (str, optional): That is in the config.
        arch (dict): ``describe(architecture)`` of the backbone.

    Raises:
        WrongBackbone: The task takes no such backbone, or another recipe
            of it does.
    """
    try:
        return set_architecture(config, arch)
    except WrongBackbone as error:
        if error.instead:
            raise WrongBackbone(
                f'{error} Choose {error.instead} instead.'
            ) from error
        recipes = load_config(task_config(task)).get('recipes', {})
        fitting = [name for name in recipes if takes(task, name, arch)]
        ways = ['without --recipe'] * takes(task, None, arch)
        ways += [f'with --recipe {", ".join(fitting)}'] * bool(fitting)
        remedy = (
            f'{task} takes it {", or ".join(ways)}.'
            if ways
            else nearest_task(task, arch)
        )
        raise WrongBackbone(f'{error} {remedy}') from error


def nearest_task(task: str, arch: dict[str, Any]) -> str:
    """What to do with a backbone that a task does not take.

    Args:
        task (str): Its id.
        arch (dict): ``describe(architecture)`` of the backbone.

    Returns:
        str: The first task of the same group that takes it, if there is
        one: on the same data, or else on others of the same size.
    """
    row = find_task(task)
    near = [
        other
        for other in map(find_task, tasks())
        if other.group == row.group and other.root == row.root
    ]
    near.sort(key=lambda other: other.dataset != row.dataset)
    for other in near:
        if other.id != task and takes(other.id, None, arch):
            return f'The nearest task that takes it is {other.id}.'
    return 'Choose another task (ssl-bench tasks lists them).'


def takes(task: str, recipe: str | None, arch: dict[str, Any]) -> bool:
    """Whether a task with a recipe is for a kind of backbone."""
    config = load_config(task_config(task))
    choose_recipe(config, task, recipe, arch)
    try:
        set_architecture(config, arch)
    except WrongBackbone:
        return False
    except UserError:  # of its kind, but something is missing
        return True
    return True


def override(
    config: Config, values: dict[str, Any], task: str, strict: bool = False
) -> None:
    """Change a config by dotted keys: `ssl_bench.config_edits.edit`.

    Raises:
        UserError: A key points at something that is not there.
    """
    try:
        if not strict:
            check_keys(config, values)
        edit(config, plain_keys(values), strict)
    except UserError as error:
        raise UserError(
            f'{task} cannot take the options {sorted(values)}: {error}'
        ) from error
