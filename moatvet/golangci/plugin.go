// Package golangci makes moatvet a module plugin of golangci-lint. Name it in
// .custom-gcl.yml, build with "golangci-lint custom", and enable the linter "moatvet".
package golangci

import (
	"github.com/golangci/plugin-module-register/register"
	"golang.org/x/tools/go/analysis"

	"github.com/moat-db/moat/moatvet"
)

func init() {
	register.Plugin("moatvet", func(any) (register.LinterPlugin, error) { return plugin{}, nil })
}

type plugin struct{}

func (plugin) BuildAnalyzers() ([]*analysis.Analyzer, error) {
	return []*analysis.Analyzer{moatvet.Analyzer}, nil
}

func (plugin) GetLoadMode() string { return register.LoadModeTypesInfo }
