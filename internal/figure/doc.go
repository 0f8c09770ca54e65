// Package figure draws the pictures of the examples and of the benchmarks: panels in
// a grid, written as PNG. It is gonum.org/v1/plot with one style for all of them.
package figure
