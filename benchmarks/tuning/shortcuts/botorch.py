"""BoTorch's process and its logarithmic expected improvement, without the layers between.

The operations are those of BoTorch, GPyTorch and linear_operator, in their order, so that values
and gradients agree to the last bit. What is not the plain case (other kernels, transforms of
inputs, covariances that need jitter) goes their way.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

VERSIONS = {"botorch": "0.18.", "gpytorch": "1.15.", "linear-operator": "0.6.", "torch": "2.15."}
_RELU_TEMPERATURE, _MAXIMUM_TEMPERATURE = 1e-6, 1e-2


class _NotPlainError(Exception):
    """The case is not covered here."""


def replacements() -> list[tuple[Any, str, Any]]:
    """Return what is replaced: owner, name and replacement."""
    from botorch.acquisition.logei import qLogExpectedImprovement
    from botorch.optim.closures.core import ForwardBackwardClosure

    own_forward, own_init = qLogExpectedImprovement.forward, ForwardBackwardClosure.__init__
    improvement = _improvement_function()

    def forward(acquisition: Any, X: Any) -> Any:
        if not X.requires_grad:
            return own_forward(acquisition, X)
        try:
            return _expected_improvement(acquisition, X, improvement)
        except _NotPlainError:
            return own_forward(acquisition, X)

    def init(closure: Any, forward: Any, parameters: Any) -> None:
        own_init(closure, _likelihood(forward) or forward, parameters)

    return [
        (qLogExpectedImprovement, "forward", forward),
        (ForwardBackwardClosure, "__init__", init),
    ]


def _is_plain(model: Any) -> bool:
    inputs = model.train_inputs[0]
    return (
        type(model).__name__ == "SingleTaskGP"
        and not hasattr(model, "input_transform")
        and type(model.covar_module).__name__ == "RBFKernel"
        and type(model.mean_module).__name__ == "ConstantMean"
        and inputs.ndim == 2
        and inputs.shape[-1] > 1
    )


def _kernel(x1: Any, x2: Any) -> Any:
    """Return the squared exponential kernel of scaled points that need a gradient."""
    import torch

    middle = x1.mean(-2, keepdim=True)
    x1, x2 = x1 - middle, x2 - middle
    norm1 = x1.pow(2).sum(dim=-1, keepdim=True)
    norm2 = x2.pow(2).sum(dim=-1, keepdim=True)
    left = torch.cat([-2.0 * x1, norm1, torch.ones_like(norm1)], dim=-1)
    right = torch.cat([x2, torch.ones_like(norm2), norm2], dim=-1)
    return left.matmul(right.transpose(-2, -1)).clamp_min_(0).div_(-2).exp_()


@dataclass(frozen=True)
class _Fitted:
    """What of a fitted process and its acquisition stays the same while points are tried."""

    scaled: Any
    scale: Any
    weights: Any
    inverse_root: Any
    constant: Any
    offset: Any
    factor: Any
    draws: Any
    best: Any
    pending: Any


def _fitted(acquisition: Any) -> _Fitted:
    found: _Fitted | None = getattr(acquisition, "_shortcut", None)
    if found is not None:
        return found
    model, sampler = acquisition.model, acquisition.sampler
    strategy = model.prediction_strategy
    transform = getattr(model, "outcome_transform", None)
    ready = (
        _is_plain(model)
        and type(transform).__name__ == "Standardize"
        and acquisition._constraints is None
        and acquisition._fat is True
        and acquisition.tau_relu == _RELU_TEMPERATURE
        and acquisition.tau_max == _MAXIMUM_TEMPERATURE
        and strategy is not None
        and "covar_cache" in str(strategy._memoize_cache.keys())
        and getattr(sampler, "base_samples", None) is not None
    )
    if not ready:
        raise _NotPlainError
    train, scale = model.train_inputs[0], model.covar_module.lengthscale.detach()
    found = _Fitted(
        scaled=train.div(scale),
        scale=scale,
        weights=strategy.mean_cache.detach().unsqueeze(-1),
        inverse_root=strategy.covar_cache.detach(),
        constant=model.mean_module.constant.detach().unsqueeze(-1),
        offset=transform.means.squeeze(-1),
        factor=transform.stdvs.squeeze(-1),
        draws=sampler.base_samples.squeeze(-1),
        best=acquisition.best_f.unsqueeze(-1).to(train),
        pending=acquisition.X_pending,
    )
    acquisition._shortcut = found
    return found


def _expected_improvement(acquisition: Any, X: Any, improvement: Any) -> Any:
    """Return the acquisition of points (batch, 1, dimensions) beside those that are pending."""
    import torch

    fitted = _fitted(acquisition)
    if X.ndim != 3 or X.shape[1] != 1:
        raise _NotPlainError
    batch, trained = len(X), len(fitted.scaled)
    if fitted.pending is not None:
        X = torch.cat([X, fitted.pending.expand(batch, *fitted.pending.shape)], dim=-2)
    points = X.shape[1]
    if points == trained:
        raise _NotPlainError
    X = X.to(fitted.scaled.dtype)
    if points > 1:
        own = _kernel(X.div(fitted.scale), X.div(fitted.scale))
    else:
        own = torch.ones(batch, 1, 1, dtype=X.dtype)
    cross = _kernel(X.div(fitted.scale), fitted.scaled.expand(batch, *fitted.scaled.shape))
    mean = (cross @ fitted.weights).squeeze(-1) + fitted.constant.expand(batch, points)
    known = cross @ fitted.inverse_root
    covariance = torch.add(own, known @ known.transpose(-1, -2), alpha=-1)
    mean = fitted.offset + fitted.factor * mean
    factor = fitted.factor.expand_as(mean)
    covariance = (factor.unsqueeze(-1) * covariance) * factor.unsqueeze(-2)
    return improvement.apply(_root(covariance), mean, fitted.draws, fitted.best)


def _root(covariance: Any) -> Any:
    import torch

    if covariance.shape[-1] == 1:
        root = covariance.sqrt()
        if not torch.isfinite(root).all():
            raise _NotPlainError
        return root
    root, failed = torch.linalg.cholesky_ex(covariance)
    if torch.any(failed):
        raise _NotPlainError
    return root.clone(memory_format=torch.contiguous_format)


def _improvement_function() -> Any:
    """Return the function from root (b, q, q) and mean (b, q) to the improvement (b,)."""
    import torch

    class Improvement(torch.autograd.Function):  # type: ignore[misc, name-defined, unused-ignore]
        """Fat-tailed in each draw, softly the best of q points, averaged over draws."""

        @staticmethod
        def forward(ctx: Any, root: Any, mean: Any, draws: Any, best: Any) -> Any:
            batch, points = mean.shape
            count = len(draws)
            drawn = draws.reshape(count, 1, points).expand(count, batch, points).permute(1, 2, 0)
            samples = root.matmul(drawn)
            samples += mean.unsqueeze(-1)
            excess = samples.permute(-1, 0, 1).contiguous()
            excess -= best
            excess /= _RELU_TEMPERATURE
            tail = excess.pow(2).add_(1).reciprocal_()
            gain = tail * 0.1
            gain += torch.nn.functional.softplus(excess)
            gain *= _RELU_TEMPERATURE
            log_gain = gain.log()
            most = log_gain.amax(dim=-1, keepdim=True)
            if not torch.isfinite(most).all():
                raise _NotPlainError
            below = (log_gain - most).neg_().div_(_MAXIMUM_TEMPERATURE)
            share = below * 2.0
            share += 2.0
            share += below.pow(2)
            share.reciprocal_()
            total = (share * 2.0).sum(dim=-1, keepdim=True)
            soft = total.log().mul_(_MAXIMUM_TEMPERATURE).add_(most).sum(dim=-1)
            top = soft.amax(dim=0, keepdim=True)
            lower = soft - top
            mass = torch.logsumexp(lower, dim=0, keepdim=True)
            ctx.save_for_backward(
                drawn,
                excess,
                tail,
                gain,
                log_gain,
                most,
                below,
                share,
                total,
                soft,
                top,
                lower,
                mass,
            )
            return (top + mass).sum(dim=0) - math.log(count)

        @staticmethod
        def backward(ctx: Any, gradient: Any) -> Any:
            drawn, excess, tail, gain, log_gain, most, *rest = ctx.saved_tensors
            below, share, total, soft, top, lower, mass = rest
            of_top = gradient.unsqueeze(0)
            of_soft = (lower - mass).exp_().mul_(of_top)
            of_top = of_top + (-of_soft).sum(0, keepdim=True)
            highest = top == soft
            of_soft += (of_top / highest.sum(0, keepdim=True)) * highest
            of_soft = of_soft.unsqueeze(-1)
            of_share = (share * share).neg_()
            of_share *= ((of_soft * _MAXIMUM_TEMPERATURE) / total) * 2.0
            of_gain = below * 2.0
            of_gain *= of_share
            of_gain += of_share * 2.0
            of_gain /= _MAXIMUM_TEMPERATURE
            of_gain.neg_()
            of_most = of_soft + (-of_gain).sum(2, keepdim=True)
            highest = most == log_gain
            of_gain += (of_most / highest.sum(-1, keepdim=True)) * highest
            of_gain /= gain
            of_gain *= _RELU_TEMPERATURE
            of_tail = of_gain * 0.1
            of_tail *= (tail * tail).neg_()
            of_tail *= excess * 2.0
            of_excess = torch.ops.aten.softplus_backward.default(of_gain, excess, 1, 20)
            of_excess += of_tail
            of_excess /= _RELU_TEMPERATURE
            of_samples = of_excess.permute(1, 2, 0)
            of_mean = of_samples.sum(2, keepdim=True).squeeze(-1)
            if drawn.shape[1] > 1:
                # linear_operator multiplies by ones, which changes how the product is summed.
                ones = torch.ones((), dtype=of_samples.dtype).expand(of_samples.shape)
                of_samples = ones * of_samples
            return of_samples @ drawn.transpose(-2, -1), of_mean, None, None

    return Improvement


def _likelihood(forward: Any) -> Callable[..., Any] | None:
    """Return BoTorch's loss closure of an exact process in short; None for other closures."""
    held = dict(zip(forward.__code__.co_freevars, forward.__closure__ or (), strict=True))
    if "mll" not in held or "_get_loss_closure_exact_internal" not in forward.__qualname__:
        return None
    model = held["mll"].cell_contents.model
    priors = list(model.named_priors())
    plain = (
        _is_plain(model)
        and type(model.likelihood).__name__ == "FixedNoiseGaussianLikelihood"
        and model.likelihood.second_noise_covar is None
        and len(priors) == 1
        and type(priors[0][2]).__name__ == "LogNormalPrior"
        and priors[0][2]._transform is None
        and model.covar_module.raw_lengthscale_constraint._transform is None
        and not list(model.added_loss_terms())
    )
    return _loss(model, priors[0][2].base_dist, forward) if plain else None


def _loss(model: Any, prior: Any, own_way: Any) -> Callable[..., Any]:
    import torch
    from torch.distributions.multivariate_normal import _batch_mahalanobis

    inputs, targets = model.train_inputs[0], model.train_targets
    count = len(inputs)
    noise = torch.diag_embed(model.likelihood.noise.detach())
    scale, constant = model.covar_module.raw_lengthscale, model.mean_module.raw_constant
    middle, twice_variance, log_deviation = prior.loc, 2 * prior.scale**2, prior.scale.log()

    def loss(**named: Any) -> Any:
        if not bool((scale > 0).all()):
            return own_way(**named)
        difference = targets - constant.unsqueeze(-1).expand(count)
        covariance = _kernel(inputs.div(scale), inputs.div(scale)) + noise
        root, failed = torch.linalg.cholesky_ex(covariance)
        if torch.any(failed):
            return own_way(**named)
        root = root.clone(memory_format=torch.contiguous_format)
        squares = count * math.log(2 * math.pi) + _batch_mahalanobis(root, difference)
        evidence = -0.5 * squares - root.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        logarithm = scale.log()
        normal = -((logarithm - middle) ** 2) / twice_variance - log_deviation
        normal = normal - 0.5 * math.log(2 * math.pi)
        prior_term = ((0.0 - logarithm) + normal).view(-1).sum(dim=-1)
        return -((evidence + prior_term) / count)

    return loss
