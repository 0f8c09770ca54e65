// Package aan is the Retrieval task of Long Range Arena (Tay et al. 2021, section
// 2.2.3): tell of two papers of the ACL Anthology Network (Radev et al. 2013), from
// their characters, whether one cites the other (class 1). [Load] reads the published
// tables, 147086 pairs to train with, 18090 to validate and 17437 to test, or Parquet
// files with the same columns.
//
//	d, err := aan.Load(ctx, "lra_release/tsv_data", aan.Config{}, data.Room{Cache: "cache"})
//	trainer, err := train.New(cfg, retrieval, d.Train, d.Val)    // a models.Retrieval of d.Vocabulary.Size() tokens
//
// As in the S4 papers a document is a sequence of characters with <eos> behind it, cut
// to 4000 tokens, or as in Long Range Arena one of bytes. A document is in many pairs:
// it is kept once, and no longer than it is cut to.
//
// [Passages] makes pairs of another kind from any books: two passages of one book, or of
// two. It has the form of the task and is learned from the same features of text, but it
// is not AAN, and an accuracy on it says nothing about AAN.
package aan
