"""The documents say what the code says."""

import re
from pathlib import Path

from service.settings import SETTINGS, flag, variable

ROOT = Path(__file__).parent.parent


def settings_rows() -> dict[str, tuple[str, str, str]]:
    text = (ROOT / "docs" / "operations.md").read_text()
    rows = re.findall(r"^\| `(--[a-z0-9-]+)` \| `(\w+)` \| (.*?) \| (.*) \|$", text, re.MULTILINE)
    return {name: (env, default, description) for name, env, default, description in rows}


def test_settings_table_has_every_setting_with_its_default_and_description() -> None:
    expected = {
        flag(name): (
            variable(name),
            f"`{field.default}`" if field.default is not None else "none",
            field.metadata["description"],
        )
        for name, field in SETTINGS.items()
    }
    assert settings_rows() == expected


def test_documents_refer_to_files_that_are_there() -> None:
    for document in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name} refers to {target}"


def test_metrics_table_has_every_metric() -> None:
    source = "".join((ROOT / "service" / file).read_text() for file in ("metrics.py", "live/collector.py"))
    table = (ROOT / "docs" / "operations.md").read_text()
    names = re.findall(r'"(actserve_\w+)"', source)
    assert names
    assert [name for name in names if f"`{name}`" not in table] == []
