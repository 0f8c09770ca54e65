package figure

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"

	"github.com/gorgonia-s4/s4/internal/atomicfile"
)

// Panel is a part of a picture: a *plot.Plot, or one of the panels here.
type Panel interface {
	// Draw draws the panel on all of c.
	Draw(c draw.Canvas)
}

// The size of a panel in inches, and the resolution of pictures in dots per
// inch: a panel is 600 by 456 dots.
const (
	panelWidth  = 5
	panelHeight = 3.8
	resolution  = 120
)

// Save draws rows of panels, all of one size, and writes them to a PNG file. The
// directory is made if need be; the file is replaced as a whole.
func Save(path string, rows ...[]Panel) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return fmt.Errorf("figure: %w", err)
	}
	err := atomicfile.Write(path, 0o666, func(w io.Writer) error {
		_, err := vgimg.PngCanvas{Canvas: render(rows)}.WriteTo(w)
		return err
	})
	if err != nil {
		return fmt.Errorf("figure: %w", err)
	}
	return nil
}

// render draws rows of panels.
func render(rows [][]Panel) *vgimg.Canvas {
	columns := 0
	for _, row := range rows {
		columns = max(columns, len(row))
	}
	img := vgimg.NewWith(
		vgimg.UseWH(vg.Length(columns)*panelWidth*vg.Inch, vg.Length(len(rows))*panelHeight*vg.Inch),
		vgimg.UseDPI(resolution),
	)
	tiles := draw.Tiles{
		Rows: len(rows), Cols: columns,
		PadTop: 6, PadBottom: 6, PadLeft: 6, PadRight: 10, PadX: 14, PadY: 14,
	}
	c := draw.New(img)
	for i, row := range rows {
		for k, p := range row {
			p.Draw(tiles.At(c, k, i))
		}
	}
	return img
}
