"""Log-probabilities of replies without the logits of everything else, for the trainer on a CPU.

Only reply positions pass through the language model's head, in tiles that fit into its cache; TRL's version took half
of a step there.
"""

from __future__ import annotations

from types import MethodType, SimpleNamespace
from typing import Any

import torch

TILE = 128
"""Reply tokens scored at once: 128 rows of 150,000 float32 logits are 78 MB."""
HEAD_EXTRAS = ("final_logit_softcapping", "logit_scale", "logits_scaling", "output_multiplier", "lm_head_multiplier")
"""Settings of models that do more than one product in their head."""


class ReplyLogProbs(torch.autograd.Function):  # type: ignore[misc]
    """log softmax(hidden @ weight.T)[target] for each row; the gradient is worked out in the forward pass.

    d log p(y) / d h = w[y] - sum_v p(v) w[v], (N, H), is as small as `hidden`, so nothing of the size of the vocabulary
    outlives its tile and no logits are computed twice. `weight` is frozen and gets no gradient.
    """

    @staticmethod
    def forward(ctx: Any, hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return (N,) float32 log-probabilities of `targets` (N,) for `hidden` (N, H) and `weight` (V, H)."""
        logps = torch.empty(len(hidden), dtype=torch.float32, device=hidden.device)
        slope = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        for start in range(0, len(hidden), TILE):
            rows = slice(start, start + TILE)
            logits = (hidden[rows] @ weight.T).float()
            norm = torch.logsumexp(logits, dim=-1, keepdim=True)
            logps[rows] = (logits.gather(1, targets[rows, None]) - norm).squeeze(1)
            if slope is not None:
                slope[rows] = weight[targets[rows]] - logits.sub_(norm).exp_().to(weight.dtype) @ weight
        ctx.save_for_backward(*([] if slope is None else [slope]))
        return logps

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        """Return the gradient of `hidden`."""
        (slope,) = ctx.saved_tensors
        return (slope * grad[:, None]).to(slope.dtype), None, None


def score_replies_only(model: Any) -> bool:
    """Make TRL's fused head (`model(..., labels=..., fused_lm_head=True)`) skip prompts and padding; True if it could.

    Called after TRL has put its own in place. The entropy and accuracy that TRL would log are not computed.
    """
    head, config = model.get_output_embeddings(), model.config.get_text_config()
    if head.bias is not None or any(getattr(config, name, None) is not None for name in HEAD_EXTRAS):
        return False
    trl_forward = model.forward

    def forward(self: Any, *args: Any, fused_lm_head: bool = False, labels: Any = None, **kwargs: Any) -> Any:
        if not fused_lm_head:
            return trl_forward(*args, labels=labels, **kwargs)
        hidden = self.base_model(*args, **{**kwargs, "use_cache": False}).last_hidden_state[:, :-1]
        labels = labels[:, 1:]
        replies = labels != -100
        weight = self.get_output_embeddings().weight
        with torch.autocast(weight.device.type, enabled=False):
            logps = ReplyLogProbs.apply(hidden[replies].to(weight.dtype), weight, labels[replies])
        spread = logps.new_zeros(replies.shape).masked_scatter(replies, logps)
        unknown = torch.zeros_like(spread, requires_grad=False).detach()
        return SimpleNamespace(
            log_probs=spread, entropy=unknown, mean_logits=unknown, is_top1=torch.zeros_like(replies)
        )

    model.forward = MethodType(forward, model)
    return True
