package digits

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"

	G "gorgonia.org/gorgonia"

	"github.com/gorgonia-s4/s4/models"
)

// Sizes of a page.
const (
	Side    = 28          // pixels of a row and of a column
	Length  = Side * Side // steps of a sequence
	Classes = 10
)

// Names of the files that the program's training writes.
const (
	ModelDir   = "model"             // of the classifier, as Save writes it
	ResultFile = "model/test.json"   // a Result
	DigitsFile = "digits.idx3-ubyte" // the first image of each class of the test set
	headerSize = 16                  // of DigitsFile: type, number, rows, columns
	digitsSize = headerSize + 10*Length
)

//go:embed model digits.idx3-ubyte
var files embed.FS

// Result is how the model was trained and what it is worth.
type Result struct {
	Command  string  `json:"command"`  // that trained it
	Data     string  `json:"data"`     // what it was trained on
	Examples int     `json:"examples"` // of the training
	Accuracy float64 `json:"accuracy"` // of the test set, 0 to 1
	Tested   int     `json:"tested"`   // images of the test set
}

// Trained returns how the classifier of this package was trained.
func Trained() (Result, error) {
	var r Result
	b, err := fs.ReadFile(files, ResultFile)
	if err == nil {
		err = json.Unmarshal(b, &r)
	}
	return r, err
}

// Open returns a reader with the classifier of this package.
func Open() (*Reader, error) {
	m, err := models.LoadClassifier(G.NewGraph(), ModelDir, models.From(files))
	if err != nil {
		return nil, err
	}
	return NewReader(m)
}

// Digit returns the page of an image of a digit, 0 to 9, that no training has seen.
func Digit(class int) ([]uint8, error) {
	if class < 0 || class >= Classes {
		return nil, fmt.Errorf("digits: want a digit 0 to %d, got %d", Classes-1, class)
	}
	b, err := fs.ReadFile(files, DigitsFile)
	if err != nil {
		return nil, fmt.Errorf("digits: %w", err)
	}
	if len(b) != digitsSize {
		return nil, fmt.Errorf("digits: %s: want %d bytes, got %d", DigitsFile, digitsSize, len(b))
	}
	return b[headerSize+class*Length:][:Length], nil
}
