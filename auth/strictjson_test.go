package auth

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDecodeObject(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, in string
		want     error
	}{
		{"empty object", `{}`, nil},
		{"same name in different objects", `{"a":{"x":1},"b":{"x":2},"x":3}`, nil},
		{"names differ in case", `{"a":1,"A":2}`, nil},
		{"pair of surrogates", `{"a":"\ud83d\ude00"}`, nil},
		{"escaped backslash before u", `{"a":"\\ud800 \\u0000"}`, nil},
		{"replacement character", `{"a":"` + "\ufffd" + `\ufffd"}`, nil},
		{"duplicate", `{"a":1,"a":1}`, errDuplicate},
		{"duplicate by escape", `{"a":1,"\u0061":1}`, errDuplicate},
		{"duplicate empty name", `{"":1,"":1}`, errDuplicate},
		{"duplicate in an array", `{"x":[{"a":1,"a":2}]}`, errDuplicate},
		{"high surrogate alone", `{"a":"\ud800"}`, errEncoding},
		{"high surrogate at the end of a name", `{"\ud800":1}`, errEncoding},
		{"low surrogate first", `{"a":"\udc00\ud800"}`, errEncoding},
		{"high surrogate before text", `{"a":"\ud800abcdefgh"}`, errEncoding},
		{"high surrogate before another escape", `{"a":"\ud800\n\u0041"}`, errEncoding},
		{"two high surrogates", `{"a":"\ud800\ud800"}`, errEncoding},
		{"zero", `{"a":"\u0000"}`, errEncoding},
		{"invalid UTF-8", "{\"a\":\"\xed\xa0\x80\"}", errEncoding},
		{"deepest", `{"a":` + strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth) + `}`, nil},
		{"too deep", `{"a":` + strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1) + `}`, errTooDeep},
		{"array", `[]`, errNotObject}, {"null", `null`, errNotObject}, {"nothing", ``, errNotObject},
		{"two values", `{}{}`, errNotObject}, {"comment", `{}//`, errNotObject}, {"trailing comma", `{"a":1,}`, errNotObject},
	} {
		if _, err := decodeObject([]byte(tt.in)); !errors.Is(err, tt.want) {
			t.Errorf("%s: error %v, want %v", tt.name, err, tt.want)
		}
	}
}

// What is accepted is what the standard library reads.
func FuzzDecodeObject(f *testing.F) {
	for _, seed := range []string{
		`{"a":[1,2.5e3,{"b":null}],"c":"\ud83d\ude00\n","d":true}`, `{"a":1,"a":2}`, `{"\u0000":"\ud800"}`, `{"a":"\\u"}`,
		`[`, "{\"\xff\":1}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := decodeObject(data)
		if err != nil {
			return
		}
		dec := json.NewDecoder(strings.NewReader(string(data)))
		dec.UseNumber()
		var want map[string]any
		if err := dec.Decode(&want); err != nil {
			t.Fatalf("accepted what is not JSON: %q", data)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}
