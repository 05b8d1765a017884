package tools

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// AtlasSum is the file in which Atlas keeps the checksums of a folder.
const AtlasSum = "atlas.sum"

func atlas() *Tool {
	return &Tool{
		Name: "atlas", Tables: []string{"atlas_schema_revisions"},
		Is: func(_, name, _ string) bool { return name == AtlasSum },
		Write: func(m Migration) []File {
			return []File{{m.Name + ".sql", m.mode("-- atlas:txmode none\n\n") + m.Comments + m.script(m.Up, statement)}}
		},
		Seal: sealAtlas,
	}
}

// sealAtlas renews the checksums over the files that are there and those that are new. A
// folder that was changed since its checksums were made is refused: new ones would hide it.
func sealAtlas(there map[string]string, files []File) ([]File, error) {
	if sum, ok := there[AtlasSum]; ok && sum != atlasSum(there) {
		return nil, errors.New(AtlasSum + " does not fit the files of the folder: see what changed, then run " +
			"atlas migrate hash")
	}
	all := map[string]string{}
	maps.Copy(all, there)
	for _, f := range files {
		all[f.Name] = f.Text
	}
	return append(files, File{AtlasSum, atlasSum(all)}), nil
}

var atlasIgnored = regexp.MustCompile(`(?m)\A(?:--[^\n]*\n)*?-- *atlas:sum[ \t]+ignore\b`)

// atlasSum is the text of atlas.sum as Atlas documents it: of each file, in the order of
// names, the hash of all that came before and of its own name and text; first the hash of
// all those lines.
func atlasSum(texts map[string]string) string {
	each, whole := sha256.New(), sha256.New()
	var lines strings.Builder
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		if !strings.HasSuffix(name, ".sql") {
			continue
		}
		each.Write([]byte(name))
		if atlasIgnored.MatchString(texts[name]) {
			continue
		}
		each.Write([]byte(texts[name]))
		sum := base64.StdEncoding.EncodeToString(each.Sum(nil))
		whole.Write([]byte(name + sum))
		lines.WriteString(name + " h1:" + sum + "\n")
	}
	return "h1:" + base64.StdEncoding.EncodeToString(whole.Sum(nil)) + "\n" + lines.String()
}
