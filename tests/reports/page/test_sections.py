"""What stands where on the page."""

from reports.figures.style import Picture
from reports.page.sections import sections
from reports.table import Column, Table


def table(name: str, **constants: str) -> Table:
    return Table(name, "caption", (Column("H"),), (), (), constants)


def test_each_thing_stands_once_and_under_its_dataset() -> None:
    tables = [
        table("ablation-cub", dataset="cub"),
        table("ablation-sun", dataset="sun"),
        table("claims"),
        table("main"),
    ]
    pictures = [
        Picture("forest-sun", "sun", "Forest", "c", "<svg/>", b""),
        Picture("all", None, "All", "c", "<svg/>", b""),
    ]
    parts = sections(["cub", "sun"], tables, pictures)
    assert [(part.title, [t.table.name for t in part.tables], [f.title for f in part.figures]) for part in parts] == [
        ("Claims", ["claims"], []),
        ("cub", ["ablation-cub"], []),
        ("sun", ["ablation-sun"], ["Forest"]),
        ("Across datasets", ["main"], ["All"]),
    ]
    assert [part.title for part in parts[1].tables] == ["One change at a time"]


def test_a_name_of_a_dataset_is_no_address() -> None:
    assert [part.id for part in sections(['"><script>'], [], [])] == ["dataset-1"]
