package body

import (
	"slices"
	"strings"

	"github.com/moat-db/moat/internal/sqltext"
)

// reconnecting opens a second connection, to this server or to another.
var reconnecting = []string{"dblink", "dblink_connect", "dblink_connect_u", "dblink_exec", "dblink_open",
	"dblink_send_query"}

// Reconnects reports whether the body names a function that opens a second connection.
func (u *Uses) Reconnects() bool { return u.Mentions(reconnecting...) }

// outward does what no rollback takes back: other sessions, the server's files and
// processes, its log of changes.
var outward = []string{"lo_export", "pg_write_file", "pg_file_write", "pg_file_rename", "pg_file_unlink",
	"pg_file_sync",
	"pg_terminate_backend", "pg_cancel_backend", "pg_reload_conf", "pg_rotate_logfile", "pg_promote", "pg_switch_wal",
	"pg_logical_emit_message", "pg_create_logical_replication_slot", "pg_create_physical_replication_slot",
	"pg_drop_replication_slot", "pg_replication_slot_advance", "pg_stat_reset",
	"pg_stat_statements_reset"}

// outwardPrefixes begin the names of functions of extensions that do.
var outwardPrefixes = []string{"dblink", "http_", "pg_background_", "aws_", "azure_", "amqp_"}

// outwardExtensions are those whose functions reach outside whatever they are called.
var outwardExtensions = []string{"dblink", "http", "pg_net", "pg_background", "pg_cron", "pg_task", "aws_s3",
	"aws_lambda", "azure_storage", "amqp", "adminpack", "plsh", "pgagent", "multicorn", "wrappers"}

// OutwardExtension reports whether what an extension's functions do is beyond a rollback.
func OutwardExtension(name string) bool { return slices.Contains(outwardExtensions, name) }

// Outward returns the first word of a text of SQL that stands for something that no
// rollback takes back, those inside its strings too; "" when there is none.
func Outward(text string) string {
	tokens := sqltext.Code(text)
	for i, t := range tokens {
		switch {
		case t.Kind == sqltext.String:
			if word := Outward(t.Value()); word != "" {
				return word
			}
		case t.Is("copy"):
			if toFile(tokens[i+1:]) {
				return "COPY to a file or a program"
			}
		case t.IsName() && isOutward(strings.ToLower(t.Name())):
			return strings.ToLower(t.Name())
		}
	}
	return ""
}

func isOutward(word string) bool {
	return slices.Contains(outward, word) ||
		slices.ContainsFunc(outwardPrefixes, func(p string) bool { return strings.HasPrefix(word, p) })
}

// toFile reports whether what follows COPY writes a file of the server or runs a program.
func toFile(rest []sqltext.Token) bool {
	for i, t := range rest {
		if t.Is(";") {
			return false
		}
		if t.Is("program") {
			return true
		}
		if t.Is("to") { // what is put together may be anything
			return i+1 >= len(rest) || rest[i+1].Kind == sqltext.String || rest[i+1].Is("program")
		}
	}
	return false
}

// Opaque reports whether the body runs SQL that is put together and could be anything:
// not only names and values in a statement that begins as one about rows or the schema.
func (u *Uses) Opaque() bool {
	for i, t := range u.Tokens {
		if !t.Is("execute") || u.is(i+1, "function", "procedure") || u.is(i-1, "grant", "revoke") || !u.composed(i+1) {
			continue
		}
		at := i + 1
		if u.is(at, "format") {
			at += 2
		}
		first, _, _ := strings.Cut(strings.TrimSpace(u.At(at).Value()), " ")
		if u.At(at).Kind != sqltext.String || !slices.Contains(plainStatements, strings.ToLower(first)) {
			return true
		}
	}
	return false
}

// plainStatements begin statements that call nothing but what they name.
var plainStatements = []string{"alter", "create", "drop", "grant", "revoke", "comment", "insert", "update", "delete",
	"truncate", "set", "reset", "lock", "analyze", "notify"}

// Relays reports whether the body hands a parameter of its function on to a second
// connection: then the caller's text runs there.
func (u *Uses) Relays(parameters []string) bool {
	for i, t := range u.Tokens {
		if !t.IsName() || !slices.Contains(reconnecting, strings.ToLower(t.Name())) || !u.is(i+1, "(") {
			continue
		}
		for depth, at := 0, i+1; at < len(u.Tokens); at++ {
			switch word := u.At(at); {
			case word.Is("("):
				depth++
			case word.Is(")"):
				depth--
			case word.IsName() && slices.Contains(parameters, word.Name()),
				strings.HasPrefix(word.Text, "$") && len(word.Text) == 2:
				return true
			}
			if depth == 0 {
				break
			}
		}
	}
	return false
}
