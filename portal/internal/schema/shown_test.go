package schema

import (
	"strings"
	"testing"
)

func TestSecretsByName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{"password_hash": true, "passwordDigest": true, "encrypted_password": true,
		"api_token": true, "resetToken2": true, "apiKey": true, "private_key": true, "otp_secret": true, "SALT": true,
		"name": false, "keyboard": false, "secretary": false, "tokenized_name": false, "compass": false, "key": false,
		"content_hash": false, "primary_key": false} {
		if got := secret(name, KindText); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
	for _, kind := range []Kind{KindInteger, KindMoment, KindBool, KindNumber, KindDate} {
		if secret("password_changes", kind) {
			t.Errorf("a %s is called a secret", kind)
		}
	}
}

func TestSecretsByShape(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"bcrypt":   "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW",
		"argon":    "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub+b7dWRWJTmaaJObG",
		"django":   "pbkdf2_sha256$600000$abcdefghijkl$0123456789abcdefghijklmnopqrstuv=",
		"werkzeug": "scrypt:32768:8:1$abcdefgh$0123456789abcdef0123456789abcdef",
		"token":    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
		"key":      "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\n-----END RSA PRIVATE KEY-----",
		"cut off":  "-----BEGIN PRIVATE KEY-----\nMIIEpAIBAAKCAQEA",
		"own key":  "moat_" + strings.Repeat("x", 43),
		"stripe":   "sk_live_abcdefghijklmnop1234",
	} {
		if got := veiled(text, KindText); got != Veil {
			t.Errorf("%s: %s", name, got)
		}
		if got := veiled("before "+text, KindText); got != "before "+Veil {
			t.Errorf("%s in a text: %s", name, got)
		}
	}
	json := veiled(`{"who": "x", "Password": "hunter2 \" still", "deep": {"api_key": "k"}, "token": 12`, KindJSON)
	want := `{"who": "x", "Password": "` + Veil + `", "deep": {"api_key": "` + Veil + `"}, "token": "` + Veil + `"`
	if json != want {
		t.Errorf("json: %s", json)
	}
	for _, text := range []string{"Costs $2 and $12", "a-b_c", "+49 30 1234-567", "{}", "eyJ is short",
		"name@example.com", "sk_live_", "moat_leads"} {
		if got := veiled(text, KindText); got != text {
			t.Errorf("%s is taken for a secret: %s", text, got)
		}
	}
}

func FuzzVeiled(f *testing.F) {
	f.Add(`{"password":"x"}`)
	f.Add("$2b$12$")
	f.Fuzz(func(t *testing.T, text string) {
		const hash = "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW"
		for _, kind := range []Kind{KindText, KindJSON, KindOther} {
			if got := veiled(text+" "+hash, kind); strings.Contains(got, hash) {
				t.Errorf("%s: %q shows a hash", kind, got)
			}
		}
	})
}

func TestCommentsOfThePortal(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Look{
		"Plain help": {}, "Help\n@portal hidden": {Hidden: true}, "@portal read-only": {ReadOnly: true},
		"@portal name Expected revenue\n@portal order 2": {Name: "Expected revenue", Order: 2},
		"@portal hiden": {Hidden: true}, "@portal": {Hidden: true}, "@portal order first": {Hidden: true},
		"@portal read-only please": {Hidden: true}, "mentions @portal hidden inside": {},
	} {
		help, got := comment(text)
		if got != want || strings.Contains(help, "\n@portal") || strings.HasPrefix(help, "@portal") {
			t.Errorf("%q: %+v, help %q", text, got, help)
		}
	}
}

func TestLogs(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{"audit_log": true, "audit_entries": true, "ActivityLog": true,
		"access_logs": true, "changelog": true, "call_log": false, "blog": false, "log": false, "events": false} {
		if isLog(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}
