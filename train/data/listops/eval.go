package listops

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Eval returns the value of an expression as the published files write it,
// fully parenthesised. It works on the text as to_value of the published
// generator works on its tree, ( l r ) standing for the pair of l and r, and
// shares nothing with Generate, whose answers it checks.
func Eval(source string) (int, error) {
	var stack []node
	for _, word := range strings.Fields(source) {
		if word != ")" {
			stack = append(stack, node{word: word})
			continue
		}
		n := len(stack)
		if n < 3 || stack[n-3].word != "(" {
			return 0, errors.New("listops: eval: want ( before two nodes and )")
		}
		v, err := pair(stack[n-2], stack[n-1])
		if err != nil {
			return 0, fmt.Errorf("listops: eval: %w", err)
		}
		stack = append(stack[:n-3], v)
	}
	if len(stack) != 1 {
		return 0, fmt.Errorf("listops: eval: want one expression, got %d nodes", len(stack))
	}
	v, ok := stack[0].digit()
	if !ok {
		return 0, fmt.Errorf("listops: eval: want a digit in the end, got %q", stack[0].word)
	}
	return v, nil
}

// node is a word, or an operator waiting for more arguments: the word is then
// the operator's, and args are not empty.
type node struct {
	word string
	args []int
}

// digit returns the digit that the node is, if it is one.
func (n node) digit() (int, bool) {
	if len(n.args) == 0 && len(n.word) == 1 && n.word >= "0" && n.word <= "9" {
		return int(n.word[0] - '0'), true
	}
	return 0, false
}

// pair returns the node that ( l r ) stands for: an operator with one
// argument more, or its value.
func pair(l, r node) (node, error) {
	if v, ok := r.digit(); ok && strings.HasPrefix(l.word, "[") {
		return node{word: l.word, args: append(l.args, v)}, nil
	}
	if r.word != "]" || len(l.args) == 0 {
		return node{}, fmt.Errorf("cannot pair %q and %q", l.word, r.word)
	}
	var v int
	switch l.word {
	case "[MIN":
		v = slices.Min(l.args)
	case "[MAX":
		v = slices.Max(l.args)
	case "[MED":
		v = int(median(l.args))
	case "[SM":
		for _, a := range l.args {
			v += a
		}
		v %= 10
	default:
		return node{}, fmt.Errorf("unknown operator %q", l.word)
	}
	return node{word: string(rune('0' + v))}, nil
}

// median returns what np.median does.
func median(x []int) float64 {
	x = slices.Sorted(slices.Values(x))
	n := len(x)
	if n%2 == 1 {
		return float64(x[n/2])
	}
	return float64(x[n/2-1]+x[n/2]) / 2
}
