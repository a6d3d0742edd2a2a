"""From an output folder to its report: `report.md` and `results.csv`, made of the records alone."""

from pathlib import Path

from benchmark import store
from dazle.files import write_atomic


def write_report(out: Path, protocol: str = "honest") -> Path:
    """Writes both files, atomically, and returns the path of the Markdown."""
    from reports.selection import results
    from reports.tables import ablation_tables, render_markdown
    from reports.writers import markdown

    manifest = store.read_manifest(out)
    frame = store.frame(out)
    write_atomic(out / "results.csv", results(frame).to_csv(index=False))
    conditions = manifest.conditions
    notes = [
        f"Suite {manifest.suite} on {manifest.source} features, {len(manifest.cells)} cells; base seed "
        f"{conditions['base_seed']}, class folds {conditions['folds']}, {conditions['device']}, package "
        f"{manifest.package}. Raw values of every cell and protocol: results.csv.",
        *manifest.notes,
    ]
    if conditions["overrides"]:
        changed = ", ".join(f"{key} = {value}" for key, value in conditions["overrides"].items())
        notes.append(f"Settings changed for every cell: {changed}.")
    path = out / "report.md"
    text = render_markdown(ablation_tables(frame, protocol), f"Suite {manifest.suite}", notes)
    if manifest.studies:
        from benchmark.tuning.report import tuned_report

        text += f"\n{markdown.render(tuned_report(out, frame, protocol).table)}\n"
    write_atomic(path, text)
    return path
