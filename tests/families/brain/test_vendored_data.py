"""The packaged human data give the published and recomputed figures."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from headbench.errors import DataError
from headbench.families.brain import vendored_data
from headbench.families.brain.concept_partition import information
from headbench.families.brain.noise_ceiling import noise_ceiling
from headbench.families.brain.odd_one_out import agreement, embedding_choices, odd_places
from headbench.families.brain.rdm import rdm
from headbench.families.brain.rdm_similarity import similarity
from headbench.families.brain.vendored_data import (
    FOLDER,
    alternate_uses,
    rdm92,
    things_concepts,
    things_triplets,
)
from headbench.families.brain.weighted_correlation import pearson, reliability
from headbench.tasks.index import build_index
from headbench.tasks.loader import load

MODELS = {
    "animacy": (0.334, 0.33446236),
    "FaceBodyManmadeNatobj": (0.205, 0.20532365),
    "monkeyIT": (0.296, 0.29632452),
    "EVA": (0.245, 0.24538916),
    "HMAX": (0.160, 0.15986843),
    "V1": (0.027, 0.02651351),
    "Silhouette": (0.097, 0.09657038),
    "RADON": (0.038, 0.03809376),
}
"""rho-a against four people's inferior temporal cortex: as published, and by rsatoolbox 0.3.2 from
the original files in double precision."""
CEILINGS = {
    "rho_a": (0.3723133677408011, 0.6657209734537676),
    "pearson": (0.39440993190410184, 0.6804132104660789),
    "corr_cov": (0.42976860553482377, 0.695778763986451),
}
"""By rsatoolbox 0.3.2."""


def test_eight_models_of_92_images_score_as_published() -> None:
    data = rdm92()
    assert set(data.model_names) == set(MODELS)
    scores = similarity(data.models, data.subjects, "rho_a").mean(axis=1)
    for name, score in zip(data.model_names, scores, strict=True):
        assert round(float(score), 3) == MODELS[name][0], name
        assert score == pytest.approx(MODELS[name][1], abs=1e-6), name


@pytest.mark.parametrize("method", list(CEILINGS))
def test_ceiling_of_four_brains_is_that_of_rsatoolbox(method: str) -> None:
    ceiling = noise_ceiling(rdm92().subjects, method)  # type: ignore[arg-type]
    np.testing.assert_allclose([ceiling.lower, ceiling.upper], CEILINGS[method], atol=1e-6)


def test_ceiling_of_judges_and_their_likeness_to_brains() -> None:
    data = rdm92()
    ceiling = noise_ceiling(data.judges, "rho_a")
    assert [round(ceiling.lower, 3), round(ceiling.upper, 3)] == [0.477, 0.577]
    means = data.judges.mean(axis=0), data.subjects.mean(axis=0)
    assert similarity(*means)[0, 0] == pytest.approx(0.392, abs=5e-4)


def test_two_language_models_agree_with_people_on_triplets() -> None:
    data = things_triplets()
    human = odd_places(data.concepts, data.odd["human"])
    rates = {}
    for who in ("gpt4", "chatgpt"):
        choices = np.eye(3)[odd_places(data.concepts, data.odd[who])]
        found = agreement(choices, human)
        assert found.n == 2171
        rates[who] = round(100 * found.rate, 1)
    assert rates == {"gpt4": 45.7, "chatgpt": 34.7}


def test_triplets_number_the_concepts_as_the_norms_do() -> None:
    concepts, data = things_concepts(), things_triplets()
    rated = (concepts.means - concepts.means.mean(axis=0)) / concepts.means.std(axis=0)
    rates = []
    for shift in (0, 1):
        choices = embedding_choices(np.roll(rated, shift, axis=0), data.concepts)
        rates.append(agreement(choices, odd_places(data.concepts, data.odd["human"])).rate)
    assert rates[0] == pytest.approx(0.490, abs=1e-3)
    assert abs(rates[1] - 1 / 3) < 0.02  # off by one: chance


def test_concepts_have_their_ratings_words_and_categories() -> None:
    data = things_concepts()
    assert len(set(data.ids)) == len(data.ids) == 1854
    assert len(data.properties) == 11
    assert data.means.min() >= 1
    assert data.means.max() <= 7
    trust = [
        reliability(data.deviations[:, at], data.raters, data.means[:, at]) for at in range(11)
    ]
    assert [round(min(trust), 3), round(max(trust), 3)] == [0.916, 0.995]
    place = {name: at for at, name in enumerate(data.ids)}
    assert data.words[place["ice_cream"]] == "ice cream"
    assert data.words[place["bat1"]] == data.words[place["bat2"]] == "bat"
    assert data.categories[place["bat1"]] == ("animal", "mammal")
    assert "weapon" in data.categories[place["bat2"]]
    assert data.categories[place["hot_tub"]] != data.categories[place["hot-air_balloon"]]
    assert len({name for names in data.categories for name in names}) == 53


def test_single_categories_have_the_information_of_the_card() -> None:
    rows, names = things_concepts().single_category()
    assert (len(rows), len(set(names))) == (697, 21)
    assert information(names) == pytest.approx(4.186, abs=5e-4)


def test_rated_properties_make_an_rdm_of_all_concepts() -> None:
    data = things_concepts()
    assert np.isfinite(rdm(data.means, "euclidean")).all()


def test_originality_scorers_correlate_as_published() -> None:
    data = alternate_uses()
    assert (len(data.ids), len(set(data.objects))) == (3030, 21)
    found = {}
    for name, predicted in data.predictions.items():
        known = np.isfinite(predicted)
        found[name] = round(pearson(predicted[known], data.originality[known]), 3)
    assert found == {"davinci": 0.813, "t5_base": 0.756, "ocs": 0.256, "semdis": 0.12}
    assert int(np.isfinite(data.predictions["ocs"]).sum()) == 3004
    length = [len(text.split()) for text in data.responses]
    assert pearson(length, data.originality) == pytest.approx(0.266, abs=0.01)


def test_packed_data_stay_small_and_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = vendored_data.FOLDER
    files = [path for path in folder.iterdir() if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 3_000_000
    for name, record in vendored_data.provenance().items():
        assert (folder / record["licence_file"]).is_file(), name
        assert record["source"].startswith("GitHub ")
    for path in files:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "aut_responses.csv").write_text("id,object\n")
    monkeypatch.setattr(vendored_data, "FOLDER", tmp_path)
    with pytest.raises(DataError, match=r"aut_responses\.csv is missing or was changed"):
        alternate_uses.__wrapped__()


def test_every_task_names_its_paper_licence_source_and_traps() -> None:
    index = build_index([])
    found = [name for name, entry in index.entries.items() if entry.path.parent.name == "brain"]
    single = [name for name in found if index.expand(name) == (name,)]
    assert len(single) >= 30
    for name in single:
        told = load(name).config.metadata
        for key in ("paper", "licence", "source", "notes", "description"):
            assert getattr(told, key), f"{name} names no {key}"


def test_what_ships_is_small_hashed_and_holds_no_pickle() -> None:
    files = {path.name: path for path in FOLDER.iterdir() if path.is_file()}
    assert sum(path.stat().st_size for path in files.values()) <= 3_000_000
    provenance = json.loads(files["provenance.json"].read_text())
    licences = {said["licence_file"] for said in provenance.values()}
    assert set(files) == {"provenance.json", *provenance, *licences}
    for name, said in provenance.items():
        assert Path(name).suffix in (".csv", ".safetensors")
        assert hashlib.sha256(files[name].read_bytes()).hexdigest() == said["sha256"]
        assert said["licence"] in ("MIT", "CC0-1.0", "CC0") and said["source"] and said["from"]
