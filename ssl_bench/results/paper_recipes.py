"""Which recipe of a task measures what a paper prints.

Papers print numbers of one task under several protocols: another head, rate
or crop. A measured number is compared with a printed one only if its recipe
is that of the printed number; docs/protocols.md has the recipes.
"""

from typing import NamedTuple

from ssl_bench.results.names import method_key

DEFAULT = ''  # the task's own settings, without ``--recipe``
NONE = None  # no recipe here measures it


class Rule(NamedTuple):
    """Printed numbers and the recipe that measures them.

    Args:
        recipe (str, optional): Its name, ``DEFAULT`` or ``NONE``.
        papers (tuple[str, ...]): Those that print them; all when empty.
        methods (tuple[str, ...]): Of these methods; of all when empty.
    """

    recipe: str | None
    papers: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()

    def holds(self, method: str, paper: str) -> bool:
        """Whether it is about a method's row in a paper."""
        return (not self.papers or paper in self.papers) and (
            not self.methods
            or method_key(method) in map(method_key, self.methods)
        )


BARLOW = ('Barlow Twins', 'VICReg')  # VICReg prints Barlow Twins' tables again
REST = Rule(DEFAULT)
# SimSiam searches the rate for each method, and Barlow Twins prints its
# numbers again.
SEARCHED = (
    Rule(NONE, ('SimSiam',)),
    Rule(NONE, BARLOW, ('SimSiam', 'SwAV', 'SimCLR', 'BYOL')),
)
C4 = (Rule('barlowtwins', BARLOW, ('Barlow Twins',)), *SEARCHED, REST)
# The heads and norms that InfoMin introduced, with 32.8 box AP for random
# initialisation; MoCo's plain head has 31.0. SoCo pretrains its heads.
FPN = (
    Rule('insloc', ('InsLoc',), ('InsLoc',)),
    Rule(NONE, ('SoCo',), ('SoCo',)),
    Rule(DEFAULT, ('InsLoc', 'PixPro', 'LEWEL', 'InfoMin', 'DenseCL')),
    Rule('two_fc', ('MoCo v1', 'DetCo', 'MLS', 'SoCo', 'ReSim')),
)
# MoCo v3's own program fine-tunes as DeiT does.
FINETUNED = (
    Rule('mae', ('MAE', 'SiameseIM', 'mmselfsup', 'mmpretrain'), ('MAE',)),
    Rule(DEFAULT, ('SiameseIM',), ('SiameseIM',)),
)
VIT_DETECTION = (
    # printed from another detector than ViTDet
    Rule(NONE, ('SiameseIM',), ('MoCo v3',)),
    REST,
)
# DINOv3's tables have as many patches of 14 pixels as of 16.
PATCHES = (
    Rule(
        'patch14',
        ('DINOv3',),
        (
            'AM-RADIOv2.5',
            'DINOv2',
            'Franca',
            'PEcore',
            'PEspatial',
            'Web-DINO',
        ),
    ),
    REST,
)
VISSL = (
    Rule('vicreg', ('VICReg',), ('VICReg',)),
    Rule('openmmlab', ('OpenSelfSup', 'mmselfsup')),
    REST,
)

# The first rule that holds decides; without one no recipe measures the number.
# In tasks that are not listed all papers follow one protocol.
RULES: dict[str, tuple[Rule, ...]] = {
    'voc0712_det_c4': (Rule('vicreg', ('VICReg',), ('VICReg',)), *C4),
    'voc07_det_c4': (*SEARCHED, REST),
    'coco_mrcnn_c4_1x': C4,
    'coco_mrcnn_fpn_1x': FPN,
    'coco_mrcnn_fpn_2x': FPN,
    'coco_vitdet_b': VIT_DETECTION,
    'lvis_vitdet_b': VIT_DETECTION,
    'voc12aug_fcn': (
        Rule('moco', ('MoCo v1',)),
        Rule(DEFAULT, ('DenseCL', 'mmselfsup')),
    ),
    'cityscapes_fcn': (
        Rule('moco', ('MoCo v1', 'DetCo', 'PixPro')),
        Rule(DEFAULT, ('DenseCL',)),
    ),
    'in1k_finetune': FINETUNED,
    **dict.fromkeys(
        ('in_a', 'in_r', 'in_sketch', 'in_c'),  # of a fine-tuned model
        FINETUNED,
    ),
    'in1k_linear': (
        Rule('barlowtwins', BARLOW, ('Barlow Twins',)),
        Rule('lewel', ('LEWEL',)),
        Rule('simsiam', ('SimSiam',)),
        Rule('simsiam', BARLOW, ('SimSiam',)),
        Rule('mae', ('MAE', 'SiameseIM'), ('MAE',)),
        Rule('siamese_im', ('SiameseIM',), ('SiameseIM',)),
        Rule('mocov3_vit', ('SiameseIM',), ('MoCo v3',)),
        Rule('mocov3', ('MoCo v3', 'mmselfsup'), ('MoCo v3',)),
        # MoCo's rate, also where others print the number again
        Rule(
            DEFAULT,
            ('MoCo v1', 'MoCo v2', 'DetCo', 'mmselfsup', *BARLOW),
            ('MoCo v1', 'MoCo v2', 'DetCo', 'InstDis'),
        ),
    ),
    # OpenMMLab prints the best of nine settings
    'in1k_semi1': (
        Rule(DEFAULT, BARLOW, ('Barlow Twins',)),
        Rule('lewel', ('LEWEL',)),
    ),
    'in1k_semi10': (
        Rule('barlowtwins', BARLOW, ('Barlow Twins',)),
        Rule(DEFAULT, ('LEWEL',)),
    ),
    'places205_linear': VISSL,
    'inat18_linear': VISSL,
    **dict.fromkeys(
        (
            'ade20k_linseg_dinov3',
            'cityscapes_linseg_dinov3',
            'voc12_linseg_dinov3',
            'spair_probe3d',
        ),
        PATCHES,
    ),
    # How Franca's table of 2026 was measured was not read: it has 50.7 where
    # the first version has 41.8 for the same weights.
    **dict.fromkeys(
        ('ade20k_linseg_franca', 'voc12_linseg_franca'),
        (Rule(DEFAULT, ('Franca v1',)),),
    ),
    **dict.fromkeys(
        ('ade20k_incontext_hbird', 'voc12_incontext_hbird'),
        (Rule(NONE, ('Franca',)), REST),
    ),
    # Barlow Twins' features are the global average
    'voc07_svm': (Rule('barlowtwins', BARLOW), REST),
}


def recipe_of(task: str, method: str, paper: str) -> str | None:
    """The recipe that measures a method's row of a paper.

    Args:
        task (str): Task id.
        method (str): As printed.
        paper (str): That prints the number, without a remark in brackets.

    Returns:
        str | None: Name of the recipe, empty for the task's own settings,
        None when no recipe here has that protocol.
    """
    for rule in RULES.get(task, (REST,)):
        if rule.holds(method, paper):
            return rule.recipe
    return NONE
