"""When what happens in a training: phases, resolutions, batch sizes; a function of recipe and budget alone."""

from __future__ import annotations

from dataclasses import dataclass, replace

from twoway.recipe import Growth, GrowthLevel, Optimiser, Phase, Recipe

__all__ = ["Moment", "Segment", "Timeline"]


@dataclass(frozen=True)
class Segment:
    """A stretch of iterations with one phase, one resolution and one batch size.

    Args:
        number: From 0.
        phase: The steps and settings in force.
        optim: Optimiser settings in force.
        level: Resolution in force; None where the phase does not grow.
        batch: Images per iteration, over all processes.
        start: First iteration.
        iterations: How many.
        images: Images seen before it.
        fading: Iterations at its beginning in which its resolution is faded in.
        phase_images: Images of the phase before it.
        phase_total: Images of the whole phase.
    """

    number: int
    phase: Phase
    optim: Optimiser
    level: GrowthLevel | None
    batch: int
    start: int
    iterations: int
    images: int
    fading: int
    phase_images: int
    phase_total: int

    @property
    def lr_factor(self) -> float:
        """What the level makes of the optimiser's learning rate."""
        return 1.0 if self.level is None or self.level.lr is None else self.level.lr / self.optim.lr

    def starts_afresh(self, before: Segment) -> bool:
        """Whether the optimisers forget what they know when this segment follows that one."""
        growth = self.phase.growth
        return self.phase is not before.phase or (growth is not None and growth.reset_optimisers)


@dataclass(frozen=True)
class Moment:
    """What is in force in one iteration.

    Args:
        segment: The segment.
        blend: Share of the working resolution: 1 but for the time in which it is faded in.
        images: Images seen before the iteration.
        phase_kimg: Thousands of images of the phase seen before the iteration.
    """

    segment: Segment
    blend: float
    images: int
    phase_kimg: float

    @property
    def phase_part(self) -> float:
        """Part of the phase that is over."""
        return self.phase_kimg * 1000 / self.segment.phase_total


class Timeline:
    """The segments of a training.

    Args:
        recipe: What is trained.
        kimg: Budget in thousands of images.
        plan_kimg: Budget by which phases and levels were shared out when the training began; what `kimg` is more
            goes to the last segment, and what it is less is cut off the end. None takes `kimg`.
    """

    def __init__(self, recipe: Recipe, kimg: float, plan_kimg: float | None = None) -> None:
        plan = plan_kimg or kimg
        whole = sum(phase.share for phase in recipe.phases)
        self.segments: list[Segment] = []
        for number, phase in enumerate(recipe.phases):
            budget = plan * phase.share / whole
            if number == len(recipe.phases) - 1:
                budget = max(budget + kimg - plan, 0.0)
            self._append_phase(recipe, phase, budget, plan * phase.share / whole)
        last = self.segments[-1]
        self.iterations = max(1, min(last.start + last.iterations, self._iterations_of(kimg)))

    def at(self, iteration: int) -> Moment:
        """What is in force in an iteration, from 0; the last segment goes on for ever."""
        segment = next(s for s in reversed(self.segments) if s.start <= iteration)
        done = iteration - segment.start
        blend = 1.0
        if done < segment.fading and segment.phase.growth is not None:
            blend = segment.phase.growth.blend(done / segment.fading)
        images = done * segment.batch
        return Moment(segment, blend, segment.images + images, (segment.phase_images + images) / 1000)

    def images(self, iteration: int) -> int:
        """Images seen before an iteration."""
        return self.at(iteration).images

    def _iterations_of(self, kimg: float) -> int:
        """Iterations that come nearest to a budget."""
        last = next((s for s in reversed(self.segments) if s.images < kimg * 1000), self.segments[0])
        return last.start + round((kimg * 1000 - last.images) / last.batch)

    def _append_phase(self, recipe: Recipe, phase: Phase, budget_kimg: float, plan_kimg: float) -> None:
        growth = phase.growth or Growth((GrowthLevel(recipe.image_shape[1], 1.0),))
        length = sum(level.fade + level.stable for level in growth.levels)
        seen = 0
        first = len(self.segments)
        for level in growth.levels:
            batch = level.batch or phase.batch or recipe.batch
            kimg = plan_kimg * (level.fade + level.stable) / length
            if level is growth.levels[-1]:
                kimg += budget_kimg - plan_kimg
            iterations = max(1, round(kimg * 1000 / batch))
            # the coarsest level has nothing below it to be faded in from
            faded = 0 if level is growth.levels[0] else level.fade
            last = self.segments[-1] if self.segments else None
            self.segments.append(
                Segment(
                    number=len(self.segments),
                    phase=phase,
                    optim=phase.optim or recipe.optim,
                    level=level if phase.growth else None,
                    batch=batch,
                    start=last.start + last.iterations if last else 0,
                    iterations=iterations,
                    images=last.images + last.iterations * last.batch if last else 0,
                    fading=round(plan_kimg * 1000 * faded / length / batch),
                    phase_images=seen,
                    phase_total=0,
                )
            )
            seen += iterations * batch
        self.segments[first:] = [replace(s, phase_total=seen) for s in self.segments[first:]]
