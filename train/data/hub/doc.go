// Package hub reads Parquet files of the layout that data set hubs publish: files
// split-00000-of-0000N.parquet, one row an example, with columns such as text and
// label, or image, a struct of the bytes of a PNG and a path.
//
//	files, err := hub.Find("imdb", "train")
//	err = hub.Read(ctx, files[0], []hub.Column{{Names: []string{"text"}}, {Names: []string{"label"}, Kind: hub.Int}},
//		func(row int64, v []hub.Value) error { ... })
//
// [Find] finds the files of a split, [Read] reads some columns of one row by row. Of
// Parquet (github.com/apache/parquet-format) it reads what such files are made of:
// columns that are not repeated; PLAIN, dictionaries and RLE; data pages V1 and V2;
// no compression, Snappy, gzip and Zstandard. Other encodings, lists, maps and
// encryption are errors that say what was wanted.
//
// A file is not trusted. Its footer and its page headers are walked through before
// they are decoded, and no size that they state is believed beyond these limits:
// a footer of 16 MiB with lists of 131072 elements in all, a page of 256 MiB, and a
// page that is unpacked to 16 MiB and 1100 times its packed size. Values are decoded
// one at a time, from the page that they are in, so that what Read holds is one page
// and one dictionary of each column.
package hub
