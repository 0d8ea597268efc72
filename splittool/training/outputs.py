"""The files that a training run writes."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from splittool.errors import OutputError, UsageError
from splittool.files import output_errors, refuse_existing, write_bytes
from splittool.locks import locked
from splittool.training.distributed import is_first


@dataclass(frozen=True)
class Outputs:
    """Where a run writes.

    Attributes:
        model: The best model.
        state: All that is needed to resume.
        history: One JSON line per epoch.
        validation_list: Paths of the held-out images, one per line, for `splittool infer`.
        curves: The figure of the history.
    """

    model: Path
    state: Path
    history: Path
    validation_list: Path
    curves: Path

    @staticmethod
    def beside(model: Path) -> "Outputs":
        """The names that go with a model's name.

        Raises:
            UsageError: The model's name does not end in .pt.
        """
        if model.suffix != ".pt":
            raise UsageError(f"`output` {model}: a model ends in .pt")
        ends = (".state.pt", ".history.jsonl", ".validation.txt", ".curves.png")
        return Outputs(model, *(model.with_suffix(end) for end in ends))

    def clear(self, keep_model: bool) -> None:
        """Remove what an earlier run left, before the first file of this one is written.

        A crash between the two leaves fewer files, never files of two runs. The state goes first,
        so that nobody resumes from it; a model that is about to be replaced stays until then.

        Raises:
            OutputError: A file cannot be removed.
        """
        model = () if keep_model else (self.model,)
        for path in (self.state, self.history, self.validation_list, self.curves, *model):
            with output_errors(path):
                path.unlink(missing_ok=True)

    def list_held_out(self, images: Iterable[Path]) -> None:
        """Write the paths of the held-out images.

        Raises:
            OutputError: The file cannot be written.
        """
        listed = "".join(f"{path.resolve()}\n" for path in images)
        write_bytes(self.validation_list, listed.encode())

    @contextmanager
    def claimed(self, resume: bool, force: bool) -> Iterator[None]:
        """Keep other runs out of these files while this one writes them.

        Of several processes that train together, the first holds the lock.

        Raises:
            OutputError: Another run is writing them, or see `refuse`.
        """
        self.refuse(resume, force)
        if not is_first():
            yield
            return
        busy = f"another run is training {self.model}; wait for it, or give another `output`"
        with locked(self.model, busy):
            self.refuse(resume, force)  # another run may have just ended
            yield

    def refuse(self, resume: bool, force: bool) -> None:
        """Refuse, before any work is done, to overwrite the files of another run.

        Raises:
            OutputError: A file exists and is neither to be resumed nor to be replaced, or the
                folder is missing or not writable.
        """
        if self.state.is_file() and not (resume or force):
            raise OutputError(
                f"{self.state} exists: a run with this name was started; give `resume` to go on"
                " with it, `force` to start anew, or another `output`"
            )
        refuse_existing([self.model, self.state, self.history], force or resume)
