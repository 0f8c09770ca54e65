package main

import (
	"testing"

	"github.com/gorgonia-s4/s4/examples/internal/experiment/experimenttest"
)

func TestRecipes(t *testing.T) { experimenttest.Recipes(t, program) }
