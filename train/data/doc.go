// Package data is where the data that models are trained on come from: the formats
// that published data sets have, caches of those that are made here, and their
// splits. Each data set is a package below, and gives a task.Dataset for training,
// validation and test:
//
//	aan        pairs of papers, one of which may cite the other: Retrieval of Long
//	           Range Arena; and pairs of passages of books
//	audio      recordings of words: Speech Commands, spoken digits, folders
//	cifar      CIFAR-10 as sequences of pixels: Image of Long Range Arena, and
//	           sequential CIFAR
//	corpus     texts as tokens, for language models: WikiText, or any text
//	imdb       film reviews, for or against: Text of Long Range Arena
//	listops    nested expressions and their values: ListOps of Long Range Arena
//	markov     tokens of hidden Markov processes, whose exact beliefs are known
//	mnist      MNIST and Fashion-MNIST as sequences of pixels, in rows or permuted
//	pathfinder dashed paths between markers, drawn or read: Pathfinder and Path-X
//	recall     selective copying, induction heads and other tasks of memory, drawn
//	series     numbers at times, to forecast: ETT, electricity, any CSV file
//
//	d, err := imdb.Load(ctx, "aclImdb_v1.tar.gz", imdb.Config{}, data.Room{Cache: "cache"})
//	trainer, err := train.New(cfg, model, d.Train, d.Val)
//	metrics, err := trainer.Evaluate(ctx, d.Test)
//
// Here is what they have in common: [Splits], and [HoldOut] for data published
// without a validation set; [Load], which keeps what takes long to make in a
// [Cache] whose files are known by a checksum and by all they depend on; and
// [ReadFile], [Text] and [Lines], which read files as editors leave them and name
// file and line in errors. A [Room] says where loaders keep what they read and whom
// they tell how they get on, [Walk] gives the files of a folder or an archive,
// [Checksum] what a cache of them depends on, and [Each] works on many at once.
// Package hub reads Parquet files, package text makes tokens of short texts, and package
// tokenizer those of language models. A data set says of its examples where they are from
// (task.Located), so that later errors about one name it too.
//
// Nothing here knows of the trainer or of a layer.
package data
