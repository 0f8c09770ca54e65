// Package text is what data sets of texts have in common: how a text becomes token
// ids, and how many texts are kept.
//
//	var counts text.Counts
//	counts.Add(text.Clean(b), 1)
//	v, err := text.New(text.Char, &counts, minCount, lMax, false)
//	ids := v.Encode("a text of one's own")
//
// [Clean] says what a text is, whatever file it is from: that is the same for a
// folder of text files, JSON, Parquet and a user's own text. A [Vocabulary] numbers
// its characters or its bytes, and is what a model has to be kept with. [Texts] holds
// texts as bytes, one after the other.
package text
