# Rscript make.R: small objects of every class that is read, with their counts beside as CSV.
# R 4.2.2, SeuratObject 4.1.3, SingleCellExperiment 1.20.0 (Debian 12).
suppressMessages({library(SeuratObject); library(SingleCellExperiment); library(Matrix)})
set.seed(1)
genes <- c("EPCAM", "KRT8", "CD3D", "CD8A", "PTPRC", "MT-CO1", "GAPDH", "ACTB", "ERBB2", "CCN2", "HLA-A", "NKX2-1")
cells <- sprintf("AAACCTGAGC%s-1", c("ACGTAC", "CCGTAC", "GCGTAC", "TCGTAC", "AAGTAC", "AGGTAC", "ATGTAC", "ACATAC"))
counts <- Matrix(matrix(rpois(96, 2), 12, 8, dimnames = list(genes, cells)), sparse = TRUE)
counts <- as(counts, "dgCMatrix")
write.csv(as.matrix(counts), "counts.csv")
protein <- as(Matrix(matrix(rpois(24, 9), 3, 8, dimnames = list(c("PD-1", "HER2", "CD3"), cells)), sparse = TRUE), "dgCMatrix")
write.csv(as.matrix(protein), "protein.csv")
s <- CreateSeuratObject(counts, project = "demo")
s$sample <- factor(rep(c("a", "b"), 4)); s$cluster <- rep(1:2, each = 4)
s[["ADT"]] <- CreateAssayObject(protein)
s[["umap"]] <- CreateDimReducObject(matrix(rnorm(16), 8, 2, dimnames = list(cells, c("UMAP_1", "UMAP_2"))), key = "UMAP_", assay = "RNA")
saveRDS(s, "seurat_4.rds")
sce <- SingleCellExperiment(list(counts = counts, logcounts = log1p(counts)), colData = DataFrame(sample = rep(c("a", "b"), 4)))
saveRDS(sce, "sce.rds"); saveRDS(sce, "sce_xz.rds", compress = "xz"); saveRDS(sce, "sce_plain.rds", compress = FALSE)
altExp(sce, "ADT") <- SummarizedExperiment(list(counts = protein)); saveRDS(sce, "sce_antibodies.rds")
saveRDS(SingleCellExperiment(list(logcounts = log1p(counts))), "sce_no_counts.rds")
saveRDS(counts, "dgCMatrix.rds"); saveRDS(as.matrix(counts), "matrix.rds"); saveRDS(as.data.frame(as.matrix(counts)), "data_frame.rds")
saveRDS(lm(mpg ~ wt, mtcars), "lm.rds")
# The slots of Seurat 5's Assay5, which SeuratObject 4 does not have: layers of counts without names, and logical tables of names.
setClass("LogMap", contains = "matrix")
setClass("Assay5", slots = c(layers = "list", cells = "LogMap", features = "LogMap", default = "integer", key = "character"))
bare <- function(m) { dimnames(m) <- list(NULL, NULL); m }
map <- function(names, layers) new("LogMap", matrix(TRUE, length(names), length(layers), dimnames = list(names, layers)))
five <- new("Assay5", layers = list(counts = bare(counts), data = bare(log1p(counts))), cells = map(cells, c("counts", "data")),
            features = map(genes, c("counts", "data")), default = 1L, key = "rna_")
split <- new("Assay5", layers = list(counts.a = bare(counts[, 1:4]), counts.b = bare(counts[, 5:8])),
             cells = new("LogMap", cbind(counts.a = setNames(rep(c(TRUE, FALSE), each = 4), cells), counts.b = rep(c(FALSE, TRUE), each = 4))),
             features = map(genes, c("counts.a", "counts.b")), default = 1L, key = "rna_")
for (what in c("five", "split")) { o <- s; attr(o, "assays") <- list(RNA = get(what)); saveRDS(o, paste0("seurat_5_", what, ".rds")) }
