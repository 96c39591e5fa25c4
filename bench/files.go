package main

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"

	"github.com/freshet-dev/freshet/sources/generate"
)

// writeFiles writes n generated events as JSON lines, one file per source, and
// returns the --input flags that name them, and the payments' bytes.
func writeFiles(dir string, gen *generate.Generator, n int) (flags []string, payments [][]byte, err error) {
	files := map[string]*bufio.Writer{}
	for _, source := range []string{generate.Payments, generate.Activity} {
		path := filepath.Join(dir, source+".jsonl")
		f, err := os.Create(path)
		if err != nil {
			return nil, nil, err
		}
		defer f.Close()
		files[source] = bufio.NewWriterSize(f, 1<<20)
		flags = append(flags, "--input", source+"="+path)
	}
	for range n {
		ev := gen.Next()
		w := files[ev.Source]
		if ev.Source == generate.Payments {
			payments = append(payments, bytes.Clone(ev.Value))
		}
		if _, err := w.Write(append(ev.Value, '\n')); err != nil {
			return nil, nil, err
		}
	}
	for _, w := range files {
		if err := w.Flush(); err != nil {
			return nil, nil, err
		}
	}
	return flags, payments, nil
}
