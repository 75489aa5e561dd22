"""A base from an installed package: its distribution is the one whose version is locked."""

from pathlib import Path

import pytest

from bertspec.catalog.bases.package import PackageBase
from bertspec.core.errors import InputError


def _base(package: str, distribution: str | None = None) -> PackageBase:
    return PackageBase(type="package", package=package, distribution=distribution)


@pytest.mark.parametrize(
    ("package", "named", "right"),
    [
        ("sklearn", None, "scikit-learn"),
        ("sklearn.linear_model", "numpy", "scikit-learn"),
        ("numpy", "no-such-thing", "numpy"),
    ],
)
def test_another_distribution_than_the_packages_own_is_refused(
    package: str, named: str | None, right: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        _base(package, named).build(tmp_path, tmp_path, None)
    (found,) = caught.value.diagnostics
    assert found.code == "E401"
    assert f"`{right}`" in found.message
    assert f"distribution: {right}" in found.help


@pytest.mark.parametrize(
    ("package", "named"),
    [("sklearn", "Scikit_Learn"), ("numpy", None), ("yaml", "PyYAML"), ("not_there", "any")],
)
def test_its_own_or_one_that_is_not_installed_is_not(package: str, named: str | None) -> None:
    _base(package, named).check_distribution()
