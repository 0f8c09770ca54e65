// Package corpus is texts as token ids, for language models: WikiText in the forms in which
// it is published, or any text.
//
//	d, err := corpus.Load(ctx, "wikitext-103", corpus.Config{Tokenizer: tokenizer.KindBPE}, data.Room{Cache: "cache"})
//	defer d.Close()
//	streams, err := d.Train.Streams(rows, window)    // for a model that carries its state
//	windows, err := d.Test.Windows(window)           // or one that does not
//
// [Load] reads the text, makes a tokenizer of its training part (package tokenizer), and
// writes all tokens into one file, which is mapped into memory: what a run needs of a text
// of any length is what it looks at. The file is kept in room.Cache by a checksum of the
// text, and of the tokenizer or what it is made by; without a cache it is a temporary one,
// or in memory if the text is short. It is read whole once, to check its checksum; one that
// is damaged is made anew. While it is made, blocks of the text are encoded on all
// processors.
//
// A text is UTF-8, and made clean as package text says: without a byte order mark, its
// lines ended by LF, with U+FFFD for bytes that are no UTF-8, which [Data.Notes] count.
// NUL and other control characters stay. A file that does not end with a LF gets one; files
// of a folder are encoded each by itself, one behind the other.
//
// [Tokens] are a split. They count the words and the bytes of the text that any of them are,
// so that perplexities can be compared whose tokens are not the same, and can be looked at
// in three ways: [Tokens.Windows], [Tokens.Sliding] and [Tokens.Streams], in each of which
// every token but the first is scored once.
package corpus
