package conformance

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// question is one request with the answer that PostgREST gives.
type question struct {
	area, name string
	// reason says why moat answers otherwise on purpose; "" where it does not.
	reason       string
	method, path string
	header       http.Header
	body         string
	status       int
	want         http.Header
	absent       []string
	// answer is compared as JSON where it is that; nil means any.
	answer *string
}

// load reads the cases of cases/. A case is a line "== name" and what follows:
//
//	! reason                  moat answers otherwise, and why
//	GET /books?select=id      method and path below the API's
//	> Name: value             a header of the request
//	>> {"id": 1}              its body, \n for a new line
//	200                       the status that PostgREST answers with
//	< Name: value             a header of the answer; <! Name for one that is not there
//	[{"id":1}]                the body, to the next case; none for any
func load(t *testing.T) (all []question) {
	t.Helper()
	files, err := filepath.Glob("cases/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		area := strings.TrimSuffix(filepath.Base(file), ".txt")
		for i, block := range strings.Split("\n"+string(text), "\n== ")[1:] {
			q, err := parse(area, block)
			if err != nil {
				t.Fatalf("%s, case %d: %v", file, i+1, err)
			}
			all = append(all, q)
		}
	}
	return all
}

func parse(area, block string) (question, error) {
	q := question{area: area, header: http.Header{}, want: http.Header{}}
	lines := strings.Split(strings.TrimRight(block, "\n"), "\n")
	q.name = lines[0]
	for i, line := range lines[1:] {
		kind, rest, _ := strings.Cut(line, " ")
		name, value, _ := strings.Cut(rest, ":")
		switch {
		case kind == "!":
			q.reason = rest
		case q.method == "":
			q.method, q.path = kind, rest
		case kind == ">":
			q.header.Add(name, strings.TrimSpace(value))
		case kind == ">>":
			q.body = strings.ReplaceAll(rest, `\n`, "\n")
		case q.status == 0:
			status, err := strconv.Atoi(line)
			if err != nil {
				return q, fmt.Errorf("%q is no status", line)
			}
			q.status = status
		case kind == "<":
			q.want.Add(name, strings.TrimSpace(value))
		case kind == "<!":
			q.absent = append(q.absent, rest)
		default:
			answer := strings.Join(lines[i+1:], "\n")
			q.answer = &answer
			return q, nil
		}
	}
	if q.status == 0 {
		return q, fmt.Errorf("%s: no status", q.name)
	}
	return q, nil
}
