// Package tokenizer makes token ids of a text, and a text of token ids, for language
// models:
//
//	word  what white space separates, and <eos> for each LF: the vocabulary of the
//	      published language models of WikiText (Words, NewWords)
//	byte  the 256 bytes of UTF-8 (Bytes)
//	char  the characters of a text (Chars)
//	bpe   byte-level BPE as GPT-2 has it (TrainBPE, Open)
//
//	t, err := tokenizer.Open("tokenizer.json")    // or Bytes(), Words, Chars, TrainBPE
//	ids, err := t.Encode(nil, []byte("a text"))
//	text := t.Decode(nil, ids...)
//
// [Open] reads files that others have written: tokenizer.json, or vocab.json and
// merges.txt. [Marshal] writes a tokenizer beside the model that needs it, a BPE as a
// tokenizer.json, and [Unmarshal] reads it; [Fingerprint] tells whether two are the same.
// A [Decoder] makes text of ids that come one by one. [Counts] are what vocabularies are
// made of.
//
// A file is not trusted: a vocabulary of more than MaxVocab tokens, ids that are not those
// of 0 to n-1, a merge of tokens that there are not, and parts of a tokenizer.json that
// would give other ids than here, such as a normaliser, are errors.
//
// The BPE is this package's own. Of the libraries there are, github.com/sugarme/tokenizer
// v0.3.0 reads tokenizer.json and can train, but drops special tokens that are in a text,
// panics on files that are not as it expects, and encodes 0.08 MB a second, where this
// package encodes 20; github.com/pkoukk/tiktoken-go v0.1.8 and
// github.com/tiktoken-go/tokenizer v0.10.0 read files of ranks only, or have vocabularies
// built in, and github.com/gomlx/go-huggingface v0.3.1 is for SentencePiece. The ids, and
// the merges of training, are held against those of the tokenizers package of Python
// (testdata/make.py).
package tokenizer
