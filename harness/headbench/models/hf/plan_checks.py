"""What a condition would do to a request, tried before anything runs.

A plan that needs no probe is made for one request of each condition: its edits and those of its
branches must fit the model, and the parts of a composition each other. The same is tried twice:
with the shapes that the configuration tells, before weights are read, and with those of the loaded
modules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from headbench.edits import Case, Plan
from headbench.interventions.edits.edit_checks import check_edit, check_owned
from headbench.interventions.edits.model_shape import ModelShape
from headbench.interventions.rewriting import rewriter
from headbench.jobs import Job
from headbench.models.hf.captures import absolute, captures_of
from headbench.models.hf.chat import given_to, read_today
from headbench.models.hf.joined_plans import check_declared, checked, join
from headbench.models.hf.load import load_tokenizer
from headbench.models.hf.prompts import Prompt, Prompter, choose_template
from headbench.models.hf.settings import Settings
from headbench.models.hf.vision import Vision
from headbench.models.images import decode
from headbench.nouns import ModelInfo, Request


def check_plan(
    job: Job, case: Case, shape: ModelShape, resolve: Callable[[Request], Prompt], *, loaded: bool
) -> None:
    """Try the plan of a job.

    Parts of a composition that need probes are left out: their plans depend on what these show.

    Args:
        job: Request and condition.
        case: The request as interventions see it.
        shape: Sizes of the model.
        resolve: Request -> prompt; a branch may ask another one.
        loaded: Whether the sizes are those of the modules. A configuration tells layers and heads,
            and not always how key/value heads are shared or how wide an edited vector is.

    Raises:
        RefusedError: An edit names a site, a layer or a head that is not there, two parts cannot be
            composed, or a plan does what its method does not declare.
    """
    where = f"intervention {job.condition.name}"
    rewriter(job.condition, job.request)
    plans: list[Plan] = []
    for part in job.condition.interventions:
        if checked(part, part.probes(case), where):
            continue
        plan = part.plan(case, {})
        if plan.branches:
            check_declared(part, "branches", "its plan compares branches", where)
        plans.append(plan)
    whole = join(plans, where)
    for branch in (whole.branches or {}).values():
        if branch.request is not None:
            resolve(branch.request)
    edits = [*whole.edits]
    edits += [edit for branch in (whole.branches or {}).values() for edit in branch.edits or ()]
    for edit in edits:
        check_edit(edit, shape, widths=loaded)
        if loaded:
            check_owned(edit, shape)


def before_weights(
    settings: Settings, config: Any, info: ModelInfo
) -> Callable[[Sequence[Job], Callable[[str], bytes]], None]:
    """A check of jobs that needs the checkpoint's configuration, tokenizer and processor alone.

    Args:
        settings: How the model is asked for.
        config: The checkpoint's configuration.
        info: Its shapes.
    """
    return partial(_check_before_weights, settings, config, info)


def _check_before_weights(
    settings: Settings,
    config: Any,
    info: ModelInfo,
    jobs: Sequence[Job],
    image: Callable[[str], bytes],
) -> None:
    for job in jobs:
        if job.request.kind == "represent":
            for capture in captures_of(job.request):
                absolute(capture, info.layers)
    edited = [job for job in jobs if job.condition.interventions]
    if not edited:
        return
    tokenizer, processor = load_tokenizer(settings, config)
    template = choose_template(settings.chat_template, processor, tokenizer)
    given = given_to(template, settings.template_arguments, read_today(settings.today))
    vision = Vision(processor, image) if processor is not None else None
    prompter = Prompter(tokenizer, vision, template, given)
    width = config.get_text_config(decoder=True).hidden_size
    shape = ModelShape(
        info.layers,
        info.heads,
        info.kv_heads,
        info.head_dim,
        info.output_dim,
        width,
        info.attention,
        info.name,
    )
    for job in edited:
        prompt = prompter.resolve(job.request)
        case = Case(
            job.request,
            prompt.tokens,
            prompt.spans,
            info,
            lambda sha256: decode(image(sha256), sha256),
        )
        check_plan(job, case, shape, prompter.resolve, loaded=False)
