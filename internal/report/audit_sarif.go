package report

import (
	"cmp"
	"io"
	"strings"

	"github.com/moat-db/moat/audit"
)

// The parts of SARIF 2.1.0 (OASIS) that a report needs.
type sarifLog struct {
	Schema  string     `json:"$schema"`
	Version string     `json:"version"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool        sarifTool         `json:"tool"`
	Results     []sarifResult     `json:"results"`
	Invocations []sarifInvocation `json:"invocations"`
	ColumnKind  string            `json:"columnKind"`
}

type sarifTool struct {
	Driver sarifDriver `json:"driver"`
}

type sarifDriver struct {
	Name            string      `json:"name"`
	SemanticVersion string      `json:"version,omitempty"`
	InformationURI  string      `json:"informationUri"`
	Rules           []sarifRule `json:"rules"`
}

type sarifRule struct {
	ID               string         `json:"id"`
	ShortDescription sarifText      `json:"shortDescription"`
	HelpURI          string         `json:"helpUri"`
	Defaults         sarifLevel     `json:"defaultConfiguration"`
	Properties       map[string]any `json:"properties"`
}

type sarifLevel struct {
	Level string `json:"level"`
}

type sarifText struct {
	Text     string `json:"text"`
	Markdown string `json:"markdown,omitempty"`
}

type sarifResult struct {
	RuleID       string             `json:"ruleId"`
	RuleIndex    int                `json:"ruleIndex"`
	Level        string             `json:"level"`
	Message      sarifText          `json:"message"`
	Locations    []sarifLocation    `json:"locations"`
	Fingerprints map[string]string  `json:"partialFingerprints"`
	Suppressions []sarifSuppression `json:"suppressions,omitempty"`
	Properties   map[string]any     `json:"properties"`
}

type sarifLocation struct {
	Physical *sarifPhysical `json:"physicalLocation,omitempty"`
	Logical  []sarifLogical `json:"logicalLocations"`
}

type sarifPhysical struct {
	Artifact sarifArtifact `json:"artifactLocation"`
	Region   sarifRegion   `json:"region"`
}

type sarifArtifact struct {
	URI string `json:"uri"`
}

type sarifRegion struct {
	StartLine int `json:"startLine"`
}

type sarifLogical struct {
	Name string `json:"fullyQualifiedName"`
	Kind string `json:"kind"`
}

type sarifSuppression struct {
	Kind          string `json:"kind"`
	Justification string `json:"justification"`
}

type sarifInvocation struct {
	Successful    bool                `json:"executionSuccessful"`
	Notifications []sarifNotification `json:"toolExecutionNotifications,omitempty"`
}

type sarifNotification struct {
	Level   string    `json:"level"`
	Message sarifText `json:"message"`
}

// docsURL is where the pages of rules are read.
const docsURL = "https://github.com/moat-db/moat/blob/main/internal/rules/"

// AuditSARIF writes a report as SARIF 2.1.0, for code scanning. Accepted findings are
// suppressed results; what was not seen makes notifications.
func AuditSARIF(w io.Writer, r *audit.Report, version string) error {
	run := sarifRun{ColumnKind: "utf16CodeUnits", Results: []sarifResult{}}
	run.Tool.Driver = sarifDriver{Name: "moat", SemanticVersion: version,
		InformationURI: "https://github.com/moat-db/moat"}
	index := map[string]int{}
	for i, rule := range audit.Rules() {
		index[rule.ID] = i
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules,
			sarifRule{ID: rule.ID, ShortDescription: sarifText{Text: rule.Title},
				HelpURI: docsURL + rule.ID + ".md", Defaults: sarifLevel{level(rule.Severity)},
				Properties: map[string]any{"security-severity": score(rule.Severity),
					"tags": []string{"security", "multi-tenancy"}}})
	}
	for _, x := range r.Findings {
		run.Results = append(run.Results, sarifOf(x, index[x.Rule]))
	}
	for _, x := range r.Accepted {
		result := sarifOf(x.Finding, index[x.Rule])
		result.Suppressions = []sarifSuppression{{Kind: "external", Justification: x.Reason}}
		run.Results = append(run.Results, result)
	}
	call := sarifInvocation{Successful: true}
	for _, u := range r.Unseen {
		call.Notifications = append(call.Notifications, sarifNotification{"warning", sarifText{Text: "not seen: " + u}})
	}
	for _, x := range r.Reopened {
		text := sarifText{Text: "this entry of the baseline does not count: " + x.String()}
		call.Notifications = append(call.Notifications, sarifNotification{"warning", text})
	}
	run.Invocations = []sarifInvocation{call}
	return JSON(w, sarifLog{Schema: "https://json.schemastore.org/sarif-2.1.0.json", Version: "2.1.0",
		Runs: []sarifRun{run}})
}

func sarifOf(x audit.Finding, rule int) sarifResult {
	location := sarifLocation{Logical: []sarifLogical{{Name: x.Object, Kind: "object"}}}
	if x.File != "" {
		location.Physical = &sarifPhysical{sarifArtifact{x.File}, sarifRegion{max(1, x.Line)}}
	}
	text := x.Object + ": " + x.Message + " " + x.Why
	if len(x.Fix) > 0 {
		text += "\n\n" + strings.Join(x.Fix, ";\n") + ";"
	}
	if x.Decision != "" {
		text += "\n\nDecide: " + x.Decision
	}
	return sarifResult{RuleID: x.Rule, RuleIndex: rule, Level: level(x.Severity), Message: sarifText{Text: text},
		Locations: []sarifLocation{location}, Fingerprints: map[string]string{"ruleObject/v1": x.Rule + "|" + x.Object},
		Properties: map[string]any{"severity": string(x.Severity), "fix": x.Fix}}
}

// level is SARIF's word for a severity.
func level(s audit.Severity) string {
	switch {
	case s.AtLeast(audit.High):
		return "error"
	case s.AtLeast(audit.Medium):
		return "warning"
	}
	return "note"
}

// score is the number that code scanning sorts by.
func score(s audit.Severity) string {
	scores := map[audit.Severity]string{audit.Critical: "9.5", audit.High: "8.0", audit.Medium: "5.5", audit.Low: "3.0"}
	return cmp.Or(scores[s], "1.0")
}
