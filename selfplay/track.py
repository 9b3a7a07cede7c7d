"""Where a run's curves go: TensorBoard and trackio, chosen by the config section `track`.

    track/round-NNNN/   for TensorBoard: the training of a round, a point a step, as TRL logs it (train_track.py)
    track/rounds/       for TensorBoard: what is known of each finished round, at step = its number (track_rounds.py)
    track/trackio/      trackio's database: the same, in a project named after the run

Both libraries are extras of this project and are imported in worker processes only, whose environment holds nothing
that would have them send anything anywhere. No result depends on what they write: what cannot be written is left out
with a warning, and a curve that was broken off is written anew from its beginning.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from selfplay.channel import Json
from selfplay.errors import UserError
from selfplay.sections import Track

FOLDER = "track"


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """Where the curves of a run go."""

    to: tuple[str, ...]
    """Viewers to write for."""
    folder: Path
    run: str
    """Name of the run; trackio's project."""

    @property
    def trackio(self) -> Path:
        """Folder of trackio's database."""
        return self.folder / "trackio"

    def to_message(self) -> Json:
        """Return what a worker is sent."""
        return {"to": list(self.to), "folder": str(self.folder), "run": self.run}

    def environment(self) -> dict[str, str]:
        """Return what the libraries are told by variables; trackio reads its folder while it is imported."""
        return {"TRACKIO_DIR": str(self.trackio)}


def from_message(message: Json) -> Curves:
    """Return what `Curves.to_message` was called on."""
    return Curves(to=tuple(message["to"]), folder=Path(message["folder"]), run=message["run"])


def curves(run_folder: Path, section: Track) -> Curves | None:
    """Return where the curves of a run go; None where none are wanted."""
    return Curves(to=section.to, folder=run_folder / FOLDER, run=run_folder.name) if section.to else None


def check(section: Track) -> None:
    """Refuse viewers whose library is not there.

    Raises:
        UserError: One is not installed.
    """
    for name in section.to:
        if find_spec(name) is None:
            raise UserError(
                f"track.to={name} needs the package {name}, which is not installed: `uv pip install {name}` puts it "
                "into this environment; or repeat the command with --set track.to=none"
            )


def forget(project: str, name: str) -> None:
    """Remove a curve from trackio's database, if it is there."""
    from trackio import Api
    from trackio.sqlite_storage import SQLiteStorage

    if SQLiteStorage.get_project_db_path(project).exists():
        for run in Api().runs(project):
            if run.name == name:
                run.delete()
