"""The command line: an unattended loop that makes a code model better from its own output."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from selfplay.rounds import Loop

app = typer.Typer(
    add_completion=False,
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

RunName = Annotated[str, typer.Option("--run", help="Name of the run; its folder is RUNS_DIR/NAME.")]
AdapterName = Annotated[
    str | None,
    typer.Option(
        "--adapter", help="An adapter's id or the beginning of one, or its round (round-3 or 3); default: the champion."
    ),
]
RunsDir = Annotated[Path, typer.Option("--runs-dir", envvar="SELFPLAY_RUNS_DIR", help="Folder that holds the runs.")]


def play(loop: Loop, rounds: int) -> None:
    """Play every unfinished round; each step computes only what the store still lacks."""
    for number in range(1, rounds + 1):
        round_ = loop.begin(number)
        if round_ is None:
            continue  # finished by an earlier start
        with loop.abandoning(round_):  # a stage that cannot be brought to its end costs the round, not the run
            problems = loop.choose_problems(round_)
            loop.sample_and_judge(round_, problems)  # champion writes codes and tests; sandbox runs all against all
            loop.score_champion(round_)  # cached by weights: once per champion
            pairs = loop.select_pairs(round_)  # DSTC: hardest passed test, easiest failed one
            candidate = loop.train_candidate(round_, pairs)  # QLoRA by DPO or KTO, from the champion
            loop.benchmark(round_, candidate)
            loop.decide(round_, candidate)  # promote, or keep the champion


@app.callback(invoke_without_command=True)
def main(
    context: typer.Context,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds that the run shall have in all.")] = 1,
    preset: Annotated[
        str | None,
        typer.Option(help="auto, smoke, cpu, gpu-24gb, gpu-80gb or paper; auto is what this machine can carry."),
    ] = None,
    model: Annotated[str | None, typer.Option(help="Named model, hub id, local folder, or .gguf file.")] = None,
    problems: Annotated[str | None, typer.Option(help="JSONL file of problems, or a hub data set id.")] = None,
    run: RunName = "default",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change one setting; may be repeated."),
    ] = None,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    """Make a code model better from its own output, round by round.

    Each round the champion writes code and tests, a sandbox runs every code against every test, DSTC selection makes
    preference pairs, DPO or KTO trains a LoRA candidate, and benchmarks decide whether it becomes the champion.

    The same command again continues where the run stopped, however it stopped.

    Example: python run_loop.py --rounds 5 --preset smoke --run first
    """
    if context.invoked_subcommand is not None:
        return
    from selfplay.commands import run_rounds
    from selfplay.startup import Wanted

    wanted = Wanted(
        rounds=rounds,
        run=run,
        runs_dir=runs_dir,
        preset=preset,
        model=model,
        problems=problems,
        overrides=tuple(settings or ()),
    )
    raise typer.Exit(run_rounds(wanted, play))


@app.command()
def status(run: RunName = "default", runs_dir: RunsDir = Path("runs")) -> None:
    """Show what is in a run's database.

    Example: python run_loop.py status --run first
    """
    from selfplay.commands import show_status

    raise typer.Exit(show_status(run, runs_dir))


@app.command()
def watch(run: RunName = "default", runs_dir: RunsDir = Path("runs")) -> None:
    """Show a run that another process plays, live, until it ends; Ctrl-C ends the watching only.

    Example: python run_loop.py watch --run first
    """
    from selfplay.watch import watch_run

    raise typer.Exit(watch_run(run, runs_dir))


@app.command()
def verify(run: RunName = "default", runs_dir: RunsDir = Path("runs")) -> None:
    """Run every stored pair again: the chosen code must pass its test, the rejected fail (exit 1: one does not).

    Example: python run_loop.py verify --run first
    """
    from selfplay.commands import verify_pairs

    raise typer.Exit(verify_pairs(run, runs_dir))


@app.command()
def recover(run: RunName = "default", runs_dir: RunsDir = Path("runs")) -> None:
    """Make a damaged run runnable: back to the newest copy of its database; say what is lost, delete nothing damaged.

    Example: python run_loop.py recover --run first
    """
    from selfplay.commands import recover_run

    raise typer.Exit(recover_run(run, runs_dir))


@app.command()
def power(
    preset: Annotated[str | None, typer.Option(help="Preset to tell it for; default: what this machine has.")] = None,
    run: Annotated[str | None, typer.Option(help="Run to tell it for: its champion, its next tests.")] = None,
    rounds: Annotated[int, typer.Option(min=1, max=100, help="Tests to tell it for.")] = 5,
    flips: Annotated[
        float,
        typer.Option(min=0, max=15, help="Tasks, in %, that a candidate no better than the champion wins, and loses."),
    ] = 5.0,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Change one setting; may be repeated."),
    ] = None,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    """Tell how large a gain must be for the gate to see it: promoted in 80% of cases, for the level of each test.

    Example: python run_loop.py power --preset cpu --rounds 5
    """
    from selfplay.telling import show_power

    raise typer.Exit(
        show_power(preset, run, runs_dir, tests=rounds, flips=flips / 100, overrides=tuple(settings or ()))
    )


@app.command()
def compare(
    run_a: Annotated[str, typer.Argument(metavar="RUN_A", help="Name of a run.")],
    run_b: Annotated[str, typer.Argument(metavar="RUN_B", help="Name of another; differences are B - A.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON, for scripts.")] = False,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    """Show two runs side by side: what differs, who scores better and how sure that is, and what each cost.

    Example: python run_loop.py compare first second
    """
    from selfplay.compare_view import show_comparison

    raise typer.Exit(show_comparison(run_a, run_b, runs_dir, as_json=as_json))


@app.command("try")
def try_(
    prompt: Annotated[str | None, typer.Argument(help="What to ask; - reads it from standard input.")] = None,
    run: RunName = "default",
    problem: Annotated[
        str | None, typer.Option(metavar="ENTRY_POINT", help="Ask a problem of the run, and test the answers.")
    ] = None,
    adapter: AdapterName = None,
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="Longest answer; default: the run's generate.code_max_tokens.")
    ] = None,
    temperature: Annotated[float, typer.Option(min=0, max=2, help="0 is greedy.")] = 0.0,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    """Ask the base model and the champion the same thing, and show both answers.

    Example: python run_loop.py try --run first "Write a Python function that reverses a string."
    """
    from selfplay.trial import Wanted, try_prompt

    wanted = Wanted(prompt=prompt, problem=problem, adapter=adapter, max_tokens=max_tokens, temperature=temperature)
    raise typer.Exit(try_prompt(run, runs_dir, wanted))


@app.command()
def report(
    run: RunName = "default",
    out: Annotated[
        Path | None, typer.Option(help="HTML file to write; default: report.html in the run's folder.")
    ] = None,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    """Write what became of a run, and why, as one HTML file that needs nothing else.

    Example: python run_loop.py report --run first --out first.html
    """
    from selfplay.report.command import write_report

    raise typer.Exit(write_report(run, runs_dir, out))


@app.command()
def pairs(
    out: Annotated[Path, typer.Option(help="Folder to make.")],
    run: RunName = "default",
    runs_dir: RunsDir = Path("runs"),
) -> None:
    """Write a run's preference pairs for other trainers: TRL's DPO and KTO formats, as JSONL and for `datasets`.

    Example: python run_loop.py pairs --run first --out first-pairs
    """
    from selfplay.dataset import write_pairs

    raise typer.Exit(write_pairs(run, runs_dir, out))


@app.command()
def export(
    to: Annotated[Path, typer.Option(help="Folder to make.")],
    run: RunName = "default",
    adapter: AdapterName = None,
    merged: Annotated[bool, typer.Option("--merged", help="The whole model instead, adapter merged in.")] = False,
    gguf: Annotated[bool, typer.Option("--gguf", help="The whole model as a GGUF file, for llama.cpp.")] = False,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    """Write the champion's adapter for others, with a model card: a PEFT folder, a whole model, or a GGUF file.

    Example: python run_loop.py export --run first --to first-adapter
    """
    from selfplay.export.command import export_run

    raise typer.Exit(export_run(run, runs_dir, adapter, to, merged=merged, as_gguf=gguf))


@app.command()
def datasette(run: RunName = "default", runs_dir: RunsDir = Path("runs")) -> None:
    """Write metadata.json beside a run's database: questions for datasette; prints the command that shows them.

    Example: python run_loop.py datasette --run first
    """
    from selfplay.browse import write_metadata

    raise typer.Exit(write_metadata(run, runs_dir))


@app.command()
def doctor(
    preset: Annotated[str | None, typer.Option(help="Preset to check for.")] = None, runs_dir: RunsDir = Path("runs")
) -> None:
    """Tell what this machine can and cannot do. Exit 1 where a run could not work.

    Example: python run_loop.py doctor --preset cpu
    """
    from selfplay.commands import examine

    raise typer.Exit(examine(preset, runs_dir))


if __name__ == "__main__":
    app()
