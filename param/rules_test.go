package param_test

import (
	"math"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/param"
)

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"encoder.weight", "encoder.weight", true}, {"encoder", "encoder.weight", false}, {"weight", "encoder.weight", false},
		{"*", "a.b", true}, {"*", "", true}, {"", "", true}, {"?", "", false}, {"a?", "a", false}, {"a?", "ab", true}, {"a*", "a", true},
		{"*.bias", "blocks.0.layer.bias", true}, {"*.bias", "bias", false}, {"*.bias", "a.bias.b", false},
		{"blocks.?.layer.*", "blocks.1.layer.kernel.A", true}, {"blocks.?.layer.*", "blocks.11.layer.D", false},
		{"blocks.*.kernel.*", "blocks.11.layer.kernel.A", true}, {"*a*b*", "xxaybz", true}, {"*a*b*", "xxbyaz", false},
		{"*ab", "aab", true}, {"*aab", "aaab", true}, {"a**b", "ab", true}, {"a*b", "abab", true},
	} {
		if got := (param.Rule{Pattern: c.pattern}).Matches(c.name); got != c.want {
			t.Errorf("%q of %q: got %v, want %v", c.name, c.pattern, got, c.want)
		}
	}
}

func TestRules(t *testing.T) {
	old := 0.001
	ps := []param.Param{{Name: "encoder.w"}, {Name: "blocks.0.w", Hint: param.Hint{LR: &old}}, {Name: "blocks.1.w", Hint: param.Hint{Frozen: true}}}
	rs := param.Rules{param.Freeze("*"), param.Thaw("blocks.*"), param.Rate("blocks.0.*", 0.5), {Pattern: "encoder.w", WeightDecay: new(float64)}}
	if err := rs.Apply(ps); err != nil {
		t.Fatal(err)
	}
	if !ps[0].Frozen || ps[1].Frozen || ps[2].Frozen || *ps[1].LR != 0.5 || old != 0.001 || ps[0].LR != nil || *ps[0].WeightDecay != 0 {
		t.Errorf("got %+v", ps)
	}
	*rs[2].LR = 9
	if *ps[1].LR != 0.5 {
		t.Error("a hint is the rule's own")
	}
	for want, r := range map[string]param.Rule{
		`rule "decoder.*": want a pattern of one of the parameters "encoder.w", "blocks.*.w", got one of none`: param.Freeze("decoder.*"),
		"rule: want a pattern of names, got an empty one":                                                      {Frozen: new(bool)},
		`rule "*": want one of Frozen, LR and WeightDecay, got none`:                                           {Pattern: "*"},
		`rule "*": want a finite learning rate > 0, got 0`:                                                     param.Rate("*", 0),
		`rule "*": want a finite learning rate > 0, got NaN`:                                                   param.Rate("*", math.NaN()),
		`rule "*": want a finite weight decay >= 0, got -1`:                                                    {Pattern: "*", WeightDecay: &[]float64{-1}[0]},
	} {
		before := ps[0].Hint
		if err := (param.Rules{param.Thaw("*"), r}).Apply(ps); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
		if ps[0].Hint != before {
			t.Error("half of the rules were applied")
		}
	}
}
