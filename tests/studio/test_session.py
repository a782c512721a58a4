"""What a visitor does, against the pipeline and the latent tools by hand."""

import numpy as np
import pytest
import torch
from PIL import Image
from visitors import direction, drawn, packed, photo, pipeline, pixels

from twoway.errors import ConfigError, DataError, ModelError, StudioError
from twoway.latents.codes import Codes, load_codes
from twoway.latents.directions import save_directions
from twoway.latents.editing import edit_codes
from twoway.latents.traversal import class_samples
from twoway.metrics.reconstruction import pixel_mse, psnr
from twoway.photos.framing import align
from twoway.photos.pasting import paste_back
from twoway.pictures import deliver, prepare_image
from twoway.studio import Limits, Studio
from twoway.studio.usual import Usual


@pytest.fixture(scope="module")
def pipe():
    return pipeline("lia")


@pytest.fixture(scope="module")
def studio(pipe):
    other = pipeline("vae")
    with Studio(
        {"lia": pipe, "vae": other},
        directions={"lia": {name: direction(pipe, name, seed) for seed, name in enumerate(("Smiling", "Male"))}},
        limits=Limits(favourites=2, samples=4),
        by_samples=False,
    ) as studio:
        yield studio


@pytest.fixture
def session(studio):
    with studio.open_session() as session:
        yield session


def shown(x):
    return pixels(deliver(x, "pil")[0])


def test_opening_encodes_and_reconstructs(pipe, session):
    view = session.open(photo())
    x = prepare_image(drawn(), pipe.model.image_shape)[None]
    again = pipe.reconstruct(drawn(), output_type="pt")
    assert np.array_equal(pixels(view.crop), shown(x))
    assert np.array_equal(pixels(view.reconstruction), shown(again))
    assert view.mse == pytest.approx(pixel_mse(again, x).item())
    assert view.psnr == pytest.approx(psnr(again, x).item(), rel=1e-4)
    assert view.photo.size == (30, 20)
    assert session.view == view or session.view.mse == view.mse


def test_the_photo_shown_is_small_and_the_crop_is_not_of_the_small_one(pipe):
    with Studio({"m": pipe}, limits=Limits(preview=16)) as studio, studio.open_session() as session:
        view = session.open(photo(size=(64, 32)))
        assert view.photo.size == (16, 8)
        assert np.array_equal(pixels(view.crop), shown(prepare_image(drawn(size=(64, 32)), (1, 8, 8))[None]))


def test_edits_move_the_code_along_directions(pipe, studio, session):
    session.open(photo())
    w, known = pipe.encode(drawn()), studio.shared("lia").directions
    moves = [(known["Smiling"], 2.0), (known["Male"], -1.0)]
    values = {"Smiling": 2.0, "Male": -1.0}
    made = session.edit(values)
    assert np.array_equal(pixels(made), shown(pipe.decode(edit_codes(w, moves), output_type="pt")))
    assert not np.array_equal(pixels(made), pixels(session.view.reconstruction))
    some = session.edit(values, layers="0-1", mode="alae")
    lengths = [(one, t * one.vector.norm().item() * one.deviation) for one, t in moves]  # of deviations in vectors
    by_hand = edit_codes(w, lengths, mode="alae", layers=(0, 1), w_avg=pipe.model.w_avg)
    assert np.array_equal(pixels(some), shown(pipe.decode(by_hand, output_type="pt")))
    # to the hyperplane itself, which is a move
    on_plane = pipe.decode(edit_codes(w, [(known["Male"], 0.0)], mode="absolute"), output_type="pt")
    assert np.array_equal(pixels(session.edit({"Male": 0.0}, mode="absolute")), shown(on_plane))
    for wrong in ({"Smilin": 1.0}, {"Smiling": float("inf")}):
        with pytest.raises(ConfigError, match="Smilin"):
            session.edit(wrong)
    with pytest.raises(ConfigError, match="layer"):
        session.edit(values, layers="0-9")


@pytest.mark.parametrize("layers", ["all", "1-2"])
@pytest.mark.parametrize("mode", ["relative", "absolute", "alae"])
def test_a_picture_stays_as_it_is_where_it_stands(pipe, studio, session, mode, layers):
    """Asked to be where it stands, along one direction or, but for ALAE's rule, all; a step further it moves."""
    session.open(photo())
    stands = session.standing(mode, layers=layers)
    assert list(stands) == ["Smiling", "Male"]
    assert all((t == 0) == (mode == "relative") for t in stands.values())
    again = pixels(session.view.reconstruction)
    alone = [{name: t} for name, t in stands.items()]
    for values in alone if mode == "alae" else [*alone, stands]:
        assert np.abs(pixels(session.edit(values, mode=mode, layers=layers)) - again).max() <= 1
    w, one = pipe.encode(drawn()), studio.shared("lia").directions["Male"]
    session.edit({"Male": stands["Male"] + 1}, mode=mode, layers=layers)
    code = session._edited[0]
    rows = slice(None) if layers == "all" else slice(1, 3)
    step = (one.vector / one.vector.norm()) * one.deviation
    if mode == "alae":  # one deviation of <w, d> moves by as many vectors d
        step = step * one.vector.norm() ** 2
    torch.testing.assert_close(code[:, rows] - w[:, rows], step.expand_as(w[:, rows]), rtol=1e-3, atol=1e-4)


def test_sliders_encode_nothing_and_at_rest_decode_nothing(pipe, session, monkeypatch):
    session.open(photo())
    calls = []
    for name in ("encode", "decode", "fingerprint"):
        whole = getattr(pipe.model, name)
        monkeypatch.setattr(
            type(pipe.model), name, lambda self, *a, name=name, whole=whole, **k: calls.append(name) or whole(*a, **k)
        )
    session.edit({"Smiling": 1.0})
    assert calls == ["decode"]
    rest = session.edit({"Smiling": 0.0})
    assert calls == ["decode"]
    assert np.array_equal(pixels(rest), pixels(session.view.reconstruction))
    session.mix(3, "0-1")
    session.mix(photo(5), "0-1")
    calls.clear()
    session.mix(photo(5), "2-3")
    session.mix(3, "2-3")
    assert calls == ["decode", "decode"], "what another picture's code is, is known"


def test_mixing_and_ways(pipe, session):
    session.open(photo())
    a, b = drawn(), drawn(7)
    assert np.array_equal(pixels(session.mix(photo(7), "0-1")), pixels(pipe.mix(a, b, "0-1")[0]))
    assert np.array_equal(pixels(session.mix(4, "coarse", truncation=0.5)), pixels(pipe.mix(a, 4, truncation=0.5)[0]))
    frames = session.interpolate(photo(7), 4)
    for mine, theirs in zip(frames, pipe.interpolate(a, b, 4), strict=True):
        assert np.abs(pixels(mine) - pixels(theirs)).max() <= 1
    bent = session.interpolate(photo(7), 3, "z")
    for mine, theirs in zip(bent, pipe.interpolate(a, b, 3, space="z"), strict=True):
        assert np.abs(pixels(mine) - pixels(theirs)).max() <= 1
    for steps in (1, 1000):
        with pytest.raises(ConfigError, match="steps"):
            session.interpolate(3, steps)
    with pytest.raises(ConfigError, match="space"):
        session.interpolate(3, 3, "q")


def test_samples_favourites_and_going_on_with_one(pipe, session):
    made = session.sample(5, 3, 0.7)
    for mine, theirs in zip(made, pipe.generate(3, seed=5, truncation=0.7), strict=True):
        assert np.array_equal(pixels(mine), pixels(theirs))
    assert session.keep(1).seed == 6
    session.keep(1)
    session.keep(0)
    assert [kept.seed for kept in session.favourites] == [6, 5]
    with pytest.raises(StudioError, match="as many as may be kept"):
        session.keep(2)
    session.drop(0)
    with pytest.raises(StudioError, match="no favourite 1"):
        session.drop(1)
    with pytest.raises(StudioError, match="no sample 3"):
        session.keep(3)
    with pytest.raises(ConfigError, match="n is 5"):
        session.sample(0, 5)
    view = session.open_seed(6, truncation=0.7)
    assert view.photo is None
    assert np.array_equal(pixels(view.crop), pixels(made[1]))
    assert np.array_equal(pixels(session.edit({"Smiling": 0.0})), pixels(made[1]))
    for needs_photo in (lambda: session.in_frame(), lambda: session.align(None), lambda: session.set_label(0)):
        with pytest.raises(StudioError, match="no photo"):
            needs_photo()


def test_before_there_is_a_picture(session):
    assert session.view is None
    for action in (
        lambda: session.edit({"Smiling": 1.0}),
        lambda: session.mix(1),
        lambda: session.interpolate(1),
        lambda: session.project(3),
        lambda: session.compare("vae"),
        lambda: session.download(),
        lambda: session.align(None),
    ):
        with pytest.raises(StudioError, match="no picture yet"):
            action()


def test_download_holds_the_picture_and_codes_of_this_model(pipe, session):
    session.open(photo())
    made = session.edit({"Smiling": 2.0})
    files = session.download()
    assert [file.name for file in files] == ["picture.png", "crop.png", "photo.png", "code.npz"]
    picture, crop, whole, codes = files
    assert np.array_equal(pixels(Image.open(whole)), pixels(session.in_frame()))
    assert np.array_equal(pixels(Image.open(picture)), pixels(made))
    assert np.array_equal(pixels(Image.open(crop)), pixels(session.view.crop))
    read = load_codes(codes, pipe.model)
    assert read.names == ("upload", "upload-edited")
    torch.testing.assert_close(torch.from_numpy(read.w[:1]), pipe.encode(drawn()))
    assert np.array_equal(shown(pipe.decode(torch.from_numpy(read.w[1:]), output_type="pt")), pixels(made))
    session.open(photo(3))  # what was changed was another picture
    assert load_codes(session.download()[-1]).names == ("upload",)


def test_comparison_with_another_model(studio, session):
    session.open(photo())
    found = session.compare("vae")
    x = prepare_image(drawn(), (1, 8, 8))[None]
    for i, name in enumerate(("lia", "vae")):
        again = studio.shared(name).pipeline.reconstruct(drawn(), output_type="pt")
        assert found.names[i] == name
        assert found.mse[i] == pytest.approx(pixel_mse(again, x).item())
        assert found.psnr[i] == pytest.approx(psnr(again, x).item(), rel=1e-4)
        assert np.array_equal(pixels(found.images[i]), shown(again))
    assert found.warning is None
    with pytest.raises(ConfigError, match="no model 'vea'"):
        session.compare("vea")


def test_changing_the_model_reads_the_photo_anew(studio, session):
    session.sample(0, 2)
    session.keep(0)
    session.open(photo())
    view = session.use_model("vae")
    assert session.model == "vae"
    assert not session.favourites
    theirs = studio.shared("vae").pipeline.reconstruct(drawn())[0]
    assert np.array_equal(pixels(view.reconstruction), pixels(theirs))
    with pytest.raises(ModelError, match="directions"):
        session.edit({"Smiling": 1.0})
    session.use_model("lia")
    assert [one.seed for one in session.favourites] == [0]
    assert session.keep(1).seed == 1


def test_each_model_keeps_its_samples_and_favourites(session):
    """As the page goes on showing them, whichever model is looked at meanwhile."""
    first = session.model
    session.sample(5, 3)
    session.keep(2)
    session.use_model("vae")
    with pytest.raises(StudioError, match="no samples of this model"):
        session.keep(0)
    session.sample(8, 1)
    session.keep(0)
    session.use_model(first)
    assert [kept.seed for kept in session.favourites] == [7]
    assert session.keep(0).seed == 5
    session.drop(0)
    assert [kept.seed for kept in session.favourites] == [5]
    session.use_model("vae")
    assert [kept.seed for kept in session.favourites] == [8]


def test_class_grid_and_code_traversals():
    pipe = pipeline("infovaegan", classes=3, continuous=2)
    with Studio({"m": pipe}) as studio, studio.open_session() as session:
        able = studio.abilities()
        assert (able.classes, able.traversals) == (3, ("class", "code 0", "code 1"))
        grid = session.class_grid(rows=2, seed=4)
        made = class_samples(pipe.model, 2, generator=torch.Generator().manual_seed(4))
        scale = (grid.width - 2 * 4) // (3 * 8)
        cells = pixels(grid)[2 : 2 + 8 * scale : scale, 2 : 2 + 8 * scale : scale]
        assert np.array_equal(cells, shown(made[0, :1]))
        one, other = (session.traverse(f"code {i}", rows=2, columns=3, seed=4) for i in (0, 1))
        assert one.size == other.size
        assert not np.array_equal(pixels(one), pixels(other))
        with pytest.raises(ConfigError, match="no code 'code 2'"):
            session.traverse("code 2")
        with pytest.raises(ConfigError, match="rows"):
            session.class_grid(rows=99)


def test_directions_of_another_model_are_refused_by_the_name_of_their_file(tmp_path, pipe):
    foreign = pipeline("vae")
    path = save_directions(tmp_path / "foreign.safetensors", [direction(foreign)])
    with pytest.raises(ModelError, match=r"foreign\.safetensors"):
        Studio({"m": pipe}, directions={"m": path})
    with pytest.raises(ModelError, match="another model"):
        Studio({"m": pipe}, directions={"m": {"Smiling": direction(foreign)}})
    with pytest.raises(ConfigError, match="no model here"):
        Studio({"m": pipe}, directions={"n": {}})
    mine = save_directions(tmp_path / "mine.safetensors", [direction(pipe)])
    more = save_directions(tmp_path / "more.safetensors", [direction(pipe, "Male", 1)])
    with Studio({"m": pipe}, directions={"m": [mine, more]}) as studio:
        assert studio.abilities("m").directions == ("Smiling", "Male")
    with pytest.raises(ConfigError, match="two directions 'Smiling'"):
        Studio({"m": pipe}, directions={"m": [mine, mine]})
    with pytest.raises(ConfigError, match="at least one model"):
        Studio({})


def test_alignment_by_clicks_on_the_photo_shown(pipe):
    """The photo is shown at half its size; what the model sees is cut out of the whole one."""
    points = [(20.0, 18.0), (40.0, 22.0), (28.0, 40.0)]
    with Studio({"m": pipe}, limits=Limits(preview=32), templates={"m": "ffhq"}) as studio:
        session = studio.open_session()
        session.open(photo(size=(64, 48)))
        for template in ("ffhq", "celeba"):
            view = session.align([(x / 2, y / 2) for x, y in points], template=template)
            frame = align(drawn(size=(64, 48)), (1, 8, 8), points=points, template=template)
            assert np.array_equal(pixels(view.crop), pixels(frame.crop))
            np.testing.assert_allclose(view.outline, np.array(frame.outline) / 2)
        session.align([(x / 2, y / 2) for x, y in points])
        by_default = align(drawn(size=(64, 48)), (1, 8, 8), points=points, template="ffhq")
        assert np.array_equal(pixels(session.view.crop), pixels(by_default.crop))
        kept = session.view
        for wrong in ([(0, 0), (33, 5), (5, 20)], [(-1, 5), (20, 5), (10, 20)], [(1, 1)], [(5, 5), (5, 5), (5, 9)]):
            with pytest.raises(DataError):
                session.align(wrong)
        with pytest.raises(ConfigError, match="template"):
            session.align([(10, 9), (20, 11), (14, 20)], template="cleeba")
        assert session.view is kept
        middle = session.align(None)
        assert np.array_equal(pixels(middle.crop), pixels(session.open(photo(size=(64, 48))).crop))


def test_a_guessed_template_is_said_to_be_one(pipe):
    points = [(10, 9), (20, 11), (14, 20)]
    with Studio({"m": pipe}, by_samples=False) as studio, studio.open_session() as session:
        assert session.open(photo()).warning is None
        guessed = session.align(points)
        assert "celeba has them: a guess" in guessed.warning
        assert session.align(points, template="celeba").warning is None
        assert session.align(None).warning is None
    with Studio({"m": pipe}, templates={"m": "celeba"}, by_samples=False) as studio, studio.open_session() as session:
        session.open(photo())
        known = session.align(points)
        assert known.warning is None
        assert np.array_equal(pixels(known.crop), pixels(guessed.crop))


def test_edits_in_their_photo(pipe, session):
    session.open(photo(size=(24, 24)))
    assert np.array_equal(pixels(session.in_frame()), pixels(drawn(size=(24, 24))))
    made = session.edit({"Smiling": 3.0})
    frame = align(drawn(size=(24, 24)), (1, 8, 8))
    expected = paste_back(frame, made, reconstruction=session.view.reconstruction)
    assert np.array_equal(pixels(session.in_frame()), pixels(expected))
    assert np.array_equal(pixels(session.in_frame(made)), pixels(expected))
    assert not np.array_equal(pixels(expected), pixels(drawn(size=(24, 24))))
    with pytest.raises(ConfigError, match="size"):
        session.in_frame(drawn())


def test_the_preview_of_an_edit_lies_where_the_edit_does(pipe):
    """On a photo of one colour, the small picture is the large one made small."""
    grey = packed(Image.new("RGB", (192, 128), (128, 128, 128)))
    with Studio({"m": pipe}, directions={"m": {"a": direction(pipe)}}, limits=Limits(preview=48)) as studio:
        session = studio.open_session()
        session.open(grey)
        assert session.in_frame(preview=True).size == (48, 32)
        session.align([(18, 12), (30, 13), (23, 24)])
        session.edit({"a": 6.0})
        whole, small = session.in_frame(), session.in_frame(preview=True)
        assert (whole.size, small.size) == ((192, 128), (48, 32))
        made_small = pixels(whole.resize((48, 32), Image.Resampling.BOX))
        assert np.abs(made_small - 128).max() > 10, "there is something to see"
        assert np.abs(pixels(small) - made_small).mean() < 0.1 * np.abs(made_small - 128).mean()


def test_pictures_unlike_the_known_ones_are_warned_of(pipe):
    known = Codes(np.zeros((30, *pipe.model.w_shape), np.float32) + pipe.encode(drawn()).numpy(), ("x",) * 30, None,
                  pipe.model.fingerprint())  # fmt: skip
    with Studio({"m": pipe}, known={"m": known}) as studio, studio.open_session() as session:
        assert session.open(photo()).warning is None
        assert "unlike the encoded pictures" in session.open(photo(1)).warning
    usual = Usual(pipe.model)
    assert usual.warning(pipe.encode(drawn()), 1e9) is None, "nothing is known yet"
    usual.seek().join(30)
    assert usual.seek() is None
    assert usual.warning(pipe.encode(drawn()), 0.0) is None
    assert "unlike the pictures this model makes" in usual.warning(pipe.encode(drawn()), 1e9)
