"""What to know about methods whose class is not in this project.

mmpretrain's classes train the baselines of the papers' tables. Their
docstrings say little, so each has a text here, in the form of this project's
docstrings, and a check of its settings where it needs one. Random
initialisation and supervised weights are methods without a pretraining.

Nothing here imports a toolkit: `ssl-bench methods` reads the texts.
"""

from collections.abc import Callable
from typing import Any

# by the name of mmpretrain's class
BASELINES: dict[str, str] = {
    'MoCo': """\
Tell an image's other view from the views of earlier images.

A query is contrasted, by InfoNCE, with the key of the same image and a long
queue of older keys; an encoder that follows the query's as a moving average
makes the keys, on shuffled batches.

Reference: Chen, Fan, Girshick, He, "Improved Baselines with Momentum
    Contrastive Learning", arXiv:2003.04297.
""",
    'SimCLR': """\
Tell an image's other view from all other views of a large batch.

Both views pass one network; the normalised temperature-scaled cross entropy
takes the rest of the batch, of all processes, as negatives.

Reference: Chen, Kornblith, Norouzi, Hinton, "A Simple Framework for
    Contrastive Learning of Visual Representations", ICML 2020,
    arXiv:2002.05709.
""",
    'BYOL': """\
Predict a moving-average network's embedding of the other view.

There are no negatives: a predictor on the online side and the slow target
prevent equal embeddings. Cosine distance, both directions.

Reference: Grill et al., "Bootstrap Your Own Latent", NeurIPS 2020,
    arXiv:2006.07733.
Deviations: mmpretrain copies the online network's running statistics into the
    target (paper: the target's own); it normalises with those of its batch,
    so that no loss depends on them.
""",
    'SwAV': """\
Predict from one crop the cluster that another crop is assigned to.

Assignments to learnt prototypes are balanced over the batch (and a queue) by
Sinkhorn's iterations; six small crops predict those of two large ones.

Reference: Caron et al., "Unsupervised Learning of Visual Features by
    Contrasting Cluster Assignments", NeurIPS 2020, arXiv:2006.09882.
""",
    'SimSiam': """\
Predict the other view's embedding, whose gradient is stopped.

BYOL without the moving average: one network, a predictor on one side and a
stopped gradient on the other, both directions.

Reference: Chen, He, "Exploring Simple Siamese Representation Learning", CVPR
    2021, arXiv:2011.10566.
""",
    'DenseCL': """\
Contrast images as a whole, and each place with its most similar place.

In addition to MoCo v2's loss, every position of the query's projected map is
contrasted with the key position whose backbone feature is most similar to
its own, against a queue of dense keys.

Reference: Wang, Zhang, Shen, Kong, Li, "Dense Contrastive Learning for
    Self-Supervised Visual Pre-Training", CVPR 2021, arXiv:2011.09157.
""",
    'MoCoV3': """\
Tell an image's other view from the rest of the batch, with a ViT.

MoCo without a queue: large batches, a predictor on the query's side, a
moving average for the keys, and a patch embedding that is not trained.

Reference: Chen, Xie, He, "An Empirical Study of Training Self-Supervised
    Vision Transformers", ICCV 2021, arXiv:2104.02057.
""",
    'MAE': """\
Predict three quarters of an image's patches from the other quarter.

The encoder sees the visible patches only; a light decoder predicts the
normalised pixels of the masked ones. The loss is over masked patches only.

Reference: He, Chen, Xie, Li, Dollar, Girshick, "Masked Autoencoders Are
    Scalable Vision Learners", CVPR 2022, arXiv:2111.06377.
""",
}
PARITY = """\
Parity: mmpretrain's model; a test compares settings with the paper's.
"""


def check_swav(config, batch: int, processes: int) -> None:
    """Check the hook of SwAV, which has the queue and its own batch size.

    Args:
        config (mmengine.Config): Of the run.
        batch (int): Images per process.
        processes (int): How many train.

    Raises:
        UserError: A batch that is not the loader's, or a queue that whole
            global batches do not fill (the hook would shorten it).
    """
    from ssl_bench.errors import UserError
    from ssl_bench.layers.feature_queue import check_queue

    for hook in config.get('custom_hooks', []):
        if hook['type'] != 'SwAVHook':
            continue
        if hook['batch_size'] != batch:
            raise UserError(
                f'the SwAVHook is set to a batch of {hook["batch_size"]} '
                f'images per process, the loader has {batch}. Set both to '
                'the same number (custom_hooks.SwAVHook.batch_size).'
            )
        if length := hook.get('queue_length', 0):
            check_queue(
                length,
                batch * processes,
                'custom_hooks.SwAVHook.queue_length',
                'embeddings',
            )


# by the name of mmpretrain's class: called before a run with the config,
# the images per process and the number of processes
CHECKS: dict[str, Callable[[Any, int, int], None]] = {'SwAV': check_swav}

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
