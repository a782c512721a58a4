"""What each kind of model can do; what it cannot is a sentence, never a crash."""

import pytest
from visitors import one_way, photo, pipeline

from twoway.errors import ModelError, UserError
from twoway.studio import Studio
from twoway.studio.abilities import ACTIONS, abilities_of

KINDS = {
    "lia": (lambda: pipeline("lia"), {"edit", "compare", "classes"}),
    "alae, an MLP": (lambda: pipeline("alae"), {"edit", "compare", "classes", "mix"}),
    "ae, without prior": (lambda: pipeline("ae"), {"edit", "compare", "classes", "mix", "sample", "traverse"}),
    "vae": (lambda: pipeline("vae"), {"edit", "compare", "classes", "mix"}),
    "a GAN, without encoder": (lambda: one_way(pipeline("stylegan")), {"edit", "compare", "classes", "reconstruct"}),
    "infovaegan": (lambda: pipeline("infovaegan"), {"edit", "compare", "mix"}),
    "infogan": (lambda: pipeline("infogan"), {"edit", "compare", "mix", "reconstruct"}),
    "conditional": (lambda: pipeline("vae", classes=3), {"edit", "compare", "mix", "project"}),
}


@pytest.fixture(params=KINDS)
def kind(request):
    make, cannot = KINDS[request.param]
    return make(), cannot


ACTS = {
    "reconstruct": lambda s: s.open(photo()).reconstruction.size,
    "edit": lambda s: s.edit({"Smiling": 1.0}),
    "mix": lambda s: s.mix(3, "0"),
    "interpolate": lambda s: s.interpolate(photo(3) if "sample" in s.abilities.reasons else 3, 3),
    "sample": lambda s: s.sample(1, 2),
    "project": lambda s: [p.step for p in s.project(2)],
    "traverse": lambda s: s.traverse((s.abilities.traversals or ("code 0",))[0], rows=1, columns=2),
    "classes": lambda s: s.class_grid(rows=1),
    "compare": lambda s: s.compare("m"),
}


def test_abilities_are_what_a_session_can_do(kind):
    pipe, cannot = kind
    with Studio({"m": pipe}) as studio, studio.open_session() as session:
        able = studio.abilities()
        assert {action for action in ACTIONS if not able.can(action)} == cannot
        assert set(ACTS) == set(ACTIONS)
        for action, act in ACTS.items():
            session.open(photo())
            if action in ("mix", "interpolate") and not able.encodes and able.can("sample"):
                session.open_seed(1)  # a picture with a whole code
            if able.can(action):
                act(session)
            elif action == "reconstruct":
                view = session.open(photo())
                assert view.reconstruction is None
                assert "Project the picture" in view.warning
            else:
                with pytest.raises(UserError) as error:
                    act(session)
                assert isinstance(error.value, ModelError)
                assert str(error.value) == able.reasons[action]
        for reason in able.reasons.values():
            assert reason[0].isupper()
            assert reason.endswith(".")


@pytest.mark.parametrize("kind", ["a GAN, without encoder", "infovaegan"], indirect=True)
def test_a_picture_without_a_whole_code_gets_one_by_projection(kind):
    pipe, _ = kind
    with Studio({"m": pipe}) as studio, studio.open_session() as session:
        session.open(photo())
        with pytest.raises(ModelError, match="Project the picture first"):
            session.interpolate(3, 3)
        before = session.view.mse
        for progress in session.project(5):
            last = progress
        assert session.view.mse == pytest.approx(last.loss, rel=1e-3)
        assert before is None or session.view.mse > 0
        assert len(session.interpolate(3, 3)) == 3
        assert [file.name for file in session.download()] == ["picture.png", "crop.png", "code.npz"]


def test_a_conditional_model_is_told_the_class():
    pipe = pipeline("vae", classes=3)
    with Studio({"m": pipe}) as studio, studio.open_session() as session:
        able = studio.abilities()
        assert (able.told, able.classes) == (True, 3)
        view = session.open(photo())
        assert "Choose its class" in view.warning
        first, second = session.open(photo(), label=1), session.set_label(2)
        assert first.warning is None
        assert first.mse != second.mse
        with pytest.raises(ModelError, match="no class 3"):
            session.set_label(3)
        with pytest.raises(ModelError, match="no class 9"):
            session.sample(0, 2, label=9)
    with Studio({"m": pipeline("vae")}) as studio, studio.open_session() as session:
        session.open(photo())
        with pytest.raises(ModelError, match="not told the class"):
            session.set_label(1)


def test_layer_groups_and_spaces():
    able = abilities_of(pipeline("lia").model)
    assert able.groups == {"coarse": (0, 1, 2, 3)}
    assert (able.layers, able.spaces) == (4, ("w", "z"))
    assert able.projects_in == ("w+", "w", "z")
    assert able.starts[0] == "encoder"
    assert abilities_of(pipeline("infovaegan").model).projects_in == ("noise",)
    assert abilities_of(pipeline("ae").model).starts == ("encoder", "mean")
