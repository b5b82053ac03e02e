"""Requests answered together give what they get one by one: real estimators, real pipelines."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations, pairwise
from pathlib import Path

import pytest

from sagebrush.environments.environment import Environment
from sagebrush.toolkit.serving.frameworks.together import MOST, passes
from tests.built_environments import huggingface, released_sklearn  # noqa: F401
from tests.toolkit.serving.model_server import PACKAGES, run, serving
from tests.toolkit.serving.test_frameworks_huggingface import SAVE

of_gigabytes = pytest.mark.full  # what needs such environments

ROWS = """
import json, sys, types, warnings
warnings.simplefilter("ignore")
sys.path.insert(0, sys.argv[1])
import numpy
from sklearn import ensemble, linear_model, naive_bayes, neighbors, pipeline, preprocessing, svm, tree
from sklearn.feature_extraction.text import TfidfVectorizer
from sagebrush.toolkit.serving import frameworks, handler
X = numpy.random.default_rng(0).normal(size=(300, 5))
kinds, numbers = (X[:, 0] + X[:, 1] ** 2 > 1).astype(int), X @ [1, 2, 3, 4, 5.5]
words = [f"good film {n}" if n % 2 else f"bad rain no {n}" for n in range(300)]
def requests(rows):
    bodies = [json.dumps(rows[n:n + 1 + n % 3]).encode() for n in range(32)]
    return [(body, {"content-type": "application/json"}) for body in bodies]
def compared(model, rows):
    module = types.ModuleType("inference")
    module.model_fn = lambda folder: model
    served = handler.Handler(module, "/", frameworks.defaults("sklearn"))
    alone = [served.answer(*each) for each in requests(rows)]
    both = served.answer_all(requests(rows))
    assert {each.status for each in alone} == {200}
    same = [each.body for each in alone] == [each.body for each in both]
    return served.rule.size, same
logistic = linear_model.LogisticRegression
classifiers = [logistic(), ensemble.RandomForestClassifier(20), ensemble.GradientBoostingClassifier(),
    svm.SVC(), neighbors.KNeighborsClassifier(), naive_bayes.GaussianNB(),
    tree.DecisionTreeClassifier(), pipeline.make_pipeline(preprocessing.StandardScaler(), logistic())]
regressors = [ensemble.RandomForestRegressor(20), ensemble.GradientBoostingRegressor(),
    tree.DecisionTreeRegressor()]
found = [compared(m.fit(X, kinds), X.tolist()) for m in classifiers]
found += [compared(m.fit(X, numbers), X.tolist()) for m in regressors]
texts = pipeline.make_pipeline(TfidfVectorizer(), logistic())
found.append(compared(texts.fit(words, ["good", "bad"] * 150), words))
print(json.dumps([found, compared(linear_model.LinearRegression().fit(X, numbers), X.tolist())]))
"""


@of_gigabytes
def test_estimators_answer_the_same_to_the_last_byte(
    released_sklearn: Environment,  # noqa: F811
) -> None:
    together, apart = json.loads(run(released_sklearn, ROWS, str(PACKAGES)))
    assert together == [[32, True]] * 12
    assert apart == [1, True], "sums by matrix products are left alone"


TEXTS = """
import json, os, sys
sys.path.insert(0, sys.argv[1])
from sagebrush.toolkit.serving import frameworks, handler
from sagebrush.toolkit.serving.frameworks.together import near
def compared(name, task, inputs):
    os.environ["HF_TASK"] = task
    folder = os.path.join(sys.argv[2], name, "model")
    served = handler.Handler(None, folder, frameworks.defaults("huggingface"))
    requests = [(json.dumps(each).encode(), {"content-type": "application/json"}) for each in inputs]
    alone = [served.answer(*each) for each in requests]
    both = served.answer_all(requests)
    return [served.rule.size, [each.status for each in both], all(
        one.status == other.status and near(json.loads(one.body), json.loads(other.body))
        for one, other in zip(alone, both))]
short, long = "good", "Who saw the good film in the rain, bad as it was?"
inputs = [{"inputs": short}, {"inputs": long}, {"inputs": [short, long]}, {"inputs": 5}, {},
    {"inputs": short, "parameters": {"top_k": 2}}, {"inputs": long, "parameters": {"top_k": None}},
    {"inputs": short, "parameters": {"nonsense": 1}}, {"inputs": "good " * 100}, {"inputs": ""}]
print(json.dumps([compared("classes", "text-classification", inputs),
    compared("features", "feature-extraction", inputs[:4]),
    compared("answers", "question-answering", [])[0]]))
"""


@pytest.fixture(scope="module")
def models(
    huggingface: Environment,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A folder with model directories of tiny random models."""
    folder = tmp_path_factory.mktemp("models")
    run(huggingface, SAVE, str(folder))
    return folder


@of_gigabytes
def test_pipelines_answer_the_same_but_for_rounding(
    huggingface: Environment,  # noqa: F811
    models: Path,
) -> None:
    classes, features, answers = json.loads(run(huggingface, TEXTS, str(PACKAGES), str(models)))
    assert (classes[0], classes[2]) == (32, True)
    assert classes[1][:3] == [200, 200, 200]
    assert classes[1][8] == 400, "too long for the model: it alone fails"
    assert (features[0], features[2]) == (32, True)
    assert answers == 1


@of_gigabytes
def test_an_endpoint_of_a_classifier_answers_many_at_once(
    huggingface: Environment,  # noqa: F811
    models: Path,
) -> None:
    with serving(huggingface, models / "classes", SAGEBRUSH_FRAMEWORK="huggingface") as server:
        server.ready()
        assert "up to 32 requests together" in server.log.read_text()
        texts = ["good film", "bad", "who saw the rain", "good good bad film"] * 10
        alone = [server.ask({"inputs": text}) for text in texts[:4]]
        with ThreadPoolExecutor(20) as pool:
            found = list(pool.map(lambda text: server.ask({"inputs": text}), texts))
        assert [f[0]["label"] for f in found] == [a[0]["label"] for a in alone] * 10


def cost(shared: list[list[int]], lengths: list[int], fixed: float) -> float:
    return sum(fixed + len(each) * max(lengths[n] for n in each) for each in shared)


@pytest.mark.parametrize(
    ("lengths", "fixed", "shared"),
    [
        ([5], 10, [[0]]),
        ([5, 30, 6], 100, [[0, 2, 1]]),  # 49 tokens of padding are cheaper than a pass
        ([5, 30, 6], 20, [[0, 2], [1]]),
        ([5, 30, 6, 5], 0, [[0, 3], [2], [1]]),  # nothing is padded
    ],
)
def test_texts_share_passes_as_is_cheapest(
    lengths: list[int], fixed: float, shared: list[list[int]]
) -> None:
    assert passes(lengths, fixed) == shared


def test_no_other_split_of_the_sorted_texts_is_cheaper() -> None:
    lengths = [3, 50, 9, 9, 20, 4, 33, 8]
    order = sorted(range(8), key=lengths.__getitem__)
    for fixed in (1, 15, 40):
        cheapest = min(
            cost([order[a:b] for a, b in pairwise([0, *inner, 8])], lengths, fixed)
            for count in range(8)
            for inner in combinations(range(1, 8), count)
        )
        assert cost(passes(lengths, fixed), lengths, fixed) == cheapest


def test_a_pass_has_a_bounded_number_of_texts() -> None:
    shared = passes([7] * (2 * MOST + 1), 1e9)
    assert sorted(n for each in shared for n in each) == list(range(2 * MOST + 1))
    assert max(map(len, shared)) <= MOST
