package cli

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// version is set by the linker in a release; a build from a checkout knows its own.
var version string

// Version is the version that the binary was released as, or else that of the module it was built
// from: "v1.2.3", or "(devel)" where neither is known.
func Version() string {
	if version != "" {
		return "v" + strings.TrimPrefix(version, "v")
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}

func (a *app) newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version, and what it was built from",
		Long: "Print the version, the commit and the compiler: what a report of a fault should say.\n" +
			"moat --version prints the version alone.",
		Example: "  moat version",
		Args:    cobra.NoArgs,
		Run:     func(*cobra.Command, []string) { printVersion(a.Out) },
	}
}

func printVersion(w io.Writer) {
	fmt.Fprintf(w, "moat %s\n", Version())
	if info, ok := debug.ReadBuildInfo(); ok {
		built := map[string]string{}
		for _, s := range info.Settings {
			built[s.Key] = s.Value
		}
		if commit := built["vcs.revision"]; commit != "" {
			changed := ""
			if built["vcs.modified"] == "true" {
				changed = ", with changes"
			}
			fmt.Fprintf(w, "commit %s of %s%s\n", commit, built["vcs.time"], changed)
		}
	}
	fmt.Fprintf(w, "%s %s/%s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// Command is the command line without streams, for what describes it: man pages.
func Command() *cobra.Command { return newRoot(&app{IO: IO{Out: io.Discard, Err: io.Discard}}) }
