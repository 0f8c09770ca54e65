package param_test

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gorgonia-s4/s4/layers"
	"github.com/gorgonia-s4/s4/param"
)

// Rules say what is learned and how fast. One that is for no parameter is an error: it
// is misspelt, as a rule.
func ExampleRules_Check() {
	var source param.Source
	source, err := layers.NewS4D(G.NewGraph(), tensor.Float32, layers.S4DConfig{DModel: 2, DState: 4})
	if err != nil {
		fmt.Println(err)
		return
	}
	rule := param.Freeze("s4d.kernel.*")
	fmt.Println(rule.Validate(), param.Rule{}.Validate())
	for _, p := range source.Params() {
		if rule.Matches(p.Name) {
			fmt.Println(p.Name)
		}
	}
	fmt.Println(param.Rules{rule}.Check(source.Params()))
	fmt.Println(param.Rules{param.Freeze("s4.kernel.*")}.Check(source.Params()))
	// Output:
	// <nil> rule: want a pattern of names, got an empty one
	// s4d.kernel.log_dt
	// s4d.kernel.A_real
	// s4d.kernel.A_imag
	// s4d.kernel.B
	// s4d.kernel.C
	// <nil>
	// param: rule "s4.kernel.*": want a pattern of one of the parameters "s4d.kernel.log_dt", "s4d.kernel.A_real", "s4d.kernel.A_imag", "s4d.kernel.B", "s4d.kernel.C", "s4d.D", "s4d.output_linear.weight", "s4d.output_linear.bias", got one of none
}

// What a layer recommends about a parameter can be changed in a copy of it: the node,
// and so the values, are the same.
func ExampleParam_Clone() {
	lstm, err := layers.NewLSTM(G.NewGraph(), tensor.Float32, layers.LSTMConfig{DModel: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	p := lstm.Params()[0].Clone()
	slow := 0.0001
	p.LR = &slow
	value, err := p.Value()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Name, value.Shape(), *p.LR, lstm.Params()[0].LR == nil)
	// Output: lstm.weight_ih_l0 (8, 2) 0.0001 true
}
