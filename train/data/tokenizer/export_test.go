package tokenizer

// ReadPair reads a vocab.json and a merges.txt.
func ReadPair(vocab, merges []byte) (Tokenizer, error) {
	t, err := readPair(vocab, merges)
	if err != nil {
		return nil, err
	}
	return t, nil
}

// Pieces returns the pieces of a text.
func Pieces(text []byte) (all []string) {
	_ = pieces(text, func(p []byte) error { all = append(all, string(p)); return nil })
	return all
}
