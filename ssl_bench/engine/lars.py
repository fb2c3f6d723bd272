"""LARS, layer-wise adaptive rates, in the forms that papers used."""

from collections.abc import Iterable

import torch
from mmengine.registry import OPTIMIZERS
from torch import Tensor
from torch.optim.optimizer import Optimizer


def wrapped_update(
    weight: Tensor, grad: Tensor, decay: float, trust: float, eps: float
) -> Tensor:
    """Gradient that SGD gets: decayed first, then scaled to the weight.

    ``g <- g + decay w``; then, unless either norm is zero,
    ``g <- g * trust |w| / (|g| + eps)``.

    Args:
        weight (Tensor): The parameter, any shape.
        grad (Tensor): Its gradient, same shape.
        decay (float): Weight decay.
        trust (float): Trust coefficient.
        eps (float): Added to the gradient's norm.
    """
    grad = grad.add(weight, alpha=decay)
    weight_norm, grad_norm = weight.norm(), grad.norm()
    ratio = trust * weight_norm / (grad_norm + eps)
    usable = (weight_norm > 0) & (grad_norm > 0)
    return grad * torch.where(usable, ratio, torch.ones_like(ratio))


def split_update(
    weight: Tensor, grad: Tensor, decay: float, trust: float, eps: float
) -> Tensor:
    """Decayed gradient, scaled by the norms of raw gradient and decay.

    ``(g + decay w) * trust |w| / (|g| + decay |w| + eps)``, zero for a
    zero weight, and zero where the denominator is.
    """
    weight_norm = weight.norm()
    below = grad.norm() + decay * weight_norm + eps
    ratio = (
        trust
        * weight_norm
        / torch.where(below > 0, below, torch.ones_like(below))
    )
    return grad.add(weight, alpha=decay) * ratio


@OPTIMIZERS.register_module()
class PaperLARS(Optimizer):
    """SGD with momentum whose step follows the norm of each tensor.

    Reference: You, Gitman, Ginsburg, arXiv:1708.03888, Algorithm 1, as run
        by PixPro, Barlow Twins, BYOL and MoCo v3 (the default), SimCLR
        (``lr_in_velocity=True``) and LEWEL (``lr_in_velocity=True,
        split_norm=True``).

    Where the rate multiplies, and which norms are compared::

        lr_in_velocity=False:   v <- m v + u;       w <- w - lr v
        lr_in_velocity=True:    v <- m v + lr u;    w <- w - v
        split_norm=False:       u = wrapped_update(w, g)
        split_norm=True:        u = split_update(w, g)

    with ``v`` equal to its second term at the first step, no Nesterov, no
    dampening. The first two agree only while lr stays constant.

    Differences from mmpretrain's ``LARS``: that one has only the rate inside
    with norms apart, adds 1e-8 to the denominator, takes the plain SGD step
    for an all-zero weight (LEWEL's keeps it at zero), waits for the
    accelerator at every tensor to read two norms, and needs every bias and
    norm layer to be excluded by name.

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
        )
        super().__init__(params, defaults)

    def __setstate__(self, state: dict) -> None:
        """Read states from when the rate's place decided on the norms."""
        super().__setstate__(state)
        for group in self.param_groups:
            group.setdefault('split_norm', group['lr_in_velocity'])

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
            for weight in group['params']:
                if weight.grad is not None:
                    self._step_one(weight, weight.grad, group)
        return loss

    def _step_one(self, weight: Tensor, grad: Tensor, group: dict) -> None:
        """Move one parameter and its velocity in place."""
        excluded = group.get(
            'lars_exclude', group['exclude_1d'] and weight.ndim <= 1
        )
        inside = group['lr_in_velocity']
        if not excluded:
            update = split_update if group['split_norm'] else wrapped_update
            grad = update(
                weight,
                grad,
                group['weight_decay'],
                group['trust'],
                group['eps'],
            )
        if inside:
            grad = grad * group['lr']
        state = self.state[weight]
        if 'momentum_buffer' not in state:
            state['momentum_buffer'] = grad.clone()
        else:
            state['momentum_buffer'].mul_(group['momentum']).add_(grad)
        weight.sub_(
            state['momentum_buffer'], alpha=1 if inside else group['lr']
        )
