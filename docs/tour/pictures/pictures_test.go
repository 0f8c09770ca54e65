package pictures_test

import (
	"path/filepath"
	"testing"

	"github.com/gorgonia-s4/s4/docs/tour/pictures"
	"github.com/gorgonia-s4/s4/internal/figure/figuretest"
)

func TestPicturesAreThoseOfTheCode(t *testing.T) {
	for name := range pictures.Drawn {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), name)
			if err := pictures.Save(name, path); err != nil {
				t.Fatal(err)
			}
			figuretest.Same(t, path, name)
		})
	}
}

func TestEveryPictureIsDrawn(t *testing.T) {
	names, err := filepath.Glob("*.png")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if pictures.Drawn[name] == nil {
			t.Errorf("%s: no code draws it: want it in Drawn, or gone", name)
		}
	}
}
