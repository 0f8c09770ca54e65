package layers

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/gorgonia-s4/s4/ops"
	"github.com/gorgonia-s4/s4/param"
)

// SSM is what the configurations of all state space layers share: the fields are
// those of S4Config, S4DConfig, DSSConfig, LSSLConfig, S5Config, LRUConfig and S4NDConfig,
// also in JSON. The zero value of every field is the papers' default.
//
// Around the parameters of the kernels, which are those of each layer, all have,
// in the order of Params, with H = DModel, or DModel/Bottleneck:
//
//	input_linear.weight  (H, DModel), .bias                 with Bottleneck
//	input_gate.weight    (Gate*DModel, DModel), .bias       with Gate
//	output_gate.weight   (Gate*DModel, Channels*H), .bias   with Gate
//	kernel.*
//	D                    (Channels, H)
//	output_linear.weight (2*DModel, features), .bias        (DModel, features) but for MixGLU, absent with MixNone
//
// where features are Channels*H or, with Gate, Gate*DModel.
type SSM struct {
	Channels int `json:"channels,omitempty"` // kernels per feature (for LSSL, outputs of the state, M); 0 means 1

	// Bidirectional adds a second kernel over the future of each step: the
	// layer then has no Recurrence.
	Bidirectional bool `json:"bidirectional,omitempty"`
	// OffByOne lets the second kernel start one step ahead, as the reference
	// implementation does; by default both kernels see the present step.
	OffByOne bool `json:"off_by_one,omitempty"`

	// Bottleneck divides the number of features that the state space model has,
	// H = DModel/Bottleneck, by a linear map before it. 0 means none.
	Bottleneck int `json:"bottleneck,omitempty"`
	// Gate multiplies what comes out of the state space model, mapped to
	// Gate*DModel features, by as many gates that the input opens: the gated
	// state spaces of Mehta et al. 2022, arXiv:2206.13947, have Gate 4 and
	// Bottleneck 4. 0 means none.
	Gate           int            `json:"gate,omitempty"`
	GateActivation ops.Activation `json:"gate_activation,omitempty"` // of the gates; "" means ops.ActGELU
	MultActivation ops.Activation `json:"mult_activation,omitempty"` // of the product; "" means ops.ActIdentity

	Activation    ops.Activation `json:"activation,omitempty"`     // after the SSM; "" means ops.ActGELU
	Mixing        Mixing         `json:"mixing,omitempty"`         // "" means MixGLU
	Dropout       float64        `json:"dropout,omitempty"`        // before the mixing
	UntiedDropout bool           `json:"untied_dropout,omitempty"` // see DropoutConfig.Untied

	// LR is the learning rate of the dynamics, dt, A and B (of DSS also C): 0
	// means 0.001, the reference's default for state space parameters, and for A
	// and B of LSSL 0.0001. LRDt, LRA, LRB and LRC override it for one of them,
	// LRA for all that A is made of. The dynamics are never decayed. Other
	// parameters follow the optimiser.
	LR   float64 `json:"lr,omitempty"`
	LRDt float64 `json:"lr_dt,omitempty"`
	LRA  float64 `json:"lr_a,omitempty"`
	LRB  float64 `json:"lr_b,omitempty"`
	LRC  float64 `json:"lr_c,omitempty"`
	// FollowLR lists parameters, "dt", "A", "B", "C" or "D", whose learning rate
	// is the optimiser's own.
	FollowLR []string `json:"follow_lr,omitempty"`
	// Frozen lists parameters that are not learned: "dt", "A", "B", "C" or "D". A
	// is all that A is made of, P of S4 included.
	Frozen []string `json:"frozen,omitempty"`
}

// StepSizes says what has a step size of its own.
type StepSizes string

// What can have a step size of its own.
const (
	DtPerFeature StepSizes = "feature" // every feature: its states are tied
	DtPerState   StepSizes = "state"   // every state of a feature
	DtPerPart    StepSizes = "part"    // Re Lambda and Im Lambda of a feature (DSS)
)

// Validate reports a name that is not one of those allowed.
func (s StepSizes) Validate(allowed ...StepSizes) error {
	if !slices.Contains(allowed, s) {
		return fmt.Errorf("want Dt one of %q, got %q", allowed, string(s))
	}
	return nil
}

// withDefaults replaces zero values by what they stand for, but for the rates.
func (c SSM) withDefaults() SSM {
	def(&c.Channels, 1)
	def(&c.Activation, ops.ActGELU)
	def(&c.Mixing, MixGLU)
	if c.Gate > 0 {
		def(&c.GateActivation, ops.ActGELU)
		def(&c.MultActivation, ops.ActIdentity)
	}
	c.FollowLR, c.Frozen = slices.Clone(c.FollowLR), slices.Clone(c.Frozen)
	return c
}

// rates fills in the learning rates of the dynamics that are not set: those of A
// and B are ab unless LR is.
func (c SSM) rates(ab float64) SSM {
	def(&c.LRDt, c.LR)
	def(&c.LRA, c.LR)
	def(&c.LRB, c.LR)
	def(&c.LR, defaultRate)
	def(&c.LRDt, defaultRate)
	def(&c.LRA, ab)
	def(&c.LRB, ab)
	return c
}

// defaultRate is the learning rate of the dynamics in the reference
// implementation.
const defaultRate = 0.001

// The names of the parameters of a state space model, as configurations have
// them: of all, and of one whose B is 1.
var (
	ssmParams = []string{"dt", "A", "B", "C", "D"}
	withoutB  = []string{"dt", "A", "C", "D"}
)

// validateRates checks the learning rates and what is frozen.
func (c common) validateRates() error {
	for _, f := range []struct {
		name string
		lr   float64
	}{{"LR", c.LR}, {"LRDt", c.LRDt}, {"LRA", c.LRA}, {"LRB", c.LRB}, {"LRC", c.LRC}} {
		if math.IsNaN(f.lr) || math.IsInf(f.lr, 0) {
			return fmt.Errorf("want a finite %s, got %g", f.name, f.lr)
		}
		if f.lr < 0 {
			return fmt.Errorf("want %s > 0, or 0 for the default (FollowLR names what has the optimiser's own), got %g", f.name, f.lr)
		}
	}
	return errors.Join(c.validateNames("FollowLR", c.FollowLR), c.validateNames("Frozen", c.Frozen))
}

// validateNames reports a name that is not a parameter.
func (c common) validateNames(field string, names []string) error {
	for _, n := range names {
		if !slices.Contains(c.params, n) {
			return fmt.Errorf("want %s to name some of %s, got %q", field, strings.Join(c.params, ", "), n)
		}
	}
	return nil
}

// ownNames returns names without those of parameters that other layers beside this
// one in a stack have and it has not. What is no parameter of any is left for
// validateNames.
func (c common) ownNames(names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool {
		return !slices.Contains(c.params, n) && (slices.Contains(ssmParams, n) || slices.Contains(longConvParams, n))
	})
}

// hint is that of a parameter with the rate lr, 0 for the optimiser's own.
func (c SSM) hint(name string, lr float64) param.Hint {
	h := param.Hint{Frozen: slices.Contains(c.Frozen, name)}
	if lr > 0 && !slices.Contains(c.FollowLR, name) {
		h.LR = &lr
	}
	return h
}

// dynamic is the hint of a parameter of the dynamics, which is not decayed.
func (c SSM) dynamic(name string, lr float64) param.Hint {
	h := c.hint(name, lr)
	h.WeightDecay = new(float64)
	return h
}
