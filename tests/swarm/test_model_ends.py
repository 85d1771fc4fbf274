"""Ends and layers here compute what transformers computes."""

import json
import shutil

import pytest
import torch
from local import quiet_transformers, tiny

from backend_adapter.petals.errors import CacheFullError, WeightsError
from backend_adapter.petals.model.ends import Ends
from backend_adapter.petals.model.local import LocalCache, LocalModel

IDS = [0, 17, 130, 4, 4, 261, 99, 3, 250, 12, 1, 77]


@pytest.fixture(scope="module", params=[True, False], ids=["tied", "with a head of its own"])
def directory(request, tmp_path_factory):
    return tiny(tmp_path_factory.mktemp("model"), tied=request.param)


def test_logits_are_those_of_transformers(directory):
    theirs = quiet_transformers().LlamaForCausalLM.from_pretrained(directory)
    with torch.inference_mode():
        expected = theirs(torch.tensor([IDS])).logits[0]
    model = LocalModel(directory)
    cache = LocalCache(model, 64)
    logits = model.ends.logits(cache.forward(IDS, 0))
    torch.testing.assert_close(logits, expected, atol=1e-3, rtol=1e-4)
    assert (model.ends.width, model.ends.vocabulary) == (32, expected.shape[-1])


def test_a_cache_that_was_rolled_back_computes_as_a_new_one(directory):
    model = LocalModel(directory)
    cache, fresh = LocalCache(model, 512), LocalCache(model, 512)
    cache.forward(IDS, 0)
    cache.forward([5, 6, 7], 4)
    assert cache.position == 7
    states = cache.forward(IDS[4:], 4, last_only=True)
    torch.testing.assert_close(states, fresh.forward(IDS, 0)[-1:], atol=1e-4, rtol=1e-4)


def test_a_cache_keeps_what_it_holds_when_it_grows(directory):
    model = LocalModel(directory)
    grown, whole = LocalCache(model, 512), LocalCache(model, 512)
    ids = (IDS * 40)[:400]
    for start in range(0, 400, 100):
        states = grown.forward(ids[start : start + 100], start, last_only=True)
    torch.testing.assert_close(states, whole.forward(ids, 0)[-1:], atol=1e-3, rtol=1e-3)


def test_a_sequence_that_does_not_fit_is_refused(directory):
    cache = LocalCache(LocalModel(directory), 8)
    with pytest.raises(CacheFullError, match="12 tokens"):
        cache.forward(IDS, 0)
    with pytest.raises(ValueError, match="position 3"):
        cache.forward(IDS, 3)


def test_a_model_without_its_embeddings_is_named(directory, tmp_path):
    (tmp_path / "config.json").write_text((directory / "config.json").read_text())
    with pytest.raises(WeightsError, match=r"no model\.embed_tokens"):
        Ends(tmp_path)


def test_what_config_json_leaves_out_is_named(directory, tmp_path):
    config = json.loads((directory / "config.json").read_text())
    del config["rms_norm_eps"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(WeightsError, match="does not say 'rms_norm_eps'"):
        Ends(tmp_path)


def test_a_head_that_should_be_there_is_missed(tmp_path):
    directory = tiny(tmp_path / "tied", tied=True)
    other = tmp_path / "untied"
    shutil.copytree(directory, other)
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": False}))
    with pytest.raises(WeightsError, match=r"no lm_head"):
        Ends(other)
