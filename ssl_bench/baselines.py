"""What to know about methods whose class is not in this project.

mmpretrain's classes train the baselines of the papers' tables. Their
docstrings say little, so each has a text here, in the form of this project's
docstrings, and a check of its settings where it needs one. Random
initialisation and supervised weights are methods without a pretraining.

Where a text names no deviation, models, views and optimisation are those of
the released program up to rounding, the order of its random numbers, and
grey of the weights 0.2989 in place of 0.299.

Nothing here imports a toolkit: `ssl-bench methods` reads the texts.
"""

from collections.abc import Callable
from typing import Any

# by the name of mmpretrain's class; of a class and a method where two methods
# share the class
BASELINES: dict[str, str] = {
    'PaperMoCo: MoCo v1': """\
Tell an image's other view from the views of earlier images.

MoCo v2 without the hidden layer of the head and without blur, at temperature
0.07 (v2: 0.2), with a rate that falls in steps (v2: a cosine).

Reference: He, Fan, Wu, Xie, Girshick, "Momentum Contrast for Unsupervised
    Visual Representation Learning", CVPR 2020, arXiv:1911.05722.
Parity: golden vectors of the released code.
""",
    'SwAV': """\
Predict from one crop the cluster that another crop is assigned to.

Assignments to learnt prototypes are balanced over the batch (and a queue) of
all processes by Sinkhorn's iterations; six small crops predict those of two
large ones. The model is mmpretrain's; the loss is `GlobalSwAVLoss`.

Reference: Caron et al., "Unsupervised Learning of Visual Features by
    Contrasting Cluster Assignments", NeurIPS 2020, arXiv:2006.09882.
Parity: golden vectors of the released code (assignments, loss, queue).
Deviations: the rate is inside LARS's velocity (there outside; with this
    slow schedule a step differs by less than 5e-4 of itself). float32
    (float16 there). The red channel's deviation is 0.229 (0.228 there).
""",
    'SimSiam': """\
Predict the other view's embedding, whose gradient is stopped.

BYOL without the moving average: one network, a predictor on one side and a
stopped gradient on the other, both directions.

Reference: Chen, He, "Exploring Simple Siamese Representation Learning", CVPR
    2021, arXiv:2011.10566.
Parity: golden vectors of the released code.
Deviations: the last layer of the projector has no bias (there a frozen one,
    which the norm after it takes out).
""",
    'MAE': """\
Predict three quarters of an image's patches from the other quarter.

The encoder sees the visible patches only; a light decoder predicts the
normalised pixels of the masked ones. The loss is over masked patches only.

Reference: He, Chen, Xie, Li, Dollar, Girshick, "Masked Autoencoders Are
    Scalable Vision Learners", CVPR 2022, arXiv:2111.06377.
Parity: golden vectors of the released code (targets, loss).
Deviations: class and mask token have no weight decay (there they have). The
    halves of the position embedding, for rows and columns, have changed
    places. The warm-up starts at a ten thousandth of the rate (there at 0).
""",
}


def check_swav(config, batch: int, processes: int) -> None:
    """Refuse mmpretrain's own loss of SwAV.

    Args:
        config (mmengine.Config): Of the run.
        batch (int): Images per process.
        processes (int): How many train.

    Raises:
        UserError: It would assign within each process, or keep its queue
            out of the checkpoints.
    """
    from ssl_bench.errors import UserError

    if config.model.head.loss.type == 'SwAVLoss':
        raise UserError(
            "model.head.loss: mmpretrain's SwAVLoss assigns prototypes within "
            'each process and keeps its queue out of the checkpoints. Use '
            'GlobalSwAVLoss with SwAVScheduleHook, as swav_r50_200e does.'
        )


# by the name of mmpretrain's class: called before a run with the config,
# the images per process and the number of processes
CHECKS: dict[str, Callable[[Any, int, int], None]] = {'SwAV': check_swav}

# by the name of mmpretrain's class: a module whose function
# ``contact_sheet(config)`` says how its samples are drawn
SHEETS: dict[str, str] = {'MAE': 'ssl_bench.methods.mae_sheet'}

# methods without a pretraining here, and how to name them to `transfer`
CONTROLS: dict[str, str] = {
    'Random init': """\
No pretraining: weights as they are initialised, from the run's seed.

`ssl-bench transfer random --tasks TASK ...` builds the task's own backbone,
or the one that --arch names (resnet50, resnet18-w16).

Reference: the control of every paper's table.
Parity: the toolkits' initialisation.
""",
    'Supervised': """\
Name the image's class: ImageNet labels, the control of the papers' tables.

Nothing is trained here. `ssl-bench transfer supervised=FILE --tasks TASK ...`
takes a file in torchvision's format, for instance torchvision's own
resnet50-0676ba61.pth, or Detectron2's MSRA/R-50.pkl, from which the papers'
detection rows start: BGR, pixels not divided by their deviation, stride in
the first 1x1 convolution of a block. The two are variants with published
values of their own; the classifier is not used.

Reference: He, Zhang, Ren, Sun, "Deep Residual Learning for Image
    Recognition", CVPR 2016, arXiv:1512.03385.
Parity: weights imported whole, every tensor checked.
""",
}
# by the word that `transfer` takes in place of a checkpoint
ALIASES = {'random': 'Random init', 'supervised=FILE': 'Supervised'}
