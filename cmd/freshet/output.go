package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/freshet-dev/freshet/features/event"
	"github.com/freshet-dev/freshet/sinks/record"
)

// offerOutput gives a verb the flag -o with the formats that it has; the first
// is the default. The format never changes because stdout is a pipe.
func offerOutput(cmd *cobra.Command, format *string, formats ...string) {
	cmd.Flags().StringVarP(format, "output", "o", formats[0], "output: "+strings.Join(formats, ", "))
	cmd.Flags().Lookup("output").Annotations = map[string][]string{"formats": formats}
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
}

// checkOutput refuses a format that the verb does not have.
func checkOutput(cmd *cobra.Command) error {
	flag := cmd.Flags().Lookup("output")
	if flag == nil || flag.Annotations["formats"] == nil {
		return nil // run's --output is a path
	}
	for _, format := range flag.Annotations["formats"] {
		if format == flag.Value.String() {
			return nil
		}
	}
	return usage("-o %s: %s offers %s", flag.Value, cmd.CommandPath(), strings.Join(flag.Annotations["formats"], ", "))
}

// writeJSON writes one document, indented, without escaping < and >.
func writeJSON(w io.Writer, document any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(document)
}

// writeLine writes one object on one line.
func writeLine(w io.Writer, object any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(object)
}

// table lays cells out in columns that are two spaces apart. A header is
// printed dim.
type table struct {
	rows  [][]string
	right map[int]bool // columns of numbers
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) write(w io.Writer, ink ink) error {
	var widths []int
	for _, row := range t.rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], visible(cell))
		}
	}
	for n, row := range t.rows {
		var line strings.Builder
		for i, cell := range row {
			gap := strings.Repeat(" ", widths[i]-visible(cell))
			if t.right[i] {
				line.WriteString(gap + cell)
			} else {
				line.WriteString(cell + gap)
			}
			line.WriteString("  ")
		}
		text := strings.TrimRight(line.String(), " ")
		if n == 0 {
			text = ink.dim(text)
		}
		if _, err := fmt.Fprintln(w, text); err != nil {
			return err
		}
	}
	return nil
}

// visible counts the characters of a text that take room: colours do not.
func visible(text string) int {
	n := utf8.RuneCountInString(text)
	for {
		start := strings.Index(text, "\x1b[")
		if start < 0 {
			return n
		}
		end := strings.IndexByte(text[start:], 'm')
		if end < 0 {
			return n
		}
		n -= end + 1
		text = text[start+end+1:]
	}
}

// clip cuts a text to a width and says so by its last character.
func clip(text string, width int) string {
	if width <= 0 || visible(text) <= width {
		return text
	}
	var out strings.Builder
	room := width - 1
	for i := 0; i < len(text) && room > 0; {
		if strings.HasPrefix(text[i:], "\x1b[") {
			end := strings.IndexByte(text[i:], 'm')
			if end < 0 {
				break
			}
			out.WriteString(text[i : i+end+1])
			i += end + 1
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		out.WriteRune(r)
		i += size
		room--
	}
	out.WriteString("…")
	if strings.Contains(text, "\x1b[") {
		out.WriteString("\x1b[0m")
	}
	return out.String()
}

// object is a JSON object whose members stay in their order.
type object []byte

// add adds a member, whose value is JSON.
func (o *object) add(name string, value []byte) {
	*o = append(record.AppendJSON(append(*o, ','), event.OfString(name), 0), ':')
	*o = append(*o, value...)
}

func (o object) json() json.RawMessage {
	if len(o) == 0 {
		return json.RawMessage("{}")
	}
	return append(append(json.RawMessage{'{'}, o[1:]...), '}')
}
