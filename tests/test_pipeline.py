import numpy as np
import pytest
import torch
from PIL import Image
from small import SHAPE, small_model

from twoway import Pipeline
from twoway.data import open_data, to_float
from twoway.errors import ConfigError, DataError, DeviceError, ModelError
from twoway.pictures import prepare_image


@pytest.fixture
def pipe(model):
    return Pipeline(model)


@pytest.fixture
def photo(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    path = tmp_path / "photo.png"
    Image.fromarray(pixels).save(path)
    return path


def test_from_pretrained(tmp_path, model):
    pipe = Pipeline.from_pretrained(model.save(tmp_path / "m"))
    assert pipe.model.fingerprint() == model.fingerprint()
    assert pipe.to("cpu") is pipe
    with pytest.raises(DeviceError):
        pipe.to("nonsense")


def test_output_types(pipe):
    pictures = pipe.generate(2, seed=1)
    assert [p.size for p in pictures] == [(8, 8)] * 2
    assert pictures[0].mode == "L"
    array = pipe.generate(2, seed=1, output_type="np")
    assert array.shape == (2, 8, 8, 1)
    assert array.dtype == np.uint8
    assert np.array_equal(np.asarray(pictures[1]), array[1, ..., 0])
    tensor = pipe.generate(2, seed=1, output_type="pt")
    assert tensor.shape == (2, *SHAPE)
    with pytest.raises(ConfigError, match="output_type"):
        pipe.generate(1, output_type="jpg")


def test_a_seed_gives_its_picture_whatever_the_company(pipe):
    alone = pipe.generate(seeds=[7], output_type="pt")
    for others in (
        pipe.generate(3, seed=6, output_type="pt")[1:2],
        pipe.generate(seeds=[*range(40), 7], output_type="pt")[-1:],
    ):
        torch.testing.assert_close(others, alone, rtol=1e-5, atol=1e-5)
    w = pipe.code_of_seed(7)
    torch.testing.assert_close(pipe.decode(w, output_type="pt"), alone)


def test_generators_and_truncation(pipe):
    a, b = (pipe.generate(2, generator=torch.Generator().manual_seed(3), output_type="pt") for _ in range(2))
    assert torch.equal(a, b)
    flat = pipe.generate(2, seed=0, truncation=0.0, output_type="pt")
    torch.testing.assert_close(flat[0], flat[1])
    assert not torch.equal(pipe.generate(1, output_type="pt"), pipe.generate(1, output_type="pt"))


@pytest.mark.parametrize(
    "arguments",
    [{"seed": 1, "seeds": [1]}, {"seeds": [1], "generator": torch.Generator()}, {"n": 3, "seeds": [1]}, {"n": 0}],
)
def test_contradictions_are_refused(pipe, arguments):
    with pytest.raises(ConfigError):
        pipe.generate(**arguments)


def test_a_model_without_a_prior_cannot_generate():
    with pytest.raises(ModelError, match="no prior"):
        Pipeline(small_model("ae")).generate(1)


def test_paths_arrays_and_pil_images_are_one(pipe, photo):
    image = Image.open(photo)
    codes = [pipe.encode(p) for p in (photo, str(photo), image, np.asarray(image), [photo], np.asarray(image)[None])]
    for code in codes:
        assert code.shape == (1, 1, 6)
        assert torch.equal(code, codes[0])
    assert pipe.encode([photo] * 35).shape == (35, 1, 6)


def test_reconstruct_is_decode_of_encode(pipe, photo):
    again = pipe.reconstruct([photo, photo], output_type="pt")
    torch.testing.assert_close(again, pipe.decode(pipe.encode([photo, photo]), output_type="pt"))
    assert pipe.reconstruct(photo)[0].size == (8, 8)


def test_interpolation_between_pictures_and_codes(pipe, photo):
    frames = pipe.interpolate(photo, pipe.code_of_seed(1), 5, output_type="pt")
    assert frames.shape == (5, *SHAPE)
    torch.testing.assert_close(frames[:1], pipe.reconstruct(photo, output_type="pt"))
    torch.testing.assert_close(frames[-1:], pipe.generate(seeds=[1], output_type="pt"))
    assert len(pipe.interpolate(torch.zeros(6), torch.ones(6), 3, space="z")) == 3
    with pytest.raises(ModelError, match="codes are"):
        pipe.interpolate(torch.zeros(7), torch.ones(7))


def test_a_picture_of_the_right_size_keeps_its_pixels():
    pixels = np.random.default_rng(0).integers(0, 256, (6, 10, 3), dtype=np.uint8)
    x = prepare_image(pixels, (3, 6, 10))
    assert torch.equal(((x + 1) * 127.5).round().to(torch.uint8), torch.from_numpy(pixels).permute(2, 0, 1))
    assert prepare_image(np.array([[0, 255]], dtype=np.uint8), (1, 1, 2)).flatten().tolist() == [-1.0, 1.0]


def test_pictures_are_prepared_as_the_training_data_were(photo):
    data = open_data(photo.parent, size=8, channels=1)
    torch.testing.assert_close(prepare_image(photo, SHAPE), to_float(data.read([0]))[0], rtol=0, atol=0)


def test_crops_about_the_centre():
    wide = np.zeros((8, 24), np.uint8)
    wide[:, 8:16] = 255
    assert (prepare_image(wide, (1, 8, 8)) == 1).all()
    assert (prepare_image(wide.T.copy(), (1, 8, 8)) == 1).all()


def test_colour_grey_transparency_orientation_and_depth(tmp_path):
    assert prepare_image(np.full((4, 4), 9, np.uint8), (3, 4, 4)).shape == (3, 4, 4)
    clear = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    assert (prepare_image(clear, (1, 4, 4)) == 1).all()
    turned = Image.fromarray(np.repeat(np.array([[0, 255]], dtype=np.uint8), 4, axis=0))
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    turned.save(tmp_path / "a.png", exif=exif)
    for picture in (tmp_path / "a.png", Image.open(tmp_path / "a.png")):
        assert prepare_image(picture, (1, 4, 2))[0].tolist() == [[1.0, -1.0]] * 4
    deep = Image.fromarray(np.full((4, 4), 65535, np.uint16))
    assert (prepare_image(deep, (1, 4, 4)) == 1).all()


@pytest.mark.parametrize(
    ("picture", "said"),
    [
        (np.zeros((4, 4, 3), np.float32), "expected uint8"),
        (np.zeros((4, 4, 2), np.uint8), "(4, 4, 2)"),
        (np.zeros((0, 4), np.uint8), "(0, 4)"),
        ("/no/such/file.png", "The file '/no/such/file.png' cannot be opened: No such file"),
        (__file__, "is not a picture of a known format"),
        (Image.new("F", (4, 4)), "floating-point pixels"),
    ],
)
def test_what_is_no_picture_is_named(pipe, picture, said):
    with pytest.raises(DataError) as error:
        pipe.encode(picture)
    assert said in str(error.value)


def test_no_pictures(pipe):
    with pytest.raises(DataError, match="No pictures"):
        pipe.encode([])


def test_walks_take_a_path_and_an_ease(model):
    pipe = Pipeline(model)
    ends = [pipe.code_of_seed(seed) for seed in (1, 2)]
    eased = pipe.interpolate(*ends, 5, path="linear", ease="smooth", output_type="pt")
    torch.testing.assert_close(eased[1:2], pipe.decode(torch.lerp(*ends, 0.15625), output_type="pt"))
