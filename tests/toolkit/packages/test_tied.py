"""Tied sets: what comes along when a layer replaces one, and of which time."""

from __future__ import annotations

from datetime import date

import pytest

from sagebrush.toolkit.packages import tied

TODAY = date(2026, 11, 29)
RELEASES = {
    "transformers": {"4.17.0": date(2022, 3, 3), "4.30.2": date(2023, 6, 13)},
    "accelerate": {
        "0.9.0": date(2022, 4, 29),
        "0.20.3": date(2023, 6, 8),
        "0.22.0": date(2023, 8, 23),
        "1.15.0": TODAY,
    },
    "datasets": {
        "1.18.4": date(2022, 3, 7),
        "2.8.0": date(2023, 1, 3),
        "2.14.4": date(2023, 8, 8),
        "5.2.0": TODAY,
    },
    "peft": {"0.5.0": date(2023, 8, 22), "0.21.2": TODAY},
    "tokenizers": {
        "0.12.1": date(2022, 4, 13),
        "0.13.2": date(2022, 11, 7),
        "0.13.3": date(2023, 4, 5),
    },
    "keras": {"3.3.0": date(2024, 4, 20)},
}
PRESENT = {
    "transformers": "5.24.0",
    "accelerate": "1.15.0",
    "datasets": "5.2.0",
    "peft": "0.21.2",
    "numpy": "2.4.6",
}


def until(requirement: str, day: date) -> str | None:
    """What uv finds with an index that tells dates."""
    name, _, version = requirement.partition("==")
    found = [
        each
        for each, published in RELEASES.get(name, {}).items()
        if version in ("", each) and published <= day
    ]
    return found[-1] if found else None


WHEELS = {"tokenizers>=0.12.1": "0.13.2", "accelerate>=0.20": "0.20.3", "datasets>=3": "3.0.0"}
DATED = tied.Index(until, lambda name, requirement: WHEELS[requirement])
DATELESS = tied.Index(lambda requirement, day: None, lambda name, requirement: "")


def bonds(
    named: dict[str, str], delta: dict[str, str], index: tied.Index = DATED
) -> list[tied.Bond]:
    return tied.bonds(named, delta, PRESENT, index, TODAY)


def test_the_month_of_a_release_is_found_by_asking_for_dates() -> None:
    assert tied.published("transformers==4.30.2", DATED, TODAY) == date(2023, 7, 1)
    assert tied.published("transformers==4.30.2", DATELESS, TODAY) is None
    assert tied.published("accelerate==1.15.0", DATED, TODAY) == date(2026, 12, 1)


def test_the_others_come_along_from_two_months_around_the_replaced_one() -> None:
    [bond] = bonds({"transformers": "transformers==4.30.2"}, {"transformers": "4.30.2"})
    assert bond.told() == "transformers 4.30.2"
    assert bond.members == {"datasets": "<=2.14.4", "accelerate": "<=0.22.0", "peft": "<=0.5.0"}
    assert bond.limits == ("numpy<2", "pyarrow<21", "pandas<3", "setuptools<82")
    assert bond.dated


def test_what_had_no_release_yet_stays_and_is_told() -> None:
    [bond] = bonds({"transformers": "transformers==4.17.0"}, {"transformers": "4.17.0"})
    assert bond.members == {"datasets": "<=1.18.4", "accelerate": "<=0.9.0"}
    assert bond.absent == ("peft",)


def test_the_time_is_one_for_which_this_python_has_wheels() -> None:
    present = {**PRESENT, "tokenizers": "0.23.3"}
    [bond] = tied.bonds({}, {"transformers": "4.17.0"}, present, DATED, TODAY)
    assert bond.members == {
        "datasets": "<=1.18.4",
        "accelerate": "<=0.9.0",
        "tokenizers": "<=0.13.2",
    }

    [bond] = tied.bonds({}, {"accelerate": "0.9.0"}, present, DATED, TODAY)
    assert bond.members["datasets"] == "<=2.8.0", "transformers may have to be younger too"
    assert bond.members["tokenizers"] == "<=0.13.2"


def test_what_the_file_says_of_a_version_counts() -> None:
    named = {
        "transformers": "transformers==4.30.2",
        "datasets": "datasets",
        "accelerate": "accelerate>=0.20",
        "peft": "peft==0.21.2",
        "numpy": "numpy>=2",
    }
    [bond] = bonds(named, {"transformers": "4.30.2"})
    assert bond.members == {"datasets": "<=2.14.4", "accelerate": "<=0.22.0"}
    assert bond.limits == ("pyarrow<21", "pandas<3", "setuptools<82")


def test_a_member_is_as_new_as_the_file_wants_it_and_no_newer() -> None:
    named = {"transformers": "transformers==4.30.2", "datasets": "datasets>=3"}
    [bond] = bonds(named, {"transformers": "4.30.2"})
    assert bond.members["datasets"] == "<=3.0.0"


def test_an_index_without_dates_gives_the_set_without_limits() -> None:
    [bond] = bonds({}, {"transformers": "4.30.2"}, DATELESS)
    assert bond.members == {"datasets": "", "accelerate": "", "peft": ""}
    assert not bond.limits
    assert not bond.dated


def test_what_is_newer_than_the_environments_limits_nothing() -> None:
    [bond] = bonds({"transformers": "transformers>5.24"}, {"transformers": "5.100"})
    assert set(bond.members.values()) == {""}


@pytest.mark.parametrize(
    ("named", "cause"),
    [
        ({"datasets": "datasets==2.14.4"}, "datasets 2.14.4"),
        ({"datasets": "datasets", "accelerate": "accelerate<1"}, "accelerate 0.22.0"),
        ({"setfit": "setfit"}, "datasets 2.14.4"),
    ],
)
def test_the_cause_is_what_the_file_decides(named: dict[str, str], cause: str) -> None:
    [bond] = bonds(named, {"accelerate": "0.22.0", "datasets": "2.14.4"})
    assert bond.told() == cause


def test_two_names_of_one_library_are_one() -> None:
    present = {"tensorflow-cpu": "2.21.0", "keras": "3.15.1"}
    [bond] = tied.bonds({}, {"tensorflow": "2.12.0"}, present, DATED, TODAY)
    assert (bond.told(), set(bond.members)) == ("tensorflow 2.12.0", {"keras"})
    [bond] = tied.bonds({}, {"keras": "3.3.0"}, present, DATED, TODAY)
    assert set(bond.members) | set(bond.absent) == {"tensorflow-cpu"}


def test_what_replaces_nothing_of_a_set_is_bound_to_nothing() -> None:
    assert not bonds({}, {"emoji": "2.0", "sentence-transformers": "6.2.0", "torch": "2.1"})


@pytest.mark.parametrize(
    ("requirement", "pinned", "ranged"),
    [
        ("a==1", True, True),
        ("a~=1.2", True, True),
        ("a>=1,<2", True, True),
        ("a>=1", False, True),
        ("a", False, False),
        ("a; python_version<'3.12'", False, False),
        ("", False, False),
    ],
)
def test_a_requirement_pins_or_only_bounds_or_leaves_open(
    requirement: str, pinned: bool, ranged: bool
) -> None:
    assert (tied.pinned(requirement), tied.ranged(requirement)) == (pinned, ranged)


def test_versions_are_compared_by_their_numbers() -> None:
    assert tied.older("4.30.2", "5.24.0")
    assert tied.older("4.9", "4.10.dev0")
    assert not tied.older("5.24.0", "5.24.0")
    assert not tied.older("10.0", "9.9.9rc1")


def test_a_new_pyarrow_goes_with_the_numpy_that_is_there() -> None:
    """pyarrow declares no NumPy: datasets 2.10 over the image of PyTorch 1.13 brought the newest."""
    assert tied.undeclared({"numpy": "1.24.1"}, {"datasets": "==2.10.1"}) == ["pyarrow<21"]
    assert not tied.undeclared({"numpy": "2.1.3"}, {})
    assert not tied.undeclared({"numpy": "1.24.1", "pyarrow": "11.0.0"}, {})
    assert not tied.undeclared({"numpy": "1.24.1"}, {"pyarrow": "pyarrow==15.0.0"})
