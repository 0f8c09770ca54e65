// Package pathfinder is the Pathfinder task of Long Range Arena (Tay et al. 2021,
// section 2.2.5; after Linsley et al. 2018, "Learning long-range spatial
// dependencies with horizontal gated recurrent units"): a picture of dashed paths
// and two markers, read row by row as a sequence of pixels. Class 1 is that a path
// joins the markers. The pictures have a side of 32, 64, 128 or 256 pixels; with 128,
// 16384 steps, the task is Path-X.
//
//	d, err := pathfinder.Generate(ctx, pathfinder.Config{Resolution: 128}, data.Room{Cache: "cache"})
//	d, err = pathfinder.Load(ctx, "lra_release", pathfinder.Config{Resolution: 128}, data.Room{})
//
// [Load] reads the published files, [Generate] draws pictures with their parameters,
// and [Write] makes files of these in the published layout. The published generator
// is described by its authors and in its program; the one here goes by the same
// steps, its random numbers and its pixels are its own. In one thing it differs: its
// distractors are as bright as the two long paths, so that brightness does not tell them
// apart. The published program leaves the contrast of paddles out where it draws
// distractors, which makes them brighter by a third in pictures of 32 pixels.
//
// Of two paths that begin near each other the markers are on both ends of one, or
// on the beginning of one and the end of the other. The distance of the markers
// therefore says something about the class, in the published data as here: who knows
// the distance alone is right in 53 % of the pictures of 32 and of 128 pixels, in
// 57 % of those of 64 and in 62 % of those of 256, in the hard data sets.
package pathfinder
