"""Which of timm's names can serve which tasks.

Example: python benchmarks/timm_names.py --write
Every name of the families below is fitted to one task of each group by the
functions that a run uses (`make_plan`), and its network is built on the meta
device and an image's shape followed to the heads, as a dry run does. Nothing
is downloaded. The table goes to docs/backbones.md.
"""

import argparse
import copy
import json
import re
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

DOCS = Path(__file__).parents[1] / 'docs/backbones.md'
SECTION = 'timm names'
# timm's modules, in the order of the table
FAMILIES = (
    'vision_transformer',
    'deit',
    'eva',
    'beit',
    'vision_transformer_hybrid',
    'vision_transformer_sam',
    'xcit',
    'swin_transformer',
    'swin_transformer_v2',
    'convnext',
    'resnet',
    'regnet',
)
# a group of tasks, and the task that stands for it
GROUPS = {
    'probe': 'in1k_knn',
    'linear': 'in1k_linear',
    'fine-tuning': 'in1k_finetune',
    'FCN': 'voc12aug_fcn',
    'UPerNet': 'ade20k_upernet_vitb',
    'Mask R-CNN FPN': 'coco_mrcnn_fpn_1x',
    'ViTDet': 'coco_vitdet_b',
    'DINO detector': 'coco_dino_4scale',
}


def names_of(family: str) -> list[str]:
    """timm's names of one of its modules."""
    import timm

    found: list[str] = timm.list_models(module=family)
    return found


def read_configs_once() -> None:
    """Let the planner copy configs: the same few are asked for each name."""
    from ssl_bench.transfer import plan, recipes

    read = cache(plan.load_config)
    for module in (plan, recipes):
        module.load_config = lambda path: copy.deepcopy(read(path))


def refusal(name: str, task: str, follow: bool = True) -> str:
    """Why a task does not take a network; empty if it does.

    Args:
        name (str): timm's.
        task (str): A task's id.
        follow (bool): Also build the network and follow an image's shape.
    """
    from ssl_bench.checkpoints.timm_nets import TimmNet, to_header
    from ssl_bench.errors import UserError
    from ssl_bench.transfer.checks import check_network
    from ssl_bench.transfer.plan import make_plan
    from ssl_bench.transfer.source import Source

    try:
        plan = make_plan(task, to_header(TimmNet(name)))
        if follow:
            check_network(plan, Source(None))
    except UserError as error:
        return str(error)
    return ''


def general(reason: str, name: str) -> str:
    """A reason without the name and the numbers of one network."""
    text = reason.split('. ')[0].replace(name, 'NAME')
    return re.sub(r'\d+(\.\d+)?', 'N', text)


def rows(
    found: dict[str, dict[str, dict[str, str]]], groups: list[str], follow: int
) -> Iterator[str]:
    """Lines of the table, and the reasons below it.

    Args:
        found (dict): Refusals by family, name and group.
        groups (list[str]): The columns.
        follow (int): As `sweep`.
    """
    import timm

    built = sum(-(-len(names) // follow) for names in found.values())
    total_names = sum(map(len, found.values()))
    yield (
        f'timm {timm.__version__}, {total_names} names; the networks of '
        f'{built} of them were built, and an image followed to the heads.'
    )
    yield ''
    yield '| timm module | names | ' + ' | '.join(groups) + ' |'
    yield '| :-- | --: |' + ' --: |' * len(groups)
    for family, names in found.items():
        counts = [
            sum(not why[group] for why in names.values()) for group in groups
        ]
        cells = ' | '.join(map(str, counts))
        yield f'| {family} | {len(names)} | {cells} |'
    total = [why for names in found.values() for why in names.values()]
    shares = ' | '.join(
        f'{100 * sum(not why[group] for why in total) / len(total):.1f}%'
        for group in groups
    )
    yield f'| all | {len(total)} | {shares} |'
    reasons: dict[tuple[str, str], list[str]] = defaultdict(list)
    for names in found.values():
        for name, why in names.items():
            for group in groups:
                if why[group]:
                    reasons[group, general(why[group], name)].append(name)
    if reasons:
        yield ''
    for (group, reason), refused in reasons.items():
        shown = ', '.join(f'`{name}`' for name in refused[:4])
        more = f' and {len(refused) - 4} more' if refused[4:] else ''
        yield f'* {group}, {len(refused)} names ({shown}{more}): {reason}.'


def sweep(
    families: list[str], groups: list[str], follow: int
) -> dict[str, dict[str, dict[str, str]]]:
    """Refusals by family, name and group; empty where a task takes it."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    for family in families:
        found[family] = {}
        for number, name in enumerate(names_of(family)):
            built = number % follow == 0
            why = {
                group: refusal(name, GROUPS[group], built) for group in groups
            }
            found[family][name] = why
            refused = [group for group, text in why.items() if text]
            note = f': not {", ".join(refused)}' if refused else ''
            print(f'{family} {name}{note}', flush=True)
    return found


def main() -> None:
    """Sweep, print, and write if asked to."""
    from ssl_bench import register_all_modules
    from ssl_bench.markdown_sections import replace_section

    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument(
        '--families', nargs='+', choices=FAMILIES, default=list(FAMILIES)
    )
    parser.add_argument(
        '--groups', nargs='+', choices=tuple(GROUPS), default=list(GROUPS)
    )
    parser.add_argument(
        '--follow',
        type=int,
        default=1,
        metavar='N',
        help='build the networks of each Nth name of a family only; the '
        'others are planned',
    )
    parser.add_argument(
        '--reasons', metavar='FILE', help='also write every reason, as JSON'
    )
    parser.add_argument(
        '--write', action='store_true', help=f'write the table into {DOCS}'
    )
    args = parser.parse_args()
    whole = list(FAMILIES), list(GROUPS)
    part = (args.families, args.groups) != whole
    if args.write and part:
        parser.error('--write is for the whole sweep')
    warnings.filterwarnings('ignore')
    register_all_modules()
    read_configs_once()
    found = sweep(args.families, args.groups, args.follow)
    text = '\n'.join(rows(found, args.groups, args.follow))
    if args.reasons:
        Path(args.reasons).write_text(json.dumps(found))
    print(text)
    tally = Counter(
        bool(text)
        for names in found.values()
        for why in names.values()
        for text in why.values()
    )
    print(f'{tally[False]} pairs of name and task fit, {tally[True]} do not')
    if args.write:
        written = replace_section(DOCS.read_text(), SECTION, text)
        DOCS.write_text(written)


if __name__ == '__main__':
    main()
