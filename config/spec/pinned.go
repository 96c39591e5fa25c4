package spec

import (
	"regexp"
	"strconv"
	"strings"
)

// CEL has no @ in names, and the features of an older version of a view are
// called view@1.feature. In the tree they are view__v1.feature: no author may
// write `__` in a name, so nothing else is called so.
const pinnedMark = "__v"

var (
	pinnedForm   = regexp.MustCompile(`[a-z][a-z0-9_]*@[1-9][0-9]*\.`)
	markedForm   = regexp.MustCompile(`([a-z0-9])` + pinnedMark + `([1-9][0-9]*\.)`)
	quotedOrName = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|` + pinnedForm.String())
)

// exprNames are what a feature may be called in the syntax tree of an
// expression: with its version, and bare if that is the highest.
func (f *Feature) exprNames() []string {
	pinned := f.View.Name + pinnedMark + strconv.Itoa(f.View.Version) + "." + f.Short
	if f.View.Latest {
		return []string{f.Full(), pinned}
	}
	return []string{pinned}
}

// marked replaces view@1. by view__v1. outside of quotes. The places are where,
// in characters of the marked text, each replacement ends.
func marked(text string) (out string, places []int) {
	if !strings.Contains(text, "@") {
		return text, nil
	}
	var b strings.Builder
	last := 0
	for _, at := range quotedOrName.FindAllStringIndex(text, -1) {
		found := text[at[0]:at[1]]
		b.WriteString(text[last:at[0]])
		last = at[1]
		name, version, isPinned := strings.Cut(found, "@")
		if !isPinned || found[0] == '"' || found[0] == '\'' {
			b.WriteString(found)
			continue
		}
		b.WriteString(name + pinnedMark)
		places = append(places, len([]rune(b.String())))
		b.WriteString(version)
	}
	b.WriteString(text[last:])
	return b.String(), places
}

// unmarked is the place in the author's text of a place in the marked one.
func unmarked(offset int, places []int) int {
	shift := 0
	for _, p := range places {
		if p <= offset {
			shift += len(pinnedMark) - len("@")
		}
	}
	return offset - shift
}

// pinnedText writes names as their author does.
func pinnedText(s string) string { return markedForm.ReplaceAllString(s, "$1@$2") }
