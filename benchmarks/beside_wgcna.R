# The network part of a standard run in R: threshold, overlap, tree, cut, merging, kME of metacells; CPU seconds as json.
#   Rscript beside_wgcna.R FOLDER    (matrix.bin: metacells x genes, float64, column-major; shape.txt; power.txt)
suppressMessages(library(WGCNA))
invisible(disableWGCNAThreads())
folder <- commandArgs(trailingOnly = TRUE)[1]
shape <- scan(file.path(folder, "shape.txt"), quiet = TRUE)
power <- scan(file.path(folder, "power.txt"), quiet = TRUE)
X <- matrix(readBin(file.path(folder, "matrix.bin"), "double", n = prod(shape)), nrow = shape[1])
colnames(X) <- paste0("G", seq_len(shape[2]))
rownames(X) <- paste0("m", seq_len(shape[1]))
seconds <- function(code) {
  used <- system.time(value <- code)
  list(cpu = unname(used["user.self"] + used["sys.self"]), value = value)
}
sink(stderr())
fit <- seconds(pickSoftThreshold(X, powerVector = c(1:10, seq(12, 30, 2)), networkType = "signed", corFnc = "bicor",
                                 blockSize = 30000, verbose = 0))
net <- seconds(blockwiseModules(X, power = power, networkType = "signed", TOMType = "signed", corType = "pearson",
                                maxBlockSize = 30000, deepSplit = 4, pamStage = FALSE, detectCutHeight = 0.995,
                                minModuleSize = 50, mergeCutHeight = 0.2, minKMEtoStay = 0, numericLabels = TRUE,
                                verbose = 0))
kme <- seconds(signedKME(X, moduleEigengenes(X, net$value$colors)$eigengenes))
sink()
cat(sprintf('{"fit table": %.2f, "overlap, tree, cut, merging": %.2f, "kME of metacells": %.2f, "modules": %d, "blas": "%s"}\n',
            fit$cpu, net$cpu, kme$cpu, length(unique(net$value$colors)) - 1, basename(dirname(sessionInfo()$BLAS))))
