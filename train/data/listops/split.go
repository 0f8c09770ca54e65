package listops

import (
	"fmt"

	"github.com/gorgonia-s4/s4/train/data"
)

// Data is a data set in its three splits.
type Data struct{ data.Splits[*Split] }

func newData() *Data {
	return &Data{data.Splits[*Split]{Train: &Split{}, Val: &Split{}, Test: &Split{}}}
}

// Split is a list of expressions and their values, one byte a symbol. It is
// safe for concurrent use.
type Split struct {
	tokens  []uint8 // of all examples, one after the other
	ends    []int   // where each example ends in tokens
	targets []uint8

	file  string // that the split was read from; "" if it was generated
	lines []int  // of the file, of each example, or
	parts []part // the files in the directory file, which have a row for each
}

// add appends an example.
func (s *Split) add(tokens []uint8, target uint8) {
	s.tokens = append(s.tokens, tokens...)
	s.ends = append(s.ends, len(s.tokens))
	s.targets = append(s.targets, target)
}

// Len returns the number of examples.
func (s *Split) Len() int { return len(s.ends) }

// at returns the tokens of example i.
func (s *Split) at(i int) []uint8 {
	begin := 0
	if i > 0 {
		begin = s.ends[i-1]
	}
	return s.tokens[begin:s.ends[i]]
}

// Source returns the expression of example i, 0 <= i < Len, as the published
// files write it.
func (s *Split) Source(i int) string { return string(appendSource(nil, s.at(i))) }

// Origin returns the file and the line that example i, 0 <= i < Len, was read
// from: "basic_train.tsv:7", or the file and the row, the first being 0. It is "" if
// the split was generated.
func (s *Split) Origin(i int) string {
	switch {
	case s.file == "":
		return ""
	case s.parts == nil:
		return fmt.Sprintf("%s:%d", s.file, s.lines[i])
	}
	k := len(s.parts) - 1
	for s.parts[k].first > i {
		k--
	}
	return fmt.Sprintf("%s: %s: row %d", s.file, s.parts[k].name, i-s.parts[k].first)
}

// Symbols returns the number of symbols of example i, 0 <= i < Len:
// digits, operators and ends of lists, no parentheses.
func (s *Split) Symbols(i int) int { return len(s.at(i)) }

// Target returns the value of example i, 0 <= i < Len: a digit.
func (s *Split) Target(i int) int { return int(s.targets[i]) }

// ClassCounts returns how many examples have each value. The largest, over
// Len, is the accuracy of always guessing the commonest class.
func (s *Split) ClassCounts() [Classes]int {
	var counts [Classes]int
	for _, t := range s.targets {
		counts[t]++
	}
	return counts
}
