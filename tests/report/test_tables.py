"""Tables, letter by letter, and what is bold in them."""

import io

import pytest
from rich.console import Console

from bayesnn_spike.report.tables import (
    BOLD_RULE,
    Cell,
    Column,
    Table,
    comparison_table,
    markdown,
    rich_table,
    summary_table,
)
from tests.report.cases import COMPARISON, entry, row, summary

ACCURACY = (Column("accuracy", "accuracy (%)", digits=1, scale=100.0, higher_is_better=True),)


def _bold(rows, columns=ACCURACY):
    table = summary_table(rows, columns=columns)
    return [line[4].bold for line in table.rows]


def test_the_markdown_of_a_summary():
    rows = summary()["rows"]
    floors = {(r["data"], r["rule"], r["predict"]): 0.0204 for r in rows}
    assert markdown(summary_table(rows, floors=floors)) == (
        "| data   | rule             | predict   | seeds | accuracy (%) |    NLL (nats) |"
        "         Brier |           ECE | ECE floor | seconds |\n"
        "| ------ | ---------------- | --------- | ----: | -----------: | ------------: |"
        " ------------: | ------------: | --------: | ------: |\n"
        "| nmnist | straight_through | mode      |     3 |   87.5 ± 0.5 | 0.400 ± 0.010 |"
        " 0.200 ± 0.000 | 0.030 ± 0.000 |     0.020 |     7.2 |\n"
        "| nmnist | bayes_bisnn      | committee |     3 |   88.7 ± 0.6 | 0.400 ± 0.010 |"
        " 0.200 ± 0.000 | 0.030 ± 0.000 |     0.020 |     7.2 |\n"
    )


def test_one_seed_has_no_spread_and_no_bold():
    rows = [row("d", "a", accuracy=(0.5,)), row("d", "b", accuracy=(0.9,))]
    assert markdown(summary_table(rows, columns=ACCURACY)) == (
        "| data | rule | predict | seeds | accuracy (%) | seconds |\n"
        "| ---- | ---- | ------- | ----: | -----------: | ------: |\n"
        "| d    | a    | mode    |     1 |         50.0 |     7.2 |\n"
        "| d    | b    | mode    |     1 |         90.0 |     7.2 |\n"
    )


def test_a_separated_best_is_bold():
    rows = [row("d", "a", accuracy=(0.5, 0.51, 0.49)), row("d", "b", accuracy=(0.9, 0.91, 0.9))]
    assert _bold(rows) == [False, True]
    assert "| **90.3 ± 0.6** |" in markdown(summary_table(rows, columns=ACCURACY))


def test_lower_is_better_unless_said_otherwise():
    rows = [
        row("d", "a", accuracy=(0.5, 0.5), nll=(0.40, 0.41)),
        row("d", "b", accuracy=(0.5, 0.5), nll=(0.60, 0.61)),
    ]
    assert _bold(rows, (Column("nll", "NLL (nats)"),)) == [True, False]


def test_what_the_seeds_do_not_separate_is_bold_together():
    rows = [
        row("d", "a", accuracy=(0.90, 0.88, 0.91)),
        row("d", "b", accuracy=(0.89, 0.92, 0.88)),
        row("d", "c", accuracy=(0.50, 0.52, 0.49)),
    ]
    assert _bold(rows) == [True, True, False]


def test_nothing_is_bold_where_nothing_is_separated():
    rows = [row("d", "a", accuracy=(0.90, 0.88)), row("d", "b", accuracy=(0.88, 0.90))]
    assert _bold(rows) == [False, False]
    assert _bold(rows[:1]) == [False]
    same = [row("d", "a", accuracy=(0.9, 0.9)), row("d", "b", accuracy=(0.9, 0.9))]
    assert _bold(same) == [False, False]


def test_pairing_by_seed_separates_what_spread_alone_hides():
    shared = (0.70, 0.80, 0.90, 0.60)
    better = (0.72, 0.821, 0.919, 0.62)
    assert _bold([row("d", "a", accuracy=shared), row("d", "b", accuracy=better)]) == [False, True]


def test_unequal_numbers_of_seeds_are_compared_unpaired():
    # Welch: means .515 and .9067, standard errors .005 and .0033; far apart.
    rows = [row("d", "a", accuracy=(0.51, 0.52)), row("d", "b", accuracy=(0.90, 0.91, 0.91))]
    assert _bold(rows) == [False, True]
    rows = [row("d", "a", accuracy=(0.89, 0.92)), row("d", "b", accuracy=(0.90, 0.91, 0.91))]
    assert _bold(rows) == [False, False]
    rows = [row("d", "a", accuracy=(0.5, 0.5)), row("d", "b", accuracy=(0.9, 0.9, 0.9))]
    assert _bold(rows) == [False, True]


def test_every_data_set_has_its_own_best():
    rows = [
        row("d", "a", accuracy=(0.5, 0.51, 0.49)), row("d", "b", accuracy=(0.9, 0.91, 0.9)),
        row("e", "a", accuracy=(0.8, 0.81, 0.8)), row("e", "b", accuracy=(0.6, 0.61, 0.6)),
    ]  # fmt: skip
    assert _bold(rows) == [False, True, True, False]


def test_the_caption_says_what_bold_means():
    assert summary_table(summary()["rows"]).caption == BOLD_RULE


def test_the_markdown_of_a_comparison():
    assert markdown(comparison_table([COMPARISON])) == (
        "| data   | rule                    | minus                   | seeds |"
        "      accuracy (%) |                  NLL (nats) |                       Brier |"
        "                     ECE |\n"
        "| ------ | ----------------------- | ----------------------- | ----: |"
        " ----------------: | --------------------------: | --------------------------: |"
        " ----------------------: |\n"
        "| nmnist | bayes_bisnn (committee) | straight_through (mode) |     3 |"
        " +1.5 [-0.1, +3.0] | **-0.031 [-0.048, -0.014]** | **-0.020 [-0.030, -0.010]** |"
        " -0.006 [-0.014, +0.003] |\n"
    )


def test_the_table_on_a_terminal():
    rows = [row("d", "a[b]", accuracy=(0.5, 0.51)), row("d", "b", accuracy=(0.9, 0.91))]
    console = Console(file=io.StringIO(), width=120, force_terminal=True, color_system="standard")
    console.print(rich_table(summary_table(rows, columns=ACCURACY), title="study [1]"))
    text = console.file.getvalue()
    assert "a[b]" in text
    assert "study [1]" in text
    assert "\x1b[1m90.5 ± 0.7\x1b[0m" in text
    assert "\x1b[1m50.5" not in text


def test_a_bar_in_a_text_does_not_break_the_markdown():
    table = Table(("a|b",), ((Cell("c|d"),),))
    assert markdown(table) == "| a\\|b |\n| ---- |\n| c\\|d |\n"


def test_a_row_of_another_length_is_refused():
    with pytest.raises(ValueError, match="row 0 has 1 cells under 2 titles"):
        Table(("a", "b"), ((Cell("c"),),))


def test_a_missing_score_is_named():
    lacking = row("d", "a", accuracy=(0.5,))
    del lacking["metrics"]["ece"]
    with pytest.raises(ValueError, match=r"\('d', 'a', 'mode'\) has no \['ece'\]"):
        summary_table([lacking])


def test_the_cases_have_the_form_of_a_summary():
    assert entry([0.5])["std"] is None
