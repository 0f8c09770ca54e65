package listops

import "fmt"

// Classes is the number of classes: the value of an expression is a digit.
const Classes = 10

// Token ids. The digits 0 to 9 follow EOS; the operators and the end of a list
// come last. The reference numbers the special tokens alike and the others by
// frequency, which makes no difference to a model.
const (
	Pad       = 0  // <pad>, behind the end of a sequence
	Unk       = 1  // <unk>, never used: an unknown symbol is an error
	EOS       = 2  // <eos>, the end of the expression
	VocabSize = 18 // 3 special tokens, 10 digits, 4 operators, 1 end of list
)

// digit0 is the token of the digit 0, and digit0+d that of the digit d.
const digit0 uint8 = EOS + 1

// Tokens of the operators and of the end of a list, ] in the files and X in
// the vocabulary of the papers.
const (
	opMin uint8 = digit0 + Classes + iota
	opMax
	opMed
	opSum
	end
)

// operators is the number of operators, which start at opMin.
const operators = 4

// symbols are the tokens as the published files write them.
var symbols = [VocabSize]string{
	"<pad>", "<unk>", "<eos>",
	"0", "1", "2", "3", "4", "5", "6", "7", "8", "9",
	"[MIN", "[MAX", "[MED", "[SM", "]",
}

func isDigit(tok uint8) bool    { return digit0 <= tok && tok < opMin }
func isOperator(tok uint8) bool { return opMin <= tok && tok < end }

// appendTokens appends the tokens of an expression as the files write it.
// Parentheses say nothing that the brackets do not, and are skipped like
// spaces.
func appendTokens(tokens []uint8, source []byte) ([]uint8, error) {
	start := len(tokens)
	for i := 0; i < len(source); {
		if isSkipped(source[i]) {
			i++
			continue
		}
		j := i + 1
		for j < len(source) && !isSkipped(source[j]) {
			j++
		}
		tok, ok := token(source[i:j])
		if !ok {
			return nil, fmt.Errorf("unknown token %.20q, want a digit, [MIN, [MAX, [MED, [SM or ]", source[i:j])
		}
		tokens = append(tokens, tok)
		i = j
	}
	return tokens, checkExpression(tokens[start:])
}

func isSkipped(c byte) bool { return c == ' ' || c == '(' || c == ')' }

// token returns the token of a symbol and whether there is one.
func token(symbol []byte) (uint8, bool) {
	if len(symbol) == 1 && '0' <= symbol[0] && symbol[0] <= '9' {
		return digit0 + symbol[0] - '0', true
	}
	for tok := end; tok >= opMin; tok-- {
		if symbols[tok] == string(symbol) {
			return tok, true
		}
	}
	return 0, false
}

// checkExpression checks that tokens are exactly one expression.
func checkExpression(tokens []uint8) error {
	depth := 0
	for i, tok := range tokens {
		switch {
		case i > 0 && depth == 0:
			return fmt.Errorf("%q after the end of the expression", symbol(tok))
		case isOperator(tok):
			depth++
		case tok == end && depth == 0:
			return fmt.Errorf("want a digit or an operator, got %q", symbol(tok))
		case tok == end && isOperator(tokens[i-1]):
			return fmt.Errorf("operator %s has no arguments", symbol(tokens[i-1]))
		case tok == end:
			depth--
		case !isDigit(tok):
			return fmt.Errorf("want the token of a symbol, got %d", tok)
		}
	}
	switch {
	case len(tokens) == 0:
		return fmt.Errorf("no expression")
	case depth > 0:
		return fmt.Errorf("expression is cut off: %d lists are not closed", depth)
	}
	return nil
}

// symbol returns tok as the files write it.
func symbol(tok uint8) string {
	if tok >= VocabSize {
		return fmt.Sprintf("token %d", tok)
	}
	return symbols[tok]
}

// appendSource appends the expression as the published files write it: every
// application of an operator to one more argument in parentheses,
//
//	[MAX 2 9 ]  becomes  ( ( ( [MAX 2 ) 9 ) ] )
//
// tokens must be one expression.
func appendSource(dst []byte, tokens []uint8) []byte {
	arity := arities(tokens)
	depth := 0
	for i, tok := range tokens {
		if i > 0 {
			dst = append(dst, ' ')
		}
		if isOperator(tok) {
			for range arity[i] + 1 {
				dst = append(dst, "( "...)
			}
			dst = append(dst, symbols[tok]...)
			depth++
			continue
		}
		dst = append(dst, symbols[tok]...)
		if tok == end {
			dst = append(dst, " )"...)
			depth--
		}
		if depth > 0 { // an argument ends
			dst = append(dst, " )"...)
		}
	}
	return dst
}

// arities returns at the place of each operator the number of its arguments.
func arities(tokens []uint8) []int {
	arity := make([]int, len(tokens))
	var open []int // places of the operators whose lists are not closed
	for i, tok := range tokens {
		if tok == end {
			open = open[:len(open)-1]
			continue
		}
		if len(open) > 0 {
			arity[open[len(open)-1]]++
		}
		if isOperator(tok) {
			open = append(open, i)
		}
	}
	return arity
}
