package proxy

import (
	"slices"
	"strings"

	"github.com/moat-db/moat/internal/sqltext"
)

// class is what a statement means for the binding of its transaction.
type class int

const (
	needs   class = iota // reads or writes: the tenant is bound before it; also what is not known
	free                 // does neither, and may have to be the first of its transaction
	begins               // starts a transaction
	ends                 // ends one
	undoes               // takes a part of it back, perhaps with the binding in it
	forgets              // ends prepared statements
	copies               // COPY … FROM STDIN: what follows is data
	names                // names the tenant of the transaction by a token
)

// classify is the class of a string of one or more statements, as one extended message
// carries it.
func classify(sql string) class {
	if usual(sql) {
		return needs
	}
	statements := split(sql)
	if len(statements) != 1 {
		return needs
	}
	return statements[0].class()
}

// usual recognises without reading further what most statements are.
func usual(sql string) bool {
	word := sql
	if i := strings.IndexAny(sql, " \n\t"); i > 0 {
		word = sql[:i]
	}
	switch len(word) {
	case len("select"):
		return strings.EqualFold(word, "select") || strings.EqualFold(word, "insert") ||
			strings.EqualFold(word, "update") || strings.EqualFold(word, "delete")
	case len("with"):
		return strings.EqualFold(word, "with")
	}
	return false
}

// statement is the code of one statement of a string.
type statement []sqltext.Token

// split cuts a string at its semicolons. It may cut too often: bodies of functions in
// standard SQL hold semicolons.
func split(sql string) []statement {
	var out []statement
	var one statement
	depth := 0
	for _, t := range sqltext.Code(sql) {
		switch {
		case t.Is("("):
			depth++
		case t.Is(")"):
			depth--
		case t.Is(";") && depth <= 0:
			if len(one) > 0 {
				out = append(out, one)
			}
			one = nil
			continue
		}
		one = append(one, t)
	}
	if len(one) > 0 {
		out = append(out, one)
	}
	return out
}

// class is that of a single statement, by its first words.
func (code statement) class() class {
	if len(code) == 0 || code[0].Kind != sqltext.Word {
		return needs
	}
	second := ""
	if len(code) > 1 {
		second = strings.ToUpper(code[1].Text)
	}
	switch strings.ToUpper(code[0].Text) {
	case "BEGIN", "START":
		return begins
	case "ROLLBACK":
		if code[1:].toSavepoint() {
			return undoes
		}
		return ends
	case "COMMIT", "END", "ABORT":
		return ends
	case "PREPARE":
		if second == "TRANSACTION" {
			return ends
		}
		return needs
	case "SET", "SHOW", "SAVEPOINT", "RELEASE", "RESET":
		return free
	case "DISCARD", "DEALLOCATE":
		return forgets
	case "COPY":
		if fromStdin(code) {
			return copies
		}
	}
	return needs
}

// chains recognises COMMIT AND CHAIN, and ROLLBACK.
func (code statement) chains() bool {
	i := slices.IndexFunc(code, func(t sqltext.Token) bool { return t.Is("chain") })
	return i > 0 && !code[i-1].Is("no")
}

func (code statement) toSavepoint() bool {
	return slices.ContainsFunc(code, func(t sqltext.Token) bool { return t.Is("to") })
}

func fromStdin(code statement) bool {
	i := slices.IndexFunc(code, func(t sqltext.Token) bool { return t.Is("from") })
	return i >= 0 && i+1 < len(code) && code[i+1].Is("stdin")
}

// places are where a string of a simple query needs the binding: before the first
// statement that needs it, and again after each transaction that ends in the string.
// after says whether the transaction that is open behind the string is bound, over that
// one ends in it.
func places(sql string, bound bool) (at []place, after, over bool) {
	if usual(sql) && !strings.Contains(sql, ";") {
		if bound {
			return nil, true, false
		}
		return []place{{}}, true, false
	}
	statements := split(sql)
	atomic := slices.ContainsFunc(statements, statement.atomic)
	for _, s := range statements {
		switch s.class() {
		case ends, undoes:
			bound = bound && atomic // a body's END ends nothing
			over = over || s.class() == ends
		case needs, copies:
			if !bound {
				at, bound = append(at, place{s[0].Pos, over}), true
			}
		}
	}
	return at, bound, over
}

// place is where a string needs the binding, in bytes, and whether a transaction has
// ended in the string before it.
type place struct {
	at   int
	over bool
}

func (code statement) atomic() bool {
	return slices.ContainsFunc(code, func(t sqltext.Token) bool { return t.Is("atomic") })
}
