package tidy

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var (
	link         = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	mapLine      = regexp.MustCompile(`(?m)^//\t(\w+\.go(?:, \w+\.go)*) `)
	required     = regexp.MustCompile(`(?m)^\t(\S+) v\S+$`)
	metric       = regexp.MustCompile("`(freshet_[a-z_]+[a-z])[`{]")
	heading      = regexp.MustCompile(`(?m)^#+ (.*)$`)
	notInAnchors = regexp.MustCompile(`[^\pL\pN _-]`)
)

// pages are the tracked Markdown files, from the repository's root.
func pages(t *testing.T) []string {
	t.Helper()
	out, err := exec.Command("git", "-C", root(), "ls-files", "-z", "*.md").Output()
	if err != nil {
		t.Skipf("not a clone: %v", err)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
}

// hasSection says whether a page has a heading that a link with that anchor leads to.
func hasSection(t *testing.T, file, anchor string) bool {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range heading.FindAllStringSubmatch(string(text), -1) {
		if strings.ReplaceAll(notInAnchors.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-") == anchor {
			return true
		}
	}
	return false
}

// A page or heading that was renamed leaves no link to its old name.
func TestLinksLeadSomewhere(t *testing.T) {
	links := 0
	for _, page := range pages(t) {
		text, err := os.ReadFile(filepath.Join(root(), page))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			target, section, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			links++
			file := filepath.Join(root(), filepath.Dir(page), target)
			if target == "" {
				file = filepath.Join(root(), page)
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s links to %s: %v", page, m[1], err)
			} else if section != "" && !hasSection(t, file, section) {
				t.Errorf("%s links to %s, which has no such heading", page, m[1])
			}
		}
	}
	if links < 50 {
		t.Errorf("only %d links found: looked in the wrong place", links)
	}
}

// The index of decisions has each page, in order, under its title, and no two pages
// have one number.
func TestTheIndexOfDecisionsIsComplete(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root(), "docs", "decisions", "0*.md"))
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	last := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(string(text), "\n")
		name := filepath.Base(file)
		number, _ := strconv.Atoi(name[:4])
		title, ok := strings.CutPrefix(first, fmt.Sprintf("# %d. ", number))
		if !ok || number <= last {
			t.Errorf("%s begins with %q, behind number %d: want its own number in both", name, first, last)
		}
		last = number
		fmt.Fprintf(&want, "| [%d](%s) | %s |\n", number, name, title)
	}
	index, err := os.ReadFile(filepath.Join(root(), "docs", "decisions", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(string(index), want.String()) {
		t.Errorf("docs/decisions/README.md does not end with these rows:\n%s", want.String())
	}
}

// Package features has many files: its map in doc.go has each of them once.
func TestTheMapOfTheEngineIsComplete(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join(root(), "features", "doc.go"))
	if err != nil {
		t.Fatal(err)
	}
	_, lines, _ := strings.Cut(string(doc), "# Where things are")
	mapped := map[string]int{}
	for _, m := range mapLine.FindAllStringSubmatch(lines, -1) {
		for _, name := range strings.Split(m[1], ", ") {
			mapped[name]++
		}
	}
	files, err := filepath.Glob(filepath.Join(root(), "features", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		if name == "doc.go" || strings.HasSuffix(name, "_test.go") {
			continue
		}
		if mapped[name] != 1 {
			t.Errorf("features/doc.go has %s %d times in its map: one line, what is it for?", name, mapped[name])
		}
		delete(mapped, name)
	}
	for name := range mapped {
		t.Errorf("features/doc.go has %s in its map, which is no file", name)
	}
}

// Each package of the import table has its place in ARCHITECTURE.md, alone or in the
// row of the one that it is under.
func TestThePackagesOfTheArchitecturePage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root(), "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	for path := range mayImport {
		path = strings.TrimSuffix(path, "/")
		if name := path[strings.LastIndexByte(path, '/')+1:]; !strings.Contains(string(page), "`"+path+"`") && !strings.Contains(string(page), "`"+name+"`") && path != "cmd" {
			t.Errorf("ARCHITECTURE.md does not name %s", path)
		}
	}
}

// Each module that go.mod asks for has its line in docs/dependencies.md.
func TestThePageOfDependenciesIsComplete(t *testing.T) {
	mod, err := os.ReadFile(filepath.Join(root(), "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(root(), "docs", "dependencies.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range required.FindAllStringSubmatch(string(mod), -1) {
		path := m[1]
		// Modules beside another one stand in its row, by their last word.
		if last := path[strings.LastIndexByte(path, '/')+1:]; !strings.Contains(string(page), "`"+path) && !strings.Contains(string(page), "`"+last+"`") {
			t.Errorf("docs/dependencies.md has no line for %s", path)
		}
	}
}

// A metric that was renamed stays in no page. (The changelog may tell of old names.)
func TestMetricsOfPagesAreExported(t *testing.T) {
	sources, err := exec.Command("git", "-C", root(), "grep", "-ohE", `"(freshet_)?[a-z_]+"`, "--", "*.go").Output()
	if err != nil {
		t.Skipf("not a clone: %v", err)
	}
	n := 0
	for _, page := range pages(t) {
		if page == "CHANGELOG.md" || strings.HasPrefix(page, "docs/decisions/") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root(), page))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range metric.FindAllStringSubmatch(string(text), -1) {
			n++
			if !strings.Contains(string(sources), `"`+m[1]+`"`) {
				t.Errorf("%s names the metric %s, which the code does not", page, m[1])
			}
		}
	}
	if n < 20 {
		t.Errorf("only %d metrics found: looked in the wrong place", n)
	}
}
