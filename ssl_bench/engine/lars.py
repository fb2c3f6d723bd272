"""LARS, layer-wise adaptive rates, in the forms that papers used."""

from collections import defaultdict
from collections.abc import Iterable

import torch
from mmengine.registry import OPTIMIZERS
from torch import Tensor
from torch.optim.optimizer import Optimizer

# settings that make the same steps as mmpretrain's LARS
MMPRETRAIN = dict(
    lr_in_velocity=True,
    split_norm=True,
    plain_at_zero=True,
    exclude_1d=False,
    eps=1e-8,
)


def wrapped_ratios(
    weights: list[Tensor],
    grads: list[Tensor],
    decay: float,
    trust: float,
    eps: float,
) -> list[Tensor]:
    """What scales each decayed gradient to its weight.

    ``trust |w| / (|g + decay w| + eps)``; 1 where either norm is zero.

    Args:
        weights (list[Tensor]): Parameters, any shapes.
        grads (list[Tensor]): Their gradients, decayed already.
        decay (float): Weight decay, which is in the gradients.
        trust (float): Trust coefficient.
        eps (float): Added to the gradient's norm.

    Returns:
        list[Tensor]: A scalar for each parameter.
    """
    weight_norms, grad_norms = _norms(weights), _norms(grads)
    ratios = trust * weight_norms / (grad_norms + eps)
    usable = (weight_norms > 0) & (grad_norms > 0)
    return list(torch.where(usable, ratios, torch.ones_like(ratios)))


def split_ratios(
    weights: list[Tensor],
    grads: list[Tensor],
    decay: float,
    trust: float,
    eps: float,
    plain_at_zero: bool = False,
) -> list[Tensor]:
    """The same by the norms of raw gradient and decay.

    ``trust |w| / (|g| + decay |w| + eps)``, zero for a zero weight and where
    the denominator is.

    Args:
        weights (list[Tensor]): Parameters, any shapes.
        grads (list[Tensor]): Their gradients, without decay.
        decay (float): Weight decay.
        trust (float): Trust coefficient.
        eps (float): Added to the norms.
        plain_at_zero (bool): 1 where either norm is zero.

    Returns:
        list[Tensor]: A scalar for each parameter.
    """
    weight_norms, grad_norms = _norms(weights), _norms(grads)
    below = grad_norms + decay * weight_norms + eps
    below = torch.where(below > 0, below, torch.ones_like(below))
    ratios = trust * weight_norms / below
    if plain_at_zero:
        usable = (weight_norms > 0) & (grad_norms > 0)
        ratios = torch.where(usable, ratios, torch.ones_like(ratios))
    return list(ratios)


def _norms(tensors: list[Tensor]) -> Tensor:
    """Euclidean norm of each tensor, as one vector."""
    return torch.stack(torch._foreach_norm(tensors))


def scaled_updates(
    weights: list[Tensor],
    grads: list[Tensor],
    decay: float,
    trust: float,
    eps: float,
    split_norm: bool = False,
    plain_at_zero: bool = False,
) -> list[Tensor]:
    """Gradients that SGD gets: ``(g + decay w)`` times its ratio.

    Args:
        weights (list[Tensor]): Parameters, any shapes.
        grads (list[Tensor]): Their gradients, same shapes; not changed.
        decay, trust, eps (float): As of the ratios.
        split_norm (bool): `split_ratios` instead of `wrapped_ratios`.
        plain_at_zero (bool): As of `split_ratios`.
    """
    decayed = list(torch._foreach_add(grads, weights, alpha=decay))
    ratios = (
        split_ratios(weights, grads, decay, trust, eps, plain_at_zero)
        if split_norm
        else wrapped_ratios(weights, decayed, decay, trust, eps)
    )
    torch._foreach_mul_(decayed, ratios)
    return decayed


@OPTIMIZERS.register_module()
class PaperLARS(Optimizer):
    """SGD with momentum whose step follows the norm of each tensor.

    Reference: You, Gitman, Ginsburg, arXiv:1708.03888, Algorithm 1, as run
        by PixPro, Barlow Twins, BYOL and MoCo v3 (the default), SimCLR
        (``lr_in_velocity=True``), LEWEL (``lr_in_velocity=True,
        split_norm=True``) and SwAV (LEWEL's with ``plain_at_zero=True,
        exclude_1d=False``, which is mmpretrain's ``LARS``).

    Where the rate multiplies, and which norms are compared::

        lr_in_velocity=False:   v <- m v + u;       w <- w - lr v
        lr_in_velocity=True:    v <- m v + lr u;    w <- w - v
        u = (g + decay w) * ratio, see `wrapped_ratios` (split_norm=False)
        and `split_ratios` (split_norm=True)

    with ``v`` equal to its second term at the first step, no Nesterov, no
    dampening. The first two agree only while lr stays constant.

    mmpretrain's ``LARS`` waits for the accelerator at every tensor to read
    two norms, and needs every bias and norm layer to be excluded by name. A
    run that it began can go on with this one: its settings are read from the
    checkpoint.

    Excluded tensors have neither decay nor adaptation. These are the
    parameters with at most one dimension (biases and the scales and shifts
    of norm layers) when ``exclude_1d``; a parameter group's own
    ``lars_exclude`` decides instead where it is given.

    Args:
        params (Iterable): Parameters or dicts of parameter groups.
        lr (float): Learning rate.
        momentum (float): Coefficient of the old velocity.
        weight_decay (float): Decay of the tensors that are not excluded.
        trust (float): Trust coefficient, eta in LEWEL.
        eps (float): Added to the norm below the fraction.
        lr_in_velocity (bool): Whether the rate is inside the velocity.
        split_norm (bool): Whether the norms of raw gradient and decay are
            added, in place of the norm of their sum.
        exclude_1d (bool): Whether biases and norm parameters are excluded.
        plain_at_zero (bool): With ``split_norm``, whether a weight or
            gradient of zeros takes the plain SGD step; LEWEL's keeps a zero
            weight at zero.
    """

    def __init__(
        self,
        params: Iterable,
        lr: float,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        trust: float = 0.001,
        eps: float = 1e-8,
        lr_in_velocity: bool = False,
        split_norm: bool = False,
        exclude_1d: bool = True,
        plain_at_zero: bool = False,
    ) -> None:
        for name, value in dict(
            lr=lr,
            momentum=momentum,
            trust=trust,
            weight_decay=weight_decay,
            eps=eps,
        ).items():
            if value < 0:
                raise ValueError(f'PaperLARS needs {name} >= 0, got {value}.')
        defaults = dict(
            lr=lr,
            momentum=momentum,
            weight_decay=weight_decay,
            trust=trust,
            eps=eps,
            lr_in_velocity=lr_in_velocity,
            split_norm=split_norm,
            exclude_1d=exclude_1d,
            plain_at_zero=plain_at_zero,
        )
        super().__init__(params, defaults)

    def __setstate__(self, state: dict) -> None:
        """Read states of mmpretrain's, and of earlier forms of this one."""
        super().__setstate__(state)
        for group in self.param_groups:
            if 'eta' in group:
                group.update(MMPRETRAIN, trust=group.pop('eta'))
            # the rate's place once decided on the norms
            group.setdefault('split_norm', group['lr_in_velocity'])
            group.setdefault('plain_at_zero', False)

    @torch.no_grad()
    def step(self, closure=None):
        """Update every parameter that has a gradient.

        Args:
            closure (callable, optional): Evaluates the model and returns the
                loss, which is then returned here.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            kinds: dict[tuple, list[Tensor]] = defaultdict(list)
            for weight in group['params']:
                if weight.grad is None:
                    continue
                excluded = group.get(
                    'lars_exclude', group['exclude_1d'] and weight.ndim <= 1
                )
                kinds[excluded, weight.device, weight.dtype].append(weight)
            for (excluded, *_), weights in kinds.items():
                self._step_all(weights, group, excluded)
        return loss

    def _step_all(
        self, weights: list[Tensor], group: dict, excluded: bool
    ) -> None:
        """Move parameters of one kind and their velocities in place.

        All tensors in each operation: one after the other, their launches
        take an accelerator longer than the arithmetic.
        """
        inside = group['lr_in_velocity']
        updates = [w.grad for w in weights if w.grad is not None]  # all
        if not excluded:
            updates = scaled_updates(
                weights,
                updates,
                group['weight_decay'],
                group['trust'],
                group['eps'],
                group['split_norm'],
                group['plain_at_zero'],
            )
        if inside:
            updates = list(torch._foreach_mul(updates, group['lr']))
        velocities = []
        for weight in weights:
            if 'momentum_buffer' not in self.state[weight]:
                # then v is the update: 0 m + u
                self.state[weight]['momentum_buffer'] = torch.zeros_like(
                    weight
                )
            velocities.append(self.state[weight]['momentum_buffer'])
        torch._foreach_mul_(velocities, group['momentum'])
        torch._foreach_add_(velocities, updates)
        torch._foreach_sub_(
            weights, velocities, alpha=1 if inside else group['lr']
        )
