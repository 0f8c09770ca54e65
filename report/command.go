package report

import (
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
)

// Command returns the command line of this process as it would be typed again. That
// is os.Args, but where "go run" built the program in a directory that is deleted
// when it ends: then it is "go run" of the program's package.
func Command() []string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return slices.Clone(os.Args)
	}
	return commandOf(os.Args, info.Path, info.Main.Path)
}

// commandOf is Command of a program whose package is in a module.
func commandOf(args []string, pkg, module string) []string {
	if len(args) == 0 || pkg == "" || !isTemporary(args[0]) {
		return slices.Clone(args)
	}
	if rest, ok := strings.CutPrefix(pkg, module+"/"); ok {
		pkg = "./" + rest
	}
	return append([]string{"go", "run", pkg}, args[1:]...)
}

// isTemporary says whether a program is in a directory go-build123/b001/exe.
func isTemporary(program string) bool {
	dirs := strings.Split(filepath.ToSlash(program), "/")
	n := len(dirs)
	return n >= 4 && dirs[n-2] == "exe" && strings.HasPrefix(dirs[n-4], "go-build")
}
