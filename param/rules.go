package param

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
)

// Rule changes what is recommended to an optimiser about the parameters that it is
// for: a parameter of any kind of layer can be frozen, or have a learning rate of its
// own.
type Rule struct {
	// Pattern is a name in which * stands for any run of characters, dots too, and ?
	// for any one: "encoder.*", "blocks.?.layer.kernel.*", "*.bias".
	Pattern string `json:"pattern"`
	// What is not nil is set.
	Frozen      *bool    `json:"frozen,omitempty"`
	LR          *float64 `json:"lr,omitempty"`
	WeightDecay *float64 `json:"weight_decay,omitempty"`
}

// Freeze returns a rule by which parameters are not learned.
func Freeze(pattern string) Rule { return Rule{Pattern: pattern, Frozen: pointer(true)} }

// Thaw returns a rule by which parameters are learned.
func Thaw(pattern string) Rule { return Rule{Pattern: pattern, Frozen: pointer(false)} }

// Rate returns a rule by which parameters have a learning rate of their own.
func Rate(pattern string, lr float64) Rule { return Rule{Pattern: pattern, LR: &lr} }

func pointer[T any](v T) *T { return &v }

// Validate reports what is wrong with a rule.
func (r Rule) Validate() error {
	switch {
	case r.Pattern == "":
		return fmt.Errorf("rule: want a pattern of names, got an empty one")
	case r.Frozen == nil && r.LR == nil && r.WeightDecay == nil:
		return fmt.Errorf("rule %q: want one of Frozen, LR and WeightDecay, got none", r.Pattern)
	case r.LR != nil && !(*r.LR > 0 && *r.LR < math.Inf(1)):
		return fmt.Errorf("rule %q: want a finite learning rate > 0, got %g", r.Pattern, *r.LR)
	case r.WeightDecay != nil && !(*r.WeightDecay >= 0 && *r.WeightDecay < math.Inf(1)):
		return fmt.Errorf("rule %q: want a finite weight decay >= 0, got %g", r.Pattern, *r.WeightDecay)
	}
	return nil
}

// Matches says whether the rule is for the parameter of a name.
func (r Rule) Matches(name string) bool { return matches(r.Pattern, name) }

// matches says whether a name is of a pattern. It remembers where the last * was,
// and lets that stand for one more character where the rest does not fit.
func matches(pattern, name string) bool {
	star, from, p := -1, 0, 0
	for n := 0; n < len(name); {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, n
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == name[n]):
			p++
			n++
		case star >= 0:
			from++
			p, n = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// apply sets what the rule sets.
func (r Rule) apply(h *Hint) {
	if r.Frozen != nil {
		h.Frozen = *r.Frozen
	}
	if r.LR != nil {
		h.LR = copied(r.LR)
	}
	if r.WeightDecay != nil {
		h.WeightDecay = copied(r.WeightDecay)
	}
}

// Rules are applied in order: of two for one parameter the later wins.
type Rules []Rule

// Check reports a rule that is wrong, or that is for none of the parameters.
func (rs Rules) Check(ps []Param) error {
	for _, r := range rs {
		if err := r.Validate(); err != nil {
			return fmt.Errorf("param: %w", err)
		}
		found := false
		for _, p := range ps {
			found = found || r.Matches(p.Name)
		}
		if !found {
			return fmt.Errorf("param: rule %q: want a pattern of one of the parameters %s, got one of none", r.Pattern, some(ps))
		}
	}
	return nil
}

// Apply changes the hints of parameters: those that a training loop of one's own takes
// gradients of, and gives an optimiser. A trainer of package train has rules in its
// configuration. After an error, that of Check, they are as they were.
//
//	params := model.Params()
//	err := param.Rules{param.Freeze("encoder.*"), param.Rate("*.kernel.*", 1e-4)}.Apply(params)
func (rs Rules) Apply(ps []Param) error {
	if err := rs.Check(ps); err != nil {
		return err
	}
	for i := range ps {
		for _, r := range rs {
			if r.Matches(ps[i].Name) {
				r.apply(&ps[i].Hint)
			}
		}
	}
	return nil
}

// numbered matches the number of a layer in a name.
var numbered = regexp.MustCompile(`\.\d+\.`)

// some lists names as patterns: those that differ by a number alone once, and not too
// many.
func some(ps []Param) string {
	const most = 40
	var names []string
	for _, p := range ps {
		name := fmt.Sprintf("%q", numbered.ReplaceAllString(p.Name, ".*."))
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if more := len(names) - most; more > 0 {
		names = append(names[:most], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}
