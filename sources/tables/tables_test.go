package tables

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freshet-dev/freshet/config/spec"
	"github.com/freshet-dev/freshet/features/event"
)

func declared(t *testing.T, name, content string) *spec.Table {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return &spec.Table{Name: "bins", Path: name, Key: "bin", Pos: spec.Position{File: filepath.Join(dir, "shop.freshet.yaml"), Line: 3},
		Columns: []spec.TableColumn{{Name: "issuer", Type: spec.String}, {Name: "tier", Type: spec.Int}}}
}

func TestFilesOfATableLieBesideItsSpec(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write([]byte("bin,issuer,tier\n1,One,1\n"))
	_ = z.Close()
	for _, c := range []struct{ name, content string }{
		{"bins.csv", "\xef\xbb\xbftier,issuer,since,bin\n1,One,2020,1\n\n2,\"Two, Inc\",,2\n"},
		{"bins.jsonl", "{\"bin\":\"1\",\"issuer\":\"One\",\"tier\":1}\n{\"bin\":\"2\",\"issuer\":\"Two, Inc\"}\n"},
		{"bins.csv.gz", packed.String()},
	} {
		table, err := Read(declared(t, c.name, c.content))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if v, found := table.Find("1", 0); !found || v.Str() != "One" || len(table.Hash) != 64 {
			t.Errorf("%s: %v %v %s", c.name, v, found, table.Hash)
		}
	}
}

func TestBadTablesSayWhere(t *testing.T) {
	const big = "bin,issuer,tier\n1,"
	for _, c := range []struct{ name, content, want string }{
		{"bins.csv", "bin,issuer,tier\n1,One,1\n2,Two,high\n", "bins.csv:3:7: tier: want an int, got a text that is not a number"},
		{"bins.csv", "bin,issuer,tier\n1,\"a,b\",x\n", "bins.csv:2:9: tier: want an int"},
		{"bins.csv", "bin,issuer,tier\n1,One,1\n1,Two,2\n", "bins.csv:3:1: bin: row 1 has the same key"},
		{"bins.csv", "bin,issuer,tier\n,One,1\n", "bins.csv:2:1: bin: a required field is missing"},
		{"bins.csv", "bin,name,tier\n1,One,1\n", "bins.csv:1: the header has no column issuer: it has bin, name, tier"},
		{"bins.csv", "bin,issuer,tier\n1,One\n", "bins.csv:2: the CSV row has 2 cells, its header has 3"},
		{"bins.csv", "bin,issuer,issuer\n1,One,1\n", `line 1: the CSV header names column "issuer" twice`},
		{"bins.csv", "bin,issuer,tier\n", "there is no row in it"},
		{"bins.csv", "", "there is no row in it"},
		{"bins.jsonl", "{\"bin\":\"1\"}\n{\"bin\":\"2\",\"tier\":\"x\"}\n", "bins.jsonl:2:19: tier: want an int, got a string"},
		{"bins.jsonl", "{\"bin\":\"1\"}\n{\"bin\":2}\n", "bins.jsonl:2:8: bin: want a string, got a number"},
		{"bins.jsonl", "{\"bin\":\"1\"}\nnot json\n", "bins.jsonl:2:1: "},
		{"bins.jsonl", "[{\"bin\":\"1\"}]", "one JSON array"},
		{"bins.csv", big + strings.Repeat("x", spec.MaxTableBytes) + ",1\n", "larger than 64 MiB"},
		{"bins.csv.gz", "bin,issuer,tier\n1,One,1\n", "not a gzip file"},
	} {
		table, err := Read(declared(t, c.name, c.content))
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "table bins, ") {
			t.Errorf("%s: %v, %v; want %s", c.name, table, err, c.want)
		}
	}
	missing := declared(t, "bins.csv", "")
	missing.Path = "none.csv"
	if _, err := Read(missing); err == nil || !strings.Contains(err.Error(), "none.csv: there is no such file") {
		t.Error(err)
	}
}

// What was unpacked counts, not what the file weighs.
func TestATableIsBoundedUnpacked(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write([]byte("bin,issuer,tier\n"))
	for range 70 {
		_, _ = z.Write([]byte("1," + strings.Repeat("x", 1<<20) + ",1\n"))
	}
	_ = z.Close()
	d := declared(t, "bins.csv.gz", packed.String())
	if _, err := Read(d); err == nil {
		t.Error("70 MiB of rows were read")
	}
}

func TestContentIsPartOfTheHash(t *testing.T) {
	hash := func(content string) string {
		d := declared(t, "bins.csv", content)
		table, err := Read(d)
		if err != nil {
			t.Fatal(err)
		}
		return (&spec.Spec{Hash: "41c9", Tables: []*spec.Table{d}}).WithTables(Hashes([]*event.Table{table})).Hash
	}
	a, b := hash("bin,issuer,tier\n1,One,1\n"), hash("bin,issuer,tier\n1,One,2\n")
	if a == b || a == "41c9" || a != hash("bin,issuer,tier\n1,One,1\n") {
		t.Errorf("%s, %s", a, b)
	}
	s := &spec.Spec{Hash: "41c9"}
	if once := s.WithTables([]string{"x"}); once.WithTables([]string{"y"}).Hash != s.WithTables([]string{"y"}).Hash || s.Hash != "41c9" {
		t.Error("a reload must not depend on what was loaded before")
	}
}
