package catalog

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// storedPolicy is a policy as it was at one time.
type storedPolicy struct {
	OID     OID
	Version string
}

type policyTrees struct{ using, check *storedTree }

// storedTree is an expression as the server stores it; root is nil when it could not be read.
type storedTree struct{ root *treeNode }

// readTrees reads the trees of all policies before anything else: the server has 5,000
// functions, operators and types, and the names of those that no tree mentions are not
// asked for.
func (l *loader) readTrees(rows pgx.Rows) error {
	type row struct {
		storedPolicy
		UsingTree, CheckTree *string
	}
	mentioned := map[OID]bool{}
	err := each(rows, func(r *row) {
		trees := policyTrees{readTree(r.UsingTree), readTree(r.CheckTree)}
		trees.using.mentions(mentioned)
		trees.check.mentions(mentioned)
		l.trees[r.storedPolicy] = trees
	})
	l.mentioned = slices.Sorted(maps.Keys(mentioned))
	return err
}

func readTree(text *string) *storedTree {
	if text == nil {
		return nil
	}
	root, err := parseNodeText(*text)
	if err != nil {
		root = nil
	}
	return &storedTree{root}
}

// mentions adds every number of a tree that may be an object's: which fields hold one
// changes with each version of the server.
func (t *storedTree) mentions(all map[OID]bool) {
	if t != nil {
		treeValue{node: t.root}.mentions(all)
	}
}

func (v treeValue) mentions(all map[OID]bool) {
	if v.token != "" && v.token[0] <= '9' { // a word makes an error, which costs more than the rest
		if n, err := strconv.ParseUint(v.token, 10, 32); err == nil {
			all[OID(n)] = true
		}
	}
	for _, item := range v.list {
		item.mentions(all)
	}
	if v.node == nil {
		return
	}
	for _, field := range v.node.fields {
		if !strings.HasSuffix(field.name, "location") { // a place in the statement's text
			field.value.mentions(all)
		}
	}
}
