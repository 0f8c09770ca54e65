package listops

// Tokens returns the token ids of an expression as the published files write it, with
// EOS behind them and cut as the zero Encoding has it. Parentheses are skipped like
// spaces. The error says what is wrong with the expression.
func Tokens(source []byte) ([]int, error) {
	tokens, err := appendTokens(nil, source)
	if err != nil {
		return nil, err
	}
	ids := make([]int, 0, len(tokens)+1)
	for _, t := range tokens[:min(len(tokens), DefaultLMax-1)] {
		ids = append(ids, int(t))
	}
	return append(ids, EOS), nil
}

// Symbol returns a token as the published files write it, "<pad>", "<unk>" or "<eos>"
// for those that they do not have, and "" for what is no token.
func Symbol(token int) string {
	if token < 0 || token >= VocabSize {
		return ""
	}
	return symbols[token]
}
