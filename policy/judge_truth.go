package policy

import (
	"strings"

	"github.com/moat-db/moat/catalog"
)

// certainty is what is known of a condition before any row is looked at. NULL is
// neither true nor false: a condition that is certain is never false, one that is
// impossible is never true, and NOT turns the one into the other.
type certainty int

const (
	depends certainty = iota
	certain
	impossible
)

// truth says what is known of a condition at depth.
func (a *analyst) truth(n *catalog.Node, depth int) certainty {
	switch n.Kind {
	case catalog.NodeConst:
		return constTruth(n)
	case catalog.NodeAnd:
		return a.fold(n.Args, depth, impossible, certain)
	case catalog.NodeOr:
		return a.fold(n.Args, depth, certain, impossible)
	case catalog.NodeCoalesce, catalog.NodeEither:
		// Any of them may be the one that is taken.
		if a.fold(n.Args, depth, depends, certain) == certain {
			return certain
		}
		return a.fold(n.Args, depth, depends, impossible)
	case catalog.NodeNot:
		switch a.truth(n.Args[0], depth) {
		case certain:
			return impossible
		case impossible:
			if n.Args[0].Kind != catalog.NodeConst || !n.Args[0].Null {
				return certain
			}
		}
	case catalog.NodeOperator:
		return sameBothSides(n)
	case catalog.NodeNullTest:
		return a.nullTruth(n, depth)
	case catalog.NodeSubquery:
		if n.Query.Simple {
			return a.truth(n.Query.Select[0], depth+1)
		}
	case catalog.NodeCast:
		if n.Type == "boolean" && builtinCast(n) {
			return a.truth(n.Args[0], depth)
		}
	case catalog.NodeBoolTest:
		if n.Name == "is true" && a.truth(n.Args[0], depth) == impossible {
			return impossible
		}
	}
	return depends
}

// fold puts arguments together: one strong one decides, all weak ones together do.
func (a *analyst) fold(args []*catalog.Node, depth int, strong, weak certainty) certainty {
	result := weak
	for _, arg := range args {
		switch a.truth(arg, depth) {
		case strong:
			return strong
		case weak:
		default:
			result = depends
		}
	}
	return result
}

func constTruth(n *catalog.Node) certainty {
	switch {
	case n.Null || n.Type == "boolean" && n.Value == "false":
		return impossible
	case n.Type == "boolean" && n.Value == "true":
		return certain
	}
	return depends
}

// sameBothSides is 1 = 1, 1 = 2, or a column compared with itself. A cast on either
// side may make equals of what differs, or the reverse.
func sameBothSides(n *catalog.Node) certainty {
	if len(n.Args) != 2 {
		return depends
	}
	x, y := n.Args[0], n.Args[1]
	same := x.Kind == y.Kind && x.Type == y.Type && !x.Null && !y.Null && x.Value == y.Value
	switch {
	case x.Kind == catalog.NodeConst && same:
	case x.Kind == catalog.NodeConst && y.Kind == catalog.NodeConst && !x.Null && !y.Null:
		if x.Type != y.Type || !spelledOneWay(x.Type) || n.Name != "=" && n.Name != "<>" {
			return depends
		}
	case x.Kind == catalog.NodeColumn && same && x.Level == y.Level && x.Entry == y.Entry && x.Column == y.Column:
	default:
		return depends
	}
	switch n.Name {
	case "=", "<=", ">=":
		return truthOf(same)
	case "<>", "<", ">":
		return truthOf(!same)
	}
	return depends
}

func truthOf(holds bool) certainty {
	if holds {
		return certain
	}
	return impossible
}

// spelledOneWay reports whether values of a type that are written differently differ:
// 1.0 and 1.00 do not.
func spelledOneWay(typeName string) bool {
	switch typeName {
	case "boolean", "smallint", "integer", "bigint", "uuid", "text":
		return true
	}
	return false
}

// nullTruth is IS NULL and IS NOT NULL of a literal, or of a column of the policy's
// table that is never NULL.
func (a *analyst) nullTruth(n *catalog.Node, depth int) certainty {
	x := n.Args[0]
	for ; x.Kind == catalog.NodeCast; x = x.Args[0] {
		if !builtinCast(x) || !scalar(x.Type) {
			return depends
		}
	}
	never := x.Kind == catalog.NodeConst && !x.Null && scalar(x.Type)
	if x.Kind == catalog.NodeColumn && x.Level == depth && x.Relation == a.t.QName() {
		c := a.t.Column(x.Column)
		never = c != nil && c.NotNull && scalar(c.Type)
	}
	if !never {
		return depends
	}
	return truthOf(n.Name == "is not null")
}

// builtinCast says whether a cast is PostgreSQL's own: a user's function may make
// anything of NULL, and NULL of anything.
func builtinCast(n *catalog.Node) bool {
	return len(n.Args) == 1 && (n.OID == 0 || strings.HasPrefix(n.Name, "pg_catalog."))
}

// scalar says whether a type is PostgreSQL's own and no row type: a row of NULLs is NULL
// although it is a value.
func scalar(typeName string) bool {
	return typeName != "" && typeName != "record" && !strings.Contains(typeName, ".")
}

// bare takes casts off.
func bare(n *catalog.Node) *catalog.Node {
	for n.Kind == catalog.NodeCast && len(n.Args) == 1 {
		n = n.Args[0]
	}
	return n
}

// isConstant reports whether a tree reads nothing.
func isConstant(n *catalog.Node) bool {
	switch n.Kind {
	case catalog.NodeColumn, catalog.NodeValue, catalog.NodeFunction, catalog.NodeOther, catalog.NodeParam:
		return false
	}
	if n.Query != nil && !n.Query.Simple {
		return false
	}
	for _, arg := range n.Args {
		if !isConstant(arg) {
			return false
		}
	}
	if n.Query != nil {
		return isConstant(n.Query.Select[0])
	}
	return true
}
