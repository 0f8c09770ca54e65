package experiment

import (
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/gorgonia-s4/s4/internal/option"
)

// stateSpaceLayers are the layers that most of the options of their section are
// about.
var stateSpaceLayers = []string{"s4d", "s4", "dss", "lssl"}

// sections are the groups of options in the help text.
var sections = []struct{ title, names string }{
	{"What to train", "task preset config print-config data cache limit out resume overwrite seed report tensorboard cpuprofile"},
	{"Model", "model mixer layers mixers feed-forward d-model bidirectional norm prenorm last-norm dropout pool init-from freeze rate"},
	{"Training", "steps epochs max-time batch micro-batch eval-batch buckets lr wd clip schedule warmup drop drop-patience eval-every patience dtype"},
	{"Several ranks", "replicas mpi sync-norm mpi-bucket mpi-bfloat16 mpi-timeout"},
}

// usage prints the options in groups.
func (o *options) usage(fs *flag.FlagSet, out io.Writer) {
	fmt.Fprintf(out, "usage: %s [train] [options]\n       %[1]s %s [options]\n       (-h after the word lists them)\n\n%s\n", o.p.Name, strings.Join(o.p.words()[1:], "|"), o.p.About)
	for _, c := range o.p.Commands {
		fmt.Fprintf(out, "  %-21s %s\n", c.Name, c.About)
	}
	fmt.Fprintf(out, "The defaults below are those of -task %s -preset %s -model %s.\n", o.Task, o.Preset, o.model)
	o.section(fs, out, sections[0].title, strings.Fields(sections[0].names))
	o.section(fs, out, "Data of -task "+o.Task, o.ofTask)
	o.section(fs, out, sections[1].title, strings.Fields(sections[1].names))
	var space, others []string
	for _, f := range o.fields {
		if slices.Contains(f.takers, stateSpaceLayers[0]) || slices.Contains(f.takers, stateSpaceLayers[1]) {
			space = append(space, f.flag)
		} else {
			others = append(others, f.flag)
		}
	}
	o.section(fs, out, "State space layers ("+strings.Join(stateSpaceLayers, ", ")+")", space)
	o.section(fs, out, "Other layers", others)
	for _, s := range sections[2:] {
		o.section(fs, out, s.title, strings.Fields(s.names))
	}
}

func (o *options) section(fs *flag.FlagSet, out io.Writer, title string, names []string) {
	if len(names) == 0 {
		return
	}
	fmt.Fprintf(out, "\n%s:\n", title)
	for _, name := range names {
		if fs.Lookup(name) == nil {
			continue
		}
		f := *fs.Lookup(name)
		f.Usage += with(o.takers(name))
		option.Print(out, &f)
	}
}

// with says which layers an option is about, or is not if those are fewer; nothing if
// it is about all or those that its section names.
func with(takers []string) string {
	others := slices.DeleteFunc(kindNames(), func(name string) bool { return slices.Contains(takers, name) })
	switch {
	case len(takers) == 0 || slices.Equal(takers, stateSpaceLayers):
		return ""
	case len(others) < len(takers):
		return "; not with " + strings.Join(others, ", ")
	}
	return "; with " + strings.Join(takers, ", ")
}
