// Package imdb is the Text task of Long Range Arena (Tay et al. 2021, section 2.2.2):
// tell from the characters of a film review whether it is for or against the film.
// The reviews are those of Maas et al. (2011), 25000 to train with and 25000 to test
// with, half of them negative (class 0) and half positive (class 1).
//
//	d, err := imdb.Load(ctx, "aclImdb_v1.tar.gz", imdb.Config{}, data.Room{Cache: "cache"})
//	trainer, err := train.New(cfg, classifier, d.Train, d.Val)    // a models.Classifier of d.Vocabulary.Size() tokens
//	ids := d.Vocabulary.Encode("a film to forget")                // a text of one's own
//
// [Load] reads the published archive aclImdb_v1.tar.gz, or what is unpacked of it, the
// Parquet files of a data set hub, and a package of JSON. What it holds of each review
// is the same from all of them: package text says what becomes of line ends, byte order
// marks, NUL and bytes that are no UTF-8.
//
// As in the S4 papers a review is a sequence of characters, those that are counted less
// than 15 times in the training set being one token, with <eos> behind it, cut to 4096
// tokens; or, as in Long Range Arena, one of bytes.
package imdb
