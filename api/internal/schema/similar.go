package schema

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// How alike a name must be to be suggested: 1 is the same but for case. What a hint on a
// table or a function tells is a name that was not asked for.
const (
	Close = 0.75
	Loose = 0.33
)

// Similar returns the name among names that looks most like name, or "" where none is as
// alike as least.
//
// It finds what PostgREST finds: candidates are those that share runs of three letters, or
// else of two, and the best fifty are compared by their edit distance.
func Similar(name string, names []string, least float64) string {
	for size := 3; size >= 2; size-- {
		alike := shareGrams(name, names, size)
		for i := range alike {
			alike[i].score = likeness(name, alike[i].name)
		}
		best(alike)
		if len(alike) > 0 && alike[0].score >= least {
			return alike[0].name
		}
	}
	return ""
}

type scored struct {
	name  string
	score float64
}

func best(list []scored) {
	slices.SortStableFunc(list, func(a, b scored) int { return cmp.Compare(b.score, a.score) })
}

// shareGrams are the fifty names with the most runs of letters in common.
func shareGrams(name string, names []string, size int) []scored {
	wanted := grams(name, size)
	var found []scored
	for _, other := range names {
		if score := cosine(wanted, grams(other, size)); score > 0 {
			found = append(found, scored{other, score})
		}
	}
	best(found)
	return found[:min(50, len(found))]
}

// grams counts the runs of letters of a name between dashes, without what is no letter.
func grams(name string, size int) map[string]int {
	letters := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r >= 0xc0 && r <= 0xff || r == ',' || r == ' ' {
			return r
		}
		return -1
	}, strings.ToLower(name))
	runes := []rune("-" + letters + "-")
	for len(runes) < size {
		runes = append(runes, '-')
	}
	counts := map[string]int{}
	for i := 0; i+size <= len(runes); i++ {
		counts[string(runes[i:i+size])]++
	}
	return counts
}

func cosine(a, b map[string]int) float64 {
	shared := 0
	for gram, n := range a {
		shared += n * b[gram]
	}
	if shared == 0 {
		return 0
	}
	return float64(shared) / (length(a) * length(b))
}

func length(counts map[string]int) float64 {
	sum := 0
	for _, n := range counts {
		sum += n * n
	}
	return math.Sqrt(float64(sum))
}

// likeness is 1 for names that are the same but for case, and 0 for nothing in common.
func likeness(a, b string) float64 {
	x, y := []rune(strings.ToLower(a)), []rune(strings.ToLower(b))
	if len(x) == 0 && len(y) == 0 {
		return 1
	}
	return 1 - float64(editDistance(x, y))/float64(max(len(x), len(y)))
}

// editDistance is Levenshtein's.
func editDistance(a, b []rune) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range a {
		previous := row[0]
		row[0] = i + 1
		for j := range b {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next := min(row[j+1]+1, row[j]+1, previous+cost)
			previous, row[j+1] = row[j+1], next
		}
	}
	return row[len(b)]
}
