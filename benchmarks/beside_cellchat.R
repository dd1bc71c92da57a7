# CellChat on a matrix, where R has it; called by communication.py.
# Rscript beside_cellchat.R FOLDER PERMUTATIONS    FOLDER holds matrix.mtx (genes x cells), genes.txt, groups.txt
suppressMessages({library(Matrix); library(CellChat)})
given <- commandArgs(trailingOnly = TRUE)
values <- as(readMM(file.path(given[1], "matrix.mtx")), "CsparseMatrix")
groups <- readLines(file.path(given[1], "groups.txt"))
dimnames(values) <- list(readLines(file.path(given[1], "genes.txt")), paste0("c", seq_along(groups)))
meta <- data.frame(group = groups, row.names = colnames(values))
spent <- function(call) { t <- system.time(call); c(cpu = sum(t[c(1, 2, 4, 5)]), wall = t[[3]]) }
found <- spent(invisible(capture.output(suppressMessages({
  object <- createCellChat(values, meta = meta, group.by = "group")
  object@DB <- subsetDB(CellChatDB.human)
  object <- subsetData(object)
  object <- identifyOverExpressedGenes(object)
  object <- identifyOverExpressedInteractions(object)
  object <- computeCommunProb(object, type = "triMean", raw.use = TRUE, nboot = as.integer(given[2]))
}))))
cat(sprintf('{"cpu": %f, "wall": %f}\n', found[["cpu"]], found[["wall"]]))
