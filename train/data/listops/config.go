package listops

import (
	"cmp"
	"fmt"
)

// maxLength bounds Config.MaxLength, so that a data set fits the types that
// hold it.
const maxLength = 1 << 20

// Config describes a generated data set. A zero field stands for the value of
// the paper, so the zero Config is the data set of the paper with seed 0.
type Config struct {
	// Train, Val and Test are the numbers of examples; 0 means 96000, 2000 and
	// 2000. No two examples of a data set are equal.
	Train int `json:"train"`
	Val   int `json:"val"`
	Test  int `json:"test"`
	// MinLength < length < MaxLength holds for every example, where the length
	// is the number of symbols without parentheses; 0 means 500 and 2000.
	MinLength int `json:"min_length"`
	MaxLength int `json:"max_length"`
	// MaxDepth is the number of levels of the tree: a node at this depth is a
	// digit, the root being at depth 1; 0 means 10.
	MaxDepth int `json:"max_depth"`
	// MaxArgs is the largest number of arguments of an operator, the smallest
	// being 2; 0 means 10.
	MaxArgs int `json:"max_args"`
	// OperatorP is the probability that a node above MaxDepth is an operator
	// and not a digit (VALUE_P of the published generator); 0 means 0.25.
	OperatorP float64 `json:"operator_p"`
	// Seed chooses the data set.
	Seed uint64 `json:"seed"`
}

// withDefaults returns c with its zero fields filled in.
func (c Config) withDefaults() Config {
	c.Train = cmp.Or(c.Train, 96000)
	c.Val = cmp.Or(c.Val, 2000)
	c.Test = cmp.Or(c.Test, 2000)
	c.MinLength = cmp.Or(c.MinLength, 500)
	c.MaxLength = cmp.Or(c.MaxLength, 2000)
	c.MaxDepth = cmp.Or(c.MaxDepth, 10)
	c.MaxArgs = cmp.Or(c.MaxArgs, 10)
	c.OperatorP = cmp.Or(c.OperatorP, 0.25)
	return c
}

// Validate reports the first field that is out of range.
func (c Config) Validate() error {
	d := c.withDefaults()
	bad := func(field, want string, got any) error {
		return fmt.Errorf("listops: Config.%s: want %s, got %v", field, want, got)
	}
	switch {
	case d.Train < 1:
		return bad("Train", ">= 1", d.Train)
	case d.Val < 1:
		return bad("Val", ">= 1", d.Val)
	case d.Test < 1:
		return bad("Test", ">= 1", d.Test)
	case d.MinLength < 1:
		return bad("MinLength", ">= 1", d.MinLength)
	case d.MaxLength > maxLength:
		return bad("MaxLength", fmt.Sprintf("<= %d", maxLength), d.MaxLength)
	case d.MaxLength < d.MinLength+2:
		return bad("MaxLength", fmt.Sprintf(">= MinLength + 2 = %d, both limits being exclusive", d.MinLength+2), d.MaxLength)
	case d.MaxDepth < 2:
		return bad("MaxDepth", ">= 2", d.MaxDepth)
	case d.MaxArgs < 2:
		return bad("MaxArgs", ">= 2", d.MaxArgs)
	case !(d.OperatorP > 0 && d.OperatorP <= 1):
		return bad("OperatorP", "in (0, 1]", d.OperatorP)
	}
	return nil
}

// generatorVersion changes whenever Generate would give another data set for
// the same Config, so that no older cache is taken for it.
const generatorVersion = 1
