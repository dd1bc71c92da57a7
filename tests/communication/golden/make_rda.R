# Made with R 4.2.2 on Debian 12: Rscript make_rda.R
# A list in the shape of CellChatDB, with what only R writes: factors, missing values, integers, row names, xz.
interaction <- data.frame(
  interaction_name = c("TGFB1_TGFBR1_TGFBR2", "MIF_CD74_CD44"), pathway_name = factor(c("TGFb", "MIF")),
  ligand = c("TGFB1", "MIF"), receptor = c("TGFbR1_R2", "CD74_CD44"),
  agonist = c("TGFb agonist", ""), antagonist = c("TGFb antagonist", NA),
  co_A_receptor = c("", ""), co_I_receptor = c("TGFb inhibition receptor", ""),
  evidence = c("KEGG: hsa04350", "PMID: 27626672"), annotation = factor(rep("Secreted Signaling", 2)),
  rank = c(1L, NA), stringsAsFactors = FALSE, row.names = c("TGFB1_TGFBR1_TGFBR2", "MIF_CD74_CD44"))
complex <- data.frame(
  subunit_1 = c("TGFBR1", "CD74"), subunit_2 = c("TGFBR2", "CD44"), subunit_3 = c("", NA),
  row.names = c("TGFbR1_R2", "CD74_CD44"), stringsAsFactors = TRUE)
cofactor <- data.frame(
  cofactor1 = c("CHRD", "BAMBI"), cofactor2 = c("NOG", ""),
  row.names = c("TGFb antagonist", "TGFb inhibition receptor"))
geneInfo <- data.frame(Symbol = c("TGFB1", "MIF"), row.names = c("1", "2"))
CellChatDB.human <- list(interaction = interaction, complex = complex, cofactor = cofactor, geneInfo = geneInfo)
save(CellChatDB.human, file = "cellchatdb_by_r.rda", compress = "xz")
