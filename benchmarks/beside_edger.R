# p-values of edgeR's quasi-likelihood test and of limma-voom for counts.csv and samples.csv of a folder.
#   Rscript beside_edger.R FOLDER
suppressMessages({library(edgeR); library(limma)})
folder <- commandArgs(trailingOnly = TRUE)[1]
counts <- t(as.matrix(read.csv(file.path(folder, "counts.csv"), row.names = 1)))
samples <- read.csv(file.path(folder, "samples.csv"), row.names = 1)
arm <- relevel(factor(samples$arm), "reference")
paired <- any(duplicated(samples$patient))
design <- if (paired) model.matrix(~ factor(samples$patient) + arm) else model.matrix(~ arm)
y <- calcNormFactors(DGEList(counts))
fit <- glmQLFit(estimateDisp(y, design), design)
edger <- glmQLFTest(fit, coef = ncol(design))$table$PValue
voomed <- eBayes(lmFit(voom(y, design), design))
limma <- voomed$p.value[, ncol(design)]
write.csv(data.frame(gene = rownames(counts), edgeR = edger, limma = limma), file.path(folder, "p.csv"), row.names = FALSE)
