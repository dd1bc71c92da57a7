"""What tools that test over cells or pairs of cell types would have claimed: for comparison, never for a claim."""

from scresist.usual_tools.flips import cell_level_expression, cell_level_values, compare_claims
from scresist.usual_tools.information_flow import rank_flow
from scresist.usual_tools.over_cells import flow_flips, gene_flips, module_flips
from scresist.usual_tools.traits import average_expression, cell_membership, module_differences, module_traits

__all__ = [
    "average_expression", "cell_level_expression", "cell_level_values", "cell_membership", "compare_claims",
    "flow_flips", "gene_flips", "module_differences", "module_flips", "module_traits", "rank_flow",
]  # fmt: skip
