"""The measures of codes by name, on models that read planted codes off pictures."""

import json
from types import MethodType

import numpy as np
import pytest
import torch
from planted import planted_factors
from small import small_model

from twoway.errors import DataError, ModelError
from twoway.metrics import METRICS, evaluate
from twoway.metrics.codes_of import class_logits, encode_codes
from twoway.metrics.known_factors import factor_pool
from twoway.networks import CodePosterior

OF_FACTORS = ["factor-vae", "beta-vae-score", "mig", "sap", "dci", "modularity"]


class Planted:
    """Pictures of 8x8 whose first pixels are the values of their factors, the fourth constant, times 20."""

    factor_names = ("shape", "size", "place", "still")
    factor_sizes = (3, 4, 5, 1)

    def __init__(self, n=600, seed=0):
        self.factors = np.c_[planted_factors(n, seed=seed), np.zeros(n, int)]
        self.labels = self.factors[:, 0]
        self.images = torch.zeros(n, 1, 8, 8, dtype=torch.uint8)
        self.images[:, 0, 0, :4] = torch.from_numpy(20 * self.factors).byte()

    def __len__(self):
        return len(self.images)

    def read(self, indices):
        return self.images[indices]


def reads_factors(model, x):
    """An encoder that knows how the pictures were made: the shape as its class, the others as continuous codes."""
    values = (x[:, 0, 0, :3] + 1) * 127.5 / 20
    logits = 50 * torch.nn.functional.one_hot(values[:, 0].round().long().clamp(0, 9), 10).float()
    mean = values[:, 1:]
    return CodePosterior(logits, mean, mean * 0 - 8, mean[:, :0])


@pytest.fixture
def knowing():
    model = small_model("infovaegan", nets="mlp")
    model.encode_code = MethodType(reads_factors, model)
    return model


@pytest.fixture(scope="module")
def data():
    return Planted()


def test_a_code_that_knows_the_factors(knowing, data):
    names = ["factor-vae", "mig"]
    results = evaluate(knowing, data, None, names)
    assert results["factor-vae"]["value"] == pytest.approx(1.0)
    # the chances of three classes all tell of the shape: no gap there; the other factors are told by one number each
    gaps = results["mig"]["per_factor"]
    assert gaps["size"] == pytest.approx(1.0, abs=0.05)
    assert gaps["place"] == pytest.approx(1.0, abs=0.05)
    assert gaps["shape"] < 0.2
    for result in results.values():
        assert result["factors"] == ["shape", "size", "place"]  # what never changes is no factor
        assert (result["pool"], result["pool_of"], result["on"]) == (600, 600, "train")
        assert result["codes"] == "means and class probabilities"
        json.dumps(result)


def test_every_measure_of_factors_runs_on_any_encoder(data):
    model = small_model("vae", latent=2)
    results = evaluate(model, data, Planted(200, seed=1), OF_FACTORS, max_train=200)
    for name, result in results.items():
        assert 0 <= result["value"] <= 1, name
        assert (result["pool"], result["pool_of"], result["on"], result["dim"]) == (200, 600, "train", 2)
        json.dumps(result)
    assert results["dci"]["value"] == results["dci"]["disentanglement"]
    assert not any(METRICS[name].default or METRICS[name].lower_is_better for name in OF_FACTORS)


def test_clusters_by_name(knowing, data):
    result = evaluate(knowing, data, Planted(120, seed=3), ["unsupervised-accuracy"], max_train=300)
    found = result["unsupervised-accuracy"]
    assert (found["value"], found["majority"], found["nmi"]) == (100.0, 100.0, pytest.approx(1.0))
    assert (found["clusters"], found["classes"], found["n_train"], found["n_test"]) == (10, 3, 300, 120)
    assert found["setting"] == "DW"
    alone = evaluate(knowing, data, None, ["unsupervised-accuracy"])["unsupervised-accuracy"]
    assert (alone["value"], alone["n_train"], alone["n_test"], alone["setting"]) == (100.0, 500, 100, "SW")


def test_recovery_by_name():
    model = small_model("infovaegan", nets="mlp")
    noise = model.recipe.prior.layout().noise

    def exact(self, x):
        """The codes that this very batch was made from."""
        z = drawn.pop(0)
        mean = z[:, noise + 10 :]
        return CodePosterior(50 * z[:, noise : noise + 10], mean, mean * 0 - 4, mean[:, :0])

    drawn = list(model.draw_prior(300, generator=torch.Generator().manual_seed(5)).split(256))
    model.encode_code = MethodType(exact, model)
    found = evaluate(model, names=["code-recovery"], max_test=300, seed=5)["code-recovery"]
    assert found["class_accuracy"] == 100.0
    assert found["class_nats"] == pytest.approx(np.log(10))
    assert found["r2"] == pytest.approx([1.0, 1.0])
    assert found["continuous_nats"] == pytest.approx([2.5, 2.5])  # H of a standard normal less that of deviation e^-2
    assert (found["n"], found["seed"]) == (300, 5)


def test_recovery_of_untrained_nets():
    found = evaluate(small_model("infogan", nets="mlp"), names=["code-recovery"], max_test=200)["code-recovery"]
    assert found["class_accuracy"] < 30
    assert found["class_nats"] < 0.2


def test_codes_are_those_of_the_encoder(data):
    x = data.read(range(50)).float() / 127.5 - 1
    vae = small_model("vae")
    found = encode_codes(vae, data, rows=np.arange(50), batch=16)
    with torch.no_grad():
        assert np.allclose(found.values, vae.encode_distribution(x).mean[:, 0], atol=1e-6)
    assert found.kind == "means"
    plain = small_model("alae")
    found = encode_codes(plain, data, rows=np.arange(50), batch=16)
    with torch.no_grad():
        assert np.allclose(found.values, plain.encode(x)[:, 0], atol=1e-6)
    assert found.kind == "codes"
    coded = small_model("infovaegan", nets="mlp")
    found = encode_codes(coded, data, rows=np.arange(50))
    with torch.no_grad():
        posterior = coded.encode_code(x)
    assert found.values.shape == (50, 12)
    said = torch.cat([posterior.logits.softmax(1), posterior.mean], dim=1)
    assert np.allclose(found.values, said, atol=1e-6)
    assert class_logits(coded, data, rows=np.arange(50)).shape == (50, 10)


def test_a_code_for_all_layers_counts_once():
    """Said twice, every factor would have two best codes and no gap."""
    model = small_model("style-alae", (1, 16, 16))
    pictures = torch.rand(4, 1, 16, 16) * 2 - 1
    found = encode_codes(model, pictures)
    with torch.no_grad():
        w = model.encode(pictures)
    assert w.shape[1] > 1
    assert found.values.shape == (4, w.shape[2] if bool((w == w[:, :1]).all()) else w[0].numel())


def test_models_stay_in_their_mode(data):
    model = small_model("infovaegan", nets="mlp").train()
    encode_codes(model, data, rows=np.arange(4))
    class_logits(model, data, rows=np.arange(4))
    evaluate(model, names=["code-recovery"], max_test=4)
    assert model.training


def test_mistakes(data):
    model = small_model("alae")
    with pytest.raises(ModelError, match=r"no categorical code.*knn or svm.*infovaegan or infogan"):
        evaluate(model, data, None, ["unsupervised-accuracy"])
    with pytest.raises(ModelError, match=r"no categorical code"):
        evaluate(small_model("infovaegan", nets="mlp", classes=0), data, None, ["unsupervised-accuracy"])
    with pytest.raises(ModelError, match="code-consistency"):
        evaluate(model, names=["code-recovery"])
    with pytest.raises(DataError, match="sprites or avatars"):
        evaluate(model, torch.zeros(4, 1, 8, 8), None, ["mig"])
    with pytest.raises(DataError, match="unsupervised-accuracy need training pictures"):
        evaluate(small_model("infogan", nets="mlp"), None, data, ["unsupervised-accuracy"])
    with pytest.raises(DataError, match="label for every picture"):
        evaluate(small_model("infogan", nets="mlp"), torch.zeros(9, 1, 8, 8), None, ["unsupervised-accuracy"])
    few = Planted(30)
    few.factors = few.factors[:, [0, 3]]
    with pytest.raises(DataError, match="1 take more than one value"):
        factor_pool(model, few)
    few.factors = few.factors[:5]
    with pytest.raises(DataError, match="one row per picture"):
        factor_pool(model, few)
