package cli

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/moat-db/moat/audit"
	"github.com/moat-db/moat/internal/config"
	"github.com/moat-db/moat/internal/english"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/lifecycle"
	"github.com/moat-db/moat/prove"
)

type evidenceFlags struct {
	tenantFlags
	out, key, verify, publicKey string
	proofs                      []string
}

func (a *app) newEvidence() *cobra.Command {
	var f evidenceFlags
	c := &cobra.Command{
		Use:   "evidence [URL]",
		Short: "Write a dated bundle of evidence for an auditor",
		Long: "Collect into a new folder what this database enforces today: policies in force, the findings\n" +
			"of audit, the proofs that you name, the roles that policies do not bind, what operators did,\n" +
			"and the certificates of erasure. It is a page to read and print, the same as JSON, and a\n" +
			"manifest with digests, signed where a key is given. docs/how-to/evidence-for-an-auditor.md\n" +
			"says which part helps with which question.\n\n" +
			"Exit code 0: written, or verified. 1: written, and audit or a proof found something. 2: an error.",
		Example: "  moat evidence --out evidence-2026-11 --prove proof.json --key key.pem --reason 'SOC 2, quarter 4'\n" +
			"  moat evidence --verify evidence-2026-11 --public-key public.pem",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.verify != "" {
				return a.verifyEvidence(f)
			}
			return a.runEvidence(cmd.Context(), args, f)
		},
	}
	f.format = "text"
	flags := c.Flags()
	flags.StringVar(&f.reason, "reason", "", "why; it is logged (required)")
	flags.StringVar(&f.by, "by", "", "who asks for it (default: the role of the connection)")
	flags.StringVar(&f.out, "out", "", "the folder to make")
	flags.StringSliceVar(&f.proofs, "prove", nil, "a report of moat prove --format json; may be repeated")
	flags.StringVar(&f.key, "key", "", "sign with this Ed25519 private key (PEM)")
	flags.StringVar(&f.verify, "verify", "", "check a bundle instead of making one")
	flags.StringVar(&f.publicKey, "public-key", "", "the Ed25519 public key (PEM) to check the signature with")
	return c
}

func (a *app) runEvidence(ctx context.Context, args []string, f evidenceFlags) error {
	if f.out == "" {
		return withHint(errors.New("no folder named"), "--out FOLDER")
	}
	key, err := evidenceKey(f.key)
	if err != nil {
		return err
	}
	proofs, err := readProofs(f.proofs)
	if err != nil {
		return err
	}
	c, err := a.config()
	if err != nil {
		return err
	}
	found, err := a.auditResult(ctx, args, c)
	if err != nil {
		return err
	}
	var e *lifecycle.Evidence
	err = a.act(ctx, args, f.tenantFlags, func(o *lifecycle.Operator) error {
		e, err = o.Evidence(ctx)
		return err
	})
	if err != nil {
		return err
	}
	results := []lifecycle.Result{e.Of(found)}
	for i := range proofs {
		results = append(results, proofResult(&proofs[i], e))
	}
	e.Results, e.Moat = results, Version()
	e.Files = digests(cmp.Or(a.configFile, config.DefaultFile), c.Audit.Baseline)
	if err := lifecycle.WriteBundle(f.out, e, key); err != nil {
		return err
	}
	fmt.Fprintf(a.Out, "evidence in %s: %s\n", f.out, signed(key))
	bad := len(proofs) == 0
	for _, r := range e.Results {
		fmt.Fprintf(a.Out, "  %s: %s\n", r.Name, r.Summary)
		bad = bad || !r.Good
	}
	if len(proofs) == 0 {
		fmt.Fprintln(a.Out, "  no proof was included: --prove FILE")
	}
	if e.Head != "" {
		fmt.Fprintf(a.Out, "head of the chain of certificates, to keep elsewhere: %s\n", e.Head)
	}
	if bad {
		return errFound
	}
	return nil
}

func signed(key ed25519.PrivateKey) string {
	if key == nil {
		return "not signed"
	}
	return "signed"
}

func evidenceKey(name string) (ed25519.PrivateKey, error) {
	if name == "" {
		return nil, nil
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read the key: %w", err)
	}
	key, err := lifecycle.ReadSigningKey(text)
	return key, withHint(err, "openssl genpkey -algorithm ed25519 -out key.pem")
}

// auditResult runs the audit, and says in one line what it found.
func (a *app) auditResult(ctx context.Context, args []string, c config.Config) (lifecycle.Result, error) {
	o := audit.Options{Owner: c.Roles.Owner, Membership: config.Named(c.Caller.Table), Today: time.Now()}
	var err error
	if o.Accepted, err = exceptions("", c); err != nil {
		return lifecycle.Result{}, err
	}
	got, err := a.auditDatabase(ctx, args, c, auditFlags{}, o)
	if err != nil {
		return lifecycle.Result{}, err
	}
	text, err := json.Marshal(&got.report)
	n, open := 0, len(got.report.Unseen)
	var lines []string
	for _, f := range got.report.Findings {
		if f.Severity.AtLeast(audit.Medium) {
			n++
		}
		lines = append(lines, fmt.Sprintf("%s, %s on %s: %s", f.Severity, f.Rule, f.Object, f.Message))
	}
	for _, x := range got.report.Accepted {
		lines = append(lines, fmt.Sprintf("accepted until %s, %s on %s: %s", x.Expires, x.Rule, x.Object, x.Reason))
	}
	lines = append(lines, list.Map(got.report.Unseen, func(text string) string { return "not looked at: " + text })...)
	summary := english.Count(n, "finding") + " of medium severity or worse, " +
		english.Count(len(got.report.Accepted), "accepted exception")
	if open > 0 {
		summary += "; not everything could be looked at"
	}
	return lifecycle.Result{Name: "audit", Summary: summary, Good: n == 0 && open == 0, Lines: lines,
		Report: text}, err
}

// proof is a report of prove as it was read.
type proof struct {
	prove.Report
	text []byte
}

func readProofs(names []string) (all []proof, err error) {
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read the proof: %w", err)
		}
		p := proof{text: text}
		if err := json.Unmarshal(text, &p.Report); err != nil || p.Version != 1 || len(p.Probes) == 0 {
			return nil, withHint(fmt.Errorf("%s is not a report of prove", name), "moat prove --format json --output %s", name)
		}
		all = append(all, p)
	}
	return all, nil
}

// proofResult says what a proof found. One of another schema proves nothing about this one.
func proofResult(p *proof, e *lifecycle.Evidence) lifecycle.Result {
	leaks, undecided := p.Count(prove.VerdictLeak), p.Count(prove.VerdictUndecided)
	r := lifecycle.Result{Name: "prove", Good: leaks+undecided == 0, Report: p.text, Lines: proofLines(&p.Report),
		Server: p.Context.ServerVersion, Schema: p.Context.Fingerprint,
		Summary: fmt.Sprintf("%s of %s tried, %d undecided", english.Count(leaks, "leak"),
			english.Count(len(p.Probes), "probe"), undecided)}
	r.Summary += p.Except()
	if !p.Context.Started.IsZero() {
		r.Summary += ", on " + p.Context.Started.UTC().Format("2 January 2006")
	}
	if p.Context.Fingerprint != e.Schema {
		r.Good = false
		r.Summary += "; the schema is no longer, or was never, the one that was proved: run prove again"
	}
	return r
}

func proofLines(r *prove.Report) (lines []string) {
	for _, p := range r.Probes {
		if p.Verdict != prove.VerdictIsolated {
			lines = append(lines, fmt.Sprintf("%s, %s on %s: %s", p.Verdict, p.Attack, p.Object, p.Reason))
		}
	}
	for _, x := range r.Accepted {
		lines = append(lines, fmt.Sprintf("accepted until %s, %s on %s: %s", x.Expires, x.Attack, x.Object, x.Reason))
	}
	for _, n := range r.Notes() {
		for _, x := range n.List {
			lines = append(lines, fmt.Sprintf("%s, %s: %s", n.Short, x.Object, x.Reason))
		}
	}
	lines = append(lines, list.Map(r.NotTried, func(text string) string { return "not tried: " + text })...)
	return lines
}

// digests are those of the files that are there.
func digests(names ...string) (all []lifecycle.FileDigest) {
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		sum := sha256.Sum256(text)
		all = append(all, lifecycle.FileDigest{Name: name, SHA256: hex.EncodeToString(sum[:])})
	}
	return all
}

func (a *app) verifyEvidence(f evidenceFlags) error {
	if f.publicKey == "" {
		return withHint(errors.New("no key to verify with: digests alone show damage, not who made the bundle"),
			"--public-key FILE")
	}
	text, err := os.ReadFile(f.publicKey)
	if err != nil {
		return fmt.Errorf("read the key: %w", err)
	}
	key, err := lifecycle.ReadPublicKey(text)
	if err != nil {
		return withHint(err, "openssl pkey -in key.pem -pubout -out public.pem")
	}
	head, err := lifecycle.VerifyBundle(f.verify, key)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.Out, "%s is as it was signed\n", f.verify)
	if head != "" {
		fmt.Fprintf(a.Out, "compare the head of the chain with the one that you kept: %s\n", head)
	}
	return nil
}
