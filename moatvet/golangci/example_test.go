package golangci_test

import (
	"fmt"

	"github.com/golangci/plugin-module-register/register"

	_ "github.com/moat-db/moat/moatvet/golangci"
)

// What golangci-lint finds under the linter's name.
func Example() {
	build, err := register.GetPlugin("moatvet")
	if err != nil {
		fmt.Println(err)
		return
	}
	plugin, err := build(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	analyzers, err := plugin.BuildAnalyzers()
	fmt.Println(analyzers, plugin.GetLoadMode(), err)
	// Output: [moatvet] typesinfo <nil>
}
