"""Tables for readers: every figure, no codes where they don't belong, text as it stands."""

import contextlib
import io

import pytest

from hwsim.convergence.counting import load
from hwsim.estimation import estimate
from hwsim.hardware import catalog
from hwsim.overheads import Overheads
from hwsim.report import table
from hwsim.site import Site
from hwsim.study.total import optimum
from hwsim.study.vary import Variation
from workloads.charlm import CharLM
from workloads.transformer import Transformer

VOLTA = catalog.load("volta")
ANSWER = estimate(VOLTA, CharLM(hidden=64), steps=1234)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def on_terminal(monkeypatch, no_color=""):
    """What a color terminal would be sent."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", no_color)
    stream = Terminal()
    with contextlib.redirect_stdout(stream):
        table.show(ANSWER, cite=False)
    return stream.getvalue()


def test_an_estimate_shows_its_figures(capsys):
    table.show(ANSWER, cite=False)
    out = capsys.readouterr().out
    for text in ("charlm", "volta", "1,234", "time per step", "total training time", "80 %"):
        assert text in out
    for part, seconds in ANSWER.step.parts.items():
        assert (part in out) == (seconds > 0)
    for name, size in ANSWER.memory.parts.items():
        assert (f"{name} " in out) == (size > 0)


def shown(capsys, system, **options):
    table.show(estimate(system, CharLM(hidden=64), **options), cite=False)
    return capsys.readouterr().out


def test_what_is_spent_has_a_row_each(capsys):
    out = shown(capsys, VOLTA, steps=1234, site=Site(carbon=0.4))
    rows = [line.split("  ")[0] for line in out.splitlines()]
    assert {"energy", "carbon (CO2e)", "cost"} <= set(rows)
    assert "Wh .. " in out
    assert " USD .. " in out


def test_without_a_count_the_rows_are_of_a_step(capsys):
    table.show(estimate(VOLTA, Transformer(layers=2, sequence=128)), cite=False)
    out = capsys.readouterr().out
    assert "energy per step" in out
    assert "cost per step" in out


def test_what_is_not_known_has_no_row(capsys):
    out = shown(capsys, catalog.load("gh200"), steps=1)
    assert not any(line.startswith(("energy  ", "carbon", "cost  ")) for line in out.splitlines())
    assert "energy is not known: gh200 states no limit" in out


def test_sources_are_shown_when_asked(capsys):
    table.show(ANSWER, cite=False)
    assert "source:" not in capsys.readouterr().out
    table.show(ANSWER, cite=True)
    out = capsys.readouterr().out
    assert out.count("source: ") == len(ANSWER.sources)


def test_warnings_and_assumptions_are_shown_in_full(capsys):
    answer = ANSWER.model_copy(update={"warnings": ["w " * 200 + "end"]})
    table.show(answer, cite=False)
    out = capsys.readouterr().out
    assert f"warning: {'w ' * 200}end\n" in out
    assert all(f"assumed: {text}\n" in out for text in answer.assumptions)


def test_without_a_count_there_is_no_total(capsys):
    table.show(ANSWER.model_copy(update={"convergence": None, "total": None}), cite=False)
    out = capsys.readouterr().out
    assert "total" not in out
    assert "time per step" in out


def test_no_codes_in_a_pipe(capsys):
    table.show(ANSWER, cite=True)
    assert "\x1b" not in capsys.readouterr().out


def test_a_terminal_gets_emphasis(monkeypatch):
    assert "\x1b[1m" in on_terminal(monkeypatch)


def test_no_color_means_no_codes(monkeypatch):
    sent = on_terminal(monkeypatch, no_color="1")
    assert "total training time" in sent
    assert "\x1b" not in sent


@pytest.mark.parametrize("name", ["[/b] box", "[red]box", ":smile: box"])
def test_a_name_is_shown_as_it_stands(capsys, name):
    hardware = ANSWER.hardware.model_copy(update={"name": name})
    answer = ANSWER.model_copy(update={"hardware": hardware})
    table.show(answer, cite=False)
    table.show_points(Variation("nodes", (name,)), [answer], optimum([answer]))
    assert capsys.readouterr().out.count(name) >= 3


def test_points_mark_the_optimum_and_what_does_not_fit(capsys):
    small = estimate(VOLTA, CharLM(hidden=64), steps=10)
    large = estimate(VOLTA, CharLM(hidden=65536), steps=10)
    both = [small, large]
    table.show_points(Variation("workload.hidden", ("64", "65536")), both, optimum(both))
    out = capsys.readouterr().out
    rows = {line.split()[0]: line for line in out.splitlines() if line.strip()[:2].isdigit()}
    assert "workload.hidden" in out
    assert "optimum" in rows["64"]
    assert "does not fit" in rows["65536"]
    assert "optimum at workload.hidden = 64" in out


def test_points_without_a_count_show_the_step(capsys):
    bare = ANSWER.model_copy(update={"convergence": None, "total": None})
    table.show_points(Variation("nodes", ("1", "2")), [bare, bare], optimum([bare, bare]))
    out = capsys.readouterr().out
    assert "within 10 %" in out
    assert " - " in out


def test_a_warning_of_many_points_is_shown_once(capsys):
    warned = ANSWER.model_copy(update={"warnings": ["mind the gap"]})
    both = [warned, warned]
    table.show_points(Variation("nodes", ("1", "2")), both, optimum(both))
    assert capsys.readouterr().out.count("mind the gap") == 1


def test_a_training_is_shown_by_parts_where_it_is_more_than_steps(capsys):
    table.show(ANSWER, cite=False)
    assert "part of the training" not in capsys.readouterr().out
    beside = estimate(VOLTA, CharLM(hidden=64), steps=10, overheads=Overheads(startup=60.0))
    table.show(beside, cite=False)
    out = capsys.readouterr().out
    assert "part of the training" in out
    assert "startup" in out
    assert "restart " not in out


def test_points_of_several_batches_show_what_they_cost(capsys):
    law = load("charlm-small", critical=64.0)
    answers = [estimate(VOLTA, CharLM(hidden=64, batch=b), steps=law) for b in (64, 192)]
    table.show_points(Variation("workload.batch", ("64", "192")), answers, optimum(answers))
    out = capsys.readouterr().out
    rows = {line.split()[0]: line for line in out.splitlines() if line.strip()[:2].isdigit()}
    assert " 50% " in rows["64"]
    assert " 25% " in rows["192"]
    table.show(answers[1], cite=False)
    assert "need 25% of the" in capsys.readouterr().out
