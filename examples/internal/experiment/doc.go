// Package experiment is the machinery that the programs of the examples share:
// command lines, recipes, training, evaluation, prediction, the files of a run.
//
// A program is a [Program]: a list of tasks and a directory of presets.
//
//	//go:embed presets
//	var presets embed.FS
//
//	func main() {
//		experiment.Program{
//			Name: "lra", About: "Train a sequence model on a task of Long Range Arena.",
//			Tasks: []experiment.Task{listOps, image}, Presets: presets, Task: "listops", Preset: "quick",
//		}.Main()
//	}
//
// It has the subcommands train (also without a word), eval, predict and report, and
// those of Program.Commands, which have runs by [Program.Open].
//
// # Add a task
//
//  1. Options: a struct with JSON tags, which are its object "data" in a preset, and
//     the methods of [Options] on a pointer to it. Flags declares an option for each
//     field; what it is called is also what resuming a run says when it differs.
//     Names that the machinery uses are taken: -h lists them. Validate speaks of
//     options ("-max-length: want ..."). Shape says what is known of the data before
//     they are there, so that mistakes in the model are found first. Bend of [Bender]
//     may fit what a preset sets to what the command line sets.
//  2. Load returns [Data]: the splits, each a task.Dataset that is task.Located if it
//     can be; their Shape, complete; the codec; metrics, unless the accuracy is the
//     one; the floor; notes. It is a pure function of the options, Source.Path and
//     Source.Seed. Source.Room goes to the loader as it is. With a Source.Codec the data
//     are for a model that is trained already, by eval or with -init-from: what was
//     learnt of the training data, a vocabulary or a mean, is taken from it.
//  3. A codec: a struct that encoding/json can encode with what it takes to read a
//     user's own file and to show an example. Task.Codec returns an empty one.
//     A [Matcher] keeps a run from going on with another vocabulary. Of a language model
//     that carries states, Shape.Carry, the data are Source.Rows streams, and EvalRows.
//     Data.Samples shows what it makes of them at the end. One that tells answers at the
//     last steps of a sequence, not the token that follows each, has Shape.Answers. With
//     the data of Data.Lengths the trained model is tested at other lengths.
//  4. A [Task] in the program's list, and presets, presets/TASK-PRESET.json: smoke, which
//     the tests run, and those of quick, small and paper that there are (-h says what they
//     mean). -print-config of a task that has one prints what to begin with. What a preset
//     leaves out is 0, which the library takes for its default.
//  5. Tests: experimenttest.Presets runs all presets of a program with all models;
//     experimenttest.Smoke trains, resumes, evaluates and predicts the task that it is
//     given, so that a new one has to be named there, with a file of examples;
//     experimenttest.EveryOption and HelpFits are about the options, and Recipes about the
//     recipes of package results/recipes that are of the program, if there are any.
//
// Nothing else is to be done for -model, -config, -freeze, -rate, -resume, -limit and
// all other options.
//
// # Ranks
//
// A training runs on one rank or on several, replicas in this process (-replicas) or
// processes that mpirun has started (-mpi), which go the same way: what can fail on one of
// them ends with ranks.agree, and the first alone prints, reads and writes the files of
// the run. A task need know nothing of it: its data are loaded by each process, and by the
// first before the others, so that a cache is made once.
//
// # A kind of layer
//
// -model knows every kind that layers.RegisterMixer has a name for, and which options
// it takes by the fields of its configuration: "d_state" is -d-state. Only what needs
// more than that, such as a learning rate of its own, is in the table of kinds.go.
package experiment
