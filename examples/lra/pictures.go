package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	goimage "image"
	"image/color"
	"image/draw"
	"image/png"
	"io"

	"github.com/gorgonia-s4/s4/examples/internal/experiment"
	"github.com/gorgonia-s4/s4/internal/atomicfile"
	"github.com/gorgonia-s4/s4/internal/option"
	"github.com/gorgonia-s4/s4/train/data/pathfinder"
)

// pictures runs the command that shows the pictures of Pathfinder, and writes them
// as they are published.
func pictures(ctx context.Context, args []string, out io.Writer) error {
	o := pathOptions{Resolution: 32}
	var src experiment.Source
	var sheet, dir string
	fs := flag.NewFlagSet("lra pictures", flag.ContinueOnError)
	fs.StringVar(&sheet, "sheet", "", "PNG `file` of some pictures to write: above those with a path between the markers, in green, below those without, in red")
	fs.StringVar(&dir, "write", "", "`directory` to write all pictures to, in the published layout; if it is there in part, this goes on")
	fs.StringVar(&src.Path, "data", "", pathFinder.Path)
	fs.Uint64Var(&src.Seed, "seed", 0, "seed of the pictures")
	o.Flags(fs)
	if err := option.Parse(fs, args, func() { usage(fs, out) }); err != nil {
		return err
	}
	if err := o.Validate(); err != nil {
		return err
	}
	switch {
	case sheet == "" && dir == "":
		return errors.New("want -sheet, -write or both")
	case dir != "" && src.Path != "":
		return errors.New("-write is about pictures that are drawn: want none with -data")
	}
	src.Room = experiment.Room(out)
	return experiment.Explain(ctx, o.show(ctx, src, sheet, dir, out), "before all was written")
}

// show writes a contact sheet, all pictures, or both.
func (o *pathOptions) show(ctx context.Context, src experiment.Source, sheet, dir string, out io.Writer) error {
	if sheet != "" {
		if err := o.writeSheet(ctx, src, sheet); err != nil {
			return err
		}
		fmt.Fprintf(out, "some pictures in %s\n", sheet)
	}
	if dir != "" {
		if err := pathfinder.Write(ctx, dir, o.config(src.Seed), src.Room); err != nil {
			return err
		}
		fmt.Fprintf(out, "%d pictures in %s\n", o.Pictures, dir)
	}
	return nil
}

// usage prints the options of the command.
func usage(fs *flag.FlagSet, out io.Writer) {
	fmt.Fprint(out, "usage: lra pictures -sheet FILE|-write DIR [options]\n\nShow the pictures of Pathfinder, or write them as they are published.\n\n")
	fs.VisitAll(func(f *flag.Flag) { option.Print(out, f) })
}

// Sizes of a contact sheet, in pixels.
const (
	sheetSide = 1024 // about that of the sheet
	frameSide = 2    // of the frame of a picture
)

// writeSheet writes a contact sheet.
func (o *pathOptions) writeSheet(ctx context.Context, src experiment.Source, path string) error {
	zoom := max(1, 96/o.Resolution)
	each := zoom*o.Resolution + 2*frameSide
	columns := max(2, sheetSide/each)
	src.Limit = 4 * columns * columns // enough of each class
	d, err := o.read(ctx, src)
	if err != nil {
		return err
	}
	img := contactSheet(d.Train, columns, zoom)
	return atomicfile.Write(path, 0o644, func(f io.Writer) error { return png.Encode(f, img) })
}

// contactSheet shows the first pictures of each class: as many rows as columns, half
// of them for each, larger by a whole number.
func contactSheet(d *pathfinder.Dataset, columns, zoom int) goimage.Image {
	side := d.Picture(0).Rect.Dx()
	each := zoom*side + 2*frameSide
	img := goimage.NewRGBA(goimage.Rect(0, 0, columns*each, columns/2*2*each))
	frames := [pathfinder.Classes]color.Color{color.RGBA{190, 40, 40, 255}, color.RGBA{40, 150, 60, 255}}
	var shown [pathfinder.Classes]int
	for i := range d.Len() {
		label := d.Label(i)
		at := shown[label]
		if at == columns/2*columns {
			continue
		}
		shown[label]++
		row := at/columns + (1-label)*(columns/2)
		cell := goimage.Rect(0, 0, each, each).Add(goimage.Pt(at%columns*each, row*each))
		draw.Draw(img, cell, goimage.NewUniform(frames[label]), goimage.Point{}, draw.Src)
		p := d.Picture(i)
		for y := range zoom * side {
			for x := range zoom * side {
				img.Set(cell.Min.X+frameSide+x, cell.Min.Y+frameSide+y, p.GrayAt(x/zoom, y/zoom))
			}
		}
	}
	return img
}
