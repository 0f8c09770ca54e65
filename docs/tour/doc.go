// Package tour is a text that runs: the ideas of this module in short chapters, from
// the memory of a function to where each model fails. README.md has the contents. The
// code of the chapters are the Examples of this package, the pictures are drawn by
// package pictures, and docs/tour/build makes pages of all of it.
package tour
