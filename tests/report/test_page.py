"""The report as a reader gets it: its numbers are the database's, its texts are harmless, and it needs nothing else."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from selfplay.report.facts import read
from selfplay.report.figures import FORMATS, counted, figure, interval
from selfplay.report.page import page, render
from selfplay.report.plots import Plots
from state.records import Adapter, Pair, Problem, Promotion, Round, Run, Sample, Score, TrainStep
from state.store import Store
from tests.report.reading import Page
from tests.report.recount import Recount
from tests.state import rows

NOW = "2026-11-24T12:00:00.000+00:00"
CONSTANT = re.compile(r"95%|pass@1|sha256")
"""Digits that are words."""


def written(path: Path) -> str:
    """Return the page of a database, without its plots."""
    with Store.open(path, read_only=True) as store:
        return page(read(store), Plots(), NOW, "python run_loop.py")


def check_numbers(path: Path, text: str) -> None:
    """Every number of the page is the database's, each that belongs there is there, and there is no other."""
    shown = Page.of(text)
    expected = Recount(path).all()
    settings = json.loads(Recount(path).one("SELECT config FROM runs"))
    expected["settings"] = sum(len(value) if isinstance(value, dict) else 1 for value in settings.values())
    for key in [key for key in ("dropped",) if expected[key] == 0]:
        del expected[key]
    seen: dict[str, float] = {}
    for key, value, words in shown.figures:
        if key in {"shown", "changed"}:  # of the page and of the preset, not of the database
            continue
        assert key in expected, f"{key} = {value} is not in the database"
        assert float(value) == pytest.approx(expected[key], rel=1e-9, abs=1e-12), key
        assert words in {form(float(value)) for form in FORMATS.values()}, f"{key}: {value} is not {words}"
        seen[key] = float(value)
    assert expected.keys() - seen.keys() == set()
    strays = [words.strip() for words in shown.prose if re.search(r"\d", CONSTANT.sub("", words))]
    assert strays == []


def test_every_number_of_the_page_is_counted_again_from_the_database(promoted: Path) -> None:
    check_numbers(promoted / "a" / "run.db", written(promoted / "a" / "run.db"))


def test_problems_left_out_and_rounds_without_a_candidate_are_counted_too(promoted: Path) -> None:
    path = promoted / "a" / "run.db"
    with Store.open(path) as store:
        used = {pair.problem_id for pair in store.all(Pair)}
        spare = [problem for problem in store.all(Problem) if problem.id not in used]
        for problem in spare[:3]:
            store.replace(dataclasses.replace(problem, dropped="near Bench/1"))
        adapter = store.all(Adapter)[-1]
        store.replace(dataclasses.replace(adapter, sha256=None, path=None, outcome="diverged", reason="it fell apart"))
        promotion = store.all(Promotion)[-1]
        store.replace(
            dataclasses.replace(promotion, candidate_id=None, evidence="[]", p_value=None, reason="kept: no candidate")
        )
    text = written(path)
    shown = Page.of(text)
    assert ("dropped", "3", "3") in shown.figures
    assert "it fell apart" in text
    assert "no candidate" in text


def test_a_candidate_that_was_cut_short_gets_no_rate(promoted: Path) -> None:
    path = promoted / "a" / "run.db"
    keep_the_base_model(path)
    with Store.open(path) as store:
        adapter = store.all(Adapter)[0]
        store.add(
            *(
                dataclasses.replace(score, id=f"second {score.id}", weights_id=store.all(Adapter)[1].id)
                for score in store.all(Score, weights_id=adapter.id)[:7]
            )
        )
    text = written(path)
    check_numbers(path, text)
    shown = Page.of(text)
    figures = {key: words for key, _, words in shown.figures}
    assert "cut short: could no longer win" in "".join(shown.text)
    assert "every answer is counted here" in "".join(shown.text)
    assert figures["standing.humaneval.2.tasks"] == "7"
    assert "standing.humaneval.2.frac" not in figures
    assert "standing.humaneval.1.frac" in figures


def test_the_story_tells_who_leads_by_how_much_and_why(promoted: Path) -> None:
    path = promoted / "a" / "run.db"
    text = " ".join("".join(Page.of(written(path)).text).split())
    assert "After 2 finished rounds the champion is the adapter of round 1; 1 candidate was promoted." in text
    assert re.search(r"On humaneval it passes \d+\.\d% of 20 tasks, the base model \d+\.\d%: a change of \+\d", text)
    assert "flatters it" in text
    with Store.open(path, read_only=True) as store:
        for promotion in store.all(Promotion):
            assert f"Why: {' '.join(promotion.reason.split())}" in text


def keep_the_base_model(path: Path) -> None:
    """Rewrite history: nothing was promoted."""
    with Store.open(path) as store:
        for promotion in store.all(Promotion):
            store.replace(dataclasses.replace(promotion, promoted=False))
        for turn in store.all(Round):
            store.replace(dataclasses.replace(turn, outcome="kept", champion_id=None))
        for adapter in store.all(Adapter):
            store.replace(dataclasses.replace(adapter, parent_id=None))


def test_while_the_base_model_leads_the_last_candidate_is_traced(promoted: Path) -> None:
    path = promoted / "a" / "run.db"
    keep_the_base_model(path)
    text = written(path)
    words = " ".join("".join(Page.of(text).text).split())
    assert "the base model still leads: no candidate was better by enough to be believed." in words
    assert "here is the last candidate: the adapter of round 2" in words
    check_numbers(path, text)


ATTACK = (
    "x = 1  # </pre></code></details></main><script>document.title='owned'</script>"
    "<img src=x onerror=\"document.title='owned'\"><svg onload=document.title='owned'>{{ 7*7 }}{% raw %}"
    "\n'\"&lt;\u202eevil\u0000\x1b[31m\ud800&#60;b&#62;"
)


def attacked(path: Path) -> None:
    """Put the attack wherever text of a model, of a problem file or of a host gets into the database."""
    with Store.open(path) as store:
        problem = store.get(Problem, store.all(Pair)[0].problem_id)
        assert problem is not None
        store.replace(dataclasses.replace(problem, prompt=ATTACK, entry_point=ATTACK))
        spare = next(each for each in store.all(Problem) if each.id != problem.id)
        store.replace(dataclasses.replace(spare, dropped=ATTACK, source=ATTACK, prompt=ATTACK))
        for sample in store.all(Sample):
            store.replace(dataclasses.replace(sample, source=ATTACK))
        for score in store.all(Score):
            store.replace(dataclasses.replace(score, source=ATTACK, reply=ATTACK, status=ATTACK))
        for promotion in store.all(Promotion):
            store.replace(dataclasses.replace(promotion, reason=ATTACK))
        run = store.all(Run)[0]
        store.replace(dataclasses.replace(run, model=ATTACK, code_version=ATTACK, host=json.dumps({ATTACK: ATTACK})))


def test_text_of_a_model_stays_text(promoted: Path) -> None:
    path = promoted / "a" / "run.db"
    harmless = Page.of(written(path))
    attacked(path)
    text = written(path)
    shown = Page.of(text)  # every element is closed by its own tag
    known = {tag for tag, _ in harmless.tags}
    assert {tag for tag, _ in shown.tags} <= known
    assert not {"script", "svg", "iframe", "object", "link", "base", "form"} & {tag for tag, _ in shown.tags}
    attributes = {name for _, each in shown.tags for name in each}
    assert not {name for name in attributes if name.startswith("on")} | (attributes & {"style", "srcdoc"})
    assert shown.styles == harmless.styles
    assert "document.title='owned'" in "".join(shown.text)  # it is there to be read
    assert "{{ 7*7 }}{% raw %}" in "".join(shown.text)
    assert r"\u202eevil\x00\x1b[31m" in "".join(shown.text)
    assert not [character for character in text if not character.isprintable() and character != "\n"]


@pytest.mark.skipif(shutil.which("chromium") is None, reason="there is no chromium to open the page with")
def test_a_browser_runs_nothing_of_it(promoted: Path, tmp_path: Path) -> None:
    path = promoted / "a" / "run.db"
    attacked(path)
    text = written(path)
    planted = "<script>document.title = 'owned'</script><p style='color:red' onclick=x>planted</p>"
    for name, content in (("page", text), ("planted", text.replace("<footer", f"{planted}<footer"))):
        (tmp_path / f"{name}.html").write_text(content, encoding="utf-8")
        done = subprocess.run(
            [
                "chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / name}",
                "--virtual-time-budget=2000", "--dump-dom", (tmp_path / f"{name}.html").as_uri(),
            ],
            capture_output=True, text=True, timeout=120, check=True,
        )  # fmt: skip
        assert re.search(r"<title>(.*?)</title>", done.stdout, re.DOTALL).group(1) == "a: report of a selfplay run"  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def whole(_promoted: Path) -> str:
    """The page of an untouched run, plots included."""
    return render_of(_promoted / "a" / "run.db")


def test_the_page_is_closed(whole: str) -> None:
    text = whole
    shown = Page.of(text)
    assert len(text.encode()) < 5_000_000
    (policy,) = [
        each["content"] or ""
        for tag, each in shown.tags
        if tag == "meta" and each.get("http-equiv") == "Content-Security-Policy"
    ]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "unsafe" not in policy
    (sheet,) = shown.styles
    assert f"'sha256-{base64.b64encode(hashlib.sha256(sheet.encode()).digest()).decode()}'" in policy
    assert "url(" not in sheet
    assert "@import" not in sheet
    for tag, each in shown.tags:
        for name in ("src", "srcset", "href", "action", "poster"):
            target = each.get(name)
            assert target is None or target.startswith(("data:image/svg+xml;base64,", "#")), (tag, target)
    pictures = [each["src"] or "" for tag, each in shown.tags if tag == "img"]
    assert len(pictures) == 5
    for picture in pictures:
        svg = base64.b64decode(picture.partition(",")[2]).decode()
        assert svg.startswith("<svg")
        assert "<script" not in svg
        assert "<image" not in svg


def test_the_page_can_be_read_without_eyes_and_without_a_mouse(whole: str) -> None:
    shown = Page.of(whole)
    tags = shown.tags
    names = [tag for tag, _ in tags]
    assert ("html", {"lang": "en"}) in tags
    assert [names.count(each) for each in ("h1", "main", "header", "footer", "nav")] == [1] * 5
    levels = [int(tag[1]) for tag in names if re.fullmatch(r"h[1-6]", tag)]
    assert all(after - before <= 1 for before, after in zip([0, *levels], levels, strict=False))
    assert all(each.get("alt") for tag, each in tags if tag == "img")
    assert all(each.get("scope") for tag, each in tags if tag == "th")
    assert names.count("caption") == names.count("table")
    ids = [each["id"] for _, each in tags if each.get("id")]
    assert len(ids) == len(set(ids))
    targets = {(each.get("href") or "#")[1:] for tag, each in tags if tag == "a"}
    assert targets <= set(ids)
    assert all(each.get("tabindex") == "0" for _, each in tags if each.get("class") in {"scroll", "code"})


def test_a_run_that_has_not_begun_a_round_has_a_report(tmp_path: Path) -> None:
    with Store.open(tmp_path / "run.db", create=True) as store:
        store.add(rows.run(), rows.problem())
    text = " ".join("".join(Page.of(render_of(tmp_path / "run.db")).text).split())
    assert "No round has begun yet." in text
    assert "Nothing has been trained yet." in text


def test_a_round_under_way_has_a_report(tmp_path: Path) -> None:
    with Store.open(tmp_path / "run.db", create=True) as store:
        store.add(rows.run(), rows.problem(), rows.turn(), rows.stage(), rows.reply(), rows.sample(rows.reply()))
        store.add(rows.score())
        store.add(
            TrainStep(
                id="s", round_id="round1", step=1, loss=None, reward_margin=None, reward_accuracy=None,
                chosen_logp=None, rejected_logp=None, learning_rate=None, grad_norm=None, tokens=None, wall_s=None,
            )
        )  # fmt: skip
    text = " ".join("".join(Page.of(render_of(tmp_path / "run.db")).text).split())
    assert "the base model still leads: nothing has been decided yet." in text
    assert "wrote 1 usable code and 0 usable tests for 0 problems" in text


def render_of(path: Path) -> str:
    """Return the whole page of a database, plots included."""
    with Store.open(path, read_only=True) as store:
        return render(read(store), NOW)


def test_figures_hold_the_value_and_show_the_words() -> None:
    assert str(figure("a.b", 0.5244, "percent")) == '<data value="0.5244" data-key="a.b">52.4%</data>'
    assert html.unescape(str(figure("<k>", 3)))
    assert "&lt;k&gt;" in str(figure("<k>", 3))
    assert "–" in str(figure("a", None))  # noqa: RUF001
    assert "data" not in str(figure("a", None))
    assert str(counted("a", 1, "pair")).endswith("</data> pair")
    assert str(counted("a", 2, "loss", "losses")).endswith("</data> losses")
    assert str(interval("a", None)) == ""
    assert 'data-key="a.low">-1.0</data>' in str(interval("a", (-0.01, 0.02), "points"))
