// Package conformance runs the golden cases, exact results of the public S4
// implementations, through the public API of this module:
//
//	go test ./internal/conformance -v                  the cases that come with the module
//	go test ./internal/conformance -v -golden DIR      another set of the same format
//
// DIR is absolute or relative to the root of the module; it may be a .tar.gz file.
//
// It prints, for every kind of case, how many ran and the worst relative error
// (Euclidean norm) of any output or gradient, and lists the kinds that nothing
// here implements. A case that lacks an array or metadata that its kind needs,
// or has them of another shape or type, fails and says so; the others run.
package conformance
