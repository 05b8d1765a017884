package schema

import "slices"

// logs are what comes before "log" in the names of tables that record what was done. Others,
// such as a log of calls, people write themselves.
var logs = []string{"audit", "activity", "access", "event", "change", "security", "history", "login", "admin",
	"operator", "action", "request", "system"}

// isLog says whether a table records what was done: nobody changes it in the portal, whatever
// the role may do.
func isLog(name string) bool {
	words := wordsOf(name)
	if slices.Contains(words, "audit") || slices.Contains(words, "audits") || slices.Contains(words, "changelog") {
		return true
	}
	n := len(words)
	return n > 1 && (words[n-1] == "log" || words[n-1] == "logs") && slices.Contains(logs, words[n-2])
}
