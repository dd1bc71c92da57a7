"""The section on survival: hazard ratios, groups with their curves, response, external cohorts, REMARK."""

from typing import Any

from scresist.plots import survival as draw
from scresist.plots.style import new_axes, to_svg
from scresist.report.blocks import Section, bullets, figures, heading, table, text, written
from scresist.report.folder import Folder

DRAWN = 6  # curves of an endpoint
FOREST = 8  # features of external cohorts that are drawn


def survival(folder: Folder) -> Section | None:
    """Whether candidates predict the endpoints."""
    tested = folder.claimed("survival")
    if not len(tested):
        return None
    blocks: list[dict[str, Any]] = []
    same = [w for w in dict.fromkeys(tested["weak"].dropna()) if w] if "weak" in tested else []
    blocks += [text(f"{w[0].upper()}{w[1:]}.") for w in same]
    ends = folder.table("survival_endpoints")
    if len(ends):
        blocks += [table(ends, "survival_endpoints", [
            "endpoint", "unit", "n", "events", "median", "ci_low", "ci_high", "follow_up", "follow_up_low",
            "follow_up_high", "competing_events", "tied",
        ])]  # fmt: skip
    drawn = _curves(folder)
    if drawn:
        blocks += [heading("High against low"), figures(drawn)]
    blocks += [heading("Hazard ratios"), table(tested.sort_values("p_value", kind="stable"), "survival", [
        "feature", "what", "verdict", "endpoint", "hr", "ci_low", "ci_high", "p_value", "p_permutation", "q_value",
        "n", "events", "covariates", "stratified_by", "method", "zph_p", "form_p", "why",
    ])]  # fmt: skip
    blocks += _more(folder)
    if len(folder.table("survival_response")):
        blocks.append(text("Best response is in tables/survival_response.csv: its tests are no claims of this study."))
    blocks += [bullets(folder.notes("survival"))] if folder.notes("survival") else []
    lead = (
        "Continuous values first, every tested gene and every module, signature and share in one family; a value "
        "measured at progression is not used, because it cannot predict that progression. Progression is seen at scans "
        "only: its time is taken as exact, which is a limit."
    )
    return Section("survival", "Survival", lead, blocks)


def _more(folder: Folder) -> list[dict[str, Any]]:
    """Groups in numbers, competing events, scores, response, external cohorts, REMARK."""
    blocks: list[dict[str, Any]] = []
    for name, title, columns in (
        ("survival_groups", "Groups in numbers", [
            "feature", "endpoint", "cut", "cut_how", "n_low", "n_high", "events", "hr", "p_permutation",
            "p_combo", "cut_low", "cut_high", "median_low", "median_high", "horizon", "mean_difference", "ci_low",
            "ci_high", "mean_p", "reason"]),
        ("survival_competing", "Beside a competing event", [
            "feature", "endpoint", "hr", "ci_low", "ci_high", "p_value", "n", "events", "competing_events", "reason"]),
        ("survival_scores", "A score of several features, cross-validated", [
            "endpoint", "n", "events", "concordance", "ci_low", "ci_high", "apparent", "optimism", "slope", "n_genes",
            "reason"]),
    ):  # fmt: skip
        made = folder.table(name)
        if len(made):
            by = "p_value" if "p_value" in made else made.columns[0]
            ordered = made.sort_values(by, kind="stable", na_position="last").head(40)
            blocks += [heading(title), table(ordered, name, columns)]
    cohorts = folder.table("validation_bulk")
    if len(cohorts):
        first = list(dict.fromkeys(cohorts["feature"]))[:FOREST]
        rows = cohorts[cohorts["feature"].isin(first) & cohorts["hr"].notna()]
        rows = rows.assign(label=rows["feature"] + ", " + rows["cohort"])
        rows = rows.sort_values(["feature", "cohort"], kind="stable")
        blocks.append(heading("External cohorts"))
        if len(rows):
            figure, axes = new_axes(5.2, 0.9 + 0.22 * len(rows))
            draw.hazard_ratios(rows, axes, label="label")
            blocks.append(figures([(to_svg(figure), "Hazard ratios per SD in the external cohorts and over all.")]))
        blocks += [table(cohorts, "validation_bulk", [
            "cohort", "feature", "hr", "ci_low", "ci_high", "p_value", "p_one_sided", "q_value", "n", "events",
            "genes_found", "discovery_hr", "same_direction", "cut_share", "cut_hr", "heterogeneity", "i_squared",
            "reason",
        ])]  # fmt: skip
    items = folder.table("remark")
    if len(items):
        blocks += [heading("REMARK"), table(items, "remark", ["item", "topic", "text", "filled"])]
    return blocks


def _curves(folder: Folder) -> list[tuple[str, str]]:
    """Drawing and caption of the curves of every endpoint."""
    lines, compared = folder.table("survival_curves"), folder.table("survival_groups")
    tested = folder.table("survival")
    by_feature = {
        (str(r["feature"]), str(r["endpoint"])): written(r["q_value"], "p") for r in tested.to_dict("records")
    }  # fmt: skip
    if not len(lines):
        return []
    units = folder.table("survival_endpoints").set_index("endpoint")["unit"].to_dict()
    made = []
    for endpoint, own in lines.groupby("endpoint", sort=False):
        for feature in list(dict.fromkeys(own["feature"]))[:DRAWN]:
            rows = own[own["feature"] == feature]
            figure, axes = new_axes(4.2, 3.6)
            draw.kaplan_meier(rows, axes, time_label=str(units.get(endpoint, "time")))
            cut = compared[(compared["feature"] == feature) & (compared["endpoint"] == endpoint)].iloc[0]
            caption = f"{feature}, {endpoint}: above against at or below {cut['cut']:.3g} ({cut['cut_how']})."
            q = by_feature.get((str(feature), str(endpoint)))
            if q is not None:
                caption += f" The p above the curves is of this feature alone; among all that were tested q is {q}."
            made.append((to_svg(figure), caption))
    return made
