// Package rules holds the page of each rule of moat audit, for moat explain.
package rules

import "embed"

// Pages are the pages, one a rule: ID.md.
//
//go:embed *.md
var Pages embed.FS
