package vec

import (
	"encoding/csv"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/gorgonia-s4/s4/internal/num"
)

// bounds is the error allowed in each function, in ulp of the exact value, for
// float32 and float64.
var bounds = map[string][2]float64{
	"exp":          {1, 1.5},
	"sigmoid":      {2, 2.5},
	"tanh":         {2.5, 2.5},
	"erf":          {1.5, 1.5},
	"gelu":         {5, 8},
	"geluGrad":     {3, 4},
	"geluTanh":     {3, 3},
	"geluTanhGrad": {5, 5},
	"silu":         {2.5, 2.5},
	"siluGrad":     {5, 5},
	"softplus":     {2.5, 2.5},
}

// crossing returns the number in whose ulp the error at x is counted where a
// function is nearer to 0: the gradients of the gelus and silu change sign at -0.75
// and at -1.28.
func crossing(name string, x float64) float64 {
	if strings.HasSuffix(name, "Grad") && x > -4 && x < 0 {
		return 0.5
	}
	return 0
}

// golden returns the columns of testdata/functions.csv, made by
// internal/asm/_gen/fit/golden.py.
func golden(t *testing.T) map[string][]float64 {
	t.Helper()
	file, err := os.Open("testdata/functions.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	columns := map[string][]float64{}
	for _, row := range rows[1:] {
		for i, name := range rows[0] {
			v, err := strconv.ParseFloat(row[i], 64)
			if err != nil {
				t.Fatal(err)
			}
			columns[name] = append(columns[name], v)
		}
	}
	return columns
}

// ulp returns the distance of the numbers of a type around v, where significand
// is the number of its bits and least the smallest positive number.
func ulp(v float64, significand int, least float64) float64 {
	_, e := math.Frexp(v)
	return math.Max(math.Ldexp(1, e-significand), least)
}

func testAccuracy[T num.Float](t *testing.T, significand int, least, greatest float64, which int) {
	columns := golden(t)
	var x, one []T
	var rows []int
	for i, v := range columns["x"] {
		if float64(T(v)) == v {
			x, one, rows = append(x, T(v)), append(one, 1), append(rows, i)
		}
	}
	if len(x) < 100 {
		t.Fatalf("want at least 100 arguments, got %d", len(x))
	}
	got := make([]T, len(x))
	rest := make([]T, len(x))
	for test, f := range map[string]func(){
		"gelu of GELUBoth":             func() { GELUBoth(got, rest, x) },
		"geluGrad of GELUBoth":         func() { GELUBoth(rest, got, x) },
		"geluTanh":                     func() { GELUTanh(got, x) },
		"geluTanhGrad":                 func() { GELUTanhGrad(got, x, one) },
		"geluTanh of GELUTanhBoth":     func() { GELUTanhBoth(got, rest, x) },
		"geluTanhGrad of GELUTanhBoth": func() { GELUTanhBoth(rest, got, x) },
		"silu of SiLUBoth":             func() { SiLUBoth(got, rest, x) },
		"siluGrad of SiLUBoth":         func() { SiLUBoth(rest, got, x) },
		"exp":                          func() { Exp(got, x) },
		"sigmoid":                      func() { Sigmoid(got, x) },
		"tanh":                         func() { Tanh(got, x) },
		"erf":                          func() { Erf(got, x) },
		"gelu":                         func() { GELU(got, x) },
		"geluGrad":                     func() { GELUGrad(got, x, one) },
		"silu":                         func() { SiLU(got, x) },
		"softplus":                     func() { Softplus(got, x) },
		"siluGrad":                     func() { SiLUGrad(got, x, one) },
	} {
		f()
		name, _, _ := strings.Cut(test, " ")
		worst, at := 0.0, 0
		for i, row := range rows {
			want := columns[name][row]
			if want > greatest {
				want = math.Inf(1)
			}
			d := math.Abs(float64(got[i])-want) / ulp(math.Max(math.Abs(want), crossing(name, float64(x[i]))), significand, least)
			if float64(got[i]) == want {
				d = 0
			}
			if !(d <= worst) {
				worst, at = d, i
			}
		}
		if limit := bounds[name][which]; !(worst <= limit) {
			t.Errorf("%s at %v: want %v, got %v: %.2f ulp, want at most %v", test, x[at], columns[name][rows[at]], got[at], worst, limit)
		}
	}
}

func TestAccuracy(t *testing.T) {
	eachLevel(t, func(t *testing.T) {
		t.Run("float32", func(t *testing.T) {
			testAccuracy[float32](t, 24, math.SmallestNonzeroFloat32, math.MaxFloat32*(1+0x1p-25), 0)
		})
		t.Run("float64", func(t *testing.T) {
			testAccuracy[float64](t, 53, math.SmallestNonzeroFloat64, math.MaxFloat64, 1)
		})
	})
}
