// Moatvet runs the analyzer of package moatvet:
//
//	go vet -vettool=$(which moatvet) ./...
//	moatvet ./...
package main

import (
	"os"
	"strings"

	"golang.org/x/tools/go/analysis/singlechecker"
	"golang.org/x/tools/go/analysis/unitchecker"

	"github.com/moat-db/moat/moatvet"
)

func main() {
	if byGo(os.Args[1:]) {
		unitchecker.Main(moatvet.Analyzer)
	}
	singlechecker.Main(moatvet.Analyzer)
}

// byGo says whether go vet is calling: it asks for the version and the flags, and then
// passes a configuration for each package.
func byGo(args []string) bool {
	for _, arg := range args {
		if strings.HasPrefix(arg, "-V") || arg == "-flags" || strings.HasSuffix(arg, ".cfg") {
			return true
		}
	}
	return false
}
