package tools

// AtlasSum is the file in which Atlas keeps the checksums of a folder.
const AtlasSum = "atlas.sum"

func atlas() *Tool {
	return &Tool{
		Name: "atlas", Tables: []string{"atlas_schema_revisions"},
		Is: func(_, name, _ string) bool { return name == AtlasSum },
	}
}
