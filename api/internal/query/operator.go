package query

// Op is an operator by its name in a URL.
type Op string

// The operators that need more than their name to be understood.
const (
	OpEq         Op = "eq"
	OpIn         Op = "in"
	OpIs         Op = "is"
	OpIsDistinct Op = "isdistinct"
	OpLike       Op = "like"
	OpILike      Op = "ilike"
)

// quantified are the operators that take (any) and (all).
func (o Op) quantified() bool {
	switch o {
	case "eq", "neq", "gt", "gte", "lt", "lte", "like", "ilike", "match", "imatch":
		return true
	}
	return false
}

// Compares reports whether o compares with a value of the field's own type.
func (o Op) Compares() bool {
	switch o {
	case OpEq, "neq", "gt", "gte", "lt", "lte", OpIsDistinct:
		return true
	}
	return false
}

// TextSearch reports whether o is one of the four full text search operators.
func (o Op) TextSearch() bool {
	switch o {
	case "fts", "plfts", "phfts", "wfts":
		return true
	}
	return false
}

func (o Op) known() bool {
	switch o {
	case OpIn, OpIs, OpIsDistinct, "cs", "cd", "ov", "sl", "sr", "nxr", "nxl", "adj":
		return true
	}
	return o.quantified() || o.TextSearch()
}
