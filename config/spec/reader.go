package spec

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"go.yaml.in/yaml/v4"
	"go.yaml.in/yaml/v4/plugin/loaderlimits"
)

// The bounds of what is read.
const (
	MaxFileBytes = 1 << 20 // of one spec file
	MaxDepth     = 64      // of nested YAML
	MaxFiles     = 1000    // of one Load
)

// File is a spec file in memory. Name is what diagnostics call it.
type File struct {
	Name string
	Data []byte
}

// file is a File that can show its lines.
type file struct {
	name  string
	lines []string
}

// loader reads files and collects what is wrong with them.
type loader struct {
	diags   Diagnostics
	base    *cel.Env
	bundles []*bundle
	getenv  func(string) (string, bool)

	keyOf  map[*yaml.Node]node // the key of each value, to report what a mapping lacks at
	broken map[string]bool     // views whose features are not all known, so that mentioning them is no second error
}

// Load reads spec files, and of folders all *.yaml and *.yml files below them
// that are not hidden, in the order of their names, and returns one Spec per namespace. All errors
// and warnings of all files come in Diagnostics; specs is nil when there is an
// error among them. err is about reading only.
func Load(paths []string) (specs []*Spec, diags Diagnostics, err error) {
	files, err := ReadFiles(paths)
	if err != nil {
		return nil, nil, err
	}
	specs, diags, err = LoadFiles(files)
	for _, path := range paths {
		if isOther(path) {
			diags = append(diags, Diagnostic{Severity: WarningSeverity, Pos: Position{File: path},
				Message: "not read: the name of a spec ends in .yaml or .yml"})
		}
	}
	return specs, diags, err
}

// ReadFiles reads the files that Load loads.
func ReadFiles(paths []string) (files []File, err error) {
	for _, path := range paths {
		if isOther(path) {
			continue
		}
		if files, err = appendFiles(files, path); err != nil {
			return nil, err
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no spec files in %s: a spec is a *.yaml file", strings.Join(paths, ", "))
	}
	return files, nil
}

// isOther reports whether path is a file beside the specs, which a shell's *
// names too.
func isOther(path string) bool { return !isSpecName(path) && isFile(path) }

func isSpecName(name string) bool {
	return strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml")
}

func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

// LoadFiles is Load of files that were already read.
func LoadFiles(files []File) (specs []*Spec, diags Diagnostics, err error) {
	base, err := celBase()
	if err != nil {
		return nil, nil, err
	}
	l := &loader{base: base, getenv: os.LookupEnv, keyOf: map[*yaml.Node]node{}, broken: map[string]bool{}}
	whole := true
	for _, f := range files {
		whole = l.read(f) && whole
	}
	for _, b := range l.bundles {
		if whole { // else what is missing would be reported wherever it is mentioned
			specs = append(specs, l.resolve(b))
		}
	}
	l.diags = l.diags.sorted().cut()
	if l.diags.HasErrors() {
		return nil, l.diags, nil
	}
	return specs, l.diags, nil
}

func appendFiles(files []File, path string) ([]File, error) {
	err := filepath.WalkDir(path, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if name != path && strings.HasPrefix(entry.Name(), ".") {
				return fs.SkipDir
			}
			return nil
		}
		if name != path && (!isSpecName(name) || strings.HasPrefix(entry.Name(), ".")) {
			return nil // .x.yaml is an editor's
		}
		if len(files) == MaxFiles {
			return fmt.Errorf("more than %d spec files", MaxFiles)
		}
		data, err := readBounded(name)
		files = append(files, File{Name: name, Data: data})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read specs of %s: %w", path, err)
	}
	return files, nil
}

// readBounded reads one byte more than a spec may have at most, so that the
// loader sees the excess without reading it all.
func readBounded(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data := make([]byte, 0, 16<<10)
	for {
		if len(data) == cap(data) {
			data = append(data, 0)[:len(data)]
		}
		n, err := f.Read(data[len(data):min(cap(data), MaxFileBytes+1)])
		data = data[:len(data)+n]
		if err != nil || len(data) > MaxFileBytes {
			if err == nil || err.Error() == "EOF" {
				return data, nil
			}
			return nil, err
		}
	}
}

// read reads one file into the bundle of its namespace. It reports whether all
// that the file declares is known.
func (l *loader) read(in File) bool {
	root, ok := l.parse(in)
	return ok && l.top(root)
}

// parse is the tree of one file. It reports false where that cannot be walked.
func (l *loader) parse(in File) (root node, ok bool) {
	f := &file{name: in.Name}
	switch {
	case len(in.Data) > MaxFileBytes:
		l.at(f, 0, 0, "split it: the files of one namespace form one spec", "the file is larger than %d bytes", MaxFileBytes)
		return root, false
	case !utf8.Valid(in.Data):
		l.notUTF8(f, in.Data)
		return root, false
	}
	f.lines = strings.Split(strings.ReplaceAll(string(in.Data), "\r\n", "\n"), "\n")
	var documents []yaml.Node
	err := yaml.Load(in.Data, &documents, yaml.WithAllDocuments(),
		yaml.WithPlugin(loaderlimits.New(loaderlimits.DepthValue(MaxDepth), loaderlimits.AliasNone())))
	if err != nil {
		l.yamlError(f, err)
		return root, false
	}
	if len(documents) == 0 {
		l.at(f, 1, 1, "a spec begins with: version: 1", "the file is empty")
		return root, false
	}
	if len(documents) > 1 {
		l.at(f, documents[1].Line, max(documents[1].Column, 1), "write each into its own file", "a spec file holds one YAML document, this one %d", len(documents))
		return root, false
	}
	root = node{&documents[0], f}
	for root.Kind == yaml.DocumentNode && len(root.Content) == 1 {
		root.Node = root.Content[0]
	}
	return root, l.structure(root, 1)
}

// notUTF8 reports the first byte of data that begins no character.
func (l *loader) notUTF8(f *file, data []byte) {
	line, col, at := 1, 1, 0
	for at < len(data) {
		r, size := utf8.DecodeRune(data[at:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		col++
		if r == '\n' {
			line, col = line+1, 1
		}
		at += size
	}
	f.lines = strings.Split(strings.ReplaceAll(strings.ToValidUTF8(string(data), "\uFFFD"), "\r\n", "\n"), "\n")
	l.at(f, line, col, "save the file as UTF-8", "the file is not UTF-8: the byte 0x%02x begins no character", data[at])
}

// yamlError reports what the YAML parser refused, at its place.
func (l *loader) yamlError(f *file, err error) {
	report := func(e *yaml.LoadError) {
		line, col := e.Mark.Line, e.Mark.Column
		if line > len(f.lines) {
			line, col = len(f.lines), 1
		}
		if strings.Contains(e.ContextMsg, "quoted scalar") && strings.Contains(e.Message, "unexpected end") && e.ContextMark.Line > 0 {
			l.at(f, e.ContextMark.Line, max(e.ContextMark.Column, 1), "close it where the text ends", "this is not YAML: the quote that opens here is never closed")
			return
		}
		text := ""
		if line > 0 {
			text = f.lines[line-1]
		}
		l.at(f, line, max(col, 1), yamlHint(e.Message, text), "this is not YAML: %s", e.Message)
	}
	var one *yaml.LoadError
	var many *yaml.LoadErrors
	switch {
	case errors.As(err, &many):
		for _, e := range many.Errors {
			report(e)
		}
	case errors.As(err, &one):
		report(one)
	default:
		l.at(f, 0, 0, "", "this is not YAML: %s", err)
	}
}

// yamlHint is what to write for what the YAML parser refuses, or "".
func yamlHint(message, line string) string {
	switch {
	case strings.Contains(message, "tab") || strings.Contains(message, "cannot start any token") && strings.Contains(line, "\t"):
		return "YAML is indented with spaces, not tabs"
	case strings.Contains(message, "cannot start any token"):
		return "write the text in quotes"
	case strings.Contains(message, "unknown anchor"):
		return "anchors and aliases are not part of the language: write the value out"
	case strings.Contains(message, "mapping values are not allowed"):
		return "a text with a colon and a space in it is written in quotes; or the line is indented deeper than its neighbours"
	case strings.Contains(message, "'-' indicator"):
		return "the lines above are a list: begin this one with - too, or take theirs away"
	case strings.Contains(message, "did not find expected ',' or"):
		return "a [ or { above is not closed, or a comma is missing"
	case strings.Contains(message, "did not find expected key"):
		return "indent it as its neighbours are; a text that begins with a quote ends with it"
	}
	return ""
}

// structure refuses what YAML has and specs do not: anchors, aliases, merge
// keys, tags, duplicate keys and keys that are not words. It reports whether
// the tree can be walked.
func (l *loader) structure(n node, depth int) bool {
	if depth > MaxDepth {
		l.errorf(n, "", "the YAML nests deeper than %d levels", MaxDepth)
		return false
	}
	ok := true
	switch {
	case n.Kind == yaml.AliasNode:
		l.errorf(n, "write the value out", "aliases are refused")
		return false
	case n.Anchor != "":
		l.errorf(n, "write the value out where it is needed", "anchors are refused")
		ok = false
	case n.Style&yaml.TaggedStyle != 0:
		l.errorf(n, "leave it out; write text in quotes", "the tag %s is refused", n.Tag)
		ok = false
	}
	if n.Kind == yaml.MappingNode {
		return l.keys(n) && l.children(n, depth) && ok
	}
	return l.children(n, depth) && ok
}

func (l *loader) children(n node, depth int) bool {
	ok := true
	for _, c := range n.Content {
		ok = l.structure(node{c, n.file}, depth+1) && ok
	}
	return ok
}

func (l *loader) keys(n node) bool {
	ok := true
	seen := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := node{n.Content[i], n.file}
		if key.Kind == yaml.ScalarNode && key.Tag == "!!merge" {
			l.errorf(key, "write the keys out", "merge keys are refused")
			ok = false
			continue
		}
		if key.Kind != yaml.ScalarNode {
			if key.Kind != yaml.AliasNode {
				hint := ""
				if key.Kind == yaml.MappingNode && key.Line == n.Line {
					hint = "there are no templates: {{ }} means nothing here; a list of windows makes several features"
				}
				l.errorf(key, hint, "a key must be a word")
			}
			ok = false
			continue
		}
		if first := seen[key.Value]; first != nil {
			l.errorf(key, "remove one of them", "duplicate key `%s`: it stands in line %d already", key.Value, first.Line)
			continue // the tree can still be walked: the first one counts
		}
		seen[key.Value] = key.Node
		l.keyOf[n.Content[i+1]] = key
	}
	return ok
}
