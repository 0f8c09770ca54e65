// Command hippo draws what a HiPPO memory holds of a function: its coefficients
// as they follow the input, what can be read back from them as their number
// grows, and what is remembered at several times.
//
//	go run ./examples/hippo                  LegS: all of the past, evenly
//	go run ./examples/hippo -measure legt    a window that slides
//	go run ./examples/hippo -h               every option
//
// Gu, Dao, Ermon, Rudra, Ré, "HiPPO: Recurrent Memory with Optimal Polynomial
// Projections", 2020, arXiv:2008.07669.
package main

import (
	"os"

	"github.com/gorgonia-s4/s4/internal/option"
)

func main() { option.Exit("hippo", run(os.Args[1:], os.Stdout)) }
