package main

import (
	"io"
	"os"

	"golang.org/x/term"
)

// ink colours words where a terminal shows it. Nothing is said by colour
// alone: a word or a glyph says the same.
type ink struct{ on bool }

// ink decides for one stream: --color, NO_COLOR, FRESHET_NO_COLOR, TERM=dumb.
func (a *app) ink(w io.Writer) ink {
	switch {
	case a.color == "always":
		return ink{on: true}
	case a.color == "never", os.Getenv("NO_COLOR") != "", os.Getenv("FRESHET_NO_COLOR") != "", os.Getenv("TERM") == "dumb":
		return ink{}
	}
	return ink{on: isTerminal(w)}
}

func (k ink) paint(code, text string) string {
	if !k.on || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (k ink) bad(text string) string  { return k.paint("1;31", text) }
func (k ink) warn(text string) string { return k.paint("33", text) }
func (k ink) good(text string) string { return k.paint("32", text) }
func (k ink) dim(text string) string  { return k.paint("2", text) }
func (k ink) bold(text string) string { return k.paint("1", text) }
func (k ink) key(text string) string  { return k.paint("36", text) }

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// width is the number of columns of a terminal; 0 where w is none.
func width(w io.Writer) int {
	file, ok := w.(*os.File)
	if !ok {
		return 0
	}
	columns, _, err := term.GetSize(int(file.Fd()))
	if err != nil {
		return 0
	}
	return columns
}
