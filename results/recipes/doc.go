// Package recipes are the trainings whose results the module publishes, as files: a
// [Recipe] is a task, the options of all its runs, and variants, which have options of
// their own. A [Run] is one of them with a seed. Command results runs them.
//
//	all, err := recipes.All()
//	runs, err := recipes.Select(all, "listops") // or a variant of it, RECIPE/VARIANT, or one seed of that
//
// A recipe is one JSON object in a file named after it. It says all that a number
// depends on but the presets that it begins with, which the commit of a row fixes. It
// has a number of steps or of epochs and no bound of time, so that a run is the same on
// a busy machine.
package recipes
