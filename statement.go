package moat

import (
	"errors"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/sqltext"
)

// ErrTransactionControl is returned for SQL that begins or ends a transaction (BEGIN,
// COMMIT, ROLLBACK, PREPARE TRANSACTION): the tenant is bound to the transaction, so
// statements after it would run without one. Use [DB.InTx]; return an error to roll back.
var ErrTransactionControl = errors.New("statement begins or ends a transaction: use InTx")

// ErrSessionState is returned, before any round trip, for SQL that changes the session
// (SET without LOCAL, RESET, LISTEN, PREPARE, DECLARE … WITH HOLD): the connection
// would take the change along to the next tenant. Use SET LOCAL inside [DB.InTx], and
// [DB.UnscopedPool] to listen. A set_config('…', '…', false) in an expression is not
// noticed; Options.Paranoid clears after it.
var ErrSessionState = errors.New("statement changes the session, which outlives the tenant's transaction")

// permit refuses statements that would end, or outlive, the transaction that binds the
// tenant. A paranoid pool clears the session, so there it may change.
func (b *binder) permit(sql string) error {
	if harmless(sql) {
		return nil
	}
	words := leading(sql)
	switch {
	case controlsTransaction(words):
		return ErrTransactionControl
	case !b.paranoid && changesSession(words, sql):
		return ErrSessionState
	}
	return nil
}

func (b *binder) permitAll(queries []*pgx.QueuedQuery) error {
	for _, q := range queries {
		if err := b.permit(q.SQL); err != nil {
			return err
		}
	}
	return nil
}

// harmless recognises the usual statements without reading further.
func harmless(sql string) bool {
	word := sql
	if i := strings.IndexAny(sql, " \n\t"); i > 0 {
		word = sql[:i]
	}
	return slices.ContainsFunc([]string{"select", "insert", "update", "delete", "with"}, func(usual string) bool {
		return strings.EqualFold(word, usual)
	})
}

func controlsTransaction(words [3]string) bool {
	switch words[0] {
	case "BEGIN", "START", "COMMIT", "END", "ABORT":
		return true
	case "ROLLBACK":
		return !slices.Contains(words[1:], "TO") // a savepoint
	case "PREPARE":
		return words[1] == "TRANSACTION"
	}
	return false
}

func changesSession(words [3]string, sql string) bool {
	switch words[0] {
	case "SET":
		return !slices.Contains([]string{"LOCAL", "TRANSACTION", "CONSTRAINTS"}, words[1])
	case "RESET", "DISCARD", "LISTEN", "LOAD", "PREPARE":
		return true
	case "DECLARE":
		return holds(sql)
	}
	return false
}

// leading returns the first three words of a statement in upper case; "" where there
// are fewer. PostgreSQL skips semicolons before a statement.
func leading(sql string) (words [3]string) {
	i := 0
	for token := range sqltext.Tokens(sql) {
		if token.Kind == sqltext.Comment || i == 0 && token.Text == ";" {
			continue
		}
		words[i] = strings.ToUpper(token.Text)
		if i++; i == len(words) {
			break
		}
	}
	return words
}

// holds says whether a DECLARE asks for a cursor WITH HOLD.
func holds(sql string) bool {
	code := sqltext.Code(sql)
	for i := range code[1:] {
		if code[i].Is("with") && code[i+1].Is("hold") {
			return true
		}
	}
	return false
}

// errResultFormats is returned for pgx.QueryResultFormats outside a transaction.
var errResultFormats = errors.New("result formats of one statement are supported inside InTx only")

// execMode takes the execution modes out of the options that programs put in front of a
// statement's arguments, and says whether the statement may be named, which is to say
// prepared and kept. Modes that do not name statements are honoured, the simple protocol
// as the exec mode: it would run several statements in one string. All other modes are the
// pool's.
func execMode(sql string, args []any) (rest []any, named bool) {
	named = len(args) > 0 || !utility(sql)
	for i := 0; i < len(args); i++ {
		switch arg := args[i].(type) {
		case pgx.QueryExecMode:
			named = named && arg != pgx.QueryExecModeExec && arg != pgx.QueryExecModeSimpleProtocol
			args = slices.Concat(args[:i:i], args[i+1:])
			i--
		case pgx.QueryResultFormats, pgx.QueryResultFormatsByOID, pgx.QueryRewriter:
		default:
			return args, named
		}
	}
	return args, named
}

// utility recognises statements that have no plan to keep. Programs name savepoints
// anew each time.
func utility(sql string) bool {
	if harmless(sql) {
		return false
	}
	switch leading(sql)[0] {
	case "SAVEPOINT", "RELEASE", "ROLLBACK", "SET", "LOCK", "NOTIFY", "CREATE", "ALTER", "DROP":
		return true
	}
	return false
}

// forTx prepares a statement's arguments for a transaction, whose statements take options.
func forTx(sql string, args []any) []any {
	args, named := execMode(sql, args)
	if named {
		return args
	}
	return append([]any{pgx.QueryExecModeExec}, args...)
}

// forBatch prepares a statement's arguments for a batch, which knows no options but a
// rewriter.
func forBatch(sql string, args []any) (rest []any, named bool, err error) {
	args, named = execMode(sql, args)
	for _, arg := range args {
		switch arg.(type) {
		case pgx.QueryResultFormats, pgx.QueryResultFormatsByOID:
			return nil, false, errResultFormats
		case pgx.QueryRewriter:
		default:
			return args, named, nil
		}
	}
	return args, named, nil
}
