package spec

import (
	"strings"
	"testing"
)

func TestInsertKeepsEverythingElse(t *testing.T) {
	in := strings.Join([]string{
		"a: {x: , \"y: #\" :,  z}  \r",
		"b:\r",
		"  c:   # said\r",
		"  'it''s':",
		"d: [ {e: }, 1 ]"}, "\n")
	want := strings.Join([]string{
		"a: {x: 1, \"y: #\" : 2,  z: [é]}   " + FillMark + "\r",
		"b:\r",
		"  " + FillMark + "\n  c: \"q\"   # said\r",
		"  'it''s': 4   " + FillMark,
		"d: [ {e: 5}, 1 ]   " + FillMark}, "\n")
	at := func(line, col int) Position { return Position{File: "x.yaml", Line: line, Col: col} }
	out, err := Insert(File{Name: "x.yaml", Data: []byte(in)}, []Fill{{at(1, 5), "1"}, {at(5, 7), "5"}, {at(1, 10), "2"}, {at(3, 3), `"q"`}, {at(1, 21), "[é]"}, {at(4, 3), "4"}})
	if err != nil {
		t.Fatal(err)
	}
	if string(out) != want {
		t.Errorf("got\n%q\nwant\n%q", out, want)
	}
	for _, wrong := range []Fill{{at(2, 9), "1"}, {at(1, 5), "{"}} {
		if out, err := Insert(File{Name: "x.yaml", Data: []byte(in)}, []Fill{wrong}); err == nil {
			t.Errorf("%v was written: %s", wrong, out)
		}
	}
}
