// Package generate writes text with a language model: a model as a recurrent network,
// whose steps cost the same at any position, and what chooses a token of its scores.
//
// A [Generator] writes one text ([Generator.Text]), or many at a time
// ([Generator.Batch]), or searches for likely ones ([Generator.Beam]). An [Engine]
// serves many who come and go: their requests are rows of one batch that is stepped
// together, which they join and leave between any two steps. A [Sampler] chooses
// tokens, for those who have a loop of their own.
//
//	g, err := generate.New(model, tokens)
//	if err != nil { ... }
//	result, err := g.Text(ctx, "The history of", generate.Options{MaxTokens: 100, Temperature: 0.8, TopP: 0.95, Seed: 1},
//		func(p generate.Piece) error { _, err := io.WriteString(os.Stdout, p.Text); return err })
//
// # The same text
//
// A text is a function of the model, the prompt and the options: a token is drawn with
// a random number that belongs to the seed and to the token's place in the sequence.
// What else runs in a batch changes nothing, and a sequence that goes on from a saved
// state ([Result].State) is the one that would have been without the stop.
//
// # What a text is
//
// Tokens are bytes, and a character may be several tokens. What a [Piece] gives out is
// whole characters of UTF-8; bytes that cannot be any are U+FFFD, one for each, as where
// Go converts a string to runes. Text that may be the beginning of a stop string is
// held back until it is known not to be.
package generate
