"""The section on survival: hazard ratios, groups with their curves, response, external cohorts."""

from typing import Any

import pandas as pd

from scresist.plots import survival as draw
from scresist.plots.style import new_axes
from scresist.report.answers import endpoint_words
from scresist.report.blocks import Drawn, Section, bullets, figures, heading, table, text, written
from scresist.report.folder import Folder

DRAWN = 6  # curves of an endpoint
SHOWN = 2  # curves that are not folded
HAZARDS = 10  # hazard ratios in the picture
FOREST = 8  # features of external cohorts that are drawn


def survival(folder: Folder) -> Section | None:
    """Whether candidates predict the endpoints."""
    tested = folder.claimed("survival")
    if not len(tested):
        return None
    drawn = _curves(folder)
    strongest = _hazards(folder, tested)
    main = [*drawn[:SHOWN], *strongest]
    blocks: list[dict[str, Any]] = [figures(main)] if main else []
    same = [w for w in dict.fromkeys(tested["weak"].dropna()) if w] if "weak" in tested else []
    blocks += [text(f"{w[0].upper()}{w[1:]}.") for w in same]
    ends = folder.table("survival_endpoints")
    if len(ends):
        blocks += [table(ends, "survival_endpoints", [
            "endpoint", "unit", "n", "events", "median", "ci_low", "ci_high", "follow_up", "follow_up_low",
            "follow_up_high", "competing_events", "tied", "reason",
        ])]  # fmt: skip
    if drawn[SHOWN:]:
        blocks += [heading("Further curves, high against low"), figures(drawn[SHOWN:])]
    blocks += [heading("Hazard ratios"), table(tested.sort_values("p_value", kind="stable"), "survival", [
        "feature", "what", "verdict", "endpoint", "hr", "ci_low", "ci_high", "p_value", "p_permutation", "q_value",
        "n", "events", "covariates", "stratified_by", "method", "zph_p", "form_p", "why",
    ])]  # fmt: skip
    blocks += _more(folder)
    responses = folder.claimed("survival_response")
    if len(responses):
        blocks += [heading("Best response"), table(
            responses.sort_values("p_value", kind="stable", na_position="last").head(40), "survival_response", [
                "feature", "endpoint", "verdict", "odds_ratio", "ci_low", "ci_high", "p_value", "p_permutation",
                "p_floor", "q_value", "n", "events", "method", "exact_odds_ratio", "exact_p", "auc", "auc_low",
                "auc_high", "why"])]  # fmt: skip
    blocks += [bullets(folder.notes("survival"))] if folder.notes("survival") else []
    lead = (
        "Continuous values first, every tested gene and every module, signature and share in one family; a value "
        "measured at progression is not used, because it cannot predict that progression. Progression is seen at scans "
        "only: its time is taken as exact, which is a limit"
        + (". How far it matters is below." if len(folder.table("survival_scans")) else
           "; with scan_interval or last_scan in [survival] the page shows how far it matters.")
    )  # fmt: skip
    return Section("survival", "Survival", lead, blocks)


def _hazards(folder: Folder, tested: pd.DataFrame) -> list[Drawn]:
    """The strongest hazard ratios of each endpoint with their intervals."""
    made: list[Drawn] = []
    for endpoint, own in tested.groupby("endpoint", sort=False):
        best = own[own["hr"].notna()].sort_values("p_value", kind="stable").head(HAZARDS)
        if not len(best):
            continue
        figure, axes = new_axes(5.0, 1.2 + 0.24 * len(best))
        draw.hazard_ratios(best, axes)
        words = endpoint_words(str(endpoint))
        made.append((figure, f"{words}: the {len(best)} smallest p-values of {len(own):,} hazard ratios per SD; "
                     f"{best['n'].max():.0f} patients, {best['events'].max():.0f} events.{draw.hazard_note(best)}",
                     f"{endpoint}_hazard_ratios"))  # fmt: skip
    return made


def _more(folder: Folder) -> list[dict[str, Any]]:
    """Groups in numbers, competing events, scores, response, external cohorts."""
    blocks: list[dict[str, Any]] = []
    for name, title, columns in (
        ("survival_groups", "Groups in numbers", [
            "feature", "endpoint", "cut", "cut_how", "n_low", "n_high", "events", "hr", "p_permutation",
            "p_combo", "cut_low", "cut_high", "median_low", "median_high", "horizon", "mean_difference", "ci_low",
            "ci_high", "mean_p", "adjusted", "reason"]),
        ("survival_forms", "Curved effects, and effects that change with time", [
            "feature", "endpoint", "events", "form_p", "hr_low", "hr_high", "change_p", "early_time", "hr_early",
            "early_low", "early_high", "late_time", "hr_late", "late_low", "late_high", "reason"]),
        ("survival_scans", "Events between scans", [
            "feature", "endpoint", "events", "width", "hr", "p_value", "hr_middle", "hr_left", "hr_imputed", "ci_low",
            "ci_high", "p_imputed", "interval_hr", "reason"]),
        ("survival_competing", "Beside a competing event", [
            "feature", "endpoint", "hr", "ci_low", "ci_high", "p_value", "n", "events",
            "competing_events", "reason"]),
        ("survival_scores", "A score of several features, cross-validated", [
            "endpoint", "n", "events", "concordance", "ci_low", "ci_high", "apparent", "optimism", "slope",
            "slope_low", "slope_high", "n_genes",
            "reason"]),
        ("survival_calibration", "Its predicted and observed risk", [
            "endpoint", "horizon", "third", "n", "events", "predicted", "observed", "ci_low", "ci_high"]),
    ):  # fmt: skip
        made = folder.table(name)
        if len(made):
            by = "p_value" if "p_value" in made else made.columns[0]
            ordered = made.sort_values(by, kind="stable", na_position="last").head(40)
            blocks.append(heading(title))
            blocks += [figures(drawn)] if (drawn := _drawn(folder, name)) else []
            blocks.append(table(ordered, name, columns))
    blocks += _cohorts(folder)
    return blocks


def _cohorts(folder: Folder) -> list[dict[str, Any]]:
    """Forest plot and table of the external cohorts."""
    cohorts = folder.table("validation_bulk")
    if not len(cohorts):
        return []
    blocks: list[dict[str, Any]] = [heading("External cohorts")]
    first = list(dict.fromkeys(cohorts["feature"]))[:FOREST]
    own = cohorts[cohorts["feature"].isin(first) & cohorts["hr"].notna()]
    # In the order of the features, each with its cohorts and then what they show together.
    rows = own.assign(place=own["feature"].map({f: k for k, f in enumerate(first)})).sort_values("place", kind="stable")
    if len(rows):
        label = rows["feature"].astype(str) + ", " + rows["cohort"].astype(str)
        sizes = [f"{r['n']:.0f} patients, {r['events']:.0f} events" if r["n"] == r["n"] else "" for r in
                 rows.to_dict("records")]  # fmt: skip
        figure, axes = new_axes(6.4, 0.9 + 0.22 * len(rows))
        draw.hazard_ratios(rows.assign(label=label, size=sizes), axes, label="label", sizes="size")
        caption = (
            "Hazard ratios per SD in the external cohorts (circles) and over all (diamonds: random effects, then the "
            "fixed effect). The direction found here is in the table; an arrow marks an interval that goes on."
        )
        blocks.append(figures([(figure, caption, "external_cohorts")]))
    return [*blocks, table(cohorts, "validation_bulk", [
        "cohort", "feature", "hr", "ci_low", "ci_high", "p_value", "p_one_sided", "q_value", "n", "events",
        "genes_found", "discovery_hr", "same_direction", "cut_share", "cut_hr", "heterogeneity", "cochran_q",
        "i_squared", "tau_squared", "reason",
    ])]  # fmt: skip


def _drawn(folder: Folder, name: str) -> list[Drawn]:
    """Drawings and captions that stand above a table."""
    made = []
    units = folder.table("survival_endpoints").set_index("endpoint")["unit"].to_dict()
    if name == "survival_forms":
        lines = folder.table("survival_form_curves")
        for (feature, endpoint), rows in lines.groupby(["feature", "endpoint"], sort=False) if len(lines) else ():
            forms = folder.table(name)
            own = forms[(forms["feature"] == feature) & (forms["endpoint"] == endpoint)]
            numbers = f"; {own['n'].iloc[0]:.0f} patients, {own['events'].iloc[0]:.0f} events" if len(own) else ""
            figure, axes = new_axes(3.4, 2.8)
            draw.form_curve(rows, axes)
            made.append(
                (
                    figure,
                    f"{feature}, {endpoint}: natural spline with pointwise 95 % limits{numbers}.",
                    f"{feature}_{endpoint}_form",
                )
            )
    elif name == "survival_competing":
        lines = folder.table("survival_incidence")
        lines = lines[lines["group"] != "all"] if len(lines) else lines
        for (feature, endpoint), rows in lines.groupby(["feature", "endpoint"], sort=False) if len(lines) else ():
            figure, axes = new_axes(4.2, 3.2)
            draw.incidence(rows, axes, time_label=str(units.get(endpoint, "time")))
            made.append(
                (
                    figure,
                    f"{feature}, {endpoint}: Aalen-Johansen, high against low values.",
                    f"{feature}_{endpoint}_incidence",
                )
            )
    elif name == "survival_groups":
        lines = folder.table("survival_adjusted")
        for (feature, endpoint), rows in lines.groupby(["feature", "endpoint"], sort=False) if len(lines) else ():
            figure, axes = new_axes(4.2, 3.2)
            draw.adjusted(rows, axes, time_label=str(units.get(endpoint, "time")))
            made.append(
                (
                    figure,
                    f"{feature}, {endpoint}: adjusted for the covariates, bootstrap limits.",
                    f"{feature}_{endpoint}_adjusted",
                )
            )
    elif name in ("survival_scores", "survival_calibration"):
        plot, source = (
            (draw.decision_curve, "survival_decision") if name == "survival_scores" else
            (draw.calibration, "survival_calibration")
        )  # fmt: skip
        lines = folder.table(source)
        for endpoint, rows in lines.groupby("endpoint", sort=False) if len(lines) else ():
            figure, axes = new_axes(3.6, 3.0)
            plot(rows, axes)
            horizon = f"risk of {endpoint} by {rows['horizon'].iloc[0]:.3g} {units.get(endpoint, '')}"
            scores = folder.table("survival_scores")
            own = scores[scores["endpoint"] == endpoint] if len(scores) else scores
            numbers = f"; {own['n'].iloc[0]:.0f} patients, {own['events'].iloc[0]:.0f} events" if len(own) else ""
            made.append((figure, f"Cross-validated {horizon}{numbers}.", f"{endpoint}_{source.partition('_')[2]}"))
    return made[: DRAWN * 2]


def _curves(folder: Folder) -> list[Drawn]:
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
            words = endpoint_words(str(endpoint))
            caption = f"{feature}, {words}: above against at or below {cut['cut']:.3g} ({cut['cut_how']})."
            q = by_feature.get((str(feature), str(endpoint)))
            if q is not None:
                caption += f" The p above the curves is of this feature alone; among all that were tested q is {q}."
            made.append((figure, caption, f"{feature}_{endpoint}"))
    return made
