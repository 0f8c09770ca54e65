package ssm_test

import (
	"errors"
	"fmt"
	"log"
	"math"
	"math/cmplx"

	"github.com/gorgonia-s4/s4/ops/ssm"
)

// check ends an Example with an error.
func check(errs ...error) {
	if err := errors.Join(errs...); err != nil {
		log.Fatal(err)
	}
}

// What raw numbers, which an optimiser may make anything, stand for: a step size between
// bounds, whatever it does.
func ExampleTransform() {
	for _, t := range ssm.Transforms() {
		raw, err := t.Inverse(0.1)
		check(err)
		value, slope := t.Eval(raw)
		fmt.Printf("%-8s %6.3f -> %.3f, slope %.3f\n", t, raw, value, slope)
	}
	least, _ := ssm.ReLU.Eval(-5)
	low, _ := ssm.Exp.Eval(-1000)
	high, _ := ssm.Exp.Eval(1000)
	fmt.Println(least == ssm.ReLUFloor, low == ssm.Least, high == ssm.Most)
	_, err := ssm.Sigmoid.Inverse(2)
	fmt.Println(err)
	// Output:
	// exp      -2.303 -> 0.100, slope 0.100
	// softplus -2.252 -> 0.100, slope 0.095
	// relu      0.100 -> 0.100, slope 1.000
	// sigmoid  -2.197 -> 0.100, slope 0.090
	// none      0.100 -> 0.100, slope 1.000
	// true true true
	// ssm: transform "sigmoid": want a value in [1e-26, 1), got 2
}

// A pole of a model from its raw parameters, and its discretisations.
func ExampleDynamics() {
	d := ssm.Dynamics{ATransform: ssm.Softplus, Rate: 2} // for input at half the sampling rate
	check(d.Validate())
	dt, _ := d.Dt(math.Log(0.1))
	lambda := d.Lambda(0, math.Pi)
	fmt.Printf("%.1f times: dt %.2f, lambda %.3f\n", d.Factor(), dt, lambda)
	z := complex(dt, 0) * lambda
	for _, p := range []ssm.Pole{ssm.ZOHPole(z), ssm.GBTPole(z, 0.5), ssm.GBTPole(z, 1)} {
		fmt.Printf("|Ab| %.3f, Phi %.3f\n", cmplx.Abs(p.Ab), p.Phi)
	}
	fmt.Println(ssm.Dynamics{DtTransform: "cube"}.Validate())
	// Output:
	// 2.0 times: dt 0.20, lambda (-0.693-3.142i)
	// |Ab| 0.871, Phi (0.876-0.277i)
	// |Ab| 0.881, Phi (0.861-0.253i)
	// |Ab| 0.769, Phi (0.673-0.372i)
	// field DtTransform: ssm: want transform "exp", "softplus", "relu", "sigmoid" or "none", got "cube"
}

// A bank of kernels: six features that share two state matrices, with a step size of each
// of the four states.
func ExampleRow() {
	check(ssm.CheckBank(1, 6, 2, 4))
	for h := range 6 {
		fmt.Print(ssm.Row(h, 2), " ")
	}
	fmt.Println(ssm.DtCols(4, true), ssm.DtCols(4, false))
	t := ssm.Tridiagonal[string]{Pl: "pl", Dl: "dl", D: "d", Du: "du", Pr: "pr", C: "c", B: "b"}
	fmt.Println(t.Parts())
	fmt.Println(ssm.CheckBank(1, 6, 4, 4))
	// Output:
	// 0 1 0 1 0 1 4 1
	// [pl dl d du pr c b]
	// ssm: want the number of features H a multiple of the number of state matrices S (n_ssm), both at least 1, got H = 6, S = 4
}
