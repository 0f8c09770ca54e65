package pathfinder

import (
	"cmp"
	"fmt"
)

// Classes is the number of classes: 1 if a path joins the markers, else 0.
const Classes = 2

// ClassNames are the classes, by label.
var ClassNames = [Classes]string{"apart", "joined"}

// Encoding says what a step of a sequence holds.
type Encoding string

// The encodings.
const (
	Unit    Encoding = "unit"    // one feature in [0, 1], as in the recipes of the S4 papers
	Centred Encoding = "centred" // one feature in [-1, 1]
	Tokens  Encoding = "tokens"  // a token id in [0, VocabSize)
)

// VocabSize is the number of token ids of the encoding Tokens. There is none for
// padding: all sequences are of one length.
const VocabSize = 256

// maxPictures bounds Config.Pictures.
const maxPictures = 1 << 24

// Config says which data set it is and how it is presented. A zero field stands
// for the value of the papers.
type Config struct {
	// Resolution is the side of a picture in pixels, one of Resolutions; 0 means 32.
	Resolution int `json:"resolution"`
	// Difficulty is Easy, Intermediate or Hard; "" means Hard.
	Difficulty Difficulty `json:"difficulty"`
	// Encoding is Unit, Centred or Tokens; "" means Unit.
	Encoding Encoding `json:"encoding"`
	// Pictures is the number of pictures that are generated; 0 means 200000. It
	// says nothing of published files.
	Pictures int `json:"pictures"`
	// ValFraction and TestFraction are the shares of the pictures that become the
	// validation and the test set; 0 means 0.1.
	ValFraction  float64 `json:"val_fraction"`
	TestFraction float64 `json:"test_fraction"`
	// Seed chooses the pictures of each split, and those that are generated. The
	// reference's choice comes from another random generator and is not reproduced.
	Seed uint64 `json:"seed"`
}

// withDefaults returns c with its zero fields filled in.
func (c Config) withDefaults() Config {
	c.Resolution = cmp.Or(c.Resolution, 32)
	c.Difficulty = cmp.Or(c.Difficulty, Hard)
	c.Encoding = cmp.Or(c.Encoding, Unit)
	c.Pictures = cmp.Or(c.Pictures, 200000)
	c.ValFraction = cmp.Or(c.ValFraction, 0.1)
	c.TestFraction = cmp.Or(c.TestFraction, 0.1)
	return c
}

// Validate reports the first field that is out of range.
func (c Config) Validate() error {
	c = c.withDefaults()
	if err := checkKind(c.Resolution, c.Difficulty); err != nil {
		return err
	}
	switch c.Encoding {
	case Unit, Centred, Tokens:
	default:
		return fmt.Errorf("pathfinder: Config.Encoding: want %q, %q or %q, got %q", Unit, Centred, Tokens, c.Encoding)
	}
	switch {
	case c.Pictures < 3 || c.Pictures > maxPictures:
		return fmt.Errorf("pathfinder: Config.Pictures: want 3 to %d, got %d", maxPictures, c.Pictures)
	case !(c.ValFraction > 0 && c.ValFraction < 1):
		return fmt.Errorf("pathfinder: Config.ValFraction: want in (0, 1), got %v", c.ValFraction)
	case !(c.TestFraction > 0 && c.ValFraction+c.TestFraction < 1):
		return fmt.Errorf("pathfinder: Config.TestFraction: want > 0 and less than 1 together with ValFraction, got %v", c.TestFraction)
	}
	return nil
}

// Length returns the number of steps of a sequence, the pixels of a picture.
func (c Config) Length() int {
	side := c.withDefaults().Resolution
	return side * side
}
