"""The steps of the faithful StyleALAE against numbers made with the official code (commit 42bcf2e, random weights).

Losses and gradients of single steps, and two iterations with the official optimiser, at 32 pixels. Everything goes
through the recipe and the step runner of a real training; only the draws are those of the official run, in its order:
z, a second z where styles are mixed, then the noise maps from coarse to fine.
"""

import pytest
import torch
from official_style import PREFIXES, fill, meta, official, official_state
from torch.nn import functional
from watched import watched_runner, weighted, without_ageing

from twoway.importers.alae_layout import our_weights
from twoway.methods import make_recipe
from twoway.model import build_model
from twoway.networks import style_blocks
from twoway.training.distributed import World
from twoway.training.streams import Streams

SLOTS = {"E": "encoder", "G": "generator", "F": "mapping", "D": "critic"}
STEPS = {"I": "discriminate", "II": "generate", "III": "reciprocate"}


@pytest.fixture
def model():
    sizes = {"latent": meta()["latent"], "start": meta()["startf"], "maximum": meta()["maxf"]}
    recipe = make_recipe("style-alae", (3, 32, 32), {**sizes, "depth": meta()["mapping_layers"]})
    model = build_model(recipe)
    for slot, net in model.nets.items():
        fill(net, official_state(slot))
    model.w_avg.copy_(official()["weights/live/dlatent_avg.buff"][: len(model.w_avg)])
    return model


@pytest.fixture(scope="module")
def names():
    """Our name of every official weight, by net: weights that hold their own number are renamed and read."""
    found = {}
    for net, slot in SLOTS.items():
        prefix = f"weights/live/{PREFIXES[slot]}."
        theirs = [k.removeprefix(prefix) for k in official() if k.startswith(prefix) and "blur" not in k]
        tagged = {name: torch.full_like(official()[prefix + name], i) for i, name in enumerate(theirs)}
        found[net] = {theirs[int(t.flatten()[0])]: name for name, t in our_weights(slot, tagged).items()}
    return found


class FixedDraws(Streams):
    """Gives the official run's codes, noise maps and layer of mixing instead of fresh ones."""

    def __init__(self):
        super().__init__(0, World(), torch.device("cpu"))
        self.waiting = []
        self.cutoff = None

    def expect(self, prefix):
        """Queue the draws of a step of the fixture."""
        self.waiting += [official()[k] for k in sorted(k for k in official() if k.startswith(f"{prefix}/randn/"))]
        self.cutoff = int(official()[f"{prefix}/mix_cutoff"]) if f"{prefix}/mix_cutoff" in official() else None

    def draw_prior(self, prior, batch):
        z = self.waiting.pop(0)
        assert z.shape == (batch, prior.dim)
        return z

    def draw_normal(self, shape):
        noise = self.waiting.pop(0)
        assert noise.shape[1:] == shape[1:]
        # the official constant has no batch axis yet at the first input, so that its noise is one map for all images
        assert noise.shape[0] == shape[0] or (noise.shape[0] == 1 and shape[2] == 4)
        return noise

    def draw_crossover(self, layers, chance):
        assert layers == 8
        return self.cutoff


def runner(model, recipe=None):
    return watched_runner(model, FixedDraws(), recipe)


def near(ours, theirs, relative=1e-5):
    """Equal to a relative difference of the whole."""
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() <= relative * theirs.abs().max(), (ours - theirs).abs().max()


class Rectifier:
    """The leaky rectifier; notes which of its inputs are zero but for rounding, and can take the other side of one.

    The slope jumps there, so two float32 runs that add up in different orders may differ in a gradient by far more
    than rounding. Which side is right nobody can say.
    """

    plain = staticmethod(functional.leaky_relu)

    def __init__(self, other_side=None):
        self.calls = 0
        self.doubtful = []
        self.other_side = other_side

    def __call__(self, x, slope):
        size = x.detach().abs().flatten()
        self.doubtful += [(self.calls, i) for i in (size < 1e-7 * size.max()).nonzero()[:, 0].tolist()]
        y = self.plain(x, slope)
        if self.other_side is not None and self.other_side[0] == self.calls:
            turned = torch.zeros(x.numel(), dtype=torch.bool)
            turned[self.other_side[1]] = True
            y = torch.where(turned.view(x.shape), torch.where(x > 0, slope * x, x), y)
        self.calls += 1
        return y


def unfused(x, noise, strength, bias, slope):
    """What `noisy_rectified` does in one pass (see test_normalisation.py), by way of the rectifier above."""
    return functional.leaky_relu(x + noise * strength.view(1, -1, 1, 1) + bias.view(1, -1, 1, 1), slope)


def taken(model, kind, number, rectifier, monkeypatch):
    """Take one step of the fixture without changing weights; returns the step, its statistics and gradients."""
    run, steps = runner(model)
    run.still = True
    step = steps[STEPS[number]]
    run.streams.expect(f"{kind}/{number}")
    for name in ("leaky_relu", "leaky_relu_"):
        monkeypatch.setattr(functional, name, rectifier)
    monkeypatch.setattr(style_blocks, "noisy_rectified", unfused)
    stats = run.take(step, official()["x/lod3"], 0, {})
    monkeypatch.undo()
    assert not run.streams.waiting  # every draw of the official step has its place in ours
    assert (run.streams.cutoff is not None) == (kind == "step_mixing" and number != "III")
    return step, stats, run.seen


def gradient_errors(model, names, prefix, gradients):
    """Relative errors of the norms of all gradients of a step, by our names."""
    errors = {}
    for net, slot in SLOTS.items():
        if slot not in gradients:
            continue  # in step II the official code computes D's gradient too, and throws it away
        start = f"{prefix}/grad_norm/{net}/"
        theirs = {names[net][k.removeprefix(start)]: v.item() for k, v in official().items() if k.startswith(start)}
        ours = dict(zip(dict(model.nets[slot].named_parameters()), gradients[slot], strict=True))
        norms = {name: g.double().norm().item() for name, g in ours.items() if g is not None}
        assert set(norms) == set(theirs)
        total = official()[f"{prefix}/grad_norm_total/{net}"].item()
        for name, norm in norms.items():
            # the bias after the constant moves whole maps of one sign, which the normalisation takes back: rounding
            if slot == "generator" and name == "blocks.0.first.noisy.bias":
                assert max(norm, theirs[name]) < 1e-7 * total
            else:
                errors[f"{slot}.{name}"] = abs(norm / theirs[name] - 1)
        errors[slot] = abs(sum(norm**2 for norm in norms.values()) ** 0.5 / total - 1)
    return errors


@pytest.mark.parametrize("number", STEPS)
@pytest.mark.parametrize("kind", ["step", "step_blend0.4", "step_mixing"])
def test_losses_and_gradients_of_each_step(model, names, kind, number, monkeypatch):
    prefix = f"{kind}/{number}"
    if kind == "step_blend0.4":
        for slot in ("generator", "encoder"):
            model.nets[slot].grow_to(3, 0.4)
    before = model.w_avg.clone()
    rectifier = Rectifier()
    step, stats, gradients = taken(model, kind, number, rectifier, monkeypatch)
    near(model.w_avg, official()[f"{prefix}/dlatent_avg_after"][: len(before)])
    assert not torch.equal(model.w_avg, before)
    assert weighted(step, stats) == pytest.approx(official()[f"{prefix}/loss"].item(), rel=1e-5)
    if number == "I":
        adversarial = stats["loss/discriminate/critic_fake"] + stats["loss/discriminate/critic_real"]
        assert adversarial == pytest.approx(official()[f"{prefix}/adv"].item(), rel=1e-5)
        assert 10 * stats["loss/discriminate/r1"] == pytest.approx(official()[f"{prefix}/r1"].item(), rel=1e-5)
    errors = gradient_errors(model, names, prefix, gradients)
    for doubtful in rectifier.doubtful:
        if max(errors.values()) <= 1e-5:
            break
        # one single activation on the edge must explain all of the difference
        _, _, gradients = taken(model, kind, number, Rectifier(doubtful), monkeypatch)
        errors = gradient_errors(model, names, prefix, gradients)
    worst = max(errors, key=errors.get)
    assert errors[worst] <= 1e-5, worst


@pytest.mark.parametrize("kind", ["legacy", "modern"])
def test_two_iterations_with_the_optimiser(model, names, kind):
    """Legacy is what the authors ran: D's second moment ages in step III. Modern is the same code under torch 2.

    Errors are measured on the distance that a weight has moved. Without its ageing D ends 0.4 to 0.8 % of that off.
    """
    prefix = f"seq_{kind}_zero_grad"
    recipe = model.recipe if kind == "legacy" else without_ageing(model.recipe)
    assert [bool(step.ages) for step in recipe.phases[0].steps] == [False, False, kind == "legacy"]
    assert recipe.optim.lr == 0.0015
    start = {slot: {k: v.detach().clone() for k, v in net.named_parameters()} for slot, net in model.nets.items()}
    run, steps = runner(model, recipe)
    for iteration in range(2):
        for number in STEPS:
            run.streams.expect(f"{prefix}/it{iteration}/{number}")
        stats = run.iterate(recipe.phases[0], official()["x/lod3"], iteration)
        assert not run.streams.waiting
        for number, name in STEPS.items():
            loss = official()[f"{prefix}/it{iteration}/{number}/loss"].item()
            assert weighted(steps[name], stats) == pytest.approx(loss, rel=1e-4), (iteration, number)
    for net, slot in SLOTS.items():
        ours = dict(model.nets[slot].named_parameters())
        for theirs, name in names[net].items():
            total, norm = official()[f"{prefix}/final/live/{net}/{theirs}/sum_norm"].tolist()
            parameter = ours[name].detach().double()
            moved = (parameter - start[slot][name]).norm().item()
            # Adam divides by the root of the second moment, so a gradient that is rounding moves a weight as far as any
            # other: so do the biases before a normalisation, of maps of one sign
            if slot == "generator" and name in ("blocks.0.first.noisy.bias", "blocks.1.first.noisy.bias"):
                continue
            tolerance = 1e-5 if slot == "critic" else 1e-2
            assert abs(parameter.norm().item() - norm) <= tolerance * moved, name
            assert abs(parameter.sum().item() - total) <= tolerance * moved * parameter.numel() ** 0.5, name
    near(model.w_avg, official()[f"{prefix}/final/dlatent_avg"][: len(model.w_avg)])
    adam = run.optimisers.adams["critic"]
    first = adam.state[model.nets["critic"].hidden[0].linear.weight]
    assert int(first["step"]) == official()[f"{prefix}/final/adam_steps/D0"].item()
    assert first["exp_avg_sq"].norm().item() == pytest.approx(
        official()[f"{prefix}/final/adam_v_norm/D0"].item(), rel=1e-4
    )
