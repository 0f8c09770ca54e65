// Package pictures draws the pictures of the tour. They lie beside this code;
//
//	go test ./docs/tour/pictures -regen
//
// draws them anew, and without -regen the test compares them.
package pictures

import "github.com/gorgonia-s4/s4/internal/figure"

// Drawn are the pictures, by their files. Each has one column: a telephone shows it
// as wide as a page does.
var Drawn = map[string]func() ([]figure.Panel, error){
	"memory.png":         memory,
	"discretisation.png": discretisation,
}

// Save draws a picture of Drawn and writes it to a file.
func Save(name, path string) error {
	panels, err := Drawn[name]()
	if err != nil {
		return err
	}
	var rows [][]figure.Panel
	for _, p := range panels {
		rows = append(rows, []figure.Panel{p})
	}
	return figure.Save(path, rows...)
}

// positions returns n numbers from lo to hi, evenly spaced.
func positions(lo, hi float64, n int) []float64 {
	xs := make([]float64, n)
	for i := range xs {
		xs[i] = lo + (hi-lo)*float64(i)/float64(n-1)
	}
	return xs
}
